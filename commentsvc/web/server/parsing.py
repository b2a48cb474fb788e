"""From bytes to values, and nothing lenient about it: strict JSON, plain forms, query strings."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from commentsvc.comments.schemas import NewComment
from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid, MalformedRequest, Refusal
from commentsvc.domain.text import escape_surrogates

DEEPEST: Final = 16
LONGEST_NUMBER: Final = 32
MOST_FIELDS: Final = 1000
# What the form of a WordPress theme calls them (comment_form in wp-includes/comment-template.php), and what we do.
WORDPRESS: Final = {"author": "name", "url": "website", "comment_post_ID": "thread", "comment_parent": "parent"}
# What matters of JSON for its depth: escapes, the ends of texts, brackets.
MARK: Final = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object (RFC 8259; I-JSON, RFC 7493: UTF-8 alone, no name twice, nothing but numbers for numbers).

    Raises:
        Unreadable: saying what is wrong with it.
    """
    _refuse_depth(body)
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_no_constant,
            parse_int=_whole_number,
            parse_float=_number,
        )
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise MalformedRequest('The body must be a JSON object: {"name": …}')
    return value


def _refuse_depth(body: bytes) -> None:
    """Before anything walks down into it."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth, in_text = 0, False
    for match in MARK.finditer(body):
        mark = match[0]
        if mark == b'"':
            in_text = not in_text
        elif not in_text and len(mark) == 1:
            depth += 1 if mark in b"[{" else -1
        if depth > DEEPEST:
            raise MalformedRequest(f"The body is nested deeper than {DEEPEST} levels.")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise MalformedRequest("A name stands twice in one object.")
    return values


def _no_constant(_name: str) -> Any:
    raise MalformedRequest("NaN and Infinity are not JSON.")


def _whole_number(digits: str) -> int:
    return int(_short(digits))


def _number(digits: str) -> float:
    return float(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > LONGEST_NUMBER:
        raise MalformedRequest(f"A number has more than {LONGEST_NUMBER} digits.")
    return digits


def form(shape: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """A plain form's fields for a shape (application/x-www-form-urlencoded, UTF-8), by our names for them.

    Raises:
        Unreadable: it is none, or it has too many fields.
        Invalid: naming a field that was sent twice.
    """
    values = _for_shape(shape, _pairs(body, "The form"))
    return values | _by_our_names(values) if shape is NewComment else values


def filled_in(shape: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """What a plain form says, to be shown in it again; nothing where it cannot be read."""
    try:
        return form(shape, body)
    except Refusal:
        return {}


def one_field(name: str, body: bytes) -> str:
    """What a plain form says in one field; nothing where it has none.

    Raises:
        Unreadable: it is no form, or has too many fields.
    """
    return next((value for field, value in _pairs(body, "The form") if field == name), "")


def _by_our_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a WordPress theme's form says; a field of ours that stands beside it wins. Parent 0 is no comment."""
    theirs = {ours: values[name] for name, ours in WORDPRESS.items() if name in values and ours not in values}
    return {ours: value for ours, value in theirs.items() if (ours, value) != ("parent", "0")}


def query(shape: type[msgspec.Struct], text: str) -> dict[str, Any]:
    """A query string's fields for a shape.

    Raises:
        Unreadable: it is not UTF-8, or it has too many fields.
        Invalid: naming a field that was sent twice.
    """
    return _for_shape(shape, _pairs(text.encode("utf-8", "surrogateescape"), "The query string"))


def _pairs(raw: bytes, what: str) -> list[tuple[str, str]]:
    try:
        text = raw.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise MalformedRequest(f"{what} is not UTF-8, or has too many fields.") from None


def _for_shape(shape: type[msgspec.Struct], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Only what the shape holds as a list may stand several times."""
    many = _lists_of(shape)
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in many:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Invalid(FieldError(escape_surrogates(name)[:80], "repeated", "Send this once."))
        else:
            values[name] = value
    return values


@cache
def _lists_of(shape: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(shape) if "list[" in str(field.type))


def refuse_strangers(shape: type[msgspec.Struct], values: Mapping[str, Any]) -> None:
    """A query field that nobody knows is a mistake; and caches must not keep a page under many names.

    Raises:
        Invalid: naming it.
    """
    strange = validation.unknown_fields(values, shape.__struct_encode_fields__)
    if strange:
        raise Invalid(*strange)
