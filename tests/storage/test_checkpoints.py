"""The write-ahead log is copied while comments are stored, starts again, and keeps no erased text."""

import asyncio
import sqlite3
import time
from contextlib import closing, suppress

import pytest

from commentsvc.comments import erase
from commentsvc.domain.models import Decision, Mode, Status
from commentsvc.operations import maintenance
from commentsvc.service import write
from commentsvc.storage import comments, sqlite_checkpoints, sqlite_connection
from commentsvc.storage.sqlite_checkpoints import WalFile
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, post
from tests.storage.costs import changed_pages


@pytest.fixture
def file(tmp_path):
    return tmp_path / "comments.db"


@pytest.fixture
async def service(file, clock):
    async with a_service(f"sqlite:///{file}", clock, moderation=Mode.NONE) as service:
        yield service


@pytest.fixture
def small_log(monkeypatch):
    monkeypatch.setattr(sqlite_checkpoints, "PAGES_PER_CHECKPOINT", 60)
    monkeypatch.setattr(sqlite_checkpoints, "ROWS_PER_CHECK", 20)
    monkeypatch.setattr(sqlite_checkpoints, "SECONDS_BETWEEN_RESTARTS", 0.0)


async def post_until(service, condition, most=1000):
    for number in range(most):
        await post(service, f"Comment {number}")
        if condition():
            return
    raise AssertionError(f"not after {most} comments")


async def test_the_log_starts_again_while_comments_are_stored(small_log, service, file):
    first, _ = WalFile(file).read()
    await post_until(service, lambda: WalFile(file).read()[0] != first)


async def test_a_long_read_stops_no_comments_and_the_log_starts_again_after_it(small_log, service, file):
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM comment").fetchone()
        first, _ = WalFile(file).read()
        for number in range(30):
            await post(service, f"During the read {number}")
        assert WalFile(file).read()[0] == first
        assert reader.execute("SELECT COUNT(*) FROM comment").fetchone() == (0,)
        reader.execute("ROLLBACK")
        await post_until(service, lambda: WalFile(file).read()[0] != first)
    reader.close()


async def test_the_pages_of_the_log_are_counted_without_those_of_before_it_started_again(service, file):
    await post(service, "The first comment.")
    assert WalFile(file).read()[1] == len(changed_pages(file))
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(RESTART)")
    await post(service, "A second comment.")
    assert 0 < WalFile(file).read()[1] == len(changed_pages(file))


async def until_empty(file, done=(None,)):
    """Wait until something was done and the log is empty."""
    pause, end = asyncio.Event(), time.monotonic() + 10
    while not (done and WalFile(file).is_empty()):
        assert time.monotonic() < end
        with suppress(TimeoutError):
            await asyncio.wait_for(pause.wait(), 0.01)


async def test_an_erased_text_is_in_no_file_when_its_words_left_the_search_index(service, file):
    comment_id = await post(service, "A regretted sentence.")

    @write
    async def erase_it(unit):
        comment = await comments.get(unit, comment_id)
        await erase.erase_comment(unit, comment, Decision(Status.TRASH, EVERYTHING.actor))

    await erase_it(service)
    await maintenance.finish_erasing(service)
    await until_empty(file)
    assert not [one for one in file.parent.glob("comments.db*") if b"regretted" in one.read_bytes().lower()]


async def test_a_log_that_started_again_is_emptied_after_a_minute_without_comments(service, file):
    await post(service, "A regretted sentence.")
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(RESTART)")
    assert not WalFile(file).is_empty(), "its old pages are still there"

    def wait_a_minute():
        connection = sqlite_connection.connect_here(file)
        service.db._files.checkpoints._copy_if_due(connection, is_idle=True)
        connection.close()

    await asyncio.to_thread(wait_a_minute)
    assert WalFile(file).is_empty()


async def test_nothing_is_left_in_a_log_after_a_stop(file, clock):
    async with a_service(f"sqlite:///{file}", clock) as service:
        await post(service, "The only comment.")
    assert not file.with_name("comments.db-wal").exists()
    async with a_service(f"sqlite:///{file}", clock) as service:
        assert len(await everything_in(service, "comment")) == 1


async def test_comments_are_stored_if_checkpoints_fail(small_log, file, clock, monkeypatch):
    def fail(_path):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite_connection, "connect_here", fail)
    async with a_service(f"sqlite:///{file}", clock) as service:
        await post(service, "The only comment.")
        assert len(await everything_in(service, "comment")) == 1


async def test_a_comment_does_not_wait_for_a_reader_while_the_log_is_emptied(service, file):
    await post(service, "The first comment.")
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as reader,
        closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as writer,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM comment").fetchone()

        def wait_a_minute():
            connection = sqlite_connection.connect_here(file)
            service.db._files.checkpoints._copy_if_due(connection, is_idle=True)
            (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
            connection.close()
            return timeout

        assert await asyncio.to_thread(wait_a_minute) == sqlite_checkpoints.RESTART_WAIT_MS
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("ROLLBACK")


async def test_an_erasure_while_the_log_is_emptied_empties_it_again(file):
    done = []

    class Erasing(sqlite3.Connection):
        def execute(self, sql, *values):
            found = super().execute(sql, *values)
            if "TRUNCATE" in sql and not done:
                done.append(store("deleted"))
                checkpoints.empty_soon()
            return found

    def store(text):
        writer.execute("INSERT INTO words VALUES (?)", [text])

    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("PRAGMA journal_mode=wal")
        writer.execute("CREATE TABLE words (text)")
        checkpoints = sqlite_checkpoints.Checkpointer(
            file, lambda: sqlite3.connect(file, isolation_level=None, factory=Erasing)
        )
        checkpoints.empty_soon()
        try:
            await until_empty(file, done)
        finally:
            checkpoints.close()
