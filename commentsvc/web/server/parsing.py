"""Strict parsing of JSON and query strings."""

import codecs
import json
import re
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from commentsvc.domain import tracking, validation
from commentsvc.domain.errors import FieldError, Invalid, MalformedRequest
from commentsvc.web.server import forms

MAX_DEPTH: Final = 16
MAX_DIGITS: Final = 32
# Parameters that scripts add on their own.
UNKNOWN_PARAMETERS: Final = {
    "_": "Remove this parameter. jQuery adds it if its option cache is false.",
    "callback": "Remove this parameter. Read the JSON with fetch: JSONP is not available.",
}
# The parts of JSON that decide its depth: escapes, quotes, brackets.
MARK: Final = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)


def parse_json(body: bytes) -> Any:
    """Parse a JSON value (RFC 8259) that is I-JSON (RFC 7493): only UTF-8, unique names, no NaN.

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
    return value


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object, as ``parse_json`` does.

    Raises:
        MalformedRequest: it is not one.
    """
    value = parse_json(body)
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


def parse_query(schema: type[msgspec.Struct], text: str) -> dict[str, Any]:
    """Parse a query string for a schema. Unknown parameters are refused: they are mistakes of a program.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
        Invalid: naming the parameters that are unknown or were sent twice; it has the values of the others.
    """
    pairs = forms.read_pairs(_encode(text), "The query string")
    known = schema.__struct_encode_fields__
    sent, twice = forms.collect(schema, pairs)
    unknown = validation.unknown_fields(sent, known)
    repeated = [fault for fault in twice if fault.field in known]
    if unknown or repeated:
        raise Invalid(*map(_explain_unknown, unknown), *repeated, valid=sent)
    return sent


def _explain_unknown(fault: FieldError) -> FieldError:
    advice = UNKNOWN_PARAMETERS.get(fault.field)
    if advice is None and tracking.STANDARD.matches(fault.field):
        advice = "Remove this parameter. It tells how a reader came to a page."
    return FieldError(fault.field, fault.code, f"{advice} {fault.message}") if advice else fault


def parse_shared_query(schema: type[msgspec.Struct], text: str) -> dict[str, Any]:
    """Parse the query string of an address that people share. Other systems add parameters: those are ignored.

    Raises:
        MalformedRequest: a known parameter is not UTF-8, or there are too many of them.
        Invalid: naming the known parameters that were sent with two values; it has the values of the others.
    """
    known = forms.known_names(schema)
    pieces = [
        piece
        for piece in _encode(text).split(b"&")
        if unquote_plus(piece.partition(b"=")[0].decode("latin-1")) in known
    ]
    sent, repeated = forms.collect(schema, forms.read_pairs(b"&".join(pieces), "The query string"), known)
    if repeated:
        raise Invalid(*repeated, valid=sent)
    return sent


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
