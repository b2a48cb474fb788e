"""A shape made of what was sent, with every fault of every field reported at once.

A shape is a msgspec ``Struct`` whose types name its fields' checks. msgspec alone would stop at the first
fault, so each field is read on its own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from commentsvc.domain import fields
from commentsvc.domain.errors import FieldError, Invalid, InvalidValue
from commentsvc.domain.fields import Limits, Validator
from commentsvc.domain.text import escape_surrogates, require_storable
from commentsvc.domain.timestamps import format_time, parse_time

Shape = TypeVar("Shape", bound=msgspec.Struct)


def validate(shape: type[Shape], values: Mapping[str, Any], limits: Limits, *, strict: bool = True) -> Shape:
    """Make a shape of what was sent.

    ``strict`` is for JSON: values have their types already, and a field nobody knows is a fault.
    Without it (forms, query strings) texts are read as numbers where numbers are due, and unknown
    fields are passed over.

    Raises:
        Invalid: with every fault of every field, in the order of the shape.
    """
    known = _fields(shape)
    kept: dict[str, Any] = {}
    faults: list[FieldError] = []
    for field in known:
        try:
            kept[field.name] = _value(field, values.get(field.name), limits, sent=field.name in values, strict=strict)
        except InvalidValue as unfit:
            faults.append(FieldError(field.name, unfit.code, unfit.detail))
    if strict:
        faults += unknown_fields(values, {field.name for field in known})
    if faults:
        raise Invalid(*faults)
    return shape(**kept)


def unknown_fields(values: Mapping[str, Any], known: Collection[str]) -> list[FieldError]:
    """A fault for each field that nobody knows."""
    return [
        FieldError(
            escape_surrogates(name)[:80],
            "unknown_field",
            f"There is no such field. Known are: {', '.join(sorted(known))}.",
        )
        for name in values
        if name not in known
    ]


@dataclass(frozen=True)
class _Field:
    name: str
    type: Any
    check: Validator | None
    required: bool
    default: Any


@cache
def _fields(shape: type[msgspec.Struct]) -> tuple[_Field, ...]:
    found = []
    for field in msgspec.structs.fields(shape):
        plain, check = _split(field.type)
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        else:
            default = None if field.default is msgspec.NODEFAULT else field.default
        found.append(_Field(field.encode_name, plain, check, field.required, default))
    return tuple(found)


def _split(kind: Any) -> tuple[Any, Validator | None]:
    """A field's type as msgspec knows it, and our own check, which may stand inside an optional type."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            for mark in part.__metadata__:
                if isinstance(mark, Validator):
                    return str, mark
    return kind, None


def _value(field: _Field, value: Any, limits: Limits, *, sent: bool, strict: bool) -> Any:
    if value is None or value == "":
        if field.required:
            raise InvalidValue("required", fields.REQUIRED_MESSAGES.get(field.name, "This field is required."))
        # Of a field that can be left out or taken away, being sent empty means the latter.
        return None if field.default is msgspec.UNSET and sent else field.default
    _refuse_unstorable(value)
    if field.check is not None:
        return field.check.clean(_text(value), limits)
    try:
        return msgspec.convert(value, field.type, strict=strict)
    except msgspec.ValidationError:
        raise InvalidValue("invalid", _expectation(field.type)) from None


def _refuse_unstorable(value: Any) -> None:
    if isinstance(value, str):
        require_storable(value)
    elif isinstance(value, list):
        for part in value:
            _refuse_unstorable(part)
    elif isinstance(value, dict):
        _refuse_unstorable([*value, *value.values()])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue("invalid", "This must be text.")
    return value


def _expectation(kind: Any) -> str:
    """What would have been accepted, in words."""
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
        return _expectation(options[0])  # an optional one
    names = {int: "a whole number", str: "text", bool: "true or false"}
    if base in names:
        return f"This must be {names[base]}{_bounds(meta)}."
    return f"This must be a list{_bounds(meta)}."


def _bounds(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    if meta.max_length is not None:
        return f", {meta.min_length or 0} to {meta.max_length:,} long"
    return ""


def parse_time_field(field: str, text: str | None) -> str | None:
    """A time that somebody sent, as times are kept.

    Raises:
        Invalid: naming the field.
    """
    if text is None:
        return None
    try:
        return format_time(parse_time(text))
    except (ValueError, OverflowError):
        raise Invalid(
            FieldError(field, "invalid_time", "A time looks like 2026-11-22T16:02:11Z (RFC 3339, with its zone).")
        ) from None
