"""A service waits for its database when it starts, and ends when it is told to."""

import contextlib
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest

from commentsvc.domain.errors import Unavailable
from commentsvc.operations.waiting import wait_for_database
from commentsvc.storage.postgres_errors import is_away
from tests.conftest import SECRET
from tests.operations.test_operating import call, environment, port_of, run_main, serving

NOBODY = "postgresql://nobody@127.0.0.1:1/x"


@contextmanager
def started(folder, **settings):
    """Start the service; yield the process and a function that reads its log up to a line with a text."""
    log = folder / "log"
    with log.open("w", encoding="utf-8") as written, log.open(encoding="utf-8") as read:
        process = subprocess.Popen(
            [sys.executable, "-m", "commentsvc", "serve"],
            cwd=folder,
            env=environment(**{"PORT": "0", "SECRET_KEY": SECRET} | settings),
            stdout=subprocess.DEVNULL,
            stderr=written,
        )

        def read_until(text):
            lines = ""
            while text not in lines:
                assert process.poll() is None, lines
                lines += read.readline()
            return lines

        try:
            yield process, read_until
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["key", "list"]])
def test_an_operator_gets_exit_code_75_if_the_database_stays_away(tmp_path, command):
    done = run_main(tmp_path, *command, DATABASE_URL=NOBODY, SECRET_KEY=SECRET, DATABASE_WAIT="0", PORT="0")

    assert (done.returncode, done.stdout, "COMMENTSVC_DATABASE_URL" in done.stderr) == (75, "", True)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_service_waits_for_postgresql_and_starts_when_it_is_there(tmp_path, postgres_url):
    address, _, folder = postgres_url.partition("?host=")
    later = Path(os.path.relpath(tmp_path / "pg", "/"))
    with started(tmp_path, DATABASE_URL=f"{address}?host=/{later}") as (process, read_until):
        read_until("waiting for the database, up to 30 seconds")
        (tmp_path / "pg").symlink_to(folder)
        read_until("listening on port")
        process.terminate()
        assert process.wait(15) == 0


@pytest.mark.slow
def test_a_service_waits_for_an_sqlite_file_that_another_program_locks(tmp_path):
    file = tmp_path / "comments.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with started(tmp_path, DATABASE_URL=f"sqlite:///{file}") as (process, read_until):
            assert "locked" in read_until("waiting for the database")
            other.execute("ROLLBACK")
            read_until("listening on port")
            process.terminate()
            assert process.wait(15) == 0


@contextlib.contextmanager
def hangups(handler):
    """Set what a started service does on SIGHUP until it says otherwise: it inherits this."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_service_that_waits_for_its_database_ends_at_once_when_it_is_told_to(tmp_path, name):
    with hangups(signal.SIG_DFL), started(tmp_path, DATABASE_URL=NOBODY) as (process, read_until):
        read_until("waiting for the database")
        process.send_signal(name)
        assert process.wait(15) == 0


def test_an_operator_does_not_wait_for_a_database_that_does_not_exist(tmp_path, postgres):
    done = run_main(tmp_path, "serve", DATABASE_URL=postgres.format("nowhere"), SECRET_KEY=SECRET, PORT="0")
    assert (done.returncode, "waiting" in done.stderr) == (78, False)


def test_an_operator_reads_at_once_that_the_key_is_missing_although_the_database_is_away(tmp_path):
    done = run_main(tmp_path, "serve", DATABASE_URL=NOBODY, PORT="0")
    assert (done.returncode, "COMMENTSVC_SECRET_KEY must be set" in done.stderr) == (78, True)


async def test_an_operator_does_not_wait_if_a_running_server_is_in_the_way():
    async def attempt():
        raise Unavailable("A server is running on the database. Stop it, then try again.")

    with pytest.raises(Unavailable, match="A server is running"):
        await wait_for_database(3600, attempt)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), True),
        (FileNotFoundError(), True),
        (TimeoutError(), True),
        (socket.gaierror(-3, "Temporary failure in name resolution"), True),
        (asyncpg.CannotConnectNowError("the database system is starting up"), True),
        (asyncpg.AdminShutdownError("terminating connection"), True),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), True),
        (asyncpg.InvalidPasswordError("password authentication failed"), False),
        (asyncpg.InvalidCatalogNameError("database does not exist"), False),
        (asyncpg.InsufficientPrivilegeError("permission denied"), False),
        (PermissionError(), False),
        (ssl.SSLCertVerificationError(), False),
        (ConnectionError("PostgreSQL server rejected SSL upgrade"), False),
        (ValueError("invalid DSN"), False),
    ],
)
def test_an_operator_waits_only_for_what_may_pass(error, away):
    assert is_away(error) is away


@pytest.mark.slow
def test_a_service_finishes_its_requests_and_ends_when_its_terminal_closes(tmp_path):
    with hangups(signal.SIG_DFL), serving(tmp_path) as (process, printed):
        port = port_of(printed)
        assert call(port, "GET", "/healthz")[0] == 200
        process.send_signal(signal.SIGHUP)
        assert process.wait(15) == 0
        assert "stopping: no new connections are accepted" in process.stderr.read()


@pytest.mark.slow
def test_a_service_under_nohup_goes_on_when_its_terminal_closes(tmp_path):
    # As nohup does.
    with hangups(signal.SIG_IGN), serving(tmp_path) as (process, printed):
        process.send_signal(signal.SIGHUP)
        assert call(port_of(printed), "GET", "/healthz")[0] == 200
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0)
        assert process.returncode is None
        process.terminate()
        assert process.wait(15) == 0
