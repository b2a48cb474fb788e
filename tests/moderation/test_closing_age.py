"""Threads that a rule closes for their age: shown as closed to moderators, and opened again until a date."""

import re

import pytest

from commentsvc.cli import cards
from commentsvc.comments import edit, post, read
from commentsvc.comments.schemas import CommentEdit, ThreadQuery
from commentsvc.domain.errors import Invalid, ThreadClosed
from commentsvc.domain.models import Effect, Mode, RuleKind, StatusFilter
from commentsvc.moderation import queue, threads, undo
from commentsvc.moderation.schemas import QueueQuery, ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.conftest import EVERYTHING, a_key, a_service, draft, visit

CLOSED = "2026-12-22T16:02:11.000Z"  # 30 days after the clock's start


@pytest.fixture
async def old(database_url, clock):
    """A service with a thread of 31 days, which a rule closes after 30."""
    async with a_service(database_url, clock, moderation=Mode.NONE, edit_minutes=1440) as service:
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.CLOSING_AGE, match="30", effect=Effect.REFUSE))
        await post.post_comment(service, draft(), visit())
        clock.move(days=31)
        yield service


async def thread_of(service):
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    assert await threads.get_thread(service, EVERYTHING, thread.id) == thread
    return thread


async def change(service, **changes):
    return await threads.change_thread(service, EVERYTHING, (await thread_of(service)).id, ThreadChange(**changes))


async def closed_for_readers(service):
    listing = await read.list_thread(service, ThreadQuery(thread="/a-page/"), visit())
    return listing.listing.thread.closed


async def write(service, text="One more thought"):
    return (await post.post_comment(service, draft(comment=text), visit())).status


async def test_moderators_see_that_a_rule_closed_a_thread(old, aiohttp_client):
    thread = await thread_of(old)
    assert (thread.closed, thread.closed_by, thread.closed_at, thread.open_until) == (True, "rule", CLOSED, None)
    card = (await queue.search_comments(old, EVERYTHING, QueueQuery(status=StatusFilter.ANY))).comments[0]
    assert card.thread.closed
    facts = {label: text for label, text, _ in cards._list_facts(card, old.clock())}
    assert facts["page"].endswith(" /a-page (comments are closed)")
    client = await aiohttp_client(application(old))
    answer = await (await client.get("/v1/threads", headers=await a_key(old))).json()
    assert (answer["threads"][0]["closed"], answer["threads"][0]["closed_by"]) == (True, "rule")


async def test_a_thread_is_open_until_its_last_moment(old, clock):
    clock.move(days=-1)
    assert (await thread_of(old)).closed is False
    assert await write(old) == "approved"
    clock.move(seconds=1)
    assert (await thread_of(old)).closed is True
    with pytest.raises(ThreadClosed):
        await write(old, "Too late")


async def test_a_moderator_opens_an_old_thread_until_a_date(old, clock):
    opened = await change(old, closed=False, open_until="2027-01-10T00:00:00Z")
    assert (opened.closed, opened.closed_by, opened.open_until) == (False, None, "2027-01-10T00:00:00.000Z")
    assert (await write(old), await closed_for_readers(old)) == ("approved", False)
    clock.move(days=30)
    thread = await thread_of(old)
    assert (thread.closed_by, thread.closed_at) == ("rule", "2027-01-10T00:00:00.000Z")
    assert await closed_for_readers(old) is True
    with pytest.raises(ThreadClosed):
        await write(old, "Too late")


async def test_a_thread_that_is_opened_without_a_date_stays_open_as_long_as_a_new_one(old, clock):
    assert (await change(old, closed=False)).open_until == "2027-01-22T16:02:11.000Z"
    clock.move(days=30)
    assert await write(old) == "approved"
    clock.move(seconds=1)
    assert (await thread_of(old)).closed_by == "rule"


async def test_undo_closes_the_thread_again(old):
    opened = await change(old, closed=False)
    await undo.undo_action(old, EVERYTHING, opened.action)
    assert (await thread_of(old)).closed_by == "rule"
    assert await closed_for_readers(old) is True


async def test_a_moderator_closes_an_opened_thread_for_good(old):
    await change(old, closed=False)
    closed = await change(old, closed=True)
    assert (closed.closed_by, closed.open_until) == ("moderator", None)
    opened = await change(old, closed=False)
    assert (opened.closed, opened.open_until) == (False, "2027-01-22T16:02:11.000Z"), "the rule still applies"


async def test_a_date_can_be_set_and_removed_without_closing(old):
    assert (await change(old, open_until="2027-03-01T00:00:00+01:00")).open_until == "2027-02-28T23:00:00.000Z"
    assert (await change(old, open_until=None)).closed_by == "rule"


@pytest.mark.parametrize(
    "changes",
    [
        {"open_until": "2026-01-01T00:00:00Z"},
        {"open_until": "soon"},
        {"closed": True, "open_until": "2030-01-01T00:00Z"},
    ],
)
async def test_a_date_that_cannot_be_kept_is_refused(old, changes):
    with pytest.raises(Invalid) as refused:
        await change(old, **changes)
    assert [fault.field for fault in refused.value.faults] == ["open_until"]


async def test_opening_a_thread_that_no_rule_closed_sets_no_date(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await post.post_comment(service, draft(), visit())
        assert (await change(service, closed=True)).closed_by == "moderator"
        opened = await change(service, closed=False)
        assert (opened.closed, opened.closed_by, opened.open_until) == (False, None, None)


async def test_an_opened_thread_is_not_held_either_and_edits_pass(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE, edit_minutes=1440) as service:
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.CLOSING_AGE, match="30", effect=Effect.HOLD))
        await post.post_comment(service, draft(), visit())
        clock.move(days=31)
        assert (await thread_of(service)).closed is False, "comments are held, not refused"
        assert await write(service) == "pending"
        await change(service, open_until="2027-01-10T00:00:00Z")
        receipt = await post.post_comment(service, draft(comment="Not held"), visit())
        edited = CommentEdit(comment="Still not held")
        assert receipt.status == "approved"
        again = await edit.edit_comment(service, receipt.id, receipt.edit_token, edited, visit())
        assert again.status == "approved"


async def test_a_moderator_opens_a_thread_on_the_page(old, aiohttp_client, clock):
    client = await aiohttp_client(application(old))
    csrf = await sign_in_moderator(client, old)
    listed = await (await client.get("/moderate/threads")).text()
    assert "closed by a rule" in listed
    path = f"/moderate/threads/{(await thread_of(old)).id}"
    page = await (await client.get(path)).text()
    assert re.search(r"Closed by a rule for old threads: ", page)
    assert 'name="until"' in page
    refused = await client.post(path, data={"csrf": csrf, "do": "open", "until": "2020-01-01"}, headers=SAME_ORIGIN)
    assert refused.status == 422
    assert "This time is in the past." in await refused.text()
    opened = await client.post(path, data={"csrf": csrf, "do": "open", "until": "2027-01-10"}, headers=SAME_ORIGIN)
    assert "Rules keep it open until 2027-01-10" in await (await client.get(path)).text()
    assert opened.status == 200
    assert await write(old) == "approved"
