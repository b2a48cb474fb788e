"""HTML forms and their encodings."""

import codecs
import re
from collections.abc import Collection, Iterable
from email.message import Message
from functools import cache
from string import hexdigits
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec

from commentsvc.comments.schemas import NewComment
from commentsvc.domain.errors import FieldError, Invalid, MalformedRequest
from commentsvc.domain.text import escape_surrogates
from commentsvc.web.server import charsets, foreign_fields
from commentsvc.web.server.routing import FORM, MULTIPART, TEXT

Pairs = list[tuple[str, str]]

MAX_FIELDS: Final = 1000
NAME: Final = re.compile(rb'(?:^|[;\s])name=(?:"([^"]*)"|([^;"\s]+))', re.IGNORECASE)
FILE: Final = re.compile(rb"(?:^|[;\s])filename\*?=", re.IGNORECASE)
ESCAPE: Final = re.compile(rb"%([0-9a-fA-F]{2})")
BYTES: Final = {f"{a}{b}".encode(): bytes.fromhex(a + b) for a in hexdigits for b in hexdigits}
PLAIN_FIELD: Final = re.compile(r"([\w\[\]-]{1,60})=(.*)", re.DOTALL)


def normalise_form(content_type: str, body: bytes) -> bytes:
    """Return a form as ``application/x-www-form-urlencoded`` in UTF-8; another body is returned unchanged.

    Forms of type ``multipart/form-data`` (RFC 7578) lose their files. The field ``_charset_`` or the parameter
    ``charset`` names the encoding of a form that is not UTF-8. A form of type ``text/plain`` is read only to show it
    again.
    """
    header = Message()
    header["Content-Type"] = re.sub(r"[\r\n\x00]", " ", content_type)
    kind = header.get_content_type()
    if kind == MULTIPART:
        body = _urlencode_multipart(body, str(header.get_boundary("")).encode("latin-1", "replace"))
    elif kind == TEXT:
        return _urlencode_plain(body)
    elif kind != FORM:
        return body
    return _convert_to_utf8(body, str(header.get_param("charset", "")))


def _urlencode_multipart(body: bytes, boundary: bytes) -> bytes:
    if b"\r\n" not in body:
        body = body.replace(b"\n", b"\r\n")  # of a program that ends lines in its own way
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)[1:] if boundary else []
    pairs = []
    for part in parts[: MAX_FIELDS + 2]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = NAME.search(head, max(head.lower().find(b"content-disposition"), 0))
        if name and not FILE.search(head):
            # Browsers escape these three in a name (HTML, 4.10.21.7).
            plain = (name[1] or name[2] or b"").replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")
            pairs.append((plain, value))
    return urlencode(pairs).encode()


def _urlencode_plain(body: bytes) -> bytes:
    """Return a form of lines ``name=value``; a line without a name continues the value before."""
    pairs: list[list[str]] = []
    for line in body.decode("utf-8", "replace").splitlines():
        field = PLAIN_FIELD.fullmatch(line)
        if field:
            pairs.append([field[1], field[2]])
        elif pairs:
            pairs[-1][1] += f"\n{line}"
    return urlencode([(name, value) for name, value in pairs[:MAX_FIELDS]]).encode()


def _convert_to_utf8(body: bytes, charset: str) -> bytes:
    if b"_charset_" not in body and not charset:
        return body
    pairs = _byte_pairs(body)
    declared = next((value.decode("latin-1") for name, value in pairs if name == b"_charset_" and value), charset)
    codec = charsets.find_codec(declared)
    if codec is None:
        return body
    decoded = [(charsets.decode(name, codec), charsets.decode(value, codec)) for name, value in pairs]
    return urlencode(decoded).encode()


