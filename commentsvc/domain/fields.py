"""What each field of a comment may hold, and how it is made ready to be kept."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

import email_validator
from msgspec import Meta

from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.text import INVISIBLE, MAX_RAW_RATIO, clean_line, has_visible_text
from commentsvc.domain.urls import normalise_host


@dataclass(frozen=True)
class Limits:
    """How long a field may be, in characters (Unicode code points)."""

    comment: int = 10_000
    name: int = 80
    website: int = 500
    title: int = 300


@dataclass(frozen=True)
class Validator:
    """Stands in a field's type: makes its text ready to be kept, or raises ``Unfit``."""

    clean: Callable[[str, Limits], Any]


REQUIRED_MESSAGES = {
    "name": "Please enter your name.",
    "email": "Please enter your email address. It will not be published.",
    "comment": "Please write a comment.",
    "thread": "Say which page this belongs to: its address, or the thread's key.",
}


def clean_name(text: str, limits: Limits) -> str:
    """A writer's name: NFC, one line, single spaces, nothing invisible.

    Raises:
        Unfit: it is empty, too long, or holds control characters.
    """
    text = clean_line(_require_length(text, MAX_RAW_RATIO * limits.name))
    if not has_visible_text(text):
        raise InvalidValue("required", REQUIRED_MESSAGES["name"])
    return _require_length(text, limits.name)


def clean_title(text: str, limits: Limits) -> str | None:
    """A page's title: one line, cut where it is too long (the page chose it, not the writer)."""
    return clean_line(text[: MAX_RAW_RATIO * limits.title], lenient=True)[: limits.title].rstrip() or None


def clean_comment(text: str, limits: Limits) -> str:
    """A comment, whole, just as it was written.

    Raises:
        Unfit: nothing in it can be seen, or it is too long.
    """
    if not has_visible_text(INVISIBLE.sub("", text)):
        raise InvalidValue("required", REQUIRED_MESSAGES["comment"])
    return _require_length(text, limits.comment)


def _require_length(text: str, most: int) -> str:
    if len(text) > most:
        raise InvalidValue(
            "too_long", f"This has {len(text):,} characters; at most {most:,} are taken. Please shorten it."
        )
    return text


# Past this no address is deliverable (RFC 5321, 4.5.3.1.3), and checking a longer one costs time.
MAX_EMAIL = 254


def parse_email(text: str, _limits: Limits) -> Email:
    """An address that mail could reach, by its syntax alone (RFC 5321, 6531; IDNA 2008).

    Raises:
        Unfit: it is not one.
    """
    text = text.strip()
    if len(text) > MAX_EMAIL:
        raise InvalidValue("too_long", f"An email address has at most {MAX_EMAIL} characters.")
    try:
        valid = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        raise InvalidValue(
            "invalid_email", "This is not a valid email address. One looks like name@example.com."
        ) from None
    return Email(valid.normalized)


BARE_HOST = re.compile(r"[^\s/:@?#]+\.[^\s/:@?#]+([/?#:].*)?$")
WEBSITE_ADVICE = "This is not a web address. One looks like https://example.com, and starts with http:// or https://."


def clean_website(text: str, limits: Limits) -> str | None:
    """A writer's own page; ``https://`` is added where somebody left it out.

    Raises:
        Unfit: it is not an http(s) address, or it carries a password.
    """
    text = _require_length(text.strip(), limits.website)
    if not text:
        return None
    if BARE_HOST.match(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        normalise_host(parts.hostname or "")
        _ = parts.port
    except ValueError:
        raise InvalidValue("invalid_url", WEBSITE_ADVICE) from None
    awkward = re.search(r"[\s\x00-\x20\x7f-\x9f<>\"'`{}|\\^]", text) or INVISIBLE.search(text)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or awkward:
        raise InvalidValue("invalid_url", WEBSITE_ADVICE)
    return text


def check_token(text: str, _limits: Limits) -> str:
    """A name that a program made: 8 to 200 visible ASCII characters.

    Raises:
        Unfit: it is something else.
    """
    if not re.fullmatch(r"[\x21-\x7e]{8,200}", text):
        raise InvalidValue("invalid", "This must be 8 to 200 visible ASCII characters.")
    return text


Id: TypeAlias = Annotated[str, Meta(min_length=36, max_length=36, description="A UUIDv7.")]
Time: TypeAlias = Annotated[
    str, Meta(description="RFC 3339, UTC, in milliseconds.", extra_json_schema={"format": "date-time"})
]


ThreadName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="The page's address, its path, or a key of the blog's own.",
    ),
]
SiteName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="Needed only when several sites are served and nothing else tells.",
    ),
]
Name: TypeAlias = Annotated[str, Validator(clean_name), Meta(min_length=1, max_length=80, description="Shown.")]
Address: TypeAlias = Annotated[
    Email,
    Validator(parse_email),
    Meta(
        description="Kept sealed; never shown to readers.",
        extra_json_schema={"type": "string", "format": "email", "maxLength": 254},
    ),
]
Text: TypeAlias = Annotated[
    str,
    Validator(clean_comment),
    Meta(min_length=1, description="CommonMark; 10,000 characters unless the operator says otherwise."),
]
Website: TypeAlias = Annotated[
    str,
    Validator(clean_website),
    Meta(
        max_length=500,
        description="http or https; https:// is added where it is left out.",
        extra_json_schema={"format": "uri"},
    ),
]
Title: TypeAlias = Annotated[str, Validator(clean_title), Meta(description="Of the page; cut at 300 characters.")]
Token: TypeAlias = Annotated[
    str,
    Validator(check_token),
    Meta(min_length=8, max_length=200, description="Made by the sender: the same one again gives the same answer."),
]
Language: TypeAlias = Annotated[
    str, Meta(max_length=40, description="Of the interface, such as de or pt-BR; else what the reader's browser likes.")
]
Unused: TypeAlias = Annotated[str, Meta(max_length=4000, description="Taken, and not used yet.")]


Cursor: TypeAlias = Annotated[str, Meta(max_length=400, description="Where the next page begins; from next_cursor.")]


Note: TypeAlias = Annotated[str, Meta(max_length=2000, description="Why, in the moderator's own words.")]
