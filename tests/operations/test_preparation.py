"""Only `serve` and `migrate` create and migrate a database, and never under a running server."""

import asyncio
import json
import shutil
import socket
import sqlite3
from contextlib import closing

import asyncpg
import pytest

from commentsvc import app
from commentsvc.access import keys
from commentsvc.cli.parser import build_parser
from commentsvc.comments.post import post_comment
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.operations import startup
from commentsvc.storage import schema
from commentsvc.web.routes import application
from tests.cli.test_parser import parsers
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, SECRET, a_key, a_service, draft, fields_of, make_database, visit
from tests.operations.test_operating import call, port_of, run_main, serving

COMMANDS = [
    ("key", "create", "x"), ("key", "list"), ("site", "list"), ("site", "add", "b", "--origin", "https://b.example"),
    ("moderator", "add", "Noa"), ("moderator", "invite", "owner"), ("queue",), ("moderate",), ("reseal",),
    ("approve", "x"), ("undo", "x"), ("rule", "list"), ("audit", "verify"), ("audit", "list"),
    ("thread", "list"), ("thread", "remove", "x"), ("site", "remove", "x"), ("key", "rotate", "x"),
    ("moderator", "list"), ("erasures", "apply"),
    ("secret", "status"), ("secret", "rotate"), ("secret", "lost"),
    ("work",), ("search", "x"), ("hold", "x"), ("spam", "x"), ("trash", "x"), ("ban", "x"), ("stats",), ("export",),
    ("restore", "0199aaaa-0000-7000-8000-000000000000"), ("filter", "list"), ("session", "list"), ("webhook", "list"),
    ("delivery", "list"), ("import", "wxr", "x", "--site", "blog"), ("copy", "--to", "sqlite:///y.db"),
    ("backup", "saved"), ("prune", "--spam", "30d"), ("person", "export", "mia@example.com"),
]  # fmt: skip
CREATE = {"serve", "migrate"}
NEED_NONE = {"config", "doctor", "healthcheck", "openapi", "mail"}


def test_every_command_is_tried_in_the_wrong_folder():
    offered = {path[0] for path, _ in parsers(build_parser())}
    assert {words[0] for words in COMMANDS} == offered - CREATE - NEED_NONE


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_in_the_wrong_folder_creates_nothing_and_names_the_full_path(tmp_path, arguments):
    done = run_main(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (78, "")
    assert f"There is no database at {tmp_path}/data/commentsvc.db. " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_command_leaves_an_empty_file_and_a_file_in_place_of_the_folder_alone(tmp_path):
    (tmp_path / "empty.db").touch()
    (tmp_path / "file").write_text("x")
    for path in ("empty.db", "file/x.db"):
        done = run_main(tmp_path, "site", "list", DATABASE_URL=f"sqlite:///{path}")
        assert (done.returncode, done.stdout) == (78, "")
        assert f"There is no database at {tmp_path}/{path}. " in done.stderr
    assert (tmp_path / "empty.db").stat().st_size == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty.db", "file"]


def test_a_command_leaves_the_database_of_another_program_alone(tmp_path):
    file = tmp_path / "photos.db"
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE photo (id)")
    done = run_main(tmp_path, "site", "list", DATABASE_URL="sqlite:///photos.db")
    assert (done.returncode, f"There is no database at {file}. " in done.stderr) == (78, True), done.stderr
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_an_operator_names_an_sqlite_database_with_a_table_of_the_same_name(tmp_path, command):
    file = tmp_path / "blog.db"
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE Comment (id)")
    done = run_main(tmp_path, command, DATABASE_URL="sqlite:///blog.db", PORT="0")

    assert (done.returncode, done.stdout) == (78, "")
    assert f"the database {file} belongs to another program" in done.stderr
    assert not (tmp_path / "secret.key").exists()


def test_an_operator_names_a_postgresql_database_with_a_table_of_the_same_name(tmp_path, postgres):
    asyncio.run(make_database(postgres, "CREATE DATABASE photos"))
    url = postgres.format("photos")

    async def execute(statement):
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute("CREATE TABLE site (id INT); CREATE SCHEMA comments"))
    done = run_main(tmp_path, "migrate", DATABASE_URL=url, SECRET_KEY=SECRET)
    assert (done.returncode, done.stdout) == (78, "")
    assert 'the database "photos" has a table of another program (relation "site" already exists)' in done.stderr

    separator = "&" if "?" in url else "?"
    done = run_main(tmp_path, "migrate", DATABASE_URL=f"{url}{separator}search_path=comments", SECRET_KEY=SECRET)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_on_an_empty_postgresql_database_creates_nothing(tmp_path, postgres):
    asyncio.run(make_database(postgres, "CREATE DATABASE untouched"))
    settings = {"DATABASE_URL": postgres.format("untouched"), "SECRET_KEY": SECRET}
    for _ in range(2):
        done = run_main(tmp_path, "key", "create", "x", **settings)
        assert (done.returncode, done.stdout) == (78, "")
        assert "There is no database of commentsvc at COMMENTSVC_DATABASE_URL. " in done.stderr
    assert json.loads(run_main(tmp_path, "migrate", "--json", **settings).stdout) == {"steps": 1, "schema": 1}
    assert run_main(tmp_path, "site", "list", **settings).stdout == "blog  localhost only\n"


