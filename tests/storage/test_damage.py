"""A damaged database file is named in the log and answered with 503, by every route and command."""

import errno
import os
import re
import sqlite3
from contextlib import closing

import pytest

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Mode
from commentsvc.storage.sqlite_file import SqliteFile
from commentsvc.web.routes import application
from tests.conftest import a_key, a_service, copied, fields_of, post
from tests.operations.test_operating import run_main

PUBLIC = [
    "/v1/comments?thread=/a-page/", "/v1/counts?thread=/a-page/", "/v1/latest", "/v1/latest.atom",
    "/v1/comments.atom?thread=/a-page/", "/t?thread=/a-page/", "/embed.js", "/v1/form", "/",
]  # fmt: skip
PRIVATE = [
    "/v1/moderation/comments", "/v1/moderation/comments?q=lamps", "/v1/moderation/comments/{id}", "/v1/rules",
    "/v1/audit", "/v1/sites", "/v1/keys", "/v1/moderators",
]  # fmt: skip
PAGES = [
    "/moderate", "/moderate?q=lamps", "/moderate/counts", "/moderate/comments/{id}", "/moderate/comments/{id}/ban",
    "/moderate/threads", "/moderate/rules", "/moderate/audit", "/moderate/account",
]  # fmt: skip
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}


def damage(path, pages=slice(1, None)):
    """Overwrite pages of a database that is in use; the first one stays."""
    with closing(sqlite3.connect(path)) as other:
        with other:
            other.execute("UPDATE installation SET probe = 'x'")  # so the service reads all pages again
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = other.execute("PRAGMA page_size").fetchone()[0]
    numbers = range(path.stat().st_size // size)[pages]
    with path.open("r+b") as file:
        for number in numbers:
            file.seek(number * size)
            file.write(b"\xff" * size)


async def sign_in(client, service, headers):
    response = await client.post(
        "/moderate/sign-in",
        data={"key": headers["Authorization"].split()[1]},
        headers={"Origin": service.config.own_origin} | BROWSER,
        allow_redirects=False,
    )
    return BROWSER | {"Cookie": "; ".join(f"{one.key}={one.value}" for one in response.cookies.values())}


async def test_no_route_of_a_damaged_database_answers_with_a_server_error(
    laid_file, tmp_path, clock, aiohttp_client, caplog
):
    async with a_service(copied(laid_file, tmp_path), clock, moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        comment = await post(service, "About lamps.")
        key = await a_key(service)
        session = await sign_in(client, service, key)
        damage(service.config.sqlite_path)
        asked = (
            [(path, {}) for path in PUBLIC] + [(path, key) for path in PRIVATE] + [(path, session) for path in PAGES]
        )
        statuses = {}
        for path, headers in asked:
            answer = await client.get(path.format(id=comment), headers=headers, allow_redirects=False)
            statuses[path] = answer.status
        statuses["post"] = (await client.post("/v1/comments", json=fields_of(comment="Another one."))).status
        ids = {"action": "spam", "ids": [comment]}
        statuses["act"] = (await client.post("/v1/moderation/actions", json=ids, headers=key)).status

        assert {path: status for path, status in statuses.items() if status not in {200, 503}} == {}
        assert [statuses[path] for path in ("post", "act", *PRIVATE, *PAGES)] == [503] * (2 + len(PRIVATE) + len(PAGES))
        assert f"{service.config.sqlite_path} is damaged (database disk image is malformed)" in caplog.text
        ready = await client.get("/readyz")
        reason = "The database file is damaged. Restart the service. If that fails, restore a backup."
        assert (ready.status, (await ready.json())["detail"]) == (503, reason)


async def test_a_service_that_found_damage_while_reading_is_not_ready(laid_file, tmp_path, clock, aiohttp_client):
    async with a_service(copied(laid_file, tmp_path), clock) as service:
        client = await aiohttp_client(application(service))
        await post(service, "This was stored.")
        assert (await client.get("/readyz")).status == 200
        damage(service.config.sqlite_path)
        assert (await client.get("/v1/rules", headers={"Authorization": "Bearer cs_x"})).status == 503
        assert (await client.get("/readyz")).status == 503


def made(tmp_path):
    run_main(tmp_path, "migrate")
    return tmp_path / "data" / "commentsvc.db"


def damage_table(file, name):
    with closing(sqlite3.connect(file)) as other:
        (root,) = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [name]).fetchone()
    damage(file, slice(root - 1, root))


@pytest.mark.parametrize(
    "command", [("migrate",), ("site", "list"), ("queue",), ("secret", "status"), ("moderator", "list")]
)
@pytest.mark.parametrize("table", ["installation", "site", "moderator", None])
def test_an_operator_reads_that_the_database_is_damaged_and_what_to_do(tmp_path, command, table):
    file = made(tmp_path)
    damage_table(file, table) if table else damage(file)
    done = run_main(tmp_path, *command, PORT="0")
    if not done.returncode:
        assert table not in {"installation", None}, "a command that needs it"
        return
    assert (done.returncode in {75, 78}, done.stdout) == (True, "")
    assert re.search(r"damaged.* \(database disk image is malformed\)", done.stderr)
    assert "backup" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 4080])
def test_an_operator_reads_that_the_file_lost_its_first_page(tmp_path, content):
    file = made(tmp_path)
    file.write_bytes(content * 2 + file.read_bytes()[len(content) * 2 :])
    done = run_main(tmp_path, "site", "list")
    assert (done.returncode, f"{file.relative_to(tmp_path)} is damaged, or no database" in done.stderr) == (78, True)


def test_an_operator_has_the_file_checked_at_the_start(tmp_path):
    file = made(tmp_path)
    assert run_main(tmp_path, "migrate", DATABASE_CHECK="on").returncode == 0
    damage_table(file, "revision")  # no start reads it
    assert run_main(tmp_path, "migrate").returncode == 0
    for command in ("serve", "migrate"):
        done = run_main(tmp_path, command, DATABASE_CHECK="on", PORT="0")
        assert (done.returncode, "the database is damaged" in done.stderr, "backup" in done.stderr) == (78, True, True)


async def test_a_check_of_a_whole_database_finds_nothing(service):
    assert await service.db.find_damage() is None


async def test_a_disk_that_fails_is_no_server_error(served, monkeypatch):
    service = await served()
    await post(service, "This was stored.")

    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "stat", fail)
        with pytest.raises(Unavailable):
            await post(service, "This cannot be stored.")
    await post(service, "This is stored.")


def test_a_file_that_grows_while_two_threads_check_it_is_not_called_lost(tmp_path, monkeypatch):
    path = tmp_path / "growing.db"
    path.touch()
    file, real, others = SqliteFile(path), os.stat, []

    def stat(name, **options):
        found = real(name, **options)
        if not others:
            others.append(name)  # between the two steps of this check, another thread does both
            path.write_bytes(b"a page")
            file.check_identity()
        return found

    with monkeypatch.context() as interleaved:
        interleaved.setattr(os, "stat", stat)
        file.check_identity()
    assert others == [str(path)]


@pytest.mark.parametrize("state", ["XX000", "XX001", "XX002", "58030", "58P01", "53100"])
async def test_damage_that_postgresql_finds_is_no_server_error(postgres_url, clock, state):
    async def fail(tx):
        await tx.run(f"DO $$ BEGIN RAISE EXCEPTION 'invalid page' USING ERRCODE = '{state}'; END $$")

    async with a_service(postgres_url, clock) as service:
        for run in (service.db.read, service.db.read_private, service.db.search, service.db.write):
            with pytest.raises(Unavailable):
                await run(fail)
