"""Several servers write to one SQLite file, and take turns."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager

import pytest

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Mode
from commentsvc.storage import sqlite_units
from commentsvc.storage.file_lock import WriterLock
from tests.comments.test_post import everything_in
from tests.conftest import a_service, post

HOLD = """
import sys
from pathlib import Path
from commentsvc.storage.file_lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print(lock.acquire(5), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "comments.db"


@contextmanager
def another_server_in_its_turn(file):
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"True\n"
        yield
        process.kill()


async def test_comments_of_two_servers_are_all_stored(file, clock):
    async with (
        a_service(f"sqlite:///{file}", clock, moderation=Mode.NONE) as one,
        a_service(f"sqlite:///{file}", clock, moderation=Mode.NONE) as other,
    ):
        await asyncio.gather(*(post(server, f"{n} {server is one}") for n in range(40) for server in (one, other)))
        assert len(await everything_in(one, "comment")) == 80


async def test_a_comment_is_refused_while_another_server_hangs_and_accepted_after_it_died(file, clock, monkeypatch):
    async with a_service(f"sqlite:///{file}", clock, moderation=Mode.NONE) as service:
        monkeypatch.setattr(sqlite_units, "LOCK_SECONDS", 0.05)
        with another_server_in_its_turn(file), pytest.raises(Unavailable):
            await post(service, "Too early.")
        monkeypatch.setattr(sqlite_units, "LOCK_SECONDS", 5.0)
        await post(service, "In time.")
        assert [row["text"] for row in await everything_in(service, "comment")] == ["In time."]


def test_the_next_server_has_its_turn_after_a_release(file):
    one, other = WriterLock(file), WriterLock(file)
    assert one.acquire(1)
    assert not other.acquire(0.01)
    one.release()
    assert other.acquire(5)
    assert not one.acquire(0.01)
    other.release()
    assert one.acquire(5)


def test_a_server_that_gave_up_does_not_keep_the_turn(file):
    one, two, three = WriterLock(file), WriterLock(file), WriterLock(file)
    assert one.acquire(1)
    assert not two.acquire(0.01)
    one.release()
    assert three.acquire(5)


def test_every_server_has_its_turn_without_a_file_for_the_lock(tmp_path):
    (tmp_path / "folder").write_text("a file in place of the folder")
    one, other = (WriterLock(tmp_path / "folder" / "comments.db") for _ in range(2))
    assert one.acquire(0)
    assert other.acquire(0)
    one.release()
    one.close()
