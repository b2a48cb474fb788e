"""Strict parsing of JSON, forms and query strings."""

import codecs
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from commentsvc.comments.schemas import NewComment
from commentsvc.domain import tracking, validation
from commentsvc.domain.errors import FieldError, Invalid, MalformedRequest, Refusal
from commentsvc.domain.text import escape_surrogates

MAX_DEPTH: Final = 16
MAX_DIGITS: Final = 32
MAX_FIELDS: Final = 1000
# Field names of WordPress themes (comment_form in wp-includes/comment-template.php), and ours.
WORDPRESS: Final = {"author": "name", "url": "website", "comment_post_ID": "thread", "comment_parent": "parent"}
# Parameters that scripts add on their own.
UNKNOWN_PARAMETERS: Final = {
    "_": "Remove this parameter. jQuery adds it if its option cache is false.",
    "callback": "Remove this parameter. Read the JSON with fetch: JSONP is not available.",
}
# The parts of JSON that decide its depth: escapes, quotes, brackets.
MARK: Final = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259) that is I-JSON (RFC 7493): only UTF-8, unique names, no NaN.

    Raises:
        MalformedRequest: it is not.
    """
    body = body.removeprefix(codecs.BOM_UTF8)  # "may ignore" it (RFC 8259, 8.1)
    _refuse_depth(body)
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_require_unique_names,
            parse_constant=_refuse_constant,
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not UTF-8. Encode the JSON as UTF-8.") from None
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise MalformedRequest('The body must be a JSON object: {"name": …}')
    return value


def _refuse_depth(body: bytes) -> None:
    # Checked before a recursive parser sees it.
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    depth, in_text = 0, False
    for match in MARK.finditer(body):
        mark = match[0]
        if mark == b'"':
            in_text = not in_text
        elif not in_text and len(mark) == 1:
            depth += 1 if mark in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _require_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise MalformedRequest("An object has the same name twice.")
    return values


def _refuse_constant(_name: str) -> Any:
    raise MalformedRequest("NaN and Infinity are not JSON.")


def _parse_int(digits: str) -> int:
    return int(_require_few_digits(digits))


def _parse_float(digits: str) -> float:
    return float(_require_few_digits(digits))


def _require_few_digits(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise MalformedRequest(f"A number has more than {MAX_DIGITS} digits.")
    return digits


def parse_form(schema: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """Parse an HTML form (application/x-www-form-urlencoded, UTF-8) for a schema, under our field names.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
        Invalid: naming a field that was sent twice.
    """
    values = _collect(schema, _pairs(body, "The form"))
    return values | _rename_wordpress_fields(values) if schema is NewComment else values


def parse_form_or_empty(schema: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """Return a form's values to be shown in it again; none if it cannot be parsed."""
    try:
        return parse_form(schema, body)
    except Refusal:
        return {}


def read_field(name: str, body: bytes) -> str:
    """Return the value of one field of a form; empty if it is missing.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
    """
    return next((value for field, value in _pairs(body, "The form") if field == name), "")


def _rename_wordpress_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a WordPress theme under our names; our own fields win. Parent 0 means no parent."""
    renamed = {ours: values[name] for name, ours in WORDPRESS.items() if name in values and ours not in values}
    return {ours: value for ours, value in renamed.items() if (ours, value) != ("parent", "0")}


def parse_query(schema: type[msgspec.Struct], text: str) -> dict[str, Any]:
    """Parse a query string for a schema.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
        Invalid: naming a field that was sent twice.
    """
    return _collect(schema, _pairs(text.encode("utf-8", "surrogateescape"), "The query string"))


def _pairs(raw: bytes, what: str) -> list[tuple[str, str]]:
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise MalformedRequest(f"{what} is not UTF-8. Percent-encode it in UTF-8: write é as %C3%A9.") from None
    except ValueError:
        raise MalformedRequest(f"{what} has more than {MAX_FIELDS:,} fields.") from None


def _collect(schema: type[msgspec.Struct], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    # Only list fields of the schema may be repeated.
    lists = _list_fields(schema)
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Invalid(FieldError(escape_surrogates(name)[:80], "repeated", "Send this field once."))
        else:
            values[name] = value
    return values


@cache
def _list_fields(schema: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(schema) if "list[" in str(field.type))


def refuse_unknown_parameters(schema: type[msgspec.Struct], values: Mapping[str, Any]) -> None:
    """Refuse unknown query parameters: they are mistakes, and caches would keep one page under many names.

    Raises:
        Invalid: naming them.
    """
    unknown = validation.unknown_fields(values, schema.__struct_encode_fields__)
    if unknown:
        raise Invalid(*map(_explain_unknown, unknown))


def _explain_unknown(fault: FieldError) -> FieldError:
    advice = UNKNOWN_PARAMETERS.get(fault.field)
    if advice is None and tracking.STANDARD.matches(fault.field):
        advice = "Remove this parameter. It tells how a reader came to a page."
    return FieldError(fault.field, fault.code, f"{advice} {fault.message}") if advice else fault
