"""An address with several PostgreSQL hosts: the service finds the one that answers, and keeps to it."""

import re
import socket
from contextlib import contextmanager, suppress

import pytest

from commentsvc.config.postgres_url import parse_postgres_url
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import DatabaseAway
from commentsvc.storage.postgres import PostgresDatabase
from commentsvc.storage.postgres_hosts import SILENT_SECONDS
from commentsvc.storage.postgres_login import Login
from tests.conftest import SECRET
from tests.strict_postgres import strict_server


@contextmanager
def silent_machine():
    """Yield a port where connections are made, but nobody ever answers; and a function that counts them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def count():
            number = 0
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    number += 1
            return number

        yield listener.getsockname()[1], count


def after(port, url):
    """Return the address of a database with another host before its own."""
    folder = re.search("host=(.*)", url)[1]
    return url.replace(f"?host={folder}", f"?host=127.0.0.1,{folder}&port={port},5432&connect_timeout=2")


@pytest.mark.slow
async def test_an_operator_whose_first_machine_is_silent_has_a_service(postgres_url):
    with silent_machine() as (port, count):
        database = await PostgresDatabase.open(after(port, postgres_url), Keyring([SECRET]))
        first = count()
        for _ in range(3):
            await database.read_clock()
        await database.close()
        # Each connection after the first one goes to the host that answered.
        assert (first, count()) == (1, 0)


@pytest.mark.slow
async def test_an_operator_whose_machines_are_all_silent_reads_it(postgres_url):
    with silent_machine() as (port, _), silent_machine() as (other, _):
        url = f"postgresql://app@127.0.0.1:{port},127.0.0.1:{other}/x?connect_timeout=1&sslmode=disable"
        with pytest.raises(DatabaseAway, match=re.escape(f"127.0.0.1:{port}, 127.0.0.1:{other}")):
            await PostgresDatabase.open(url, Keyring([SECRET]))


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://app@one:5432,two/x", [("one", 5432), ("two", None)]),
        ("postgresql://app@[::1]:1,[::2]/x", [("::1", 1), ("::2", None)]),
        ("postgresql://app@/x?host=one,/run/postgresql&port=1,2", [("one", 1), ("/run/postgresql", 2)]),
        ("postgresql://app@/x?host=one,two&port=5", [("one", 5), ("two", 5)]),
        ("postgresql://app@/x?host=one,two&port=1,2,3", []),
        ("postgresql://app@one,two/x?target_session_attrs=prefer-standby", []),
        ("postgresql://app@one/x", []),
    ],
)
def test_several_hosts_are_tried_as_they_are_written(url, hosts):
    assert list(parse_postgres_url("URL", url).hosts) == hosts


@pytest.mark.slow
async def test_a_service_notices_that_the_machine_of_its_database_has_vanished(postgres_tools):
    with strict_server(postgres_tools) as server:
        connection = await Login(parse_postgres_url("URL", server.url("postgres"))).connect()
        used = connection._transport.get_extra_info("socket")
        assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1000
        await connection.close()