def _byte_pairs(body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the first fields of a form, decoded to bytes."""
    fields = (field.replace(b"+", b" ").partition(b"=") for field in body.split(b"&")[: MAX_FIELDS + 1] if field)
    return [(_unquote(name), _unquote(value)) for name, _, value in fields]


def _unquote(text: bytes) -> bytes:
    # A quarter of the time of urllib's: that needs 0.5 seconds for a megabyte of percent signs.
    return ESCAPE.sub(lambda escape: BYTES[escape[1]], text) if b"%" in text else text


def read_pairs(raw: bytes, what: str, cure: str = "Percent-encode it in UTF-8: write é as %C3%A9.") -> Pairs:
    """Return the names and values of a form or a query string. ``cure`` is the advice if it is not UTF-8.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
    """
    if raw.count(b"&") >= MAX_FIELDS:
        raise MalformedRequest(f"{what} has more than {MAX_FIELDS:,} fields.")
    try:
        pairs = _byte_pairs(raw.removeprefix(codecs.BOM_UTF8))
        return [(name.decode("utf-8"), value.decode("utf-8")) for name, value in pairs]
    except ValueError:
        raise MalformedRequest(f"{what} is not UTF-8. {cure}") from None


def _read_form(body: bytes) -> Pairs:
    return read_pairs(body, "The form", 'Add accept-charset="utf-8" to it.')


def read_field(name: str, body: bytes) -> str:
    """Return the value of one field of a form; empty if it is missing.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
    """
    # Only fields that may have this name are decoded: a word list beside it takes 10 ms.
    begin = quote_plus(name).encode() + b"="
    found = b"&".join(field for field in body.split(b"&") if b"%" in field[: len(begin)] or field.startswith(begin))
    return next((value for field, value in _read_form(found) if field == name), "")


def parse_form(schema: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """Parse a form in UTF-8 for a schema, under our field names. Unknown fields are left out.

    Raises:
        MalformedRequest: it is not UTF-8, or it has too many fields.
        Invalid: naming a field that was sent with two values.
    """
    return _adapt(schema, _read_form(body))


def parse_leniently(schema: type[msgspec.Struct], body: bytes) -> dict[str, Any]:
    """Return as many values of a form as can be read, to show them again."""
    return _choose_leniently(schema, _read_leniently(body))


def _choose_leniently(schema: type[msgspec.Struct], pairs: Pairs) -> dict[str, Any]:
    first: dict[str, str] = {}
    for name, value in pairs:
        first[name] = first.get(name) or value
    repeatable = list_fields(schema)
    single = [(name, value) for name, value in first.items() if name not in repeatable]
    return _adapt(schema, [*single, *(pair for pair in pairs if pair[0] in repeatable)])


def read_again(schema: type[msgspec.Struct], body: bytes) -> tuple[dict[str, Any], str]:
    """Return ``parse_leniently``, and what was typed into a form and is not in it, so that a page can give it back."""
    pairs = _read_leniently(body)
    values = _choose_leniently(schema, pairs)
    shown = [value for name, value in values.items() if name != "topic"]
    return values, foreign_fields.find_lost_text(pairs, shown)


def read_typed_text(schema: type[msgspec.Struct], body: bytes) -> str:
    """Return all that was typed into a form, the comment first, for a page without this form."""
    pairs = _read_leniently(body)
    comment = _choose_leniently(schema, pairs).get("comment", "")
    others = foreign_fields.find_lost_text(pairs, [comment])
    return "\n\n".join(filter(None, (comment, others)))


def _read_leniently(body: bytes) -> Pairs:
    def decode(raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")

    return [(decode(name), decode(value)) for name, value in _byte_pairs(body)]


def _adapt(schema: type[msgspec.Struct], pairs: Pairs) -> dict[str, Any]:
    values, repeated = collect(schema, pairs, known_names(schema))
    if repeated:
        raise Invalid(*repeated)
    return foreign_fields.adapt(values, pairs) if schema is NewComment else values


@cache
def known_names(schema: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names that a form for this schema may use."""
    names = frozenset(schema.__struct_encode_fields__)
    return names.union(foreign_fields.ALIASES) if schema is NewComment else names


def collect(
    schema: type[msgspec.Struct], pairs: Iterable[tuple[str, str]], known: Collection[str] | None = None
) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the first value of each field, and an error for each field that was sent twice.

    Only list fields of the schema may have several values. With ``known``, other names are left out, and a value that
    is sent twice counts once.
    """
    lists = list_fields(schema)
    values: dict[str, Any] = {}
    repeated: dict[str, FieldError] = {}
    for name, value in pairs:
        if known is not None and (name not in known or (name not in lists and values.get(name) == value)):
            continue
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            repeated[name] = FieldError(escape_surrogates(name)[:80], "repeated", "Send this field once.")
        else:
            values[name] = value
    return values, [*repeated.values()]


@cache
def list_fields(schema: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of the fields that may have several values."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(schema) if "list[" in str(field.type))
