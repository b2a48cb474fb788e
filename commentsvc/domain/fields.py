"""The fields of requests: what each may hold, and how its text is cleaned before it is saved."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

import email_validator
from msgspec import Meta

from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.messages import translatable, translatable_plural
from commentsvc.domain.text import INVISIBLE, MAX_RAW_RATIO, clean_line, clean_pasted, has_visible_text
from commentsvc.domain.urls import MAX_RAW_LENGTH, normalise_host


@dataclass(frozen=True)
class Limits:
    """The longest value of each field, in characters (Unicode code points)."""

    comment: int = 10_000
    name: int = 80
    website: int = 500
    title: int = 300


@dataclass(frozen=True)
class Validator:
    """The annotation of a field's type: cleans its text, or raises ``InvalidValue``."""

    clean: Callable[[str, Limits], Any]


REQUIRED_MESSAGES = {
    "name": translatable("Please enter your name."),
    "email": translatable("Please enter your email address. It will not be published."),
    "comment": translatable("Please write a comment."),
    "thread": "Name the thread: its page address, or its key.",
}


def clean_name(text: str, limits: Limits) -> str:
    """Return a commenter's name in NFC, on one line, with single spaces and nothing invisible.

    Raises:
        InvalidValue: it is empty, too long, or holds control characters.
    """
    _require_length(text, limits.name, MAX_RAW_RATIO)
    text = clean_line(text)
    if not has_visible_text(text):
        raise InvalidValue("required", REQUIRED_MESSAGES["name"])
    return _require_length(text, limits.name)


def clean_title(text: str, limits: Limits) -> str | None:
    """Return a page's title on one line, cut where it is too long: the page chose it, not the commenter."""
    return clean_line(text[: MAX_RAW_RATIO * limits.title], lenient=True)[: limits.title].rstrip() or None


def clean_comment(text: str, limits: Limits) -> str:
    """Return a comment exactly as it was written.

    Raises:
        InvalidValue: nothing in it is visible, or it is too long.
    """
    if not has_visible_text(INVISIBLE.sub("", text)):
        raise InvalidValue("required", REQUIRED_MESSAGES["comment"])
    return _require_length(text, limits.comment)


def _require_length(text: str, limit: int, factor: int = 1) -> str:
    """Refuse a text longer than ``factor`` times its limit: one that cleaning could not shorten enough."""
    if len(text) > factor * limit:
        raise InvalidValue(
            "too_long",
            translatable_plural(
                "Too long: %(length)s of %(num)s character.",
                "Too long: %(length)s of %(num)s characters.",
                limit,
                length=len(text),
            ),
        )
    return text


ENCODED_WORD: Final = "=?"  # its beginning
# ASCII as East Asian keyboards type it.
FULL_WIDTH: Final = {0xFEE0 + code: code for code in range(0x21, 0x7F)} | str.maketrans(
    "\u3002\uff61\ufe52\ufe6b", "...@"
)


def _clean_pasted(text: str, limit: int) -> str:
    _require_length(text, limit, MAX_RAW_RATIO)
    return _require_length(clean_pasted(text), limit)


# Past this no address is deliverable (RFC 5321, 4.5.3.1.3), and checking a longer one costs time.
MAX_EMAIL = 254


def parse_email(text: str, _limits: Limits) -> Email:
    """Return an address that mail could reach, by its syntax alone (RFC 5321, 6531; IDNA 2008).

    One that looks like an encoded word (RFC 2047) is refused, although its syntax is valid: programs decode it, and
    read another address, or a line break with a header of a stranger.

    Raises:
        InvalidValue: it is too long or not an email address.
    """
    text = _clean_pasted(text, MAX_EMAIL).translate(FULL_WIDTH)
    try:
        valid = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        valid = None
    if valid is None or ENCODED_WORD in valid.normalized:
        raise InvalidValue("invalid_email", translatable("Enter a valid email address, like name@example.com."))
    return Email(valid.normalized)


SCHEME_AND_HOST = re.compile(r"(?:\w+[:\uff1a][/\uff0f]{2})?[^/\uff0f?\uff1f#\uff03]*[/\uff0f?\uff1f#\uff03]?")
# What a form holds before anybody types.
EMPTY_WEBSITE = re.compile(r"https?:?/{0,2}", re.IGNORECASE)
BARE_HOST = re.compile(r"[^\s/:@?#]+\.[^\s/:@?#]+([/?#:].*)?$")
INVALID_WEBSITE = translatable("Enter a web address that starts with http:// or https://, like https://example.com.")


