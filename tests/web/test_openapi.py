"""The OpenAPI document describes the API completely and correctly."""

import json
import re
from typing import get_args

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from commentsvc.domain.errors import FieldCode, Refusal
from commentsvc.domain.reasons import TEMPLATES
from commentsvc.moderation.verbs import VERBS
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES, application
from commentsvc.web.server import problems
from tests.conftest import fields_of


def load_document():
    return json.loads(msgspec.json.encode(document(ROUTES)))


def operations():
    paths = load_document()["paths"]
    return {(method, path): operation for path, item in paths.items() for method, operation in item.items()}


def parts_of(value):
    """Yield every object inside JSON."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts_of(inner)


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
    # Not part of the API: it is a path that does not exist for all but ``commentsvc doctor``.
    of_doctor = {("GET", "/v1/seen"), ("HEAD", "/v1/seen")}
    assert routed == declared | heads | preflights | of_doctor


def test_the_openapi_document_lists_statuses_headers_and_parameters():
    post = load_document()["paths"]["/v1/comments"]["post"]
    assert set(post["responses"]) == {
        "201", "202", "303", "400", "403", "408", "409", "410", "413", "415", "422", "429", "431", "500", "503",
    }  # fmt: skip
    assert "Location" in post["responses"]["202"]["headers"]
    assert post["responses"]["429"] == {"$ref": "#/components/responses/RateLimited"}
    assert "Retry-After" in load_document()["components"]["responses"]["RateLimited"]["headers"]
    listing = load_document()["paths"]["/v1/comments"]["get"]
    assert set(listing["responses"]) >= {"200", "304", "422"}
    assert "ETag" in listing["responses"]["200"]["headers"]
    assert {one["name"] for one in listing["parameters"]} == {
        "thread", "site", "order", "view", "limit", "cursor", "since", "at", "If-None-Match",
    }  # fmt: skip


def test_every_operation_has_a_unique_id():
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    assert {"createComment", "listComments", "decide", "undoAction", "testRule", "listQueue"} <= set(names)


def test_every_error_class_has_a_status():
    def subclasses(kind):
        return {one for child in kind.__subclasses__() for one in (child, *subclasses(child))}

    assert subclasses(Refusal) == set(problems.STATUS_OF_ERROR)


def test_no_schema_for_readers_has_an_email():
    schemas = load_document()["components"]["schemas"]
    with_email = {name for name, schema in schemas.items() if "email" in schema.get("properties", {})}
    for_moderators = {"ModeratorComment", "ModeratorDetail", "PrivateSearch", "PrivateCommentFilter"}
    for_operators = {"ModeratorRecord", "ModeratorChange", "PersonRequest", "PersonExport", "PersonComment"}
    of_senders = {"NewComment", "NewSubscription", "NewSuppression", "LiftedSuppression"}
    assert with_email == {*of_senders, *for_moderators, *for_operators}


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
    where = schemas["NewAction"]["properties"]["where"]
    assert where["anyOf"] == [{"$ref": "#/components/schemas/PrivateCommentFilter"}, {"type": "null"}]
    assert schemas["PrivateCommentFilter"]["additionalProperties"] is False
    assert schemas["AuditEntry"]["properties"]["body"] == {"$ref": "#/components/schemas/AuditBody"}
    assert referenced == set(schemas), "a schema that nothing refers to"


async def test_a_path_allows_only_its_own_methods(client):
    for path, methods in (
        ("/v1/rules/test", "POST"),
        ("/v1/threads/removals", "POST"),
        ("/v1/rules/x", "DELETE,GET,HEAD,PATCH"),
    ):
        answer = await client.put(path)
        assert (answer.status, answer.headers["Allow"]) == (405, methods)


def test_forms_may_have_empty_and_unknown_fields_but_json_may_not():
    body = load_document()["paths"]["/v1/comments"]["post"]["requestBody"]
    form = body["x-form"]["schema"]
    assert "additionalProperties" not in form
    assert form["required"] == ["name", "comment", "thread"]
    assert form["properties"]["website"].keys() == {"description", "type", "maxLength"}
    assert list(body["content"]) == ["application/json"], "with two media types, generators make clients without types"
    assert load_document()["components"]["schemas"]["NewComment"]["additionalProperties"] is False


def test_generators_of_clients_understand_every_schema():
    document = load_document()
    schemas = [
        part for part in parts_of([document["components"]["schemas"], document["paths"]]) if "schema" not in part
    ]
    choices = [part for part in schemas if "anyOf" in part]

    assert [part for part in schemas if "default" in part and part["default"] is None] == []
    assert [part for part in schemas if isinstance(part.get("enum"), list) and "type" not in part] == []
    # Anything else than null beside a reference, or one of two answers, is one schema with several types.
    assert all(any("$ref" in one for one in part["anyOf"]) for part in choices)
    assert len(choices) < 50
    for name, schema in document["components"]["schemas"].items():
        assert name.lower() not in {field.replace("_", "") for field in schema.get("properties", {})}, name


def test_a_linter_finds_the_items_of_every_array():
    # Spectral's rule array-items; openapi-python-client cannot read ``false`` there.
    arrays = [part for part in parts_of(load_document()) if part.get("type") == "array" or "prefixItems" in part]
    assert [part for part in arrays if not isinstance(part.get("items"), dict)] == []


def test_a_generated_client_writes_times_and_dates_in_requests_itself():
    document = load_document()
    times = {
        (name, field): schema.get("format")
        for name, kind in document["components"]["schemas"].items()
        for field, schema in kind.get("properties", {}).items()
        if re.search(r"(_at|_until|since|^until|as_of)$", field)
    }
    times |= {
        (path, one["name"]): one["schema"].get("format")
        for (_, path), operation in operations().items()
        for one in operation.get("parameters", ())
        if one["name"] in {"since", "until", "as_of"}
    }
    assert set(times.values()) == {"date-time"}, times
    (statistics,) = [operation for (_, path), operation in operations().items() if path == "/v1/stats"]
    dates = [one for one in statistics["parameters"] if one["name"] in {"from", "to"}]
    assert [one["schema"]["format"] for one in dates] == ["date", "date"]


def test_every_parameter_is_described():
    assert [
        (path, one["name"])
        for (_, path), operation in operations().items()
        for one in operation.get("parameters", ())
        if not one.get("description")
    ] == []


def test_every_operation_with_a_body_lists_how_a_body_is_refused():
    for place, operation in operations().items():
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422"} <= set(operation["responses"]), place


def test_programmers_find_the_codes_of_errors_and_reasons_as_enumerations():
    schemas = load_document()["components"]["schemas"]
    titles = {error.code for error in problems.STATUS_OF_ERROR}
    assert schemas["Problem"]["properties"]["code"] == {"$ref": "#/components/schemas/ErrorCode"}
    assert titles < set(schemas["ErrorCode"]["enum"])
    assert schemas["FieldErrorCode"]["enum"] == sorted(get_args(FieldCode))
    assert schemas["ReasonCode"]["enum"] == sorted(TEMPLATES)
    assert schemas["Disagreement"]["properties"]["code"]["$ref"] == "#/components/schemas/ReasonCode"
    assert schemas["Verb"]["enum"] == sorted(VERBS)


def test_public_reads_need_no_key_and_every_tag_is_described():
    document = load_document()
    described = {tag["name"] for tag in document["tags"] if len(tag["description"]) > 20}
    assert {name for operation in operations().values() for name in operation["tags"]} == described
    for (method, path), operation in operations().items():
        routes = [route for route in ROUTES if (route.method, route.path) == (method.upper(), path)]
        is_open = routes[0].scope is None and (method == "get" or not routes[0].edit_token)
        assert (operation["security"] == []) == is_open, (method, path)


async def test_the_word_null_in_a_query_string_is_no_missing_value(client, key):
    for field in ("status", "limit", "reported"):
        answer = await client.get(f"/v1/moderation/comments?{field}=null", headers=key)
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, field)
