"""Commands know whether a server runs on an SQLite file."""

import asyncio
import json
import shutil
import subprocess
import sys

import pytest

from commentsvc import app
from commentsvc.config.settings import Config
from commentsvc.domain.errors import Unavailable
from commentsvc.operations import server_lock
from commentsvc.storage import schema
from commentsvc.storage.file_lock import DatabaseLock
from tests.conftest import SECRET, fields_of
from tests.operations.test_operating import call, environment, port_of, run_main, serving
from tests.operations.test_starting import started

DATABASE = "data/commentsvc.db"


def test_a_newer_migrate_refuses_while_a_server_runs(tmp_path, newer_program):
    with serving(tmp_path) as (process, printed):
        newer_program()
        done = run_main(tmp_path, "migrate")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(
            f"commentsvc: A server is running on the database {tmp_path}/{DATABASE}. Stop it, then try again.\n"
        )
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
        process.kill()
        process.wait()
        done = run_main(tmp_path, "migrate", "--json")
        assert json.loads(done.stdout) == {"steps": 1, "schema": 2}, done.stderr


def test_a_newer_server_does_not_migrate_under_a_running_one(tmp_path, newer_program, monkeypatch):
    with serving(tmp_path) as (_, printed):
        newer_program()
        monkeypatch.setattr(server_lock, "WAIT_SECONDS", 0.2)
        done = run_main(tmp_path, "serve", PORT="0")
        assert (done.returncode, "A server is running on the database" in done.stderr) == (1, True), done.stderr
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202


async def test_a_newer_server_waits_for_the_older_one_to_stop(tmp_path, newer_program, monkeypatch):
    config = Config(database_url=f"sqlite:///{tmp_path}/x.db")
    assert await app.migrate(config) == 1
    older = DatabaseLock.open(tmp_path / "x.db")
    assert older.try_shared()
    newer_program()

    async def start():
        async with app.open_ready_service(config) as service:
            return await schema.read_number(service.db)

    waiting = asyncio.Event()
    monkeypatch.setattr(server_lock.LOG, "warning", lambda *_: waiting.set())
    starting = asyncio.create_task(start())
    await waiting.wait()
    older.close()
    assert await starting == 2


def test_commands_and_a_migrate_without_steps_work_beside_a_server(tmp_path):
    with serving(tmp_path):
        assert run_main(tmp_path, "migrate").stdout == "Database schema: 1. Migrations applied: 0.\n"
        for command in (("site", "list"), ("key", "create", "x"), ("moderator", "add", "Noa"), ("reseal",)):
            done = run_main(tmp_path, *command)
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_second_service_on_one_file_is_refused(tmp_path, monkeypatch, number):
    with serving(tmp_path, WORKERS=number) as (_, printed):
        monkeypatch.setattr(server_lock, "WAIT_SECONDS", 0.2)
        done = run_main(tmp_path, "serve", PORT="0")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(
            f"commentsvc: A server is running on the database {tmp_path}/{DATABASE}. Stop it, then try again.\n"
        )
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202


@pytest.mark.slow
def test_a_service_waits_for_the_one_before_it_to_stop(tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    url = f"sqlite:///{tmp_path}/{DATABASE}"
    with (
        serving(tmp_path, SECRET_KEY=SECRET) as (first, _),
        started(folder, DATABASE_URL=url) as (_, read_until),
    ):
        read_until("waiting for the server on the database")
        first.terminate()
        assert first.wait(15) == 0
        read_until("listening on port")


async def test_what_must_be_alone_refuses_while_a_server_runs(tmp_path):
    config = Config(database_url=f"sqlite:///{tmp_path}/x.db")
    async with app.open_ready_service(config):
        assert server_lock.is_server_running(config)
        with pytest.raises(Unavailable, match="A server is running"):
            async with app.open_service_alone(config):
                pass
    assert not server_lock.is_server_running(config)
    async with app.open_service_alone(config):
        with pytest.raises(Unavailable, match="Another command"):
            await wait_for_the_lock(config)
    async with app.open_ready_service(config):
        assert server_lock.is_server_running(config)


@pytest.mark.slow
def test_an_operator_deletes_the_lock_file_of_a_running_server(tmp_path, newer_program):
    with serving(tmp_path) as (process, printed):
        (tmp_path / f"{DATABASE}.lock").unlink()
        for arguments in (("secret", "rotate"), ("secret", "lost")):
            done = run_main(tmp_path, *arguments)
            assert (done.returncode, done.stdout) == (1, "")
            assert "A server is running on this database. Stop it, then try again." in done.stderr
        assert "Server since" in run_main(tmp_path, "secret", "status").stdout
        newer_program()
        done = run_main(tmp_path, "migrate")
        assert (done.returncode, "A server is running on this database." in done.stderr) == (1, True)
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
        process.terminate()
        process.wait()
    assert run_main(tmp_path, "migrate").returncode == 0
    assert run_main(tmp_path, "secret", "rotate").returncode == 0


async def wait_for_the_lock(config):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server_lock, "WAIT_SECONDS", 0)
        async with server_lock.enter_database(config, serving=True):
            pass


def test_two_first_starts_at_once_agree_on_one_key(tmp_path):
    command = [sys.executable, "-m", "commentsvc", "migrate", "--json"]
    started = [
        subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    printed = [json.loads(one.communicate(timeout=60)[0]) for one in started]
    assert sorted(one["steps"] for one in printed) == [0, 0, 1]
    assert run_main(tmp_path, "site", "list").returncode == 0
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == [
        "commentsvc.db", "commentsvc.db.lock", "commentsvc.db.turn", "secret.key"
    ]  # fmt: skip


@pytest.mark.parametrize("command", [("serve",), ("migrate",)])
def test_a_lost_database_is_not_replaced_by_an_empty_one(tmp_path, command):
    run_main(tmp_path, "migrate")
    run_main(tmp_path, "moderator", "add", "Noa")
    file = tmp_path / DATABASE
    file.rename(tmp_path / "kept")
    done = run_main(tmp_path, *command)
    assert (done.returncode, done.stdout) == (78, "")
    assert f"The database {file} is missing, but it was in use before. Restore it from a backup." in done.stderr
    assert not file.exists()
    shutil.move(tmp_path / "kept", file)
    assert run_main(tmp_path, "moderator", "list").stdout == "Noa  all sites\n"
    file.unlink()
    (tmp_path / f"{DATABASE}.lock").unlink()
    assert run_main(tmp_path, "migrate", "--json").returncode == 0, "the operator wants to start again"


def test_an_unfinished_first_start_is_not_a_lost_database(tmp_path):
    run_main(tmp_path, "migrate", SECRET_KEY="short")
    assert run_main(tmp_path, "migrate").returncode == 0


def test_a_server_whose_file_was_deleted_is_not_joined_by_one_on_an_empty_file(tmp_path):
    with serving(tmp_path):
        (tmp_path / DATABASE).unlink()
        (tmp_path / f"{DATABASE}.lock").write_bytes(b"")
        assert run_main(tmp_path, "migrate", DATABASE_WAIT="0").returncode != 0
        assert run_main(tmp_path, "site", "list").returncode != 0
