"""Format the log: one line per event, as text or JSON, without personal data."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, Refusal
from commentsvc.domain.request_id import REQUEST_ID
from commentsvc.domain.timestamps import format_time

EXTRAS: Final = ("request_id", "unit", "milliseconds", "bytes")
MAX_FRAMES: Final = 6


class Formatter(logging.Formatter):
    """Formats a record as one line of text or JSON.

    An exception is written as its type and place only: its message may repeat what a client sent.
    """

    def __init__(self, kind: Literal["text", "json"]) -> None:
        super().__init__()
        self._json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | _extras(record)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _describe_exception(record.exc_info[1])
        return msgspec.json.encode(line).decode() if self._json else _format_text(line)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the extra fields of a record, with the id of the request that is being handled."""
    given = {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
    request_id = REQUEST_ID.get()
    return ({"request_id": request_id} if request_id else {}) | given


def _describe_exception(error: BaseException) -> str:
    """Return the type and place of an exception and its causes, outermost first."""
    # Our own errors never repeat what a client sent, so their messages are safe.
    message = f": {error}" if isinstance(error, (Refusal, ConfigurationError)) else ""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__}{message} at {places}" + (f" from {_describe_exception(cause)}" if cause else "")


def _format_text(line: dict[str, Any]) -> str:
    extras = " ".join(f"{name}={line[name]}" for name in (*EXTRAS, "exception") if name in line)
    message = "".join(character if character.isprintable() else "?" for character in line["message"])
    return f"{line['time']} {line['level']:<7} {message} {extras}".rstrip()


def configure_logging(config: Config) -> None:
    """Write the log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(config.log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    root.setLevel(max(level, logging.INFO))  # what libraries log at debug may be personal data
    logging.getLogger("commentsvc").setLevel(level)
    logging.getLogger("commentsvc.access").setLevel(logging.NOTSET if config.access_log == "on" else logging.CRITICAL)
    # Log lines of these libraries contain addresses and request data. We write our own lines instead.
    for name in ("aiohttp.access", "aiohttp.server", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
