"""The OpenAPI 3.1 document, generated from the route table, the types and the recorded examples."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import commentsvc
from commentsvc.domain.errors import Invalid, OutcomeUnknown, RateLimited, Refusal, Unavailable
from commentsvc.domain.fields import MAX_TOKEN, MIN_TOKEN
from commentsvc.domain.models import Scope
from commentsvc.web.api.examples import Example, load_examples
from commentsvc.web.api.openapi_schemas import build_schemas, form_schema, query_fields, ref
from commentsvc.web.server import problems
from commentsvc.web.server.routing import FILE, FORM, JSON, MULTIPART, Route

DESCRIPTIONS: Final = {
    200: "OK.",
    201: "Created and published.",
    202: "Accepted; pending until a moderator approves it.",
    204: "Done; no content.",
    303: "Redirects a browser to the thread's page.",
    304: "Not modified.",
}
# Errors of any request before it reaches its handler.
ALWAYS: Final = (400, 431, 500)
WITH_BODY: Final = (408, 413, 415)

# Groups of operations, by the first part of their path below /v1: name, title and description.
READERS: Final = ("comments", "Comments", "Post, read, edit, report and count comments. No key is needed.")
MODERATION: Final = ("moderation", "Moderation", "The queue, the search, decisions on comments, and undo.")
MAIL: Final = ("mail", "Mail", "Ask for mail about comments, and stop mail to addresses that cannot be reached.")
MONITORING: Final = ("service", "Service", "Health checks, the version, and this document.")
TAGS: Final = {
    "comments": READERS,
    "counts": READERS,
    "latest": READERS,
    "form": READERS,
    "preview": READERS,
    "proofs": READERS,
    "moderation": MODERATION,
    "threads": ("threads", "Threads", "Close, rename, merge and delete threads."),
    "rules": ("rules", "Rules", "Decide on new comments automatically, and test rules on earlier comments."),
    "filters": ("filters", "Learned filters", "Filters that learn from decisions, one for each site."),
    "subscriptions": MAIL,
    "suppressions": MAIL,
    "stats": ("stats", "Statistics", "Numbers of comments by day, waiting times, rules and threads."),
    "audit": ("audit", "Audit log", "All changes by moderators, rules and commenters."),
    "keys": ("keys", "API keys", "Create, rotate and revoke keys."),
    "moderators": ("moderators", "Moderators", "Moderators and their email addresses."),
    "sites": ("sites", "Sites", "Blogs, their origins and their settings."),
    "webhooks": ("webhooks", "Webhooks", "Tell other programs what happens, and see what they answered."),
    "deliveries": ("deliveries", "Deliveries", "Mails and webhook requests that wait or failed."),
    "imports": ("imports", "Imports", "Import the archives of other comment systems."),
    "export": ("export", "Export", "Take comments and all that belongs to them with you."),
    "privacy": ("privacy", "Privacy", "Export or erase everything about an email address."),
    "": MONITORING,
}
HEADERS: Final = {
    "X-Request-ID": "Identifies this request in the log.",
    "ETag": "Version of the content.",
    "Location": "Address of the comment, or of the import.",
    "WWW-Authenticate": "Bearer",
    "Retry-After": "Seconds to wait.",
}

Json = dict[str, Any]


def document(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI document."""
    paths: Json = {}
    examples = load_examples()
    for route in routes:
        if not route.page:
            operation = _operation(route, examples.get(operation_id(route)))
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "commentsvc",
            "version": commentsvc.__version__,
            "description": "A comment service for blogs. Only moderators can read email addresses.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "x-displayName": title, "description": text}
            for name, title, text in dict.fromkeys(TAGS.values())
        ],
        "paths": paths,
        "components": {
            "schemas": build_schemas(routes),
            "responses": _shared_refusals(routes),
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in sorted(HEADERS.items())
            },
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, cs_…"},
                "edit_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The edit token that a new comment got, ct_…",
                },
            },
        },
    }


