"""Three servers on one PostgreSQL database behind nginx: one is killed, all are restarted, and no comment is lost."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import asyncpg
import pytest

from commentsvc.domain.models import Mode
from tests.conftest import a_service, fields_of, post
from tests.postgres import make_database
from tests.replicas import ReplicaLoad, doubled, lost, nginx, read_stored, servers
from tests.streaming import documented_sql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CLIENTS = {"keyed": 4, "plain": 4, "readers": 4}


async def test_readers_and_commenters_hardly_notice_that_a_server_is_killed(tmp_path, postgres_url):
    async with servers(tmp_path, 3, DATABASE_URL=postgres_url) as replicas:
        with nginx(tmp_path, [server.port for server in replicas]) as url:
            load = ReplicaLoad(url)
            async with load.run(**CLIENTS):
                for victim in replicas[:2]:
                    await load.await_more(40)
                    victim.kill()
                    await load.await_more(40)
                    await victim.start().await_start()
                await load.await_more(40)
    stored = await read_stored(postgres_url)
    assert (lost(load, stored), doubled(stored)) == (set(), {})
    assert load.reads > 0
    # nginx repeats what is safe. Each other client had at most one request on each killed server.
    assert load.failed("reader") | load.failed("keyed") == {}
    assert all(found.total() <= 2 for found in load.failed("plain").values()), load.failures


async def test_readers_and_commenters_do_not_notice_a_rolling_restart(tmp_path, postgres_url):
    async with servers(tmp_path, 3, DATABASE_URL=postgres_url) as replicas:
        with nginx(tmp_path, [server.port for server in replicas]) as url:
            load = ReplicaLoad(url)
            async with load.run(**CLIENTS):
                for server in replicas:
                    await load.await_more(40)
                    await server.stop()
                    await server.start().await_start()
                await load.await_more(40)
    stored = await read_stored(postgres_url)
    assert (lost(load, stored), doubled(stored)) == (set(), {})
    assert load.failures == {}


class DyingServer:
    """Reads a request, then closes the connection without an answer, as a server that is killed does."""

    def __init__(self):
        self.requests = 0

    async def answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        writer.transport.abort()


@pytest.mark.parametrize(
    ("method", "headers", "status", "requests"),
    [
        ("GET", {}, 200, 2),
        ("POST", {"Idempotency-Key": "the-first-draft"}, 201, 2),
        ("POST", {}, 502, 1),  # it may have stored the comment
    ],
)
async def test_nginx_repeats_a_request_only_if_that_is_safe(tmp_path, live, method, headers, status, requests):
    url, _ = await live(moderation=Mode.NONE)
    dying = DyingServer()
    async with AsyncExitStack() as stack:
        ports = []
        for _ in range(2):
            server = await stack.enter_async_context(await asyncio.start_server(dying.answer, "127.0.0.1", 0))
            ports.append(server.sockets[0].getsockname()[1])
        proxy = stack.enter_context(nginx(tmp_path, [*ports, int(url.rpartition(":")[2])]))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)))
        body = {"json": fields_of()} if method == "POST" else {"params": {"thread": "/a-page/"}}
        async with http.request(method, f"{proxy}/v1/comments", headers=headers, **body) as response:
            assert (response.status, dying.requests) == (status, requests)


async def test_commenters_wait_only_a_moment_for_a_server_that_has_vanished(postgres, laid, clock):
    await make_database(postgres, f"CREATE DATABASE vanished TEMPLATE {laid}")
    (limit,) = documented_sql("idle_in_transaction")
    await make_database(postgres, limit.replace("comments", "vanished").replace("30s", "1s"))
    url = postgres.format("vanished")
    async with a_service(url, clock, moderation=Mode.NONE) as service:
        await post(service, "Before.")
        vanished = await asyncpg.connect(url)
        try:
            await vanished.execute("BEGIN")
            await vanished.execute("SELECT id FROM thread FOR UPDATE")
            async with asyncio.timeout(20):
                await post(service, "After.")
        finally:
            vanished.terminate()
