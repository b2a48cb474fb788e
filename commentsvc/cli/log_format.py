"""Format the log: one line per event, as text or JSON, without personal data."""

import asyncio
import logging
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, Refusal
from commentsvc.domain.request_id import REQUEST_ID
from commentsvc.domain.timestamps import format_time

EXTRAS: Final = ("request_id", "unit", "milliseconds", "bytes")
MAX_FRAMES: Final = 6
ACCESS_LOGGER: Final = "commentsvc.access"  # the logger of web/server/connections.py
GATHERING_SECONDS: Final = 0.2


class Formatter(logging.Formatter):
    """Formats a record as one line of text or JSON.

    An exception is written as its type and place only: its message may repeat what a client sent.
    """

    def __init__(self, kind: Literal["text", "json"]) -> None:
        super().__init__()
        self._json = kind == "json"
        self.worker: int | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        if record.name == ACCESS_LOGGER and not self._json:
            return _format_access(record) + (f" worker={self.worker}" if self.worker else "")
        extras = _extras(record) | ({"worker": self.worker} if self.worker else {})
        if record.exc_info and record.exc_info[1] is not None:
            extras["exception"] = _describe_exception(record.exc_info[1])
        time, level, message = _format_time(record.created), record.levelname.lower(), record.getMessage()
        if self._json:
            line = {"time": time, "level": level, "logger": record.name, "message": message} | extras
            return msgspec.json.encode(line).decode()
        if not message.isprintable():
            message = "".join(character if character.isprintable() else "?" for character in message)
        return " ".join([f"{time} {level:<7} {message}", *(f"{name}={value}" for name, value in extras.items())])


def _format_access(record: logging.LogRecord) -> str:
    """Return a line of the access log. There is one for every request, so it skips what other lines need."""
    fields = vars(record)
    return (
        f"{_format_time(record.created)} info    {record.msg} request_id={fields['request_id']} "
        f"milliseconds={fields['milliseconds']} bytes={fields['bytes']}"
    )


def _format_time(timestamp: float) -> str:
    seconds, milliseconds = divmod(int(timestamp * 1000), 1000)
    return f"{_format_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4)
def _format_second(second: int) -> str:
    return format_time(datetime.fromtimestamp(second, UTC)).partition(".")[0]


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Writes the access log's lines of 0.2 s together: one on its own costs as much as an answer from memory.

    Any other line is written at once, with all lines before it. ``logging`` writes the rest when the process ends.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._gathered: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record soon."""
        self._gathered.append(self.format(record))
        if record.name != ACCESS_LOGGER:
            self.flush()
        elif self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()  # a thread, or a command that runs no loop
            else:
                self._timer = loop.call_later(GATHERING_SECONDS, self.flush)

    def flush(self) -> None:
        """Write all lines now. If that fails, nobody reads the log: the service goes on without it."""
        self.acquire()
        try:
            self._timer = None  # not cancelled: this may be another thread, and one more flush does no harm
            gathered, self._gathered = self._gathered, []
            if gathered:
                self.stream.write("\n".join([*gathered, ""]))
            super().flush()
        except (OSError, ValueError):  # a closed pipe, a full disk, a closed file
            pass
        finally:
            self.release()


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the extra fields of a record, with the id of the request that is being handled."""
    known = {"request_id": REQUEST_ID.get()} | vars(record)
    return {name: known[name] for name in EXTRAS if known.get(name) not in {None, ""}}


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


def name_worker(number: int) -> None:
    """Add the number of a worker to every line of its log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Formatter):
            handler.formatter.worker = number


def configure_logging(config: Config) -> None:
    """Write the log to standard error from now on."""
    handler = GatheringHandler(sys.stderr)
    handler.setFormatter(Formatter(config.log_format))
    # Nobody reads these fields of a record, and they cost a microsecond each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    root.setLevel(max(level, logging.INFO))  # what libraries log at debug may be personal data
    logging.getLogger("commentsvc").setLevel(level)
    logging.getLogger(ACCESS_LOGGER).setLevel(logging.NOTSET if config.access_log == "on" else logging.CRITICAL)
    # Log lines of these libraries contain addresses and request data. We write our own lines instead.
    for name in ("aiohttp.access", "aiohttp.server", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
