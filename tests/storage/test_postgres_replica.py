"""Public lists from a streaming replica: never older than stated, and never without an answer."""

import asyncio
import itertools
import logging
import time

import asyncpg
import pytest

from commentsvc.comments.post import post_comment
from commentsvc.comments.read import count_comments, list_latest, list_thread
from commentsvc.comments.schemas import CountsQuery, LatestQuery, ThreadQuery
from commentsvc.domain.crypto import Keyring
from commentsvc.service import late_read, private_read, public_read
from commentsvc.storage import schema
from commentsvc.storage.patience import ANSWER_SECONDS
from commentsvc.storage.postgres import PostgresDatabase
from commentsvc.storage.postgres_replica import RETRY_SECONDS
from tests.conftest import SECRET, a_service_at, draft, visit
from tests.frozen import frozen
from tests.streaming import primary_server, standby_of

pytestmark = pytest.mark.slow
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def primary(postgres_tools):
    with primary_server(postgres_tools) as node:
        yield node


@pytest.fixture(scope="module")
def shared_replica(primary):
    with standby_of(primary) as node:
        yield node


@pytest.fixture
async def database(primary):
    """The name of a new, empty database."""
    name = f"replicated{next(NUMBERS)}"
    await primary.fetch(f"CREATE DATABASE {name}")
    return name


class Seconds:
    """The clock of a service's waiting times, which tests move."""

    def __init__(self, service):
        self.now = service.db.writes.clock()
        service.db.writes.clock = self

    def __call__(self):
        return self.now


def a_service_on(node, database, replica=None, **settings):
    address = replica.url(database) if replica else ""
    return a_service_at(node.url(database), replica_url=address, **settings)


async def until_current(service):
    """Wait until the replica has everything."""
    async with asyncio.timeout(45):
        while not service.db._replica.is_current():
            await service.db._replica.check()


async def in_recovery(unit):
    return (await unit.one("SELECT pg_is_in_recovery() AS found"))["found"]


from_replica = late_read(in_recovery)


async def texts(service, **more):
    page = await list_thread(service, ThreadQuery(thread="/a-page/", view="flat"), visit(), **more)
    return [comment.html for comment in page.listing.comments]


async def post(service, text):
    return (await post_comment(service, draft(comment=text), visit())).id


@pytest.fixture
async def two(primary, shared_replica, database):
    """A service that uses the replica, for lists up to a minute old, and another one that does not."""
    async with (
        a_service_on(primary, database) as writing,
        a_service_on(primary, database, shared_replica, replica_lag_ms=60_000) as reading,
    ):
        await post(writing, "First")
        await until_current(reading)
        yield writing, reading
        await shared_replica.fetch("SELECT pg_wal_replay_resume()")


async def test_only_public_lists_come_from_the_replica(two):
    _, reading = two
    assert await from_replica(reading) is True
    assert await public_read(in_recovery)(reading) is False
    assert await private_read(in_recovery)(reading) is False
    assert (await reading.db.read_rows("SELECT pg_is_in_recovery() AS found", {}, late=True))[0]["found"] is True
    assert (await reading.db.read_rows("SELECT pg_is_in_recovery() AS found", {}))[0]["found"] is False


async def test_lists_counts_and_latest_show_the_state_of_the_replica(two, shared_replica):
    writing, reading = two
    await shared_replica.fetch("SELECT pg_wal_replay_pause()")
    await post(writing, "Second")
    assert len(await texts(writing)) == 2
    assert len(await texts(reading)) == 1
    counts = await count_comments(reading, CountsQuery(thread=["/a-page/"]), visit())
    assert counts.content.counts == {"/a-page/": 1}
    assert len((await list_latest(reading, LatestQuery(), visit())).content.comments) == 1

    await shared_replica.fetch("SELECT pg_wal_replay_resume()")
    await post(reading, "Third")
    await until_current(reading)
    assert await from_replica(reading) is True
    assert len(await texts(reading)) == 3


async def test_commenters_see_their_own_comment_at_once(two, shared_replica):
    writing, reading = two
    await shared_replica.fetch("SELECT pg_wal_replay_pause()")
    mine = await post(writing, "Mine")
    assert len(await texts(reading)) == 1
    assert len(await texts(reading, own=mine)) == 2


async def test_a_server_shows_everything_that_it_has_acknowledged(two, shared_replica):
    _, reading = two
    await shared_replica.fetch("SELECT pg_wal_replay_pause()")
    for number in range(2, 5):
        await post(reading, f"Number {number}")
        assert len(await texts(reading)) == number
    assert await from_replica(reading) is False