def operation_id(route: Route) -> str:
    """Return the name of an operation: that of its handler, as programs write names."""
    first, *others = route.handler.__name__.split("_")
    return first + "".join(map(str.capitalize, others))


def _operation(route: Route, example: Example | None) -> Json:
    operation: Json = {
        "operationId": operation_id(route),
        "tags": [_tag_of(route.path)],
        "summary": route.says(),
        "description": _access(route),
        "security": _security(route),
        "parameters": [*_in_path(route.path, example), *_in_query(route, example), *_in_header(route, example)],
        "responses": _responses(route, example),
    }
    if route.takes is not None:
        operation["requestBody"] = _request_body(route, ref(route.takes), example)
    elif route.takes_events:
        events = {"description": "JSON of any shape: an event or a list of events.", "x-any": True}
        operation["requestBody"] = _request_body(route, {}, example) | events
    elif route.takes_file:
        file = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {
            "required": True,
            "description": "The file.",
            "content": {FILE: file},
            "x-any": True,
        }
    if route.scope is not None:
        operation["x-scope"] = route.scope.value
    return {name: part for name, part in operation.items() if part != []} | {"security": operation["security"]}


def _tag_of(path: str) -> str:
    below = re.match(r"/v1/(\w+)", path)
    return TAGS[below[1] if below else ""][0]


def _access(route: Route) -> str:
    if route.scope is not None:
        return (
            f"Requires an API key with scope `{route.scope.value}`{' or more' if route.scope != Scope.ADMIN else ''}."
        )
    if route.edit_token:
        if route.method == "GET":
            return "Public. With the edit token of a pending comment as bearer token, its commenter sees it too."
        return "Requires the edit token of the comment."
    return "Public."


def _security(route: Route) -> list[Json]:
    """Return how requests are authorised. Public reads need nothing, so a generated client asks for nothing."""
    if route.scope is not None:
        return [{"key": []}]
    return [{"edit_token": []}] if route.edit_token and route.method != "GET" else []


def _request_body(route: Route, schema: Json, example: Example | None) -> Json:
    """Return the description of a body.

    A form is an extension: of two media types, generators make clients that cannot be called, or check no types.
    """
    body: Json = {"required": True, "content": {JSON: {"schema": schema}}}
    if example is not None and example.body is not None:
        body["content"][JSON]["example"] = example.body
    if route.form and route.takes is not None:
        body["description"] = f"JSON, or an HTML form (`{FORM}` or `{MULTIPART}`)."
        body["x-form"] = {"schema": form_schema(route.takes)}
    return body


def _in_path(path: str, example: Example | None) -> Iterable[Json]:
    for name in re.findall(r"{(\w+)}", path):
        [noun] = re.findall(rf"(\w+)/{{{name}}}", path)
        parameter = {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"Id of the {noun.removesuffix('s')}.",
        }
        yield parameter | {"schema": {"type": "string"}} | _example(example.path if example else {}, name)


def _in_query(route: Route, example: Example | None) -> Iterable[Json]:
    if route.asks is None:
        return
    for name, schema, required in query_fields(route.asks):
        parameter = {"name": name, "in": "query", "required": required}
        described = {"description": schema["description"]} if "description" in schema else {}
        plain = {key: part for key, part in schema.items() if key != "description"}
        yield parameter | described | {"schema": plain} | _example(example.query if example else {}, name)


def _in_header(route: Route, example: Example | None) -> Iterable[Json]:
    headers: list[tuple[str, str, Json]] = []
    if route.takes and "submission" in route.takes.__struct_fields__:
        token = {"minLength": MIN_TOKEN, "maxLength": MAX_TOKEN}
        headers.append(("Idempotency-Key", "Used as the field submission if that is missing.", token))
    if HTTPStatus.NOT_MODIFIED in route.status:
        headers.append(("If-None-Match", "The ETag you have; 304 if nothing changed.", {}))
    if any(error.code == "version_required" for error in route.refuses):
        headers.append(("If-Match", 'The version you have read, such as "3".', {}))
    for name, description, limits in headers:
        parameter = {"name": name, "in": "header", "required": False, "description": description}
        yield parameter | {"schema": {"type": "string"} | limits} | _example(example.headers if example else {}, name)


