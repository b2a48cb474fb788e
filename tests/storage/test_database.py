"""The database keeps every acknowledged write, and no caller can block the writer."""

import asyncio
import sqlite3

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.service import private_read, public_read, write
from commentsvc.storage import schema
from commentsvc.storage.database import in_list
from commentsvc.storage.postgres_units import number_parameters
from commentsvc.storage.sqlite import SqliteDatabase
from commentsvc.storage.sqlite_connection import PRAGMAS
from tests.comments.test_post import everything_in
from tests.conftest import a_service, draft, make_database, open_database, visit


async def add_site(tx, name):
    await tx.run("INSERT INTO site (id, name, created_at) VALUES (:name, :name, '2026')", name=name)
    return name


async def names(tx):
    return [row["name"] for row in await tx.all("SELECT name FROM site ORDER BY id")]


class Steps:
    """Run a coroutine and cancel its task at the await with this number."""

    def __init__(self, coroutine, cancel_at):
        self.coroutine, self.cancel_at, self.taken = coroutine, cancel_at, 0

    def __await__(self):
        inner = self.coroutine.__await__()
        value = None
        while True:
            try:
                awaited = inner.send(value)
            except StopIteration as end:
                return end.value
            if self.taken == self.cancel_at:
                asyncio.current_task().cancel()
            self.taken += 1
            value = yield awaited


async def test_a_request_cancelled_at_any_await_does_not_break_the_next_write(service):
    cancelled = 0
    for step in range(40):
        text = draft(comment=f"attempt {step}")

        async def post(text=text, step=step):
            return await Steps(post_comment(service, text, visit()), step)

        outcome = (await asyncio.gather(asyncio.create_task(post()), return_exceptions=True))[0]
        cancelled += isinstance(outcome, asyncio.CancelledError)
        after = await post_comment(service, draft(comment=f"after {step}"), visit())
        assert after.status == "pending"
        if not isinstance(outcome, BaseException):
            break
    assert cancelled >= 1
    kept = {row["text"] for row in await everything_in(service, "comment")}
    assert {f"after {number}" for number in range(cancelled + 1)} <= kept


async def test_a_comment_of_a_cancelled_request_is_saved_completely_or_not_at_all(service):
    tasks = [asyncio.create_task(post_comment(service, draft(comment=f"n {n}"), visit())) for n in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await post_comment(service, draft(comment="the last"), visit())

    async def one_moment(tx):
        return [
            {row["id"] for row in await tx.all(f"SELECT {column} AS id FROM {table}")}
            for table, column in (("comment", "id"), ("contact", "comment_id"), ("decision", "comment_id"))
        ]

    comments, contacts, decisions = await private_read(one_moment)(service)
    assert comments == contacts == decisions
    assert len(comments) > 1


async def test_a_unit_that_fails_does_not_affect_the_others_in_its_batch(service):
    async def fail(tx):
        await add_site(tx, "half a site")
        raise LookupError("no")

    outcomes = await asyncio.gather(
        write(add_site)(service, "a"), write(fail)(service), write(add_site)(service, "b"), return_exceptions=True
    )

    assert isinstance(outcomes[1], LookupError)
    assert {"a", "b"} <= set(await public_read(names)(service))
    assert "half a site" not in await public_read(names)(service)


async def test_all_concurrent_writes_are_saved(service):
    await asyncio.gather(*(write(add_site)(service, f"site {number:03}") for number in range(200)))

    assert len(await public_read(names)(service)) == 201  # and the site that every installation starts with


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM contact",
        "SELECT email_sealed FROM contact LIMIT 1",
        "SELECT COUNT(*) AS n FROM contact",
        "SELECT (SELECT email_digest FROM contact LIMIT 1) AS x",
        "SELECT id FROM comment WHERE EXISTS (SELECT 1 FROM contact WHERE contact.comment_id = comment.id)",
        "SELECT * FROM moderator",
        "SELECT * FROM api_key",
        "SELECT * FROM submission",
        "UPDATE comment SET name = 'x'",
        "DELETE FROM comment",
        "INSERT INTO site (id, name, created_at) VALUES ('x', 'x', 'x')",
    ],
)
async def test_public_connections_cannot_read_private_data_or_write(service, statement):
    await post_comment(service, draft(), visit())

    async def look(tx):
        return await tx.all(statement)

    with pytest.raises(Exception, match=r"prohibited|not authorized|permission denied|read-only|unavailable"):
        await public_read(look)(service)
    assert len(await everything_in(service, "comment")) == 1


async def test_public_connections_cannot_attach_a_file_or_change_their_rights(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        for statement in (f"ATTACH '{tmp_path}/comments.db' AS other", "PRAGMA writable_schema = 1"):

            async def look(tx, statement=statement):
                return await tx.all(statement)

            with pytest.raises((sqlite3.DatabaseError, Unavailable)):
                await public_read(look)(service)


async def test_public_connections_to_postgresql_use_a_role_of_their_own(postgres_url, clock):
    async with a_service(postgres_url, clock) as service:

        async def who(tx):
            return (await tx.one("SELECT current_user AS name"))["name"]

        assert await public_read(who)(service) == service.keyring.reader_login[0]
        assert await private_read(who)(service) == "postgres"


async def test_sqlite_uses_the_pragmas_that_prevent_data_loss(tmp_path):
    database = await SqliteDatabase.open(tmp_path / "comments.db")

    async def look(tx):
        return {name: next(iter(await tx.one(f"PRAGMA {name}"))) for name in PRAGMAS}

    assert await database.read_private(look) == PRAGMAS
    await database.close()


async def test_a_unit_of_work_cannot_await_anything_but_its_statements(tmp_path):
    database = await SqliteDatabase.open(tmp_path / "comments.db")

    async def wait_for_the_network(tx):
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="its own statements only"):
        await database.write(wait_for_the_network)
    await schema.migrate(database, "2026")
    await database.close()


