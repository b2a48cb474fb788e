"""The log writes the lines of a busy moment together, and loses none."""

import asyncio
import io
import logging
import subprocess
import sys
import threading

import pytest

from commentsvc.cli.log_format import Formatter, GatheringHandler
from commentsvc.web.server.connections import ACCESS, AccessRecord


class Stream(io.StringIO):
    """Counts how often something is written."""

    def __init__(self):
        super().__init__()
        self.writes, self.written = 0, asyncio.Event()

    def write(self, text):
        self.writes += 1
        self.written.set()
        return super().write(text)


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def log(stream):
    handler = GatheringHandler(stream)
    handler.setFormatter(Formatter("text"))
    logger = logging.Logger("commentsvc.tests", logging.DEBUG)  # noqa: LOG001 -- other tests must not get its lines
    logger.addHandler(handler)
    yield logger
    handler.close()


def access(text):
    return AccessRecord(text, "0123456789abcdef", 0.3, 1400)


async def test_lines_of_a_busy_moment_are_written_together_and_soon(log, stream):
    for number in range(100):
        log.handle(access(f"line {number}"))
    assert stream.writes == 0
    await stream.written.wait()
    assert stream.writes == 1
    assert [line.split()[3] for line in stream.getvalue().splitlines()] == [str(number) for number in range(100)]
    stream.written.clear()
    log.handle(access("the next moment"))
    await stream.written.wait()
    assert "the next moment" in stream.getvalue()


async def test_an_operator_sees_any_other_line_at_once_after_the_lines_before_it(log, stream):
    log.handle(access("before"))
    log.info("attention")
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == ["before", "attention"]


async def test_a_line_of_a_thread_is_written_at_once(log, stream):
    log.handle(access("of the loop"))
    thread = threading.Thread(target=log.debug, args=("of a thread",))
    thread.start()
    thread.join()
    log.handle(access("of the loop again"))
    log.handlers[0].flush()
    lines = stream.getvalue().splitlines()
    assert (len(lines), "of the loop" in lines[0], lines[1].endswith("of a thread")) == (3, True, True)


def test_a_command_without_a_loop_writes_its_lines_at_once(log, stream):
    log.info("done")
    assert stream.getvalue().endswith("done\n")


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _text):
        raise OSError(28, "No space left on device")


async def test_readers_are_answered_although_the_log_cannot_be_written(log):
    log.handlers[0].setStream(Full())
    log.handle(access("one"))
    log.warning("two")
    log.handlers[0].stream.close()
    log.warning("three")


def test_the_last_lines_are_written_when_the_process_ends():
    script = (
        "import asyncio, logging; from types import SimpleNamespace; from commentsvc.cli import log_format\n"
        "from commentsvc.web.server.connections import AccessRecord\n"
        "log_format.configure_logging(SimpleNamespace(log_format='json', log_level='info', access_log='on'))\n"
        "record = AccessRecord('the very last line', '', 0, 0)\n"
        "async def main(): logging.getLogger(record.name).handle(record)\n"
        "asyncio.run(main())"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert '"message":"the very last line"' in ended.stderr


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_line_of_the_access_log_has_the_fields_of_other_lines(kind):
    record = AccessRecord("GET /v1/comments 200", "0123456789abcdef", 0.3, 1400)
    line = Formatter(kind).format(record)
    assert all(text in line for text in ("GET /v1/comments 200", "0123456789abcdef", "0.3", "1400", "info"))
    other = logging.LogRecord(ACCESS.name, logging.INFO, "x.py", 1, "%s", ("text",), None)
    assert set(vars(other)) <= set(vars(record)) | {"asctime", "message", "taskName"}
