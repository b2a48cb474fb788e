"""Decode the content of an XML element, also where the XML is not well-formed."""

import re
import sys
from collections.abc import Iterator
from datetime import datetime
from html.entities import html5
from typing import Final

PREFIX: Final = r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,63}:)?"  # of a name
EARLIEST_YEAR: Final = 1970  # "0000-00-00" is no date, "-0001-11-30" and "0001-01-01" are none of a comment
LATEST_YEAR: Final = 9998  # in any time zone

# What XML 1.0 forbids: https://www.w3.org/TR/xml/#charsets
CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
LEGAL: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*+")
ENTITY: Final = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
OPEN: Final = "<![CDATA["
CLOSE: Final = "]]>"
SECTION: Final = re.compile(r"<!\[CDATA\[|<!--|<\?")
SECTION_ENDS: Final = {OPEN: CLOSE, "<!--": "-->", "<?": "?>"}
KEY: Final = re.compile(
    r"""\s(?:[A-Za-z_][A-Za-z0-9_.-]*:)?id\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+?)(?=/?\s*\Z|\s))"""
)
SPACE: Final = " \t\r\n"
SPLIT: Final = re.compile(r"\]\]><!\[CDATA\[")  # WordPress writes "]]>" as "]]]]><![CDATA[>"


def read_content(raw: str) -> str:
    """Return the text of an element, decoded once and trimmed. Tags inside it stay as they are."""
    if "<!" not in raw and "<?" not in raw:
        return replace_entities(raw).strip(SPACE)
    raw = raw.strip(SPACE)
    parts = list(_split_sections(raw))
    if any(CLOSE in outside for outside, _ in parts):
        return _whole_section(raw)
    return "".join(replace_entities(outside) + inside for outside, inside in parts).strip(SPACE)


def _split_sections(raw: str) -> Iterator[tuple[str, str]]:
    """Yield the text before each section, and the text in it. In time that grows with the length alone."""
    endless: set[str] = set()  # sections of which no end follows: their beginnings are text
    start = position = 0
    while section := SECTION.search(raw, position):
        kind, position = section[0], section.end()
        end = -1 if kind in endless else raw.find(SECTION_ENDS[kind], position)
        if end < 0:
            endless.add(kind)
        else:
            yield raw[start : section.start()], raw[position:end] if kind == OPEN else ""
            start = position = end + len(SECTION_ENDS[kind])
    yield raw[start:], ""


def _whole_section(raw: str) -> str:
    """Return the text between the outer marks: old exports do not escape ``]]>`` in a text."""
    return SPLIT.sub("", raw.removeprefix(OPEN).removesuffix(CLOSE)).strip(SPACE)


def read_id(attributes: str) -> str:
    """Return the value of the attribute ``id``, with any prefix and with or without quotes; or nothing."""
    found = KEY.search(attributes)
    return replace_entities(found[found.lastindex or 0]).strip(SPACE) if found else ""


def replace_entities(text: str) -> str:
    """Replace numeric and named entities once. Unknown ones stay as they are."""
    return ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return html5.get(f"{name};", entity[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if number <= sys.maxunicode else ""


def drop_controls(text: str) -> str:
    """Return the text without the characters that XML forbids."""
    return CONTROLS.sub("", text)


def read_time(text: str) -> datetime | None:
    """Return a time, with its zone if it has one; None if it is missing or cannot be one of a comment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if EARLIEST_YEAR <= moment.year <= LATEST_YEAR else None
