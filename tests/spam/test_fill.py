"""Memory learns in the background from archives, and from decisions of earlier versions."""

import asyncio
from datetime import timedelta

from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Decision, Effect, Status
from commentsvc.service import write
from commentsvc.spam import fill
from commentsvc.storage import decisions
from tests.archives.made import PAGE, a_comment, import_records
from tests.comments.test_post import everything_in
from tests.conftest import a_service, post
from tests.spam.test_memory import KIND, NEARLY, PILLS, PROGRAM, act, judged

IMPORT = Actor(ActorKind.IMPORT, None, "import")


@write
async def empty_memory(unit):
    for table in ("memory", "memory_key"):
        await unit.run(f"DELETE FROM {table}")


async def labels(service):
    rows = await everything_in(service, "memory")
    return sorted((row["label"], row["source"], row["approved"]) for row in rows)


async def test_imported_spam_holds_and_never_decides_more_while_approved_texts_protect(service):
    records = [
        PAGE,
        a_comment(1, text=PILLS, status=Status.SPAM),
        a_comment(2, text=KIND, status=Status.SPAM),
        a_comment(3, text=KIND),
        a_comment(4, text="Trash is no lesson, as nobody said what it was", status=Status.TRASH),
        a_comment(5, text="Nice post!", status=Status.SPAM),
    ]
    await import_records(service, records, keeps_spam=True)
    assert await labels(service) == [], "an import does not wait for it"
    await fill.fill_memory(service)
    assert await labels(service) == [("good", "import", 0), *[("spam", "import", 0)] * 3]
    assert await judged(service, PILLS) == (
        Status.PENDING,
        [(Effect.HOLD, "The same text was imported as spam.")],
    )
    assert await judged(service, NEARLY) == (Status.PENDING, [(Effect.HOLD, "1 comment like this was marked as spam.")])
    assert await judged(service, "Nice post!") == (
        Status.PENDING,
        [(Effect.NOTE, "The same text was imported as spam.")],
    )
    assert await judged(service, KIND) == (Status.PENDING, [])


async def test_decisions_of_an_earlier_version_are_remembered_after_the_upgrade(service):
    ids = [await post(service, f"{PILLS} {number}") for number in range(60)]
    await act(service, ActionVerb.SPAM, *ids)
    before = [sorted(row.items()) for row in await everything_in(service, "memory_key")]
    await empty_memory(service)
    assert await fill.fill_memory(service) == 60
    assert [sorted(row.items()) for row in await everything_in(service, "memory_key")] == before
    assert await fill.fill_memory(service) == 0
    assert (await judged(service, f"{PILLS} 7", name="Bo"))[0] is Status.SPAM


async def test_a_restart_goes_on_where_everything_is_certain(service, clock):
    await act(service, ActionVerb.SPAM, await post(service, PILLS))
    for moved in (timedelta(0), fill.SETTLED):
        clock.time += moved
        await fill.fill_memory(service)
    (state,) = await everything_in(service, "memory_state")
    (*_, last) = await everything_in(service, "decision")
    assert state["filled_seq"] == last["seq"]


async def test_progress_is_stored_again_after_the_clock_was_ahead(service, clock):
    await act(service, ActionVerb.SPAM, await post(service, PILLS))
    for moved in (timedelta(days=365), timedelta(days=-365), fill.SETTLED):
        clock.time += moved
        await fill.fill_memory(service)
    (state,) = await everything_in(service, "memory_state")
    assert state["filled_seq"] > 0


async def test_a_decision_that_is_committed_after_later_ones_is_found(service, database_url, clock, engine):
    first, second = await post(service, PILLS), await post(service, KIND)
    await act(service, ActionVerb.SPAM, first, who=PROGRAM)
    may_end, has_number = asyncio.Event(), asyncio.Event()

    @write
    async def import_slowly(unit):
        await decisions.add(unit, [first], Decision(Status.SPAM, IMPORT))
        await unit.all("SELECT seq FROM decision WHERE comment_id = :id ORDER BY seq", id=first)  # it has its number
        has_number.set()
        if engine == "postgres":
            await may_end.wait()

    async with a_service(database_url, clock) as other, asyncio.TaskGroup() as group:
        group.create_task(import_slowly(other))
        await has_number.wait()
        await act(service, ActionVerb.APPROVE, second)
        await fill.fill_memory(service)
        may_end.set()
    clock.time += fill.SETTLED
    await fill.fill_memory(service)
    assert ("spam", "import", 0) in await labels(service)
