"""The schemas of the OpenAPI document, made from the types, in the form that most generators of clients understand.

A field that may be null is one type with ``null``, not a choice of schemas. Each schema has one name, and is used by
reference. See docs/decisions/0071-openapi-for-generators.md.
"""

import types
from collections.abc import Iterable, Sequence
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from commentsvc.audit.schemas import AuditBody
from commentsvc.comments.schemas import Stub, TreeComment
from commentsvc.domain import errors, reasons, validation
from commentsvc.domain.email_address import Email
from commentsvc.moderation import verbs
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.server import problems
from commentsvc.web.server.routing import Route

REFS: Final = "#/components/schemas/{name}"
NULL: Final = {"type": "null"}
NAMED_ONLY: Final = (TreeComment, Stub, PrivateCommentFilter, AuditBody)  # other schemas refer to these by name
# Words that types name by ``fields.one_of``.
WORDS: Final[dict[str, tuple[str, Iterable[str]]]] = {
    "ErrorCode": (
        "Why a request was refused.",
        {error.code for error in problems.STATUS_OF_ERROR} | {code for code, _ in problems.FRAMEWORK.values()},
    ),
    "FieldErrorCode": ("Why a field was refused.", get_args(errors.FieldCode)),
    "ReasonCode": ("Why a comment has its status.", reasons.TEMPLATES),
    "Verb": ("A kind of change in the audit log.", verbs.VERBS),
}
# Generated classes and their fields are written alike, so a schema is not named like one of its fields.
RENAMED: Final = {"Action": "NewAction", "Counts": "CommentCounts", "Stub": "StubComment"}
# What a checkbox of a form may send.
CHECKED: Final = ("on", "true", "1", "false", "0", "")

Json = dict[str, Any]


def build_schemas(routes: Sequence[Route]) -> Json:
    """Return all schemas by name."""
    components = _components(_schema_types(routes))
    taken = [route.takes for route in routes if route.takes and not route.page]
    asked = set[type[msgspec.Struct]]([PrivateCommentFilter, *taken]).union(*map(validation.inner_schemas, taken))
    closed = {kind.__name__: kind for kind in asked}
    built = {name: _build(_plain(schema), closed.get(name)) for name, schema in components.items()}
    only_asked = {route.asks.__name__ for route in routes if route.asks} - closed.keys()
    built = {name: schema for name, schema in built.items() if name not in only_asked}
    built |= {
        name: {"description": text, "type": "string", "enum": sorted(words)} for name, (text, words) in WORDS.items()
    }
    named = {RENAMED.get(name, name): schema for name, schema in built.items()}
    named = dict(sorted(_name_choices(named).items()))
    return {name: {"title": name} | schema | {"title": name} for name, schema in named.items()}


def _name_choices(schemas: Json) -> Json:
    """Give a name to each enumeration that may be null: generators make three classes of one without a name."""
    named: Json = {}
    for name, schema in schemas.items():
        for field, inner in schema.get("properties", {}).items():
            if None in inner.get("enum", ()):
                own = name + "".join(map(str.capitalize, field.split("_")))
                named[own] = {"type": "string", "enum": [value for value in inner["enum"] if value is not None]}
                described = {"description": inner["description"]} if "description" in inner else {}
                schema["properties"][field] = described | {"anyOf": [{"$ref": REFS.format(name=own)}, NULL]}
    return schemas | named


def schema_name(kind: type) -> str:
    """Return the name of a type in the document."""
    return RENAMED.get(kind.__name__, kind.__name__)


def ref(kind: Any) -> Json:
    """Return a reference to the schema of a type, or to one of several."""
    if kind in {dict, str}:
        return {"type": "object" if kind is dict else "string"}
    # Clients try one after the other, and one with few fields fits too much.
    structs = sorted(_parts(kind), key=lambda part: -len(part.__struct_fields__))
    parts = [{"$ref": REFS.format(name=schema_name(part))} for part in structs]
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def query_fields(kind: type[msgspec.Struct]) -> Iterable[tuple[str, Json, bool]]:
    """Return name, schema and necessity of each parameter of a query string."""
    schema = _components([kind])[kind.__name__]
    for name, field in schema["properties"].items():
        yield name, _tidy(_fill(field, may_be_null=False)), name in schema.get("required", ())


def _schema_types(routes: Sequence[Route]) -> list[Any]:
    found: list[Any] = [problems.Problem]
    for route in routes:
        if not route.page:
            found += [kind for kind in (route.asks, route.takes, *_parts(route.gives)) if kind not in {None, dict, str}]
    return list(dict.fromkeys([*found, *NAMED_ONLY]))


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _components(kinds: Iterable[Any]) -> Json:
    _, components = msgspec.json.schema_components(kinds, schema_hook=_hook, ref_template=REFS)
    return components


def _hook(kind: type) -> Json:
    if kind is Email:
        return {"type": "string", "format": "email"}
    raise NotImplementedError(kind)


def _build(schema: Json, asked: type | None) -> Json:
    if "properties" not in schema:
        return _tidy(schema)
    return _close(schema, asked) if asked else _open(schema)


