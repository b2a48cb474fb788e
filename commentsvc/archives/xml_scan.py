"""Find records in files that look like XML: in a stream, and also where the XML is not well-formed.

A document parser stops at the first fault, and real exports have faults: control characters, ``]]>`` inside a post,
prefixes that nobody declared. This looks for the tags of records and fields alone. It expands no entities of the
document, and keeps one record in memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.xml_stream import TextStream
from commentsvc.archives.xml_values import (
    LEGAL,
    PREFIX,
    SPACE,
    drop_controls,
    read_content,
    read_id,
    replace_entities,
)

MAX_RECORD: Final = 2**20  # characters; WordPress keeps 65,535 bytes of a comment, Disqus 25,000 characters
MAX_SECTION: Final = 2**20  # of a comment or DOCTYPE: what is longer lacks its end
MAX_TAG: Final = 2**14
MAX_END: Final = 2  # characters: the end of a section can be cut by the end of the window
ATTRIBUTES: Final = r"""(?:\s(?:"[^"<]{0,4096}"|'[^'<]{0,4096}'|[^<>"'/]|/(?!>))*+)?"""
IN_CDATA: Final = r"(?:[^\]]++|\](?!\]>))*+"
HTML: Final = frozenset({"title", "link"})
SECTION_ENDS: Final = {
    "<!--": re.compile("(?s:.*?)-->"),
    "<?": re.compile(r"(?s:.*?)\?>"),
    "<!DOCTYPE": re.compile(r"[^\[>]*+(?:\[[^\]]*+\]\s*+)?>"),
}


@dataclass
class Element:
    """A record, with the first value of each field that is not empty, decoded and trimmed.

    A file that ends before its root does, but in no record, has an element ``is_cut`` with the root's name.
    """

    name: str
    key: str = ""  # the attribute ``id``, with any prefix
    outer: "Element | None" = None  # the record around it, as far as it was read
    fields: dict[str, str] = field(default_factory=dict)
    size: int = 0  # characters
    has_controls: bool = False  # characters that XML forbids were dropped
    is_cut: bool = False  # the file ends inside it

    def get(self, name: str) -> str:
        """Return the value of a field, or nothing."""
        return self.fields.get(name, "")


@dataclass(frozen=True)
class Grammar:
    """The names to look for, without prefixes."""

    root: str
    records: dict[str, str | None]  # name -> name of the record around it, or None
    fields: tuple[str, ...]
    skipped: tuple[str, ...] = ()  # fields of any size, with content that may look like records
    references: dict[str, str] = field(default_factory=dict)  # name -> the record in which its value is its ``id``

    @cached_property
    def token(self) -> re.Pattern[str]:
        """Matches the next tag or section that matters. A complete, simple field is matched as a whole."""
        records = "|".join(dict.fromkeys((*self.records, *self.references)))
        return re.compile(
            rf"<{PREFIX}({'|'.join((*self.fields, *self.skipped))}){ATTRIBUTES}"
            rf"(?:(/>)|>(?:([^<]*+)|\s*+<!\[CDATA\[({IN_CDATA})\]\]>\s*+)</{PREFIX}\1\s*+>|>)"
            rf"|<{PREFIX}({records})({ATTRIBUTES})(/?)>|</{PREFIX}({'|'.join((*self.records, self.root))})\s*+>"
            rf"|<{PREFIX}({self.root})(?=[\s>])|(<!\[CDATA\[|<!--|<\?|<!DOCTYPE)"
        )

    @cached_property
    def ends(self) -> dict[str, re.Pattern[str]]:
        """Return what ends each field: its closing tag, the edge of a record, or another field if it lacks its end.

        CDATA sections are found on the way. A field that may be in the way as HTML ends no field but its own kind.
        """
        found = {}
        for name in self.fields:
            edges = "|".join((*self.records, name, *(other for other in self.fields if other not in HTML)))
            records = "|".join(self.records)
            found[name] = (
                rf"(</{PREFIX}{name}\s*+>)|(<!\[CDATA\[)|<{PREFIX}(?:{edges})(?=[\s/>])|</{PREFIX}(?:{records})\s*+>"
            )
        found |= {name: rf"(</{PREFIX}{name}\s*+>)|(<!\[CDATA\[)" for name in self.skipped}
        return {name: re.compile(pattern) for name, pattern in found.items()}


def scan(file: BinaryIO, grammar: Grammar, name: str) -> Iterator[Element]:
    """Find the records of a file, in the order in which they end. ``name`` is the file's, for people.

    Raises:
        UnreadableArchive: a record is larger than any system writes, or the charset is not known.
    """
    return Scanner(TextStream(file), grammar, name).run()


class Scanner:
    """Reads one file."""

    def __init__(self, stream: TextStream, grammar: Grammar, name: str) -> None:
        """Prepare to read a file from its beginning."""
        self._stream = stream
        self._grammar = grammar
        self._name = name
        self._open: list[Element] = []  # the outermost first
        self._is_root_open = False
        self._unended = dict.fromkeys(SECTION_ENDS, 0)  # up to where in the file no such section ends

    def run(self) -> Iterator[Element]:
        """Yield the records."""
        stream = self._stream
        search = self._grammar.token.search
        while True:
            token = search(stream.text, stream.start)
            if token is None:
                stream.start = max(_last_tag(stream.text, stream.start), len(stream.text) - MAX_TAG)
                if not stream.more():
                    break
                continue
            stream.start = token.end()
            name, is_empty, plain, section, record, attributes, is_closed, end, root, other = token.groups()
            if name:
                self._read_field(name, plain, section, is_empty=bool(is_empty))
            elif record:
                yield from self._begin(record, attributes, is_closed=bool(is_closed))
            elif end:
                yield from self._end(end)
            elif root:
                self._is_root_open = True
            else:
                self._skip_section(other)
        yield from self._finish()

    def _begin(self, name: str, attributes: str, *, is_closed: bool) -> Iterator[Element]:
        """Open a record, or note a reference to one. A record that lacks its end ends here."""
        key = read_id(attributes)
        if self._open and self._grammar.references.get(name) == self._open[-1].name:
            self._open[-1].fields.setdefault(name, key)
        elif name in self._grammar.records:
            outer = self._grammar.records[name]
            while self._open and self._open[-1].name != outer:
                yield self._open.pop()
            element = Element(name, key, self._open[-1] if self._open else None)
            if is_closed:
                yield element
            else:
                self._open.append(element)

    def _end(self, name: str) -> Iterator[Element]:
        is_root = name == self._grammar.root
        if is_root:
            self._is_root_open = False
        if is_root or any(element.name == name for element in self._open):
            while self._open:
                element = self._open.pop()
                yield element
                if element.name == name:
                    break

    def _finish(self) -> Iterator[Element]:
        if self._open:
            self._open[-1].is_cut = True
            yield from reversed(self._open)
        elif self._is_root_open:
            yield Element(self._grammar.root, is_cut=True)

    def _read_field(self, name: str, plain: str | None, section: str | None, *, is_empty: bool) -> None:
        """Keep the value of a field of the innermost record, if it has none yet.

        ``plain`` or ``section`` is the whole content, unless it is not simple: then the rest of it is read.
        """
        if name in self._grammar.skipped:
            if plain is section is None and not is_empty:
                self._skip_field(name)
        elif section is not None:
            self._keep(name, section.strip(SPACE))
        elif plain is not None:
            self._keep(name, replace_entities(plain).strip(SPACE))
        elif not is_empty:
            self._keep(name, read_content(self._long_field(name)))

    def _keep(self, name: str, value: str) -> None:
        if not value or not self._open:
            return
        element = self._open[-1]
        element.size += len(value)
        if element.size > MAX_RECORD:
            self._check_size(element.size)
        # The first check is several times as fast, and enough for most values.
        if not value.isprintable() and LEGAL.fullmatch(value) is None:
            value = drop_controls(value).strip(SPACE)
            element.has_controls = True
        if value and name not in element.fields:
            element.fields[name] = value

    def _long_field(self, name: str) -> str:
        """Return the content of a field that is not simple, or that goes on after the window."""
        stream, ends = self._stream, self._grammar.ends[name]
        position = stream.start
        while True:
            end = ends.search(stream.text, position)
            if end is None:
                position = self._grow(_last_tag(stream.text, position))
            elif end[2]:
                position = self._find_section_end(end.end())
            else:
                break
            if position < 0:
                return self._take(len(stream.text))
        raw = self._take(end.start())
        if end[1]:  # or else it lacks its end, and a field or record follows
            stream.start = end.end()
        return raw

    def _find_section_end(self, position: int) -> int:
        """Return where a CDATA section ends, or -1 if the file ends first."""
        while (end := self._stream.text.find("]]>", position)) < 0:
            position = self._grow(max(position, len(self._stream.text) - 2))
            if position < 0:
                return -1
        return end + 3

    def _grow(self, position: int) -> int:
        """Read on. Return where ``position`` is then, or -1 at the end of the file."""
        stream = self._stream
        self._check_size(len(stream.text) - stream.start)
        position -= stream.start
        return position if stream.more() else -1

    def _take(self, end: int) -> str:
        raw = self._stream.text[self._stream.start : end]
        self._stream.start = end
        return raw

    def _skip_field(self, name: str) -> None:
        """Skip a field of any size."""
        stream, ends = self._stream, self._grammar.ends[name]
        while True:
            end = ends.search(stream.text, stream.start)
            if end is None:
                stream.start = _last_tag(stream.text, stream.start)
                if not stream.more():
                    return
                continue
            stream.start = end.end()
            if end[1]:
                return
            self._skip_cdata()

    def _skip_cdata(self) -> None:
        stream = self._stream
        while (end := stream.text.find("]]>", stream.start)) < 0:
            stream.start = max(stream.start, len(stream.text) - 2)
            if not stream.more():
                return
        stream.start = end + 3

    def _skip_section(self, start: str) -> None:
        """Skip CDATA, a comment or a declaration. A comment that lacks its end is text: it hides nothing."""
        stream = self._stream
        if start not in SECTION_ENDS:
            self._skip_cdata()
        elif stream.start + stream.offset >= self._unended[start]:
            while (end := SECTION_ENDS[start].match(stream.text, stream.start)) is None:
                if len(stream.text) - stream.start > MAX_SECTION or not stream.more():
                    self._unended[start] = stream.offset + len(stream.text) - MAX_END
                    return
            stream.start = end.end()

    def _check_size(self, size: int) -> None:
        if size > MAX_RECORD:
            raise UnreadableArchive(
                f"{self._name} has a record with more than {MAX_RECORD:,} characters, about {self._stream.offset:,} "
                "characters after its beginning. Delete the record from the file, and import it again."
            )


def _last_tag(text: str, position: int) -> int:
    """Return the start of the last tag, which may go on after the text, or else the end of the text."""
    last = text.rfind("<", position)
    return len(text) if last < 0 else last
