"""Validation of request fields against a schema, reporting the errors of all fields at once.

A schema is a msgspec ``Struct`` whose types name its fields' validators. msgspec alone would stop at the first
error, so each field is converted on its own.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from commentsvc.domain import fields
from commentsvc.domain.errors import FieldError, Invalid, InvalidValue
from commentsvc.domain.fields import Limits, Validator
from commentsvc.domain.messages import translatable
from commentsvc.domain.text import escape_surrogates, is_empty, require_storable
from commentsvc.domain.timestamps import format_time, parse_time

Schema = TypeVar("Schema", bound=msgspec.Struct)
EMPTY_MESSAGE: Final = "This is empty. Enter a value, or leave the field out."
DECODED_PLUS: Final = re.compile(r"(T.*\d) (\d\d:\d\d)$")
# The honeypot: a program that copies the fields of a form copies it empty, as people leave it.
MAY_BE_EMPTY: Final = frozenset({"topic"})


def validate(
    schema: type[Schema], values: Mapping[str, Any], limits: Limits, *, strict: bool = True, form: bool = False
) -> Schema:
    """Return an instance of the schema made from these values.

    ``strict`` is for JSON: values have their types already, and an unknown field is an error.
    Without it (forms, query strings) text is converted to numbers where the schema has numbers, and unknown
    fields are ignored.

    An empty value is an error: a variable that a script forgot to set must not mean "everything". Only in an HTML
    ``form`` an empty field is one that nobody filled in.

    Raises:
        Invalid: with the first error of each field, in the order of the schema; and the values of the other fields.
    """
    known, valid = _fields(schema), dict[str, Any]()
    faults: list[FieldError] = []
    for field in known:
        try:
            value, sent = values.get(field.name), field.name in values
            if sent and not form and field.name not in MAY_BE_EMPTY:
                _refuse_empty(field, value, null_too=getattr(schema, "refuses_null", False))
            if form and field.flag and value == "on":
                value = "true"  # a box that a reader checked
            valid[field.name] = _convert(field, value, limits, sent=sent, strict=strict)
        except Invalid as error:
            faults += error.faults
        except InvalidValue as error:
            faults.append(FieldError(field.name, error.code, error.message))
    if strict:
        faults += unknown_fields(values, {field.name for field in known})
    if faults:
        raise Invalid(*faults, valid=valid)
    return schema(**{field.attribute: valid[field.name] for field in known})


def unknown_fields(values: Mapping[str, Any], known: Collection[str]) -> list[FieldError]:
    """Return an error for each field that the schema does not have."""
    detail = f"Unknown field. Known fields: {', '.join(sorted(known))}." if known else "Unknown field. Leave it out."
    return [FieldError(escape_surrogates(name)[:80], "unknown_field", detail) for name in values if name not in known]


@dataclass(frozen=True)
class _Field:
    name: str
    attribute: str  # of the schema
    type: Any
    check: Validator | None
    required: bool
    default: Any
    removable: bool  # None removes the value
    inner: "type[msgspec.Struct] | None"  # a schema of its own
    flag: bool  # true or false


@cache
def _fields(schema: type[msgspec.Struct]) -> tuple[_Field, ...]:
    found = []
    for field in msgspec.structs.fields(schema):
        plain, check = _find_validator(field.type)
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        else:
            default = None if field.default is msgspec.NODEFAULT else field.default
        removable = type(None) in get_args(field.type)
        inner = _inner_schema(field.type)
        flag = any(getattr(part, "__origin__", part) is bool for part in (field.type, *get_args(field.type)))
        found.append(
            _Field(field.encode_name, field.name, plain, check, field.required, default, removable, inner, flag)
        )
    return tuple(found)


def _inner_schema(kind: Any) -> type[msgspec.Struct] | None:
    parts = () if get_origin(kind) is list else (kind, *get_args(kind))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)), None)


def inner_schemas(schema: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Return the schemas of fields that have one of their own."""
    return [field.inner for field in _fields(schema) if field.inner]


