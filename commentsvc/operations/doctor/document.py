"""Read what matters for the widget out of the HTML of a page, as a browser sees it before any script runs."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

# The widget's script, and the names under which themes for other systems load it.
SCRIPT: Final = re.compile(
    r"/(embed(\.[0-9a-f]+)?\.js|js/embed\.min\.js|js/count\.min\.js|web/embed\.(js|mjs)|js/cusdis\.es\.js)$"
)
# What makes a browser run a script: https://html.spec.whatwg.org/multipage/scripting.html#attr-script-type
RUNNABLE: Final = frozenset(
    {"", "module", "text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript"}
)


@dataclass(frozen=True)
class ScriptTag:
    """A script element with an address."""

    url: str
    attributes: dict[str, str]
    in_head: bool

    @property
    def runs(self) -> bool:
        """Return whether its type lets a browser run it."""
        return self.attributes.get("type", "").strip().lower() in RUNNABLE


@dataclass
class Document:
    """The parts of a page that the widget depends on."""

    url: str
    scripts: list[ScriptTag] = field(default_factory=list)
    canonical: str = ""
    policies: list[str] = field(default_factory=list)  # of meta elements
    threads: list[dict[str, str]] = field(default_factory=list)  # attributes of the comment-thread elements
    has_thread_place: bool = False  # an element of a theme for another system
    base: str = ""

    @property
    def widgets(self) -> list[ScriptTag]:
        """The scripts that may be the widget's."""
        return [one for one in self.scripts if SCRIPT.search(urlsplit(one.url).path)]


PLACES: Final = frozenset({"isso-thread", "remark42", "cusdis_thread"})


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.document = Document(url, base=url)
        self._in_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        document = self.document
        if tag in {"head", "body"}:
            self._in_head = tag == "head"
        elif tag == "base" and found.get("href"):
            document.base = urljoin(document.url, found["href"])
        elif tag == "script" and found.get("src"):
            document.scripts.append(ScriptTag(urljoin(document.base, found["src"].strip()), found, self._in_head))
        elif tag == "link" and "canonical" in found.get("rel", "").lower().split() and not document.canonical:
            document.canonical = urljoin(document.base, found.get("href", ""))
        elif tag == "meta" and found.get("http-equiv", "").lower() == "content-security-policy":
            document.policies.append(found.get("content", ""))
        elif tag == "comment-thread":
            document.threads.append(found)
        document.has_thread_place = document.has_thread_place or found.get("id") in PLACES

    def handle_endtag(self, tag: str) -> None:
        if tag == "head":
            self._in_head = False


def read_document(url: str, html: str) -> Document:
    """Return the parts of a page. Wrong HTML is read as far as possible."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.document
