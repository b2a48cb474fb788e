"""The OpenAPI document describes the API completely and correctly."""

import json
import re

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from commentsvc.domain.errors import Refusal
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES, application
from commentsvc.web.server import problems
from tests.conftest import fields_of


def load_document():
    return json.loads(msgspec.json.encode(document(ROUTES)))


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(load_document()).validate()


async def test_the_service_sends_the_openapi_document(client):
    response = await client.get("/openapi.json")
    assert await response.json() == load_document()


def test_the_openapi_document_has_exactly_the_api_routes(served):
    documented = {(method.upper(), path) for path, item in load_document()["paths"].items() for method in item}
    assert documented == {(route.method, route.path) for route in ROUTES if not route.page}


async def test_the_router_has_exactly_the_declared_routes(served):
    routed = {(route.method, route.resource.canonical) for route in application(await served()).router.routes()}
    declared = {(route.method, route.path) for route in ROUTES}
    heads = {("HEAD", path) for method, path in declared if method == "GET"}
    preflights = {("OPTIONS", route.path) for route in ROUTES if route.cors}
    assert routed == declared | heads | preflights


def test_the_openapi_document_lists_statuses_headers_and_parameters():
    post = load_document()["paths"]["/v1/comments"]["post"]
    assert set(post["responses"]) == {
        "201", "202", "303", "400", "403", "408", "409", "410", "413", "415", "422", "429", "500", "503",
    }  # fmt: skip
    assert "Location" in post["responses"]["202"]["headers"]
    assert "Retry-After" in post["responses"]["429"]["headers"]
    listing = load_document()["paths"]["/v1/comments"]["get"]
    assert set(listing["responses"]) >= {"200", "304", "422"}
    assert "ETag" in listing["responses"]["200"]["headers"]
    assert {one["name"] for one in listing["parameters"]} == {
        "thread", "site", "order", "view", "limit", "cursor", "since", "If-None-Match",
    }  # fmt: skip


def test_every_operation_has_a_unique_id():
    names = [operation["operationId"] for item in load_document()["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_every_error_class_has_a_status():
    assert set(Refusal.__subclasses__()) == set(problems.STATUS_OF_ERROR)


def test_no_schema_for_readers_has_an_email():
    schemas = load_document()["components"]["schemas"]
    with_email = {name for name, schema in schemas.items() if "email" in schema.get("properties", {})}
    for_moderators = {"ModeratorComment", "ModeratorDetail", "PrivateSearch", "PrivateCommentFilter"}
    for_operators = {"ModeratorRecord", "ModeratorChange"}
    assert with_email == {"NewComment", *for_moderators, *for_operators}


def resolve(schema, whole):
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def test_answers_have_exactly_the_documented_fields(client, key):
    whole = load_document()
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    documented = resolve({"$ref": "#/components/schemas/Receipt"}, whole)
    assert set(posted) == set(documented["properties"]) == set(documented["required"])
    queue = await (await client.get("/v1/moderation/comments", headers=key)).json()
    documented = resolve({"$ref": "#/components/schemas/ModeratorComment"}, whole)
    assert set(queue["comments"][0]) == set(documented["properties"])


def test_every_referenced_schema_exists():
    referenced = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(load_document())))
    schemas = load_document()["components"]["schemas"]
    assert referenced <= set(schemas)
    where = schemas["Action"]["properties"]["where"]
    assert "PrivateCommentFilter" in json.dumps(where)
    assert schemas["PrivateCommentFilter"]["additionalProperties"] is False
