"""The OpenAPI 3.1 document, generated from the route table and the types."""

import re
import types
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final, Union, get_args, get_origin

import msgspec

import commentsvc
from commentsvc.comments.schemas import Stub, TreeComment
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import RateLimited, Refusal
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.server import problems
from commentsvc.web.server.routing import FORM, JSON, MULTIPART, Route

REFS: Final = "#/components/schemas/{name}"
DESCRIPTIONS: Final = {
    200: "OK.",
    201: "Created and published.",
    202: "Accepted; pending until a moderator approves it.",
    204: "Done; no content.",
    303: "Redirects a browser to the thread's page.",
    304: "Not modified.",
}
# Errors of any request before it reaches its handler.
ALWAYS: Final = (400, 500)
WITH_BODY: Final = (408, 413, 415)
NAMED_ONLY: Final = (TreeComment, Stub, PrivateCommentFilter)  # other schemas refer to these by name

Json = dict[str, Any]


def document(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI document."""
    paths: Json = {}
    for route in routes:
        if not route.page:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "commentsvc",
            "version": commentsvc.__version__,
            "description": "A comment service for blogs. Email addresses are never shown to readers.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, cs_…"},
                "edit_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A comment's edit token, ct_…",
                },
            },
        },
    }


def _schema_types(routes: Sequence[Route]) -> list[Any]:
    found: list[Any] = [problems.Problem]
    for route in routes:
        if not route.page:
            found += [kind for kind in (route.takes, *_parts(route.gives)) if kind not in {None, dict, str}]
    return list(dict.fromkeys([*found, *NAMED_ONLY]))


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _hook(kind: type) -> Json:
    if kind is Email:
        return {"type": "string", "format": "email"}
    raise NotImplementedError(kind)


def _schemas(routes: Sequence[Route]) -> Json:
    _, components = msgspec.json.schema_components(_schema_types(routes), schema_hook=_hook, ref_template=REFS)
    closed = {PrivateCommentFilter.__name__, *(route.takes.__name__ for route in routes if route.takes)}
    return {
        name: schema | ({"additionalProperties": False} if name in closed else {})
        for name, schema in components.items()
    }


def _ref(kind: Any) -> Json:
    if kind in {dict, str}:
        return {"type": "object" if kind is dict else "string"}
    parts = [{"$ref": REFS.format(name=part.__name__)} for part in _parts(kind)]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}_{route.method.lower()}",
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "summary": route.says(),
        "parameters": [*_in_path(route.path), *_in_query(route), *_in_header(route)],
        "responses": _responses(route),
    }
    if route.takes is not None:
        kinds = [JSON, FORM, MULTIPART] if route.form else [JSON]
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _ref(route.takes)} for kind in kinds},
        }
    if route.scope is not None:
        operation["security"] = [{"key": []}]
        operation["x-scope"] = route.scope.value
    elif route.edit_token:
        operation["security"] = [{"edit_token": []}] if route.method != "GET" else [{}, {"edit_token": []}]
    return operation


def _in_path(path: str) -> Iterable[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(route: Route) -> Iterable[Json]:
    if route.asks is None:
        return
    _, components = msgspec.json.schema_components([route.asks], schema_hook=_hook, ref_template=REFS)
    schema = components[route.asks.__name__]
    for name, field in schema["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _inlined(field, components),
        }


def _inlined(schema: Json, components: Json) -> Json:
    """Return a parameter's schema without references: enumerations are inlined."""
    if "$ref" in schema:
        return dict(components[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return schema | {"anyOf": [_inlined(part, components) for part in schema["anyOf"]]}
    return schema


def _in_header(route: Route) -> Iterable[Json]:
    headers = []
    if route.takes and "submission" in route.takes.__struct_fields__:
        headers.append(("Idempotency-Key", "Used as the field submission if that is missing."))
    if HTTPStatus.NOT_MODIFIED in route.status:
        headers.append(("If-None-Match", "The ETag you have; 304 if nothing changed."))
    if any(error.code == "version_required" for error in route.refuses):
        headers.append(("If-Match", 'The version you have read, such as "3".'))
    for name, description in headers:
        yield {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": {"type": "string"},
        }


def _responses(route: Route) -> Json:
    answers = {str(status): _success(route, status) for status in route.status}
    by_status: dict[int, list[type[Refusal]]] = {}
    for error in (*route.refuses, *((RateLimited,) if route.scope else ())):
        by_status.setdefault(problems.STATUS_OF_ERROR[error], []).append(error)
    framework = {*ALWAYS, *(WITH_BODY if route.takes is not None else ())}
    for status in sorted({*by_status, *framework}):
        answers[str(status)] = _refusal(status, by_status.get(status, []))
    return answers


def _success(route: Route, status: int) -> Json:
    answer: Json = {"description": DESCRIPTIONS[status], "headers": _headers(route, status)}
    if status < 300 and route.gives is not None:  # noqa: PLR2004 -- the first status without a body
        answer["content"] = {route.kind: {"schema": _ref(route.gives)}}
    return answer


def _headers(route: Route, status: int) -> Json:
    named = {"X-Request-ID": "Identifies this request in the log."}
    if route.etag:
        named["ETag"] = "Version of the content."
    if status == 303 or (status in {201, 202} and route.path == "/v1/comments"):  # noqa: PLR2004 -- See Other
        named["Location"] = "Address of the comment."
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in named.items()}


def _refusal(status: int, errors: Sequence[type[Refusal]]) -> Json:
    titles = [f"{error.title} ({error.code})" for error in errors] or [problems.FRAMEWORK[status][1]]
    headers = {"X-Request-ID": "Identifies this request in the log."}
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["Retry-After"] = "Seconds to wait."
    return {
        "description": " ".join(titles),
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()},
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": REFS.format(name="Problem")}}},
    }