def _plain(schema: Json) -> Json:
    """Return a schema whose description has Markdown's quotes for code, not those of docstrings."""
    text = schema.get("description", "").replace("``", "`")
    return schema | ({"description": text} if text else {})


def _open(schema: Json) -> Json:
    """Return the schema of a response: a field is left out only if its type says so, so others are required."""
    needed = schema.get("required", ())
    always = [name for name, field in schema["properties"].items() if name in needed or "default" in field]
    fields = {name: _without_default(_tidy(field)) for name, field in schema["properties"].items()}
    return schema | {"properties": fields, "required": always}


def _without_default(schema: Json) -> Json:
    return {name: part for name, part in schema.items() if name != "default"}


def _close(schema: Json, kind: type) -> Json:
    """Return the schema of a request: no other fields, and no empty values."""
    may_be_null = not getattr(kind, "refuses_null", False)
    filled = {
        name: field if name in validation.MAY_BE_EMPTY else _fill(field, may_be_null=may_be_null)
        for name, field in schema["properties"].items()
    }
    if may_be_null:
        filled = {name: _or_null(field) if "default" in field else field for name, field in filled.items()}
    tidied = {name: _tidy(field) for name, field in filled.items()}
    return schema | {"properties": tidied, "additionalProperties": False}


def _or_null(schema: Json) -> Json:
    outside = {name: schema[name] for name in ("default", "description") if name in schema}
    parts = schema.get("anyOf", [{name: part for name, part in schema.items() if name not in outside}])
    return schema if NULL in parts else outside | {"anyOf": [*parts, NULL]}


def form_schema(kind: type[msgspec.Struct]) -> Json:
    """Return the schema of an HTML form: a field that nobody filled in is empty, and unknown fields are ignored."""
    schema: Json = _components([kind])[kind.__name__]
    needed = schema.get("required", ())
    fields = {
        name: _tidy(_fill(field, may_be_null=False)) if name in needed else _may_be_empty(_tidy(field))
        for name, field in schema["properties"].items()
    }
    return {"type": "object", "properties": fields, "required": list(needed)}


def _may_be_empty(schema: Json) -> Json:
    """Return the schema of a field of a form, which is text and may be empty."""
    text = {name: schema[name] for name in ("description", "maxLength") if name in schema}
    return text | {"type": "string"} | ({"enum": list(CHECKED)} if "boolean" in schema.get("type", ()) else {})


def _fill(schema: Json, *, may_be_null: bool = True) -> Json:
    """Return the schema of a field that is not empty: its texts have a visible character."""
    no_default = ("",) if may_be_null else ("", None)
    filled = {name: part for name, part in schema.items() if name != "default" or part not in no_default}
    if "anyOf" in filled:
        parts = [_fill(part) for part in filled.pop("anyOf") if may_be_null or part != NULL]
        filled |= {"anyOf": parts} if len(parts) > 1 else parts[0]
    if "items" in filled:
        filled["items"] = _fill(filled["items"])
    if filled.get("type") == "string" and not {"enum", "format"} & filled.keys():
        filled["minLength"] = max(1, filled.get("minLength", 0))
        filled.setdefault("pattern", r"\S")
    return filled


def _tidy(schema: Json) -> Json:
    """Return a schema without a null default, with a type for each enumeration, and with as few choices as possible."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        described = {"description": schema["description"]} if schema.get("description") else {}
        return described | {"$ref": REFS.format(name=RENAMED.get(name, name))}
    tidied = {name: part for name, part in schema.items() if name != "default" or part is not None}
    for name in ("items", "additionalProperties"):
        if isinstance(tidied.get(name), dict):
            tidied[name] = _tidy(tidied[name])
    if "prefixItems" in tidied:
        tidied["prefixItems"] = [_tidy(part) for part in tidied["prefixItems"]]
        tidied["items"] = {}  # not false, which some generators cannot read: maxItems says the same
    if "enum" in tidied:
        return _typed(tidied)
    return _join(tidied, [_tidy(part) for part in tidied.pop("anyOf")]) if "anyOf" in tidied else tidied


def _typed(schema: Json) -> Json:
    """Return an enumeration with its type; a lone boolean is a constant."""
    values = schema["enum"]
    if values in ([True], [False]):
        return _without_enum(schema) | {"type": "boolean", "const": values[0]}
    kinds = ["string"] + ["null"] * (None in values)
    return schema | {"type": kinds if len(kinds) > 1 else kinds[0]}


def _without_enum(schema: Json) -> Json:
    return {name: part for name, part in schema.items() if name != "enum"}


def _join(outside: Json, parts: list[Json]) -> Json:
    """Return a choice of schemas as one schema with several types, if it is a plain value or null."""
    described = next((part["description"] for part in parts if "description" in part), None)
    parts = [{name: value for name, value in part.items() if name != "description"} for part in parts]
    outside = ({"description": described} if described else {}) | outside
    values = [part for part in parts if part != NULL]
    if len(values) == 1 and "type" in values[0]:
        [value] = values
        with_null = {"enum": [*value["enum"], None]} if "enum" in value else {}
        return outside | value | {"type": [value["type"], "null"]} | with_null
    if all(part.keys() == {"type"} for part in parts):
        return outside | {"type": [part["type"] for part in parts]}
    return outside | {"anyOf": parts}