def test_an_operator_creates_the_database_with_migrate_and_uses_it(tmp_path):
    done = run_main(tmp_path, "migrate", SITES="https://blog.example")
    assert (done.returncode, done.stdout) == (0, "Database schema: 1. Migrations applied: 1.\n")
    assert run_main(tmp_path, "site", "list").stdout == "blog.example  https://blog.example\n"
    assert run_main(tmp_path, "key", "create", "x").stdout.startswith("cs_")


def test_a_command_of_a_newer_program_does_not_migrate(tmp_path, newer_program):
    run_main(tmp_path, "migrate")
    newer_program()
    done = run_main(tmp_path, "site", "list")
    assert (done.returncode, done.stdout) == (78, "")
    assert "The database has schema 1, but this version needs 2." in done.stderr
    assert "commentsvc migrate" in done.stderr
    newer_program.undo()
    assert run_main(tmp_path, "site", "list").returncode == 0


def test_a_command_of_an_older_program_refuses_a_newer_database(tmp_path, newer_program):
    run_main(tmp_path, "migrate")
    newer_program()
    assert json.loads(run_main(tmp_path, "migrate", "--json").stdout) == {"steps": 1, "schema": 2}
    newer_program.undo()
    for command in (("site", "list"), ("migrate",), ("serve",)):
        done = run_main(tmp_path, *command)
        assert (done.returncode, "supports up to 1. Install a newer version" in done.stderr) == (78, True)


def test_an_operator_finds_a_copy_of_the_database_from_before_a_migration(tmp_path, newer_program):
    run_main(tmp_path, "migrate")
    run_main(tmp_path, "moderator", "add", "Noa")
    data = tmp_path / "data"
    newer_program()
    done = run_main(tmp_path, "migrate")
    copy = data / "commentsvc.db.before-schema-2"
    assert str(copy) in done.stderr
    assert copy.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in data.iterdir() if "before" in file.name} == {copy.name}
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert kept.execute("SELECT name FROM moderator").fetchall() == [("Noa",)]
        assert kept.execute("SELECT MAX(number) FROM schema_step").fetchone() == (1,)
    assert run_main(tmp_path, "moderator", "list").stdout == "Noa  all sites\n"

    newer_program.undo()
    for file in data.glob("commentsvc.db*"):
        if file != copy and file.suffix != ".lock":
            file.unlink()
    copy.rename(data / "commentsvc.db")
    assert run_main(tmp_path, "moderator", "list").stdout == "Noa  all sites\n", "the older version works again"


def test_a_failed_migration_changes_nothing(tmp_path, newer_program):
    run_main(tmp_path, "migrate")
    before = (tmp_path / "data" / "commentsvc.db").read_bytes()
    (tmp_path / "data" / "commentsvc.db.before-schema-2").mkdir()  # a copy cannot be kept here
    newer_program()
    done = run_main(tmp_path, "migrate")
    assert (done.returncode, "Could not keep a copy of the database" in done.stderr) == (78, True), done.stderr
    assert not list((tmp_path / "data").glob("*.new"))
    newer_program.undo()
    assert run_main(tmp_path, "site", "list").returncode == 0
    assert (tmp_path / "data" / "commentsvc.db").read_bytes() == before


def test_a_start_with_the_wrong_key_does_not_migrate(tmp_path, newer_program):
    run_main(tmp_path, "migrate")
    newer_program()
    done = run_main(tmp_path, "serve", SECRET_KEY=SECRET)
    assert (done.returncode, "COMMENTSVC_SECRET_KEY" in done.stderr) == (78, True)
    newer_program.undo()
    assert run_main(tmp_path, "site", "list").returncode == 0


async def upgrade_schema(service):
    async def from_the_future(tx):
        await tx.run("INSERT INTO schema_step (number, applied_at) VALUES (9999, '2030')")

    await service.db.write(from_the_future)


