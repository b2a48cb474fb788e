"""Words of other people in a mail: comments, names and titles as plain text.

A mail program makes links of addresses in a text, and filters judge a mail by its links. So an address of a stranger
is written as ``shop[.]example/3x``: it can be read, but neither clicked nor counted as ours.
"""

import html
import re
import unicodedata
from typing import Final

from commentsvc.domain.text import CONTROL, INVISIBLE, SELECTORS, limit_marks, shorten
from commentsvc.domain.visible_text import plain_text
from commentsvc.web.moderation.rendered import describe_target
from commentsvc.web.pages.i18n import Locale

MOST_WORDS: Final = 2000  # characters of a comment in a mail; its page has all
MOST_LINE: Final = 100
_LINK: Final = re.compile(r'<a (?:[^>"]|"[^"]*")*?\bhref="([^"]*)"(?:[^>"]|"[^"]*")*>(.*?)</a>', re.DOTALL)
_TAG: Final = re.compile(r'<(?:[^>"]|"[^"]*")*>')
# With a scheme, with www., or a host with a path: mail programs make links of all. Node.js is none.
_ADDRESS: Final = re.compile(
    r"(?:([a-z][a-z0-9+.-]{0,20}://)|www\.|(?<![\w@./-])(?:[\w-]{1,63}\.){1,10}[^\W\d_]{2,24}/)[^\s<>]*", re.IGNORECASE
)
_WWW: Final = re.compile(r"\b(www)\.", re.IGNORECASE)
ISOLATE: Final = "\u2068{}\u2069"  # the direction of what is between them does not change the rest (UAX #9)
RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_HOST: Final = re.compile(r"[^/?#]*")


def plain_words(comment_html: str, most: int = MOST_WORDS) -> str:
    """Return a comment's HTML as plain text of at most this many characters, and a sign if it goes on.

    Paragraphs and line breaks end a line. After the words of a link is where it leads.
    """
    return _tame(plain_text(_LINK.sub(_describe_link, comment_html)), most)


def plain_line(text: str, most: int = MOST_LINE) -> str:
    """Return a name or a title on one line, with at most this many characters and a sign if it goes on."""
    return _tame(" ".join(text.split()), most)


def isolate(text: str, locale: Locale) -> str:
    """Return a text that keeps its direction to itself; unchanged if it has only that of the language."""
    others = {"L"} if locale.dir == "rtl" else RIGHT_TO_LEFT
    return ISOLATE.format(text) if others & {unicodedata.bidirectional(one) for one in text} else text


def _tame(text: str, most: int) -> str:
    lines = CONTROL.sub(" ", SELECTORS.sub("", INVISIBLE.sub("", text.replace("\x00", " ")))).splitlines()
    text = _ADDRESS.sub(_disarm, limit_marks("\n".join(lines)))
    return shorten(_WWW.sub(r"\1[.]", text.replace("://", ":/")), most)


def _describe_link(link: re.Match[str]) -> str:
    target, words = html.unescape(link[1]), html.unescape(_TAG.sub("", link[2]))
    if words in {target, target.partition("://")[2], target.removeprefix("mailto:")}:
        return link[2]
    return f"{link[2]} ({html.escape(_write_address(describe_target(target)))})"


def _disarm(address: re.Match[str]) -> str:
    return _write_address(address[0].removeprefix(address[1] or "") or address[0])


def _write_address(address: str) -> str:
    return _HOST.sub(lambda host: host[0].replace(".", "[.]"), address, count=1)
