"""Let a person write a text at a terminal: in their editor, or line by line."""

import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LAST_LINE: Final = "."  # as in ed(1) and mail(1)
FALLBACKS: Final = ("sensible-editor", "editor", "nano", "vi")
PROMPT: Final = "Write the text. End with a line that has only a dot. An empty text cancels."


def find_editor(environment: Mapping[str, str]) -> list[str]:
    """Return the command of the person's editor; an empty list if no editor is installed."""
    named = environment.get("VISUAL") or environment.get("EDITOR") or ""
    if environment.get("TERM", "dumb") == "dumb" and not named:
        return []
    return shlex.split(named) or [found for name in FALLBACKS if (found := shutil.which(name))][:1]


def edit_text(editor: list[str], text: str) -> str:
    """Return the text as it is after the editor ended; "" if the editor failed. Only this user can read the file."""
    with tempfile.TemporaryDirectory(prefix="commentsvc-") as folder:
        file = Path(folder, "comment.md")
        file.write_text(f"{text}\n" if text else "", encoding="utf-8")
        try:
            with _leave_ctrl_c_to_the_editor():
                failed = subprocess.run([*editor, str(file)], check=False).returncode  # noqa: S603 -- the person's own
            return "" if failed else file.read_text(encoding="utf-8", errors="replace").strip("\n")
        except OSError:
            return ""


@contextmanager
def _leave_ctrl_c_to_the_editor() -> Iterator[None]:
    # The terminal sends it to both. A handler is not inherited; an ignored signal would be.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def read_lines() -> str:
    """Return the lines up to one that has only a dot, or to the end of input."""
    lines: list[str] = []
    while line := sys.stdin.readline() if sys.stdin else "":
        if line.rstrip("\r\n") == LAST_LINE:
            break
        lines.append(line)
    return "".join(lines).strip("\r\n")