async def test_a_server_takes_no_comments_after_a_newer_program_updated_the_database(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    key = await a_key(service)
    assert (await client.post("/v1/comments", json=fields_of())).status == 202
    await upgrade_schema(service)
    answer = await client.post("/v1/comments", json=fields_of(comment="too late"))
    body = await answer.json()
    assert (answer.status, body["code"]) == (503, "unavailable")
    assert "A newer version has updated the database. Nothing was saved." in body["detail"]
    form = await client.post("/v1/comments", data=fields_of(comment="too late"), headers={"Accept": "text/html"})
    assert form.status == 503
    assert "too late" in await form.text(), "the page keeps what was typed"
    assert (
        await client.post("/v1/sites", json={"name": "b", "origins": ["https://b.example"]}, headers=key)
    ).status == 503
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/v1/comments?thread=/a-page/")).status == 200
    assert len(await everything_in(service, "comment")) == 1


async def test_no_comment_is_written_during_or_after_a_migration(database_url, clock, newer_program):
    async with a_service(database_url, clock) as older, a_service(database_url, clock) as newer:
        newer_program()

        async def migrate():
            await schema.migrate(newer.db, newer.now())

        posts = [post_comment(older, draft(comment=f"n {n}"), visit()) for n in range(40)]
        first = asyncio.gather(*posts, return_exceptions=True)
        await asyncio.gather(first, migrate())
        newer_program.undo()
        with pytest.raises(Unavailable, match="newer version"):
            await post_comment(older, draft(comment="after"), visit())
        kept = {row["text"] for row in await everything_in(older, "comment")}
        posted = {f"n {n}" for n, outcome in enumerate(first.result()) if not isinstance(outcome, Exception)}
        assert kept == posted


def test_a_running_server_refuses_comments_after_a_migration(tmp_path):
    with serving(tmp_path) as (_, printed):
        port = port_of(printed)
        assert call(port, "POST", "/v1/comments", fields_of())[0] == 202
        with closing(sqlite3.connect(tmp_path / "data" / "commentsvc.db")) as other, other:
            other.execute("INSERT INTO schema_step (number, applied_at) VALUES (2, '2030')")
        assert call(port, "POST", "/v1/comments", fields_of(comment="later"))[0] == 503
        assert call(port, "GET", "/readyz")[0] == 503
        assert call(port, "GET", "/v1/comments?thread=/a-page/")[0] == 200


def test_a_failed_first_start_leaves_no_key(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_main(tmp_path, "serve", PORT=str(taken.getsockname()[1]))
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr) == (78, True)
    assert not (tmp_path / "data" / "secret.key").exists()


def test_a_start_without_its_key_file_makes_no_other_key(tmp_path):
    run_main(tmp_path, "migrate")
    file = tmp_path / "data" / "secret.key"
    file.rename(tmp_path / "kept")
    for command in (("serve",), ("migrate",), ("site", "list")):
        done = run_main(tmp_path, *command)
        assert (done.returncode, f"There is no secret key at {file}. " in done.stderr) == (78, True)
        assert not list((tmp_path / "data").glob("secret*"))
    (tmp_path / "kept").rename(file)
    assert run_main(tmp_path, "site", "list").returncode == 0


async def test_a_preparation_that_fails_leaves_no_key_and_the_next_one_works(tmp_path, monkeypatch):
    config = Config(database_url=f"sqlite:///{tmp_path}/data/x.db")
    with monkeypatch.context() as broken:
        broken.setattr(startup, "FIRST_SITE", None)  # the schema refuses a site without a name
        with pytest.raises(Exception, match="NOT NULL"):
            async with app.open_ready_service(config):
                pass
    assert not list((tmp_path / "data").glob("secret*"))
    async with app.open_ready_service(config) as service:
        assert (await keys.list_keys(service, EVERYTHING)).keys == []


def test_an_unfinished_first_start_continues_with_its_key(tmp_path):
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "secret.key"
    file.write_text(SECRET, encoding="utf-8")
    file.chmod(0o600)
    assert run_main(tmp_path, "migrate").returncode == 0
    assert file.read_text(encoding="utf-8") == SECRET


async def test_a_command_refuses_a_database_whose_first_start_did_not_finish(laid_file, tmp_path):
    shutil.copyfile(laid_file, tmp_path / "x.db")
    config = Config(database_url=f"sqlite:///{tmp_path}/x.db", secret_key=SECRET)
    with pytest.raises(ConfigurationError, match="did not finish"):
        async with app.open_service(config):
            pass


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("site", "list"), ("doctor",)])
def test_a_database_of_an_unreleased_version_is_refused_with_the_cure(tmp_path, command):
    run_main(tmp_path, "migrate")
    with closing(sqlite3.connect(tmp_path / "data" / "commentsvc.db")) as database:
        database.execute("DROP TABLE memory_state")
    done = run_main(tmp_path, *command)
    assert done.returncode == (1 if command == ("doctor",) else 78)
    assert "no table memory_state: a version before the first release made it" in done.stdout + done.stderr
    assert "commentsvc export" in done.stdout + done.stderr
