"""A load balancer reads from /readyz whether a comment could be stored now."""

import asyncio
import os
import resource
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import Unavailable
from commentsvc.operations import health
from commentsvc.service import private_read
from commentsvc.web.routes import application
from tests.conftest import a_service, copied, draft, fields_of, post, visit
from tests.operations.test_operating import call, port_of, serving
from tests.storage.test_database import fill_up


class Seconds:
    """A clock of the database's writes that a test moves."""

    def __init__(self, service):
        self.now = time.monotonic()
        service.db.writes.clock = lambda: self.now


async def ask(client):
    answer = await client.get("/readyz")
    return answer.status, (await answer.json()).get("detail", "")


def read_log(service):
    return Path(f"{service.config.sqlite_path}-wal").read_bytes()


async def changes(service):
    """Return a value that every stored change makes another one."""
    if service.config.sqlite_path:
        return read_log(service)

    async def look(tx):
        return (await tx.one("SELECT CAST(CAST(xmin AS TEXT) AS BIGINT) AS number FROM installation"))["number"]

    return await private_read(look)(service)


async def test_a_load_balancer_that_asks_every_second_causes_no_write(service, client):
    await post(service, "This was stored a moment ago.")
    before = await changes(service)

    assert [await ask(client) for _ in range(20)] == [(200, "")] * 20
    assert await changes(service) == before


async def test_an_idle_service_stores_one_probe_in_30_seconds(service, client, clock):
    seconds = Seconds(service)
    listing = (await client.get("/v1/comments?thread=/a-page/")).headers["ETag"]
    seen = set()
    for _ in range(3):
        seconds.now += health.PROBE_SECONDS + 1
        seen |= {await changes(service)}
        for _ in range(5):
            assert await ask(client) == (200, "")
            seconds.now += 1
            clock.move(seconds=1)
        seen |= {await changes(service)}

    assert len(seen) == 4
    assert (await client.get("/v1/comments?thread=/a-page/")).headers["ETag"] == listing


async def test_nobody_needs_a_key_and_many_who_ask_at_once_share_one_check(service, client):
    Seconds(service)
    answers = await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
    assert {answer.status for answer in answers} == {200}


async def test_a_service_whose_last_comment_did_not_fit_is_not_ready_until_there_is_room(served, aiohttp_client):
    service = await served()
    client, seconds = await aiohttp_client(application(service)), Seconds(service)
    (pages,) = await (await service.db._writer.execute("PRAGMA page_count")).fetchone()
    await service.db._writer.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(Unavailable):
        await fill_up(service, [])

    for _ in range(4):  # a small text would still find room on the pages that are there
        status, detail = await ask(client)
        assert (status, bool(detail)) == (503, True)
        seconds.now += health.RETRY_SECONDS
    await service.db._writer.execute("PRAGMA max_page_count = 1000000")
    seconds.now += health.RETRY_SECONDS
    assert await ask(client) == (200, "")


async def test_a_service_without_free_disk_space_is_not_ready(served, aiohttp_client):
    service = await served(min_free_mb=1_000_000)  # of a disk that is smaller
    await post(service, "This was stored a moment ago.")
    client = await aiohttp_client(application(service))

    assert await ask(client) == (503, "The disk of the database is full. Free some space.")


def test_a_service_whose_files_cannot_grow_is_not_ready_until_they_can(tmp_path):
    with serving(tmp_path, RATE_LIMIT="off") as (process, printed):
        port = port_of(printed)
        assert call(port, "GET", "/readyz")[0] == 200
        grown = (tmp_path / "data" / "commentsvc.db-wal").stat().st_size
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (grown, resource.RLIM_INFINITY))
        assert call(port, "POST", "/v1/comments", fields_of(comment="x" * 9000))[0] == 503
        assert call(port, "GET", "/readyz")[0] == 503
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert call(port, "POST", "/v1/comments", fields_of(comment="x" * 9000))[0] == 202
        assert call(port, "GET", "/readyz")[0] == 200


def move_file(name, *, replaced):
    file = Path(name)
    moved = file.rename(file.with_name("moved"))
    if replaced:
        file.write_bytes(moved.read_bytes())
    return moved


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("replaced", [False, True])
async def test_a_service_whose_file_is_lost_is_not_ready_and_takes_no_comment(
    served, aiohttp_client, suffix, replaced, caplog
):
    service = await served()
    await post(service, "This was stored a moment ago.")
    client = await aiohttp_client(application(service))
    assert await ask(client) == (200, "")
    moved = move_file(f"{service.config.sqlite_path}{suffix}", replaced=replaced)

    assert await ask(client) == (503, "The database file was moved, replaced or deleted. Restart the service.")
    with pytest.raises(Unavailable):
        await post(service, "The next start would not find this.")
    assert f"{service.config.sqlite_path} was moved, replaced or deleted" in caplog.text
    assert (await client.get("/t?thread=/a-page/")).status == 200
    moved.replace(f"{service.config.sqlite_path}{suffix}")
    await post(service, "This is stored.")
    assert await ask(client) == (200, "")