def _find_validator(kind: Any) -> tuple[Any, Validator | None]:
    """Return a field's type for msgspec, and our own validator, which may be inside an optional type."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            for annotation in part.__metadata__:
                if isinstance(annotation, Validator):
                    return str, annotation
    return kind, None


def _refuse_empty(field: _Field, value: Any, *, null_too: bool) -> None:
    parts = value if isinstance(value, list) else [] if field.required else [value]  # a required field has its message
    if any(map(_is_empty_text, parts)) or (value is None and null_too):
        raise InvalidValue("required", EMPTY_MESSAGE)


def _is_empty_text(value: Any) -> bool:
    return isinstance(value, str) and is_empty(value)


def _convert(field: _Field, value: Any, limits: Limits, *, sent: bool, strict: bool) -> Any:
    if value is None or _is_empty_text(value):
        if field.required:
            raise InvalidValue(
                "required", fields.REQUIRED_MESSAGES.get(field.name, translatable("This field is required."))
            )
        if field.default is not msgspec.UNSET or not sent:
            return field.default
        if not field.removable:
            raise InvalidValue("required", EMPTY_MESSAGE)
        return None
    if field.inner and isinstance(value, dict):
        return validate(field.inner, value, limits, strict=strict)
    _require_storable(value)
    if field.check is not None:
        return field.check.clean(_require_text(value), limits)
    try:
        found = msgspec.convert(value, field.type, strict=strict)
    except msgspec.ValidationError:
        found = None
    if found is None:  # also for the text "null" in a query string, which must not mean "any"
        raise InvalidValue("invalid", _expectation(field.type))
    return found


def _require_storable(value: Any) -> None:
    if isinstance(value, str):
        require_storable(value)
    elif isinstance(value, list):
        for part in value:
            _require_storable(part)
    elif isinstance(value, dict):
        _require_storable([*value, *value.values()])


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue("invalid", "This must be text.")
    return value


def _expectation(kind: Any) -> str:
    """Describe in words what the field accepts."""
    base, meta = kind, msgspec.Meta()
    if get_origin(kind) is Annotated:
        base = kind.__origin__
        meta = next((mark for mark in kind.__metadata__ if isinstance(mark, msgspec.Meta)), meta)
    options = [part for part in get_args(base) if part is not type(None)]
    if get_origin(base) is Literal:
        return f"This must be one of: {', '.join(map(str, options))}."
    if isinstance(base, type) and issubclass(base, Enum):
        return f"This must be one of: {', '.join(str(member.value) for member in base)}."
    if options and get_origin(base) is not list:
        return _expectation(options[0])  # optional
    names = {int: "a whole number", str: "text", bool: "true or false"}
    if base in names:
        return f"This must be {names[base]}{_bounds(meta)}."
    return f"This must be a list{_bounds(meta)}.{_each(options)}"


def _each(options: Sequence[Any]) -> str:
    """Describe the parts of a list, if only some values are allowed."""
    expected = _expectation(options[0]) if options else ""
    return f" Each{expected.removeprefix('This')}" if " one of: " in expected else ""


def _bounds(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    if meta.max_length is not None:
        return f", {meta.min_length or 0} to {meta.max_length:,} long"
    return ""


def convert_setting(text: str, kind: Any) -> Any:
    """Return the value of a setting of this type.

    Raises:
        InvalidValue: naming what the setting must be.
    """
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise InvalidValue("invalid", _describe_setting(kind)) from None


def _describe_setting(kind: Any) -> str:
    base, meta = kind.__origin__, kind.__metadata__[0]
    if base is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if get_origin(base) is Literal:
        return f"one of: {', '.join(get_args(base))}"
    if isinstance(base, type) and issubclass(base, Enum):
        return f"one of: {', '.join(base)}"
    return str(meta.extra["expected"])


def parse_time_field(field: str, text: str | None) -> str | None:
    """Return a time from a request in the format in which times are stored.

    The letters may be small (RFC 3339, 5.6). A space before the offset was a plus sign that a URL did not encode.

    Raises:
        Invalid: naming the field.
    """
    if text is None:
        return None
    try:
        return format_time(parse_time(DECODED_PLUS.sub(r"\1+\2", text.upper())))
    except (ValueError, OverflowError):
        raise Invalid(
            FieldError(field, "invalid_time", "Use RFC 3339 with a time zone, like 2026-11-22T16:02:11Z.")
        ) from None