def clean_website(text: str, limits: Limits) -> str | None:
    """Return the address of a commenter's website; ``https://`` is added where it is missing.

    Raises:
        InvalidValue: it is not an http(s) address, or it contains a password.
    """
    text = _clean_pasted(text, limits.website)
    # Up to the start of the path, full-width characters mean ASCII.
    text = SCHEME_AND_HOST.sub(lambda found: found[0].translate(FULL_WIDTH), text, count=1)
    if not text or EMPTY_WEBSITE.fullmatch(text):
        return None
    if BARE_HOST.match(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        normalise_host(parts.hostname or "")
        _ = parts.port
    except ValueError:
        raise InvalidValue("invalid_url", INVALID_WEBSITE) from None
    awkward = re.search(r"[\s\x00-\x20\x7f-\x9f<>\"'`{}|\\^]", text) or INVISIBLE.search(text)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or awkward:
        raise InvalidValue("invalid_url", INVALID_WEBSITE)
    return text


MIN_TOKEN: Final = 8
MAX_TOKEN: Final = 200


def check_token(text: str, _limits: Limits) -> str:
    """Return a token that a program made: 8 to 200 visible ASCII characters.

    Raises:
        InvalidValue: it is something else.
    """
    if not re.fullmatch(rf"[\x21-\x7e]{{{MIN_TOKEN},{MAX_TOKEN}}}", text):
        raise InvalidValue("invalid", f"Use {MIN_TOKEN} to {MAX_TOKEN} visible ASCII characters.")
    return text


Id: TypeAlias = Annotated[str, Meta(min_length=36, max_length=36, description="A UUIDv7.")]
Time: TypeAlias = Annotated[
    str, Meta(description="RFC 3339, UTC, in milliseconds.", extra_json_schema={"format": "date-time"})
]


ThreadName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_RAW_LENGTH,
        description="The page address, its path, or a key that the blog chose.",
    ),
]
SiteName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="Required only if the server has several sites and neither thread nor Origin tells which.",
    ),
]
Name: TypeAlias = Annotated[
    str, Validator(clean_name), Meta(min_length=1, max_length=80, description="Displayed with the comment.")
]
Address: TypeAlias = Annotated[
    Email,
    Validator(parse_email),
    Meta(
        description="Stored encrypted; never shown to readers.",
        extra_json_schema={"type": "string", "format": "email", "maxLength": 254},
    ),
]
Text: TypeAlias = Annotated[
    str,
    Validator(clean_comment),
    Meta(min_length=1, description="CommonMark; up to 10,000 characters unless the operator changed the limit."),
]
Website: TypeAlias = Annotated[
    str,
    Validator(clean_website),
    Meta(
        max_length=500,
        description="http or https; https:// is added if it is missing.",
        extra_json_schema={"format": "uri"},
    ),
]
Title: TypeAlias = Annotated[str, Validator(clean_title), Meta(description="Title of the page; cut at 300 characters.")]
Token: TypeAlias = Annotated[
    str,
    Validator(check_token),
    Meta(
        min_length=MIN_TOKEN,
        max_length=MAX_TOKEN,
        description="Idempotency key made by the client: sending the same one again returns the same response.",
    ),
]
Language: TypeAlias = Annotated[
    str,
    Meta(max_length=40, description="Language of the interface, such as de or pt-BR. Default: from Accept-Language."),
]
Unused: TypeAlias = Annotated[str, Meta(max_length=4000, description="Accepted but ignored for now.")]


Cursor: TypeAlias = Annotated[
    str, Meta(max_length=400, description="The cursor that the previous page ends with (next_cursor).")
]


Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200, description="Maximum number of results, 1 to 200.")]


def sent_time(description: str) -> Meta:
    """Return the annotation of a time in a request."""
    return Meta(max_length=40, description=description, extra_json_schema={"format": "date-time"})


def one_of(name: str, description: str | None = None) -> Meta:
    """Return the annotation of a text that is one of the words which the OpenAPI document lists under this name."""
    return Meta(description=description, extra_json_schema={"$ref": f"#/components/schemas/{name}"})


Verb: TypeAlias = Annotated[str, one_of("Verb")]
Note: TypeAlias = Annotated[str, Meta(max_length=2000, description="A note for other moderators.")]