@pytest.mark.parametrize("content", [b"", b"An older backup."])
async def test_a_service_whose_file_is_overwritten_takes_no_comment(served, content):
    service = await served()
    await post(service, "This was stored a moment ago.")
    service.config.sqlite_path.write_bytes(content)
    with pytest.raises(Unavailable):
        await post(service, "This would be in no file.")


async def test_a_service_whose_folder_is_gone_takes_no_comment_until_it_is_back(
    laid_file, tmp_path, clock, aiohttp_client
):
    folder = tmp_path / "data"
    folder.mkdir()
    async with a_service(copied(laid_file, folder), clock) as service:
        client = await aiohttp_client(application(service))
        await post(service, "This was stored a moment ago.")
        folder.rename(tmp_path / "elsewhere")
        assert (await client.post("/v1/comments", json=fields_of())).status == 503
        assert (await ask(client))[0] == 503
        (tmp_path / "elsewhere").rename(folder)
        assert (await client.post("/v1/comments", json=fields_of())).status == 202
        assert await ask(client) == (200, "")


async def test_a_service_whose_file_is_read_only_is_not_ready(served, aiohttp_client, monkeypatch):
    service = await served()
    await post(service, "This was stored a moment ago.")
    client = await aiohttp_client(application(service))
    service.config.sqlite_path.chmod(0o400)
    if os.geteuid() == 0:  # root may write to any file; another user is told that it may not
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)

    assert await ask(client) == (503, "The database file is read-only. Make it writable.")


LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgres": "LOCK TABLE comment IN ACCESS EXCLUSIVE MODE"}


async def test_a_service_whose_writer_is_stuck_is_not_ready_until_it_goes_on(service, client, engine):
    await post(service, "This was stored a moment ago.")
    seconds = Seconds(service)
    other = await open_other(service, engine)
    await run_other(other, LOCKS[engine])
    stuck = asyncio.create_task(post_comment(service, draft(comment="This waits."), visit()))
    while not service.db.writes.longest_wait():
        await asyncio.sleep(0)
        seconds.now += 0.01
    seconds.now += health.STUCK_SECONDS
    assert await ask(client) == (503, "Writes have been waiting for the database for too long.")
    await run_other(other, "ROLLBACK")
    await stuck
    assert await ask(client) == (200, "")
    await close_other(other)


async def open_other(service, engine):
    if engine == "sqlite":
        return sqlite3.connect(service.config.sqlite_path, isolation_level=None)
    connection = await asyncpg.connect(service.config.database_url)
    await connection.execute("BEGIN")
    return connection


async def run_other(other, statement):
    done = other.execute(statement)
    if not isinstance(done, sqlite3.Cursor):
        await done


async def close_other(other):
    closed = other.close()
    if closed is not None:
        await closed


async def test_a_service_that_waits_for_a_lock_in_vain_is_not_ready(served, aiohttp_client):
    service = await served()
    client = await aiohttp_client(application(service))
    await service.db._writer.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(service.config.sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await post(service, "This waits in vain.")
        assert (await ask(client))[0] == 503
        other.execute("ROLLBACK")
    await post(service, "This is stored.")
    assert await ask(client) == (200, "")


async def test_a_comment_that_is_refused_does_not_make_the_service_unready(service, client):
    seconds = Seconds(service)
    assert (await client.post("/v1/comments", json=fields_of(parent="0" * 32))).status >= 400
    seconds.now += health.PROBE_SECONDS + 1
    assert await ask(client) == (200, "")
    assert not service.db.writes.failed


async def test_a_service_on_a_read_only_server_is_not_ready(postgres_url, clock, aiohttp_client):
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    async with a_service(postgres_url, clock) as service:
        client = await aiohttp_client(application(service))
        assert await ask(client) == (200, "")
        other = await asyncpg.connect(postgres_url)
        try:
            await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            service.db._pool.terminate()
            assert await ask(client) == (503, "The PostgreSQL server is read-only.")
        finally:
            await other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            await other.close()
        service.db._pool.terminate()
        assert await ask(client) == (200, "")


async def test_a_service_with_a_newer_schema_is_not_ready(service, client):
    async def migrate(tx):
        await tx.run("INSERT INTO schema_step (number, applied_at) VALUES (9999, '2030')")

    assert await ask(client) == (200, "")
    await service.db.write(migrate)
    status, detail = await ask(client)
    assert (status, "commentsvc migrate" in detail) == (503, True)


async def test_an_operator_reads_once_in_the_log_why_the_service_is_not_ready(served, aiohttp_client, caplog):
    service = await served(min_free_mb=1_000_000)
    client = await aiohttp_client(application(service))
    for _ in range(3):
        assert (await ask(client))[0] == 503
    lines = [record.message for record in caplog.records if "not ready" in record.message]
    assert lines == ["not ready: The disk of the database is full. Free some space."]
