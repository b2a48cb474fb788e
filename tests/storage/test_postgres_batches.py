"""Group commit on PostgreSQL: units that wait together share a commit, and nothing else."""

import asyncio
import contextvars

import asyncpg
import pytest

from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import OutcomeUnknown, Unavailable
from commentsvc.service import private_read, public_read, write
from commentsvc.storage import postgres_writer
from commentsvc.storage.database import RetryUnit
from commentsvc.storage.postgres import PostgresDatabase
from commentsvc.storage.postgres_writer import MAX_QUEUED_UNITS
from tests.conftest import SECRET, a_service

REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name = 'refused' THEN RAISE EXCEPTION 'not this one'; END IF;
    IF NEW.name = 'deadly' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON site DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
async def server(postgres_url, clock, monkeypatch):
    # On a busy computer, a batch may take longer than it should.
    monkeypatch.setattr(postgres_writer, "PATIENCE_SECONDS", 60)
    async with a_service(postgres_url, clock) as service:
        yield service


@pytest.fixture
async def other(postgres_url):
    """A connection of somebody else."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@write
async def add(unit, name):
    await unit.run("INSERT INTO site (id, name, created_at) VALUES (:name, :name, '2026')", name=name)
    return name


@write
async def rename(unit, *names):
    for name in names:
        await unit.run("UPDATE site SET earlier_names = earlier_names || 'x' WHERE name = :name", name=name)
    return names


@write
async def refuse(unit, error):
    """Fail before anything is changed."""
    await unit.one("SELECT id FROM site LIMIT 1")
    raise error


@write
async def add_and_refuse(unit, name, error):
    await add.within(unit, name)
    raise error


@private_read
async def added(unit):
    return {row["name"] for row in await unit.all("SELECT name FROM site WHERE created_at = '2026'")}


@private_read
async def commits(unit):
    row = await unit.one("SELECT COUNT(DISTINCT xmin::text) AS number FROM site WHERE created_at = '2026'")
    return row["number"]


def many(prefix, number=12):
    return [f"{prefix} {index}" for index in range(number)]


def lane_of(server):
    return server.db._writer.lanes[hash("") % len(server.db._writer.lanes)]


async def together(*works):
    """Run works at the same time; they all wait before the first batch begins."""
    return await asyncio.gather(*works, return_exceptions=True)


async def test_comments_that_arrive_together_share_a_commit(server):
    names = many("site", 17)
    assert await together(*(add(server, name) for name in names)) == names
    assert await commits(server) == 2


@pytest.mark.parametrize("savepoints", [0, 100])
async def test_a_unit_that_fails_affects_no_other_unit_of_its_batch(server, savepoints):
    lane_of(server).savepoints = savepoints
    names = many("site")
    outcomes = await together(
        *(add(server, name) for name in names[:4]),
        refuse(server, LookupError("early")),
        add_and_refuse(server, "half", LookupError("late")),
        add(server, names[0]),
        *(add(server, name) for name in names[4:]),
    )
    assert [*outcomes[:4], *outcomes[7:]] == names
    assert [str(error) for error in outcomes[4:6]] == ["early", "late"]
    assert isinstance(outcomes[6], asyncpg.UniqueViolationError)
    assert await added(server) == {*names}


async def test_refusals_that_change_nothing_cost_no_rollback(server):
    names = many("site")
    await together(add(server, names[0]), *(refuse(server, LookupError("no")) for _ in range(3)), add(server, names[1]))
    assert lane_of(server).savepoints == 0
    await together(add(server, names[2]), add(server, names[3]), add_and_refuse(server, "half", LookupError("no")))
    assert lane_of(server).savepoints > 0
    assert await added(server) == {*names[:4]}


@pytest.mark.parametrize("savepoints", [0, 100])
async def test_a_unit_that_must_run_again_does_not_affect_its_batch(server, savepoints):
    lane_of(server).savepoints = savepoints
    runs = []

    @write
    async def again(unit):
        runs.append(await unit.one("SELECT txid_current() AS number"))
        if len(runs) == 1:
            raise RetryUnit
        return await add.within(unit, "again")

    outcomes = await together(add(server, "first"), add(server, "second"), again(server), add(server, "third"))
    assert outcomes == ["first", "second", "again", "third"]
    assert len({row["number"] for row in runs}) == 2


async def test_the_log_lines_of_a_unit_carry_its_own_request(server):
    request = contextvars.ContextVar("request")

    @write
    async def read_request(unit):
        return request.get()

    async def handle(name):
        request.set(name)
        return await read_request(server)

    assert await together(*map(handle, "abcdef")) == [*"abcdef"]


async def test_comments_are_saved_although_the_connection_of_their_batch_is_lost(server):
    lost = []

    @write
    async def lose(unit):
        if not lost:
            lost.append(1)
            await unit.all("SELECT pg_terminate_backend(pg_backend_pid())")
        return await add.within(unit, "lost and found")

    names = many("site", 4)
    outcomes = await together(*(add(server, name) for name in names), lose(server), add(server, "later"))
    assert outcomes == [*names, "lost and found", "later"]
    assert await added(server) == {*outcomes}


async def test_nobody_is_told_that_a_comment_is_saved_if_the_connection_is_lost_in_the_commit(server, other):
    await other.execute(REFUSING)
    outcomes = await together(*(add(server, name) for name in ("first", "second", "deadly", "third")))
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 4
    assert server.db.writes.failed
    assert await add(server, "fourth") == "fourth"
    assert await added(server) == {"fourth"}


async def test_a_commit_that_is_refused_fails_the_unit_that_caused_it(server, other):
    await other.execute(REFUSING)
    outcomes = await together(add(server, "first"), add(server, "second"), add(server, "refused"), add(server, "third"))
    assert isinstance(outcomes.pop(2), asyncpg.RaiseError)
    assert outcomes == ["first", "second", "third"]
    assert await added(server) == {*outcomes}


async def test_a_unit_that_hides_the_error_of_its_statement_is_not_reported_as_saved(server):
    @write
    async def hide(unit):
        await add.within(unit, "hidden")
        try:
            await unit.all("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            return "well"

    outcomes = await together(add(server, "first"), add(server, "second"), hide(server), hide(server))
    assert outcomes[:2] == ["first", "second"]
    assert [type(outcome) for outcome in outcomes[2:]] == [RuntimeError] * 2
    assert await added(server) == {"first", "second"}


@pytest.mark.parametrize("savepoints", [0, 100])
async def test_a_row_that_another_server_locks_delays_only_the_unit_that_needs_it(server, other, savepoints):
    lane_of(server).savepoints = savepoints
    await together(*(add(server, name) for name in "abc"))
    async with other.transaction():
        await other.execute("UPDATE site SET earlier_names = 'locked' WHERE name = 'b'")
        waiting = [asyncio.create_task(rename(server, name)) for name in "cabc"]
        assert await asyncio.gather(waiting[0], waiting[1], waiting[3]) == [("c",), ("a",), ("c",)]
        assert not waiting[2].done()
    assert await waiting[2] == ("b",)


async def test_two_servers_that_need_the_same_rows_in_any_order_save_everything(server, postgres_url, clock):
    async with a_service(postgres_url, clock) as second:
        await together(*(add(server, name) for name in "abcd"))
        forth, back = [*"abcd" * 10], [*"dcba" * 10]
        outcomes = await together(*(rename(server, name) for name in forth), *(rename(second, name) for name in back))
        assert outcomes == [(name,) for name in [*forth, *back]]
        rows = await private_read(lambda unit: unit.all("SELECT earlier_names FROM site WHERE created_at = '2026'"))(
            server
        )
        assert [row["earlier_names"] for row in rows] == ["x" * 20] * 4


async def test_a_slow_unit_does_not_hold_up_the_others(server, other, monkeypatch):
    monkeypatch.setattr(postgres_writer, "PATIENCE_SECONDS", 0.01)
    await other.execute("SELECT pg_advisory_lock(7)")

    @write
    async def wait(unit):
        await unit.all("SELECT pg_advisory_xact_lock(7)")
        return "late"

    waiting = asyncio.create_task(wait(server))
    assert await together(*(add(server, name) for name in many("site"))) == many("site")
    assert not waiting.done()
    await other.execute("SELECT pg_advisory_unlock(7)")
    assert await waiting == "late"


async def test_commenters_are_refused_when_too_many_are_waiting(server):
    outcomes = await together(*(add(server, name) for name in many("site", MAX_QUEUED_UNITS + 5)))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(refused) == 5
    assert len(await added(server)) == MAX_QUEUED_UNITS


async def test_no_unit_of_a_batch_changes_a_newer_schema(server, other):
    await other.execute("INSERT INTO schema_step (number, applied_at) VALUES (9999, '2030')")
    outcomes = await together(*(add(server, name) for name in "abcd"))
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
    assert await added(server) == set()


async def test_closing_waits_for_the_comments_that_were_handed_in(postgres_url, clock, other):
    async with a_service(postgres_url, clock) as service:
        waiting = [asyncio.create_task(add(service, name)) for name in many("site")]
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == many("site")
    assert await other.fetchval("SELECT COUNT(*) FROM site WHERE created_at = '2026'") == 12


async def test_a_process_opens_as_many_connections_as_its_settings_allow(postgres_url):
    database = await PostgresDatabase.open(
        postgres_url, Keyring([SECRET]), database_connections=3, reader_connections=2
    )
    await database.protect()

    async def ask(statements):
        return (await statements.one("SELECT pg_backend_pid() AS pid, pg_sleep(0.01)"))["pid"]

    for asking, most in ((database.read_private, 3), (database.write, 3), (database.read, 2)):
        assert 1 <= len({*await asyncio.gather(*(asking(ask) for _ in range(12)))}) <= most
    await database.close()


@public_read
async def read_twice(unit, between):
    first = await unit.all("SELECT id FROM site WHERE name = 'between'")
    await between()
    return len(first), len(await unit.all("SELECT id FROM site WHERE name = 'between'"))


async def test_all_statements_of_a_read_see_the_same_moment(server):
    assert await read_twice(server, lambda: add(server, "between")) == (0, 0)
    assert await added(server) == {"between"}


async def test_the_check_of_a_kept_answer_needs_no_transaction(server):
    level = "SELECT current_setting('transaction_isolation') AS level"
    read = public_read(lambda unit: unit.one(level))
    assert (await read(server))["level"] == "repeatable read"
    assert (await server.db.read_rows(level, {}))[0]["level"] == "read committed"


INSERT = "INSERT INTO site (id, name, created_at) VALUES (:name, :name, '2026')"
ORIGIN = "INSERT INTO site_origin (origin, site_id) VALUES (:origin, :site)"


async def test_statements_for_later_run_as_one_before_the_next_one_reads(server):
    @write
    async def add_later(unit):
        await unit.later(INSERT, name="first")
        await unit.later(ORIGIN, origin="https://first.example", site="first")
        await unit.later(INSERT, name="second")
        return len(await unit.all("SELECT name FROM site WHERE created_at = '2026'"))

    assert await add_later(server) == 2
    assert await commits(server) == 1


@pytest.mark.parametrize("alone", [True, False])
async def test_statements_for_later_run_before_the_commit_or_never(server, alone):
    @write
    async def add_later(unit, name, error=None):
        await unit.later(INSERT, name=name)
        if error:
            raise error

    works = [add_later(server, "kept")] + ([] if alone else [add_later(server, "lost", LookupError("no"))])
    await together(*works)
    assert await added(server) == {"kept"}
    assert lane_of(server).savepoints == 0  # nothing had been changed, so nothing was rolled back