async def test_the_primary_answers_when_the_replica_is_too_far_behind(two, shared_replica, caplog):
    caplog.set_level(logging.INFO)
    writing, reading = two
    seconds = Seconds(reading)
    await reading.db._replica.check()
    await shared_replica.fetch("SELECT pg_wal_replay_pause()")
    await post(writing, "Second")
    seconds.now += 59
    assert len(await texts(reading)) == 1
    seconds.now += 2
    for _ in range(3):
        await reading.db._replica.check()
        assert len(await texts(reading)) == 2
    assert caplog.text.count("is not used: it is more than 60 seconds behind. The primary answers.") == 1
    await shared_replica.fetch("SELECT pg_wal_replay_resume()")
    await until_current(reading)
    await reading.db._replica.check()
    assert await from_replica(reading) is True
    assert caplog.messages[-1].endswith("is used.")


async def test_nothing_fails_when_the_replica_stops_and_returns(primary, database, caplog):
    caplog.set_level(logging.WARNING)
    with standby_of(primary) as replica:
        async with a_service_on(primary, database, replica) as service:
            await post(service, "First")
            await until_current(service)
            assert await from_replica(service) is True
            replica.stop()
            assert await asyncio.gather(*(texts(service) for _ in range(20))) == [await texts(service)] * 20
            await service.db._replica.check()
            assert await from_replica(service) is False
            assert caplog.text.count("is not used") >= 1
            replica.start()
            await until_current(service)
            assert await from_replica(service) is True


@pytest.mark.parametrize("which", ["everything", "backends"])
async def test_the_primary_answers_when_the_replica_hangs(two, shared_replica, caplog, which):
    _, reading = two
    reading.db.writes.clock = Seconds(reading)  # the replica stays current: only the reader finds out
    with frozen(shared_replica.folder, which):
        started = time.monotonic()
        assert await from_replica(reading) is False
        assert time.monotonic() - started < ANSWER_SECONDS
        assert "did not answer a query (TimeoutError). The primary answers." in caplog.text
        assert await from_replica(reading) is False
    reading.db.writes.clock.now += RETRY_SECONDS
    await until_current(reading)
    assert await from_replica(reading) is True


async def test_a_replica_that_is_away_at_the_start_stops_nobody(primary, shared_replica, database, caplog):
    with standby_of(primary) as replica:
        pass
    async with a_service_on(primary, database, replica) as service:
        await post(service, "First")
        for _ in range(3):
            await service.db._replica.check()
            assert len(await texts(service)) == 1
    assert caplog.text.count("is not used: it does not answer") == 1


async def test_a_promoted_replica_is_not_used(primary, database, caplog):
    with standby_of(primary) as replica:
        async with a_service_on(primary, database, replica) as service:
            await until_current(service)
            replica.promote()
            await service.db._replica.check()
            assert await from_replica(service) is False
    assert caplog.text.count("was promoted: it accepts writes of its own") == 1


async def test_a_replica_of_the_old_primary_is_not_used(primary, database, caplog):
    with standby_of(primary) as new_primary, standby_of(primary) as old_replica:
        async with a_service_on(primary, database):
            pass
        new_primary.promote()
        async with a_service_on(new_primary, database, old_replica) as service:
            await service.db._replica.check()
            assert await from_replica(service) is False
    assert "follows another primary (timeline 1 instead of 2)" in caplog.text


async def test_a_server_with_other_data_is_not_used(primary, database, postgres, caplog):
    async with a_service_on(primary, database):
        pass
    admin = await asyncpg.connect(postgres.format("postgres"))
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    keyring = Keyring([SECRET])
    other = await PostgresDatabase.open(postgres.format(database), keyring)
    await schema.migrate(other, "2026-01-01T00:00:00.000Z")
    await other.close()
    service = await PostgresDatabase.open(primary.url(database), keyring, replica_url=postgres.format(database))
    await service._replica.check()
    assert service._replica.is_current() is False
    await service.close()
    assert "is not a replica of this database" in caplog.text


async def test_a_replica_is_not_read_by_a_user_who_sees_private_tables(primary, shared_replica, database, caplog):
    reader = primary.url(database).replace("postgres@", "plain@")
    await primary.fetch("CREATE ROLE plain LOGIN")
    async with a_service_on(primary, database, shared_replica, reader_url=reader) as service:
        async with asyncio.timeout(45):
            while "The user postgres can read private data." not in caplog.text:
                await service.db._replica.check()
        assert service.db._replica.is_current() is False
