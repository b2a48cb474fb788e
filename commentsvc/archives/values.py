"""Read single values of archives: texts, ids, marks and times, which each system writes in its own ways."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias

Row: TypeAlias = Mapping[str, Any]

# Scripts that met a missing value wrote its name; \N is that of MySQL.
NOTHING: Final = frozenset({"", "undefined", "null", "NULL", "None", "nil", "~", "\\N"})
TRUE: Final = frozenset({"true", "1", "yes", "t"})
SURROGATE: Final = re.compile("[\ud800-\udfff]")
# The first key that has a value says when: LeanCloud, MongoDB.
WRAPPED: Final = ("iso", "$date", "$numberLong", "$numberInt", "$numberDouble", "$oid", "objectId")
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:[Ee]\+?\d{1,2})?")
MILLISECONDS_FROM: Final = 1e11  # as seconds that would be the year 5138
MICROSECONDS_FROM: Final = 1e14
FIRST_YEAR: Final = 1980  # an earlier time is the zero of some system
LAST_YEAR: Final = 2200
NOON: Final = 12
TIME: Final = re.compile(
    r"(\d{4})[-/](\d\d?)[-/](\d\d?)(?:[T\s]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"(?:\s*([ap])\.?m\b\.?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.IGNORECASE,
)
# JavaScript writes "Wed May 04 2022 12:00:00 GMT+0800 (China Standard Time)".
ZONE_OF_JAVASCRIPT: Final = re.compile(r"\bGMT([+-]\d{4})\b.*", re.DOTALL)


def text_of(value: object) -> str:
    """Return a value as text, without spaces at its ends; nothing of a list or an object."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return SURROGATE.sub("\ufffd", value).strip() if isinstance(value, str) else ""


def optional(value: object) -> str | None:
    """Return a value as text, or None if it is empty or says that there is nothing."""
    text = text_of(value)
    return None if text in NOTHING else text


def identifier(value: object) -> str | None:
    """Return an id as text: also one that a database wrapped into an object."""
    if isinstance(value, Mapping):
        return next((optional(value[key]) for key in WRAPPED if key in value), None)
    return optional(value)


def first_of(row: Row, *keys: str) -> str:
    """Return the text of the first of some fields that has one."""
    return next((text for key in keys if (text := text_of(row.get(key)))), "")


def flag(value: object) -> bool:
    """Return whether a value says yes."""
    return text_of(value).lower() in TRUE


def email_of(value: object) -> str | None:
    """Return a text that may be an email address. Hashes and encrypted ones are not."""
    text = optional(value)
    return text if text is not None and "@" in text else None


def moment(value: object) -> datetime | None:
    """Return a time, with a zone if the archive names one; None for anything else, and for the zero of some system."""
    if isinstance(value, Mapping):
        return moment(next((value[key] for key in WRAPPED if key in value), None))
    text = text_of(value)
    try:
        when = _from_number(float(text)) if NUMBER.fullmatch(text) else _from_text(text)
    except (ValueError, OverflowError, TypeError, OSError, IndexError):
        return None
    return when if when and FIRST_YEAR <= when.year < LAST_YEAR else None


def earliest_key(row: Row, keys: Iterable[str]) -> datetime | None:
    """Return the time in the first of some fields that has one."""
    return next((when for key in keys if (when := moment(row.get(key)))), None)


def _from_number(number: float) -> datetime:
    if number >= MICROSECONDS_FROM:
        number /= 1_000_000
    elif number >= MILLISECONDS_FROM:
        number /= 1_000
    return datetime.fromtimestamp(number, UTC)


def _from_text(text: str) -> datetime | None:
    found = TIME.match(text)
    if found is None:
        return _from_words(ZONE_OF_JAVASCRIPT.sub(r"\1", text)) if text else None
    year, month, day, hour, minute, second, fraction, half, zone = found.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    hours = int(hour or 0)
    if half and hours <= NOON:
        hours = hours % NOON + (NOON if half in "pP" else 0)
    when = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0), micro)  # noqa: DTZ001
    return when.replace(tzinfo=_zone(zone)) if zone else when


def _from_words(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return parsedate_to_datetime(f"{text} 00:00:00")  # "May 4, 2022" is a day alone


def _zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
