"""Links in comments: the targets that are allowed, and the end of a bare link in running text."""

import html
import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from commentsvc.domain.fields import BARE_HOST
from commentsvc.domain.urls import normalise_host

WEB: Final = frozenset({"http", "https"})
# The start of a bare link. ``git@www.example.com`` and ``xhttps://`` are none.
BARE_LINK: Final = r"(?<![a-z0-9])https?://(?=[^\W_]|\[)|(?<![a-z0-9@./:-])www\.(?=[^\W_])"
_SCHEME: Final = re.compile(r"https?://|mailto:(?=.)", re.IGNORECASE)
_MAX_HOST: Final = 253  # RFC 1035, 2.3.4, in text form
# A host that ends in a number is an IPv4 address (WHATWG URL Standard, 3.5).
_NUMBER_AT_END: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")
_UNESCAPED: Final = "%!#$&'()*+,/:;=?@[]~-._"  # RFC 3986, 2.2 and 2.3
_STOPS: Final = frozenset(' <>"`|\\^')
_OPENING: Final = {")": "(", "]": "[", "}": "{"}
_JOINERS: Final = frozenset("\u200c\u200d")
_FULLWIDTH: Final = range(0xFF00, 0xFFF0)
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:https?://)?[^/?#]*", re.IGNORECASE)
# A host followed directly by a word of a script without spaces: ``example.com谢谢``.
_HOST_AND_WORD: Final = re.compile(
    r"((?:https?://)?[^/?#]*\.[a-z]{2,}(?::[0-9]+)?)"
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7ff\U00020000-\U0003ffff][^.]*",
    re.IGNORECASE,
)
_SENTENCE_SIGNS: Final = frozenset("?!.,;*'")
_NEXT_LINK: Final = re.compile(BARE_LINK, re.IGNORECASE)
_TRAILING: Final = "?!.,:;*_~'"


def link_target(written: str) -> str | None:
    """Return the address that a written link target leads to; None if links must not lead there.

    ``https://`` is added to a host without a scheme, as for a commenter's website.
    """
    written = written.strip()
    if not _SCHEME.match(written):
        if not BARE_HOST.match(written):
            return None
        written = f"https://{written}"
    address = quote(written, safe=_UNESCAPED, errors="replace")
    if address[:7].lower() == "mailto:":
        return address
    return address if _has_host(re.split("[/?#]", written.partition("://")[2], maxsplit=1)[0]) else None


@lru_cache(maxsize=1024)  # checking an international host takes 0.2 ms, and a comment can repeat it 700 times
def _has_host(authority: str) -> bool:
    try:
        parts = urlsplit(f"https://{authority}")
        host = parts.hostname or ""
        _ = parts.port
        name = normalise_host(host).strip("[]")
        if _NUMBER_AT_END.search(name):
            IPv4Address(name)  # else no browser opens it
    except ValueError:
        return False
    return len(host) <= _MAX_HOST and bool(name)


@lru_cache(maxsize=1024)  # as above
def linked_host(address: str) -> str | None:
    """Return the host to which a web address leads: in lower case and ASCII (IDNA), without ``www.``.

    None for an address without a host, such as one of mail. The links of a comment have their letters
    percent-encoded, and phones write a capital in ``Https://``.
    """
    try:
        parts = urlsplit(address)
        host = normalise_host(unquote(parts.hostname or "")) if parts.scheme in WEB else ""
    except ValueError:
        return None
    return host.removeprefix("www.") or None


def find_end(text: str, start: int) -> int:
    """Return where the bare link ends that starts at ``start``.

    White space, quotes, unmatched closing brackets and punctuation outside ASCII end it, since many scripts have no
    space after it. Punctuation of the sentence around it does not belong to it.
    """
    end = _scan(text, start)
    host = _HOST.match(text, start, end)
    glued = _HOST_AND_WORD.fullmatch(host[0]) if host else None
    if glued:
        return start + len(glued[1])
    return start + len(text[start:end].rstrip(_TRAILING))


def _scan(text: str, start: int) -> int:
    host = _HOST.match(text, start)
    host_end = host.end() if host else start
    user_end = text.rfind("@", start, host_end)
    depths = dict.fromkeys(_OPENING.values(), 0)
    position = start
    while position < len(text):
        character, following = text[position], text[position + 1 : position + 2]
        if character in _STOPS or not _may_be_in_link(character):
            break
        if character in "*~" and following == character:
            break
        if character in _SENTENCE_SIGNS and position > user_end and _ends_link(text, position, host_end):
            break
        if character in depths:
            depths[character] += 1
        elif character in _OPENING:
            depths[_OPENING[character]] -= 1
            if depths[_OPENING[character]] < 0:
                break
        elif character == "&" and (entity := _ENTITY.match(text, position)):
            if html.unescape(entity[0]) != "&":
                break
            position = entity.end() - 1
        position += 1
    return position


def _ends_link(text: str, position: int, host_end: int) -> bool:
    """Return whether a sign ends a link. Hosts have dots only; a list of links may have signs without spaces."""
    if position < host_end:
        return text[position] != "."
    following = text[position + 1 : position + 2]
    return bool(following) and (not following.isascii() or _NEXT_LINK.match(text, position + 1) is not None)


def _may_be_in_link(character: str) -> bool:
    if character.isascii():
        return "\x20" < character < "\x7f"
    category = unicodedata.category(character)[0]
    if category in "PZC":
        return character in _JOINERS
    return not (category == "S" and ord(character) in _FULLWIDTH)