async def test_a_write_fails_with_unavailable_while_another_process_holds_the_lock(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:

        async def impatient(tx):
            await tx.all("PRAGMA busy_timeout = 20")

        with sqlite3.connect(tmp_path / "comments.db", isolation_level=None) as other:
            await private_read(impatient)(service)
            await service.db._writer.execute("PRAGMA busy_timeout = 20")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable):
                await post_comment(service, draft(), visit())
            other.execute("ROLLBACK")
        other.close()
        await post_comment(service, draft(), visit())


async def test_a_full_disk_fails_writes_with_unavailable_and_reads_continue(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        (pages,) = await (await service.db._writer.execute("PRAGMA page_count")).fetchone()
        await service.db._writer.execute(f"PRAGMA max_page_count = {pages + 40}")
        receipts = []
        with pytest.raises(Unavailable):
            await fill_up(service, receipts)
        kept = len(await everything_in(service, "comment"))
        assert kept == len(receipts) > 0
        await service.db._writer.execute("PRAGMA max_page_count = 100000")
        await post_comment(service, draft(comment="There is room again."), visit())

        assert len(await everything_in(service, "comment")) == kept + 1


async def fill_up(service, receipts):
    for number in range(200):
        receipts.append(await post_comment(service, draft(comment=f"{number} " + "x" * 5000), visit()))


async def test_every_acknowledged_comment_is_there_after_a_restart(database_url, clock):
    async with a_service(database_url, clock) as service:
        receipts = [await post_comment(service, draft(comment=f"n {n}"), visit()) for n in range(5)]
    async with a_service(database_url, clock) as service:
        kept = {row["id"] for row in await everything_in(service, "comment")}
    assert kept == {receipt.id for receipt in receipts}


COLUMNS = {
    "sqlite": """
        SELECT m.name AS place, p.name AS name, LOWER(p.type) AS kind, p."notnull" AS needed, p.dflt_value AS fallback
        FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid
    """,
    "postgres": """
        SELECT table_name AS place, column_name AS name, data_type AS kind, is_nullable AS needed,
            column_default AS fallback
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
    """,
}
INDEXES = {
    "sqlite": "SELECT name AS name, sql AS made FROM sqlite_master WHERE type = 'index' ORDER BY name",
    "postgres": "SELECT indexname AS name, indexdef AS made FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
}


async def described(database, engine):
    async def look(tx):
        found = [tuple(row.values()) if hasattr(row, "values") else tuple(row) for row in await tx.all(COLUMNS[engine])]
        return found + [tuple(row) for row in await tx.all(INDEXES[engine])]

    return await database.read_private(look)


def empty(engine, request, tmp_path, name):
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/{name}.db"
    postgres = request.getfixturevalue("postgres")
    database = f"{name}_{tmp_path.name.replace('-', '_').lower()}"
    asyncio.run(make_database(postgres, f'CREATE DATABASE "{database}"'))
    return postgres.format(database)


@pytest.fixture
def two_empty(engine, request, tmp_path):
    return [empty(engine, request, tmp_path, name) for name in ("whole", "steps")]


async def run_every_step(database):
    """Run every migration step, as on the oldest database. A single step is schema.sql itself."""
    steps = [step.read_text(encoding="utf-8") for step in schema.list_steps().values()]

    async def run(tx):
        for script in steps if len(steps) > 1 else [schema.read_schema()]:
            await schema._run(tx, database.schema_sql(script))

    await database.write(run)


async def test_the_migration_steps_result_in_the_same_schema_as_schema_sql(two_empty, engine):
    whole, stepped = [await open_database(url) for url in two_empty]
    await schema.migrate(whole, "2026-01-01T00:00:00.000Z")
    await run_every_step(stepped)

    assert await described(whole, engine) == await described(stepped, engine)
    assert len(await described(whole, engine)) > 100
    await whole.close()
    await stepped.close()


async def test_servers_that_start_together_on_an_empty_database_create_one_schema(two_empty):
    servers = [await open_database(two_empty[0]) for _ in range(4)]

    taken = await asyncio.gather(*(schema.migrate(server, "2026-01-01T00:00:00.000Z") for server in servers))

    assert sorted(taken) == [0, 0, 0, schema.newest_step()]
    for server in servers:
        await server.close()


async def test_an_older_program_refuses_a_database_with_a_newer_schema(database_url, clock):
    async with a_service(database_url, clock) as service:

        async def from_the_future(tx):
            await tx.run("INSERT INTO schema_step (number, applied_at) VALUES (9999, '2030')")

        await write(from_the_future)(service)
        with pytest.raises(ConfigurationError, match="newer"):
            await schema.migrate(service.db, service.now())


def test_named_parameters_become_numbers_and_string_literals_stay_unchanged():
    text, order, _ = number_parameters("SELECT :a, CAST(:b AS TEXT), :a FROM x WHERE t = '12:30' AND u::text = :c_1")

    assert text == "SELECT $1, CAST($2 AS TEXT), $1 FROM x WHERE t = '12:30' AND u::text = $3"
    assert order == ("a", "b", "c_1")


def test_an_empty_list_matches_no_row():
    assert in_list("id", []) == ("(NULL)", {})
    assert in_list("id", ["x", "y"]) == ("(:id0, :id1)", {"id0": "x", "id1": "y"})
