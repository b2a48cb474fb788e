"""The contract that machines read."""

import json
import re

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from commentsvc.domain.errors import Refusal
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES, application
from commentsvc.web.server import problems
from tests.conftest import fields_of


def as_sent():
    return json.loads(msgspec.json.encode(document(ROUTES)))


def test_it_is_valid():
    OpenAPIV31SpecValidator(as_sent()).validate()


async def test_it_is_served(client):
    response = await client.get("/openapi.json")
    assert await response.json() == as_sent()


def test_it_names_every_route_and_no_other(served):
    told = {(method.upper(), path) for path, item in as_sent()["paths"].items() for method in item}
    assert told == {(route.method, route.path) for route in ROUTES if not route.page}


async def test_the_router_has_every_route_and_no_other(served):
    routed = {(route.method, route.resource.canonical) for route in application(await served()).router.routes()}
    told = {(route.method, route.path) for route in ROUTES}
    heads = {("HEAD", path) for method, path in told if method == "GET"}
    preflights = {("OPTIONS", route.path) for route in ROUTES if route.cors}
    assert routed == told | heads | preflights


def test_it_tells_every_status_every_header_and_every_problem():
    post = as_sent()["paths"]["/v1/comments"]["post"]
    assert set(post["responses"]) == {
        "201", "202", "303", "400", "403", "408", "409", "410", "413", "415", "422", "429", "500", "503",
    }  # fmt: skip
    assert "Location" in post["responses"]["202"]["headers"]
    assert "Retry-After" in post["responses"]["429"]["headers"]
    listing = as_sent()["paths"]["/v1/comments"]["get"]
    assert set(listing["responses"]) >= {"200", "304", "422"}
    assert "ETag" in listing["responses"]["200"]["headers"]
    assert {one["name"] for one in listing["parameters"]} == {
        "thread", "site", "order", "view", "limit", "cursor", "since", "If-None-Match",
    }  # fmt: skip


def test_every_operation_has_a_name_of_its_own():
    names = [operation["operationId"] for item in as_sent()["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_every_refusal_has_a_status():
    assert set(Refusal.__subclasses__()) == set(problems.STATUS_OF_ERROR)


def test_no_shape_for_readers_has_an_email():
    schemas = as_sent()["components"]["schemas"]
    with_email = {name for name, schema in schemas.items() if "email" in schema.get("properties", {})}
    for_moderators = {"ModeratorComment", "ModeratorDetail", "PrivateSearch", "PrivateCommentFilter"}
    assert with_email == {"NewComment", *for_moderators}


def resolve(schema, whole):
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def test_answers_have_the_fields_that_are_told(client, key):
    whole = as_sent()
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    told = resolve({"$ref": "#/components/schemas/Receipt"}, whole)
    assert set(posted) == set(told["properties"]) == set(told["required"])
    queue = await (await client.get("/v1/moderation/comments", headers=key)).json()
    told = resolve({"$ref": "#/components/schemas/ModeratorComment"}, whole)
    assert set(queue["comments"][0]) == set(told["properties"])


def test_every_schema_that_is_named_is_there():
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(as_sent())))
    schemas = as_sent()["components"]["schemas"]
    assert named <= set(schemas)
    where = schemas["Action"]["properties"]["where"]
    assert "PrivateCommentFilter" in json.dumps(where)
    assert schemas["PrivateCommentFilter"]["additionalProperties"] is False
