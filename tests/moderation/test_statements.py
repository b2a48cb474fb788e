"""Pages and lists take the same number of statements, however many rows they show."""

import dataclasses

import pytest

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import ActionVerb, Mode, RuleKind, Scope
from commentsvc.moderation import actions, erase, threads
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import write
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, post, visit

SITE = "https://one.example"


class Counted:
    """Statements of a unit of work, which are counted."""

    def __init__(self, statements, database):
        self._statements, self._database = statements, database
        self.never_waits, self.schema_checked = statements.never_waits, False

    def _count(self):
        self._database.number += 1
        return self._statements

    async def all(self, sql, /, **values):
        return await self._count().all(sql, **values)

    async def one(self, sql, /, **values):
        return await self._count().one(sql, **values)

    async def run(self, sql, /, **values):
        return await self._count().run(sql, **values)

    async def run_many(self, sql, rows, /):
        return await self._count().run_many(sql, rows)

    async def later(self, sql, /, **values):
        return await self._count().later(sql, **values)


class CountingDatabase:
    """A database that counts the statements of its units of work."""

    def __init__(self, database):
        self._database, self.number = database, 0

    def __getattr__(self, name):
        return getattr(self._database, name)

    async def write(self, work, *order):
        return await self._database.write(lambda statements: work(Counted(statements, self)), *order)

    async def read(self, work, **late):
        return await self._database.read(lambda statements: work(Counted(statements, self)), **late)

    async def read_private(self, work):
        return await self._database.read_private(lambda statements: work(Counted(statements, self)))

    async def search(self, work, seconds):
        return await self._database.search(lambda statements: work(Counted(statements, self)), seconds)


@pytest.fixture
async def service(database_url, clock):
    async with a_service(database_url, clock, sites=SITE, moderation=Mode.NONE) as opened:
        yield dataclasses.replace(opened, db=CountingDatabase(opened.db))


async def add_rows(service, numbers):
    """For each number add a thread with comments, a name, changes, a report, a rule, a key and a moderator."""
    for number in numbers:
        page = f"{SITE}/page-{number}/"
        first = await post(service, f"Number {number}", thread=page, address=f"198.51.{number}.1")
        reply = await post(service, f"Reply {number}", thread=page, parent=first, address=f"198.51.{number}.1")
        thread = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(limit=1))).threads[0]
        for change in (ThreadChange(alias=f"/alias-{number}/"), ThreadChange(closed=True)):
            await threads.change_thread(service, EVERYTHING, thread.id, change)
        await reports.report_comment(service, first, NewReport(reason="rude"), visit(address=f"203.0.{number}.1"))
        for verb in (ActionVerb.SPAM, ActionVerb.HOLD):
            await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[reply], note=f"because {number}"))
        new = NewRule(kind=RuleKind.WORDS, match=f"never{number}", site="one.example")
        await manage.add_rule(service, EVERYTHING, new)
        await keys.create_key(service, EVERYTHING, NewKey(name=f"key {number}", scopes=[Scope.READ]))
        await moderators.add_moderator(service, f"Moderator {number}", None, ["one.example"])


API = (
    "/v1/threads",
    "/v1/threads?q=page",
    "/v1/moderation/comments?status=any",
    "/v1/moderation/comments?q=number&status=any",
    "/v1/rules",
    "/v1/audit?limit=200",
    "/v1/keys",
    "/v1/sites",
    "/v1/latest?site=one.example",
)
READERS = (f"/v1/comments?thread={SITE}/page-0/", f"/v1/counts?thread={SITE}/page-0/", "/v1/latest.atom", "/")
PAGES = (
    "/moderate?status=any",
    "/moderate/threads",
    "/moderate/rules",
    "/moderate/audit",
    "/moderate/account",
)


async def count_statements(service, client, path, headers):
    await client.get(path, headers=headers)  # whatever is prepared at first use
    before = service.db.number
    response = await client.get(path, headers=headers)
    assert response.status == 200, (path, await response.text())
    return service.db.number - before


@pytest.mark.parametrize("site", [None, pytest.param("one.example", marks=pytest.mark.slow)])
async def test_lists_take_the_same_statements_for_few_and_for_many_rows(service, aiohttp_client, site):
    client = await aiohttp_client(application(service))
    key = await a_key(service, site=site)
    signed_in = await client.post(
        "/moderate/sign-in", data={"key": key["Authorization"].removeprefix("Bearer ")}, headers=SAME_ORIGIN
    )
    assert signed_in.status == 200
    asked = [(path, key) for path in (*API, *READERS)] + [(path, SAME_ORIGIN) for path in PAGES]
    await add_rows(service, range(2))
    few = {path: await count_statements(service, client, path, headers) for path, headers in asked}
    await add_rows(service, range(2, 9))
    many = {path: await count_statements(service, client, path, headers) for path, headers in asked}
    assert many == few
    assert few["/v1/threads"] <= 5


async def test_listing_moderators_takes_the_same_statements_for_few_and_for_many(service):
    async def number():
        before = service.db.number
        listed = await moderators.list_moderators(service)
        assert {record.name: record.sites for record in listed}["Moderator 0"] == ["one.example"]
        return service.db.number - before

    await add_rows(service, range(1))
    few = await number()
    await add_rows(service, range(1, 5))
    assert await number() == few


async def test_erasing_a_comment_erases_the_notes_about_it_and_no_others(service):
    await add_rows(service, range(3))
    erased = next(row for row in await everything_in(service, "comment") if row["text"] == "Reply 1")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[erased["id"]], note="bye"))
    await erase.erase_permanently(service, EVERYTHING, erased["id"])
    noted = {row["note"] for row in await everything_in(service, "audit") if row["note"]}
    assert noted == {"because 0", "because 2"}


@write
async def explain_erasing(unit, engine):
    """Return the plan of the statement that erases notes."""
    if engine == "postgres":
        await unit.run("SET LOCAL enable_seqscan = off")  # the table of a test is too small for an index
    how = "EXPLAIN QUERY PLAN" if engine == "sqlite" else "EXPLAIN"
    rows = await unit.all(
        f"""
        {how} UPDATE audit SET salt = NULL, note = NULL
        WHERE note IS NOT NULL AND SUBSTR(body, 12, 36) IN (
            SELECT action_id FROM action_item WHERE comment_id = 'x'
        )
        """
    )
    return "\n".join(str(tuple(row)) for row in rows)


async def test_erasing_does_not_read_the_whole_audit_log(service, engine):
    await add_rows(service, range(2))
    plan = await explain_erasing(service, engine)
    assert "audit_noted" in plan
    assert "SCAN audit\n" not in plan + "\n"
    assert "Seq Scan on audit" not in plan
