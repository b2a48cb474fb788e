"""The log: a line an event, for people or for machines, with nobody's data in it."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import msgspec

from commentsvc.domain.errors import ConfigurationError, Refusal
from commentsvc.domain.timestamps import format_time

EXTRAS: Final = ("request_id", "milliseconds", "bytes")


class Formatter(logging.Formatter):
    """A record as one line, ``key=value`` or JSON.

    Of an exception only its type and place are written: its message may repeat what somebody sent.
    """

    def __init__(self, kind: Literal["text", "json"]) -> None:
        super().__init__()
        self._json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _where(record.exc_info[1])
        return msgspec.json.encode(line).decode() if self._json else _text(line)


def _where(error: BaseException) -> str:
    """Type and place of an exception and of its causes, the outermost first."""
    said = f": {error}" if isinstance(error, (Refusal, ConfigurationError)) else ""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__}{said} at {places}" + (f" from {_where(cause)}" if cause else "")


def _text(line: dict[str, Any]) -> str:
    rest = " ".join(f"{name}={line[name]}" for name in (*EXTRAS, "exception") if name in line)
    message = "".join(character if character.isprintable() else "?" for character in line["message"])
    return f"{line['time']} {line['level']:<7} {message} {rest}".rstrip()


def start(kind: Literal["text", "json"], stream: TextIO = sys.stderr) -> None:
    """Write the log to this stream from now on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(kind))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # aiohttp's own lines repeat addresses and what was sent; ours stand in for them.
    for name in ("aiohttp.access", "aiohttp.server", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
