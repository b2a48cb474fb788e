"""The service stops while people connect: everybody who connected before the end gets their answer."""

import asyncio
import socket

import pytest
from aiohttp import web

from commentsvc.web.routes import application
from commentsvc.web.server.connections import Deadlines, Runner
from commentsvc.web.server.last_connections import stop_accepting
from commentsvc.web.server.middleware import DRAINING
from tests.conftest import a_service, copied

REQUEST = b"GET /v1/comments?thread=/a-page/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def stopping(laid_file, tmp_path, clock):
    """A runner, and the address where it listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        async with a_service(copied(laid_file, tmp_path), clock) as service:
            runner = Runner(application(service), Deadlines(drain=0, last=10, finish=5))
            await runner.setup()
            listener.setblocking(False)
            await web.SockSite(runner, listener, backlog=128).start()
            yield runner, listener.getsockname()
            await runner.cleanup()


async def read_all(connection):
    """Return what the server sends until it closes the connection."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    with connection:
        return b"".join([part async for part in _parts(loop, connection)])


async def _parts(loop, connection):
    while part := await loop.sock_recv(connection, 65_536):
        yield part


async def test_people_who_wait_to_be_accepted_get_their_answer(stopping):
    runner, address = stopping
    waiting = []
    for _ in range(50):  # the event loop has no turn in between, so nobody is accepted yet
        waiting.append(socket.create_connection(address))
        waiting[-1].sendall(REQUEST)
    runner.app[DRAINING].process = True
    await stop_accepting(runner)
    answers = await asyncio.gather(*map(read_all, waiting))

    assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_people_who_are_connected_can_still_send_a_request(stopping):
    runner, address = stopping
    reader, writer = await asyncio.open_connection(*address)
    drained = asyncio.create_task(runner.drain())
    while runner.sites:  # noqa: ASYNC110 -- aiohttp has no event for this
        await asyncio.sleep(0)
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    await drained

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("turns", range(3))
async def test_people_who_have_just_been_accepted_get_their_answer(stopping, turns):
    runner, address = stopping
    connection = socket.create_connection(address)
    connection.sendall(REQUEST)
    for _ in range(turns):  # of the event loop: it accepts in one, and opens the connection in others
        await asyncio.sleep(0)
    answer, _ = await asyncio.gather(read_all(connection), runner.drain())

    assert answer.partition(b"\r\n")[0] == b"HTTP/1.1 200 OK"