def _example(values: Json, name: str) -> Json:
    return {"example": values[name]} if name in values else {}


def _responses(route: Route, example: Example | None) -> Json:
    answers = {str(status): _success(route, status, example) for status in route.status}
    refusals = {str(status): _refusal_name(status, errors) for status, errors in _refusals_of(route)}
    return answers | {status: {"$ref": f"#/components/responses/{name}"} for status, name in refusals.items()}


def _refusals_of(route: Route) -> list[tuple[int, list[type[Refusal]]]]:
    """Return the errors of a route by their status; those of the framework have no class."""
    by_status: dict[int, list[type[Refusal]]] = {}
    # Networks may use up their budget of work, or try too many keys.
    implied: list[type[Refusal]] = [] if route.free else [RateLimited, Unavailable]
    implied += [Invalid] if route.strict else []
    implied += [OutcomeUnknown] if route.method != "GET" and Unavailable in route.refuses else []
    for error in dict.fromkeys((*route.refuses, *implied)):
        by_status.setdefault(problems.STATUS_OF_ERROR[error], []).append(error)
    has_body = route.takes is not None or route.takes_file or route.takes_events
    framework = {*ALWAYS, *(WITH_BODY if has_body else ())}
    return [(status, by_status.get(status, [])) for status in sorted({*by_status, *framework})]


def _shared_refusals(routes: Sequence[Route]) -> Json:
    """Return each response to a refused request once: many routes have the same."""
    found = [refusal for route in routes if not route.page for refusal in _refusals_of(route)]
    return dict(sorted((_refusal_name(*refusal), _refusal(*refusal)) for refusal in found))


def _refusal_name(status: int, errors: Sequence[type[Refusal]]) -> str:
    if errors:
        return "Or".join(error.__name__ for error in errors)
    return "".join(map(str.capitalize, problems.FRAMEWORK[status][0].split("_")))


def _success(route: Route, status: int, example: Example | None) -> Json:
    description = "Accepted; a dry run comes first." if route.takes_file else DESCRIPTIONS[status]
    answer: Json = {"description": description, "headers": _headers(_success_headers(route, status))}
    if status < 300 and route.gives is not None:  # noqa: PLR2004 -- the first status without a body
        content = {"schema": ref(route.gives)}
        if example is not None and example.status == status:
            content["example"] = example.answer
        others = {kind: {"schema": ref(route.gives)} for kind in route.other_kinds}
        answer["content"] = {route.kind: content} | others
    return answer


def _success_headers(route: Route, status: int) -> list[str]:
    named = ["X-Request-ID"]
    if route.etag:
        named.append("ETag")
    if status == 303 or (status in {201, 202} and (route.takes_file or route.path == "/v1/comments")):  # noqa: PLR2004 -- See Other
        named.append("Location")
    return named


def _headers(names: Sequence[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _refusal(status: int, errors: Sequence[type[Refusal]]) -> Json:
    codes = [(error.code, error.title) for error in errors] or [problems.FRAMEWORK[status]]
    code, title = codes[0]
    example = {"type": f"/docs#{code}", "title": title, "status": status, "detail": title, "code": code, "errors": []}
    named = ["X-Request-ID"]
    if status == 401:  # noqa: PLR2004
        named.append("WWW-Authenticate")
    if status in {429, 503}:
        named.append("Retry-After")
    return {
        "description": " ".join(f"{title} ({code})" for code, title in codes),
        "headers": _headers(named),
        "content": {problems.CONTENT_TYPE: {"schema": ref(problems.Problem), "example": example}},
    }
