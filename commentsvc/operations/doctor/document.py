"""Read what matters for the widget out of the HTML of a page, as a browser sees it before any script runs."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from commentsvc.operations.doctor.fetch import join_address

# The widget's script, and the names under which themes for other systems load it.
SCRIPT: Final = re.compile(
    r"^[^?]*/(embed(\.[0-9a-f]+)?\.js|js/embed\.min\.js|js/count\.min\.js|web/embed\.(js|mjs)|js/cusdis\.es\.js)(\?|$)"
)
# What makes a browser run a script: https://html.spec.whatwg.org/multipage/scripting.html#attr-script-type
RUNNABLE: Final = frozenset(
    {"", "module", "text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript"}
)

# Such as "0; url=/a-post/": https://html.spec.whatwg.org/multipage/semantics.html#attr-meta-http-equiv-refresh
REFRESH: Final = re.compile(r"\s*[\d.]+\s*[;,\s]\s*(?:url\s*=\s*)?[\"']?([^\"']+)", re.IGNORECASE)


@dataclass(frozen=True)
class ScriptTag:
    """A script element with an address."""

    url: str
    attributes: dict[str, str]
    in_head: bool

    @property
    def runs(self) -> bool:
        """Return whether its attributes let a current browser run it."""
        return self.attributes.get("type", "").strip().lower() in RUNNABLE and "nomodule" not in self.attributes


@dataclass
class Document:
    """The parts of a page that the widget depends on."""

    url: str
    scripts: list[ScriptTag] = field(default_factory=list)
    canonical: str = ""
    refresh: str = ""  # where the page itself sends its readers
    policies: list[str] = field(default_factory=list)  # of meta elements
    # Attributes of the comment-thread elements, also of those that the script makes in places of other systems.
    threads: list[dict[str, str]] = field(default_factory=list)
    base: str = ""

    @property
    def widgets(self) -> list[ScriptTag]:
        """The scripts that may be the widget's."""
        return [one for one in self.scripts if SCRIPT.search(one.url)]


# Places of themes for other systems, and their attributes that name a thread. Only scripts know that of Remark42.
PLACES: Final = {"isso-thread": ("data-isso-id",), "remark42": (), "cusdis_thread": ("data-page-url", "data-page-id")}
# Their content is a text or a store: no browser with scripts makes elements of it.
INERT: Final = frozenset({"iframe", "noembed", "noframes", "noscript", "template", "textarea", "title"})
# Any other element ends the head, also without its tag (HTML standard, "in head" insertion mode).
OF_HEAD: Final = frozenset({"base", "basefont", "bgsound", "head", "html", "link", "meta", "script", "style"} | INERT)


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.document = Document(url)
        self._in_head = True
        self._inert: list[str] = []  # elements that are open, if no browser reads their content

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inert:
            self._inert += [tag] if tag == self._inert[-1] == "template" else []
            return
        found = {name: value or "" for name, value in reversed(attrs)}  # the first of two counts
        self._in_head = self._in_head and tag in OF_HEAD
        if tag in INERT:
            self._inert = [tag]
        elif tag in {"base", "link", "meta"}:
            self._read_head(tag, found)
        else:
            self._read_element(tag, found)

    def _read_head(self, tag: str, found: dict[str, str]) -> None:
        document, href = self.document, found.get("href", "")
        if tag == "base":
            document.base = document.base or join_address(document.url, href)  # the first one counts
        elif "canonical" in found.get("rel", "").lower().split() and not document.canonical:
            document.canonical = join_address(document.base or document.url, href) or href
        elif (kind := found.get("http-equiv", "").lower()) == "content-security-policy":
            document.policies.append(found.get("content", ""))
        elif kind == "refresh" and (target := REFRESH.match(found.get("content", ""))):
            document.refresh = join_address(document.base or document.url, target[1])

    def _read_element(self, tag: str, found: dict[str, str]) -> None:
        document = self.document
        if tag == "script" and found.get("src"):
            address = join_address(document.base or document.url, found["src"])
            document.scripts += [ScriptTag(address, found, self._in_head)] if address else []
        elif tag == "comment-thread":
            document.threads.append(found)
        elif (names := PLACES.get(found.get("id", ""))) is not None:
            given = [found[name] for name in names if found.get(name) and "{{" not in found[name]]
            document.threads.append({"thread": given[0]} if given else {})

    def handle_endtag(self, tag: str) -> None:
        if self._inert and tag == self._inert[-1]:
            self._inert.pop()
        elif tag == "head":
            self._in_head = False


def read_document(url: str, html: str) -> Document:
    """Return the parts of a page. Wrong HTML is read as far as possible."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.document
