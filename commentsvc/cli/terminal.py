"""Print text to a terminal: results of commands, and styles."""

import argparse
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from commentsvc.cli.escape import escape_as_json, must_escape
from commentsvc.service import Service


class OutputError(Exception):
    """Nothing can be printed any more; the text says why. It is empty if the reader has gone, such as `head`."""


class Keys(Protocol):
    """A source of key presses."""

    async def read_key(self) -> str:
        """Return the next key press, or "" at the end of input.

        A key that sends several characters, such as an arrow key, returns all of them at once.
        """

    async def write_text(self, text: str) -> str:
        """Let the person write a text that begins as this one; return it, or "" if they cancel."""

    def discard_pending(self) -> None:
        """Drop all keys pressed so far: they were not meant for the comment that is shown next."""


@dataclass(frozen=True)
class Terminal:
    """A terminal, or the pipes and files that replace it."""

    print_line: Callable[[str], None]
    print_error: Callable[[str], None]
    read_lines: Callable[[], Iterable[str]]  # from standard input
    open_keys: Callable[[], AbstractAsyncContextManager[Keys]]
    columns: Callable[[], int]
    colour: bool = False
    interactive: bool = False  # a person reads the output, not a program
    write_bytes: Callable[[bytes], object] = lambda _: None  # as they are, such as an export
    table_columns: Callable[[], int | None] = lambda: None  # None: rows may be as long as they are

    def paint(self, text: str, style: str) -> str:
        """Return the text in a style (ECMA-48, 8.3.117) if this terminal shows colours."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text


@dataclass(frozen=True)
class CommandResult:
    """The result of a command: data for ``--json``, text for people, and a problem that sets exit code 1."""

    data: Any
    text: str
    problem: str = ""


Command: TypeAlias = Callable[[Service, argparse.Namespace, Terminal], Awaitable[CommandResult]]
# Commands by their words; a command without a second word has the first one twice.
Commands: TypeAlias = dict[tuple[str, str], Command]


def join_rows(rows: Iterable[str], empty: str) -> str:
    """Return the rows of a list as lines; the text ``empty`` if the list is empty."""
    return "\n".join(rows) or empty


def to_json(data: Any) -> str:
    """Encode data as one line of JSON that contains no control or invisible characters."""
    text: str = msgspec.json.encode(data).decode()
    return "".join(escape_as_json(character) if must_escape(character) else character for character in text)


BOLD: Final = "1"
DIM: Final = "2"
YELLOW: Final = "33"
