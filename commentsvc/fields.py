"""What each field of a comment may hold, and how it is made ready to be kept."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import email_validator
import idna


@dataclass(frozen=True)
class Limits:
    """How long a field may be, in characters (Unicode code points)."""

    comment: int = 10_000
    name: int = 80
    website: int = 500
    title: int = 300


@dataclass(frozen=True)
class Check:
    """Stands in a field's type: makes its text ready to be kept, or raises ``Unfit``."""

    clean: Callable[[str, Limits], Any]


class Unfit(Exception):  # noqa: N818 -- becomes a Fault once the field is known
    """Why one field's value cannot be taken, without repeating it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Email:
    """An email address. Nothing that prints it shows it; whoever needs it asks with ``reveal``."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def reveal(self) -> str:
        """The address itself."""
        return self._address

    def masked(self) -> str:
        """Its first letter and its domain: ``m…@example.com``."""
        local, _, domain = self._address.rpartition("@")
        return f"{local[:1]}…@{domain}"

    def domain(self) -> str:
        """What stands after the @, as it travels."""
        return host(self._address.rpartition("@")[2])

    def folded(self) -> str:
        """The same for every spelling that reaches the same mailbox in practice: letter case is ignored."""
        return self._address.casefold()

    def __repr__(self) -> str:
        return "Email(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Email) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)


REQUIRED = {
    "name": "Please enter your name.",
    "email": "Please enter your email address. It will not be published.",
    "comment": "Please write a comment.",
    "thread": "Say which page this belongs to: its address, or the thread's key.",
}


def printable(text: str) -> str:
    """Text that can be written anywhere: what UTF-8 cannot carry is shown as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(text: str) -> str:
    """Refuse what one of the two databases, or UTF-8 itself, cannot keep."""
    if "\x00" in text:
        raise Unfit("not_text", "There is a NUL character in this. Please take it out.")
    if SURROGATE.search(text):
        raise Unfit("not_text", "There is half of a character (a lone surrogate) in this. Please take it out.")
    return text


SURROGATE = re.compile("[\ud800-\udfff]")
# Invisible marks that reorder or hide what a reader sees in a name: bidirectional controls, zero-width
# characters, soft hyphens, tags. The joiners U+200C and U+200D stay: Persian and emoji need them.
TRICKS = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
CONTROL = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
# More marks than any language stacks on one letter; a pile of them climbs over its neighbours.
MARKS_KEPT = 4
# A text may be so many times its limit before it is made ready; what is longer is not even looked at.
ROOM = 8
# Blank in every font, though Unicode calls it a symbol.
BRAILLE_BLANK = "\u2800"


def name(text: str, limits: Limits) -> str:
    """A writer's name: NFC, one line, single spaces, nothing invisible.

    Raises:
        Unfit: it is empty, too long, or holds control characters.
    """
    text = line(_at_most(text, ROOM * limits.name))
    if not _visible(text):
        raise Unfit("required", REQUIRED["name"])
    return _at_most(text, limits.name)


def title(text: str, limits: Limits) -> str | None:
    """A page's title: one line, cut where it is too long (the page chose it, not the writer)."""
    return line(text[: ROOM * limits.title], lenient=True)[: limits.title].rstrip() or None


def line(text: str, *, lenient: bool = False) -> str:
    """Text that stands on one line, its tricks and stacked marks taken out.

    Raises:
        Unfit: it holds control characters and is not read leniently.
    """
    if lenient:
        text = CONTROL.sub(" ", text)
    elif CONTROL.search(text):
        raise Unfit("not_text", "There are control characters in this. Please take them out.")
    # Thinned first: putting long piles of marks in order takes quadratic time.
    text = unicodedata.normalize("NFC", _thinned(TRICKS.sub("", text)))
    return " ".join(text.split())


def _thinned(text: str) -> str:
    """At most ``MARKS_KEPT`` combining marks in a row."""
    if text.isascii():
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MARKS_KEPT:
            kept.append(character)
    return "".join(kept)


def comment(text: str, limits: Limits) -> str:
    """A comment, whole, just as it was written.

    Raises:
        Unfit: nothing in it can be seen, or it is too long.
    """
    if not _visible(TRICKS.sub("", text)):
        raise Unfit("required", REQUIRED["comment"])
    return _at_most(text, limits.comment)


def _visible(text: str) -> bool:
    """Whether anything would show: a letter, digit, sign or symbol, not only spaces and marks."""
    return any(unicodedata.category(character)[0] in "LNPS" and character != BRAILLE_BLANK for character in text)


def _at_most(text: str, most: int) -> str:
    if len(text) > most:
        raise Unfit("too_long", f"This has {len(text):,} characters; at most {most:,} are taken. Please shorten it.")
    return text


# Past this no address is deliverable (RFC 5321, 4.5.3.1.3), and checking a longer one costs time.
EMAIL_LONGEST = 254


def email(text: str, _limits: Limits) -> Email:
    """An address that mail could reach, by its syntax alone (RFC 5321, 6531; IDNA 2008).

    Raises:
        Unfit: it is not one.
    """
    text = text.strip()
    if len(text) > EMAIL_LONGEST:
        raise Unfit("too_long", f"An email address has at most {EMAIL_LONGEST} characters.")
    try:
        valid = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        raise Unfit("invalid_email", "This is not a valid email address. One looks like name@example.com.") from None
    return Email(valid.normalized)


BARE_HOST = re.compile(r"[^\s/:@?#]+\.[^\s/:@?#]+([/?#:].*)?$")
WEBSITE_ADVICE = "This is not a web address. One looks like https://example.com, and starts with http:// or https://."


def website(text: str, limits: Limits) -> str | None:
    """A writer's own page; ``https://`` is added where somebody left it out.

    Raises:
        Unfit: it is not an http(s) address, or it carries a password.
    """
    text = _at_most(text.strip(), limits.website)
    if not text:
        return None
    if BARE_HOST.match(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host(parts.hostname or "")
        _ = parts.port
    except ValueError:
        raise Unfit("invalid_url", WEBSITE_ADVICE) from None
    awkward = re.search(r"[\s\x00-\x20\x7f-\x9f<>\"'`{}|\\^]", text) or TRICKS.search(text)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or awkward:
        raise Unfit("invalid_url", WEBSITE_ADVICE)
    return text


# Letters, digits and hyphens (RFC 1123, 2.1), and the underscores that some networks use all the same.
PLAIN_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.IGNORECASE
)


def host(text: str) -> str:
    """A host name as it travels: lower case, IDNA 2008 (UTS 46), IP addresses as they are.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*", text):
        return f"[{text}]"
    if PLAIN_HOST.fullmatch(text) and "--" not in text:
        return text.lower()  # nothing to encode: nearly every host, a hundred times faster
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ValueError("not a host name") from error


def token(text: str, _limits: Limits) -> str:
    """A name that a program made: 8 to 200 visible ASCII characters.

    Raises:
        Unfit: it is something else.
    """
    if not re.fullmatch(r"[\x21-\x7e]{8,200}", text):
        raise Unfit("invalid", "This must be 8 to 200 visible ASCII characters.")
    return text
