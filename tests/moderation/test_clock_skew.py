"""Two servers with different clocks: the order of events counts, not the timestamps."""

import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from commentsvc.access.keys import authenticate_key, create_key, revoke_key
from commentsvc.access.moderators import add_moderator, create_sign_in_link, remove_moderator
from commentsvc.access.schemas import NewKey
from commentsvc.access.sessions import authenticate_session
from commentsvc.access.sign_in import sign_in_by_link
from commentsvc.comments.edit import edit_comment
from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.form import is_suspicious_network
from commentsvc.comments.post import post_comment
from commentsvc.comments.reports import report_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.errors import RateLimited
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, Scope, Status, StatusFilter
from commentsvc.moderation.actions import apply_action
from commentsvc.moderation.queue import get_comment_detail, search_comments
from commentsvc.moderation.replies import post_reply
from commentsvc.moderation.schemas import Action, NewReply, QueueQuery
from commentsvc.moderation.undo import undo_action, undo_last_action
from commentsvc.service import private_read
from commentsvc.storage import decisions
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, Clock, a_moderators_key, a_service, draft, visit

SKEW = timedelta(seconds=5)


@asynccontextmanager
async def two_servers(database_url, clock, skew):
    """Run two servers on one database; the clock of the first is ahead by ``skew``."""
    ahead, behind = Clock(), clock
    ahead.time = clock.time + skew
    async with (
        a_service(database_url, ahead, moderation=Mode.NONE) as first,
        a_service(database_url, behind, moderation=Mode.NONE) as second,
    ):
        yield first, second


@pytest.fixture
async def servers(database_url, clock):
    """Two servers on one database; the clock of the first is five seconds ahead."""
    async with two_servers(database_url, clock, SKEW) as both:
        yield both


async def act(service, verb, *ids, who=EVERYTHING):
    return await apply_action(service, who, Action(action=verb, ids=list(ids)))


async def status_of(service, comment_id):
    return (await get_comment_detail(service, EVERYTHING, comment_id)).status


async def test_an_edit_does_not_publish_a_comment_marked_as_spam(servers):
    ahead, behind = servers
    receipt = await post_comment(ahead, draft(comment="Buy pills."), visit())
    await act(behind, ActionVerb.SPAM, receipt.id)

    await edit_comment(behind, receipt.id, receipt.edit_token, CommentEdit(comment="Nice post."), visit())
    await edit_comment(ahead, receipt.id, receipt.edit_token, CommentEdit(comment="Nice post!"), visit())

    assert await status_of(ahead, receipt.id) is Status.SPAM


async def test_the_queue_shows_the_reason_of_the_last_decision(servers):
    ahead, behind = servers
    receipt = await post_comment(ahead, draft(), visit())
    await act(ahead, ActionVerb.SPAM, receipt.id)
    await act(
        behind, ActionVerb.HOLD, receipt.id, who=Principal(Actor(ActorKind.PERSON, None, "Ben"), frozenset(Scope), None)
    )

    (card,) = (await search_comments(ahead, EVERYTHING, QueueQuery(status=StatusFilter.PENDING))).comments

    assert card.reasons[0].actor.name == "Ben"


async def test_the_history_of_a_comment_is_in_order_of_events(servers):
    ahead, behind = servers
    receipt = await post_comment(ahead, draft(), visit())
    for server, verb in ((behind, ActionVerb.SPAM), (ahead, ActionVerb.TRASH), (behind, ActionVerb.APPROVE)):
        await act(server, verb, receipt.id)

    detail = await get_comment_detail(behind, EVERYTHING, receipt.id)

    assert [one.status for one in detail.decisions] == ["approved", "spam", "trash", "approved"]
    assert [one.action for one in detail.actions] == ["spam", "trash", "approve"]


async def test_the_last_action_of_a_session_is_undone_first(servers):
    ahead, behind = servers
    receipt = await post_comment(ahead, draft(), visit())
    ada = Principal(Actor(ActorKind.PERSON, None, "ada"), frozenset(Scope), None, session_id="a session")
    await act(ahead, ActionVerb.SPAM, receipt.id, who=ada)
    last = await act(behind, ActionVerb.TRASH, receipt.id, who=ada)

    undone, _ = await undo_last_action(ahead, ada)

    assert undone == last.id


async def test_a_network_is_suspicious_only_while_the_latest_human_decision_is_spam(servers):
    ahead, behind = servers
    receipt = await post_comment(ahead, draft(), visit())
    await act(ahead, ActionVerb.SPAM, receipt.id)
    assert await private_read(is_suspicious_network)(behind, visit())
    await act(behind, ActionVerb.APPROVE, receipt.id)
    assert not await private_read(is_suspicious_network)(ahead, visit())


async def test_an_undo_reopens_the_reports_that_the_action_closed(servers):
    ahead, behind = servers
    receipt = await post_comment(behind, draft(), visit())
    for number in range(2):
        await report_comment(ahead, receipt.id, NewReport(), visit(address=f"203.0.{number}.1"))
    ada = Principal(Actor(ActorKind.PERSON, None, "ada"), frozenset(Scope), None, session_id="a session")
    await act(behind, ActionVerb.APPROVE, receipt.id, who=ada)
    assert {row["settled_at"] is None for row in await everything_in(behind, "report")} == {False}

    await undo_last_action(ahead, ada)

    assert {row["settled_at"] is None for row in await everything_in(behind, "report")} == {True}


async def test_human_decisions_are_listed_newest_first(servers):
    ahead, behind = servers
    one, two = [(await post_comment(ahead, draft(comment=text), visit())).id for text in ("one", "two")]
    await act(ahead, ActionVerb.SPAM, one)
    await act(behind, ActionVerb.SPAM, two)

    found = await private_read(decisions.list_decided_by_people)(ahead, None, 9)

    assert [comment.id for comment in found] == [two, one]


async def test_a_decision_by_a_program_is_not_a_human_decision(servers):
    ahead, _ = servers
    receipt = await post_comment(ahead, draft(), visit())
    made = await create_key(ahead, EVERYTHING, NewKey(name="filter", scopes=[Scope.MODERATE]))
    program = Principal(Actor(ActorKind.PROGRAM, made.id, "filter"), frozenset(Scope), None)
    await act(ahead, ActionVerb.SPAM, receipt.id, who=program)

    assert await private_read(decisions.list_decided_by_people)(ahead, None, 9) == []


def test_ids_created_by_concurrent_threads_have_unique_prefixes():
    new_id, made = Ids(lambda: 1_700_000_000_000), []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(2000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({one[:18] for one in made}) == len(made) == 16_000


# --- Nothing is dated before its cause, even if a clock is minutes behind

MINUTES = timedelta(minutes=7)
# Each statement finds rows that are dated before what they follow from.
BEFORE_THEIR_CAUSE = {
    "reply before parent": """
        SELECT 1 FROM comment c JOIN comment p ON p.id = c.parent_id WHERE c.created_at < p.created_at
    """,
    "comment before thread": """
        SELECT 1 FROM comment c JOIN thread t ON t.id = c.thread_id WHERE c.created_at < t.created_at
    """,
    "thread before site": "SELECT 1 FROM thread t JOIN site s ON s.id = t.site_id WHERE t.created_at < s.created_at",
    "event before comment": """
        SELECT 1 FROM comment WHERE COALESCE(edited_at, created_at) < created_at
            OR COALESCE(published_at, created_at) < created_at OR COALESCE(listed_at, created_at) < created_at
            OR COALESCE(erased_at, created_at) < created_at
    """,
    "publication of a thread before its creation": """
        SELECT 1 FROM thread WHERE COALESCE(published_at, created_at) < created_at
            OR COALESCE(closed_at, created_at) < created_at
    """,
    "contact before comment": """
        SELECT 1 FROM contact k JOIN comment c ON c.id = k.comment_id WHERE k.created_at < c.created_at
    """,
    "decision before comment": """
        SELECT 1 FROM decision d JOIN comment c ON c.id = d.comment_id WHERE d.created_at < c.created_at
    """,
    "decision before an earlier decision": """
        SELECT 1 FROM decision a JOIN decision b ON b.comment_id = a.comment_id AND b.seq > a.seq
        WHERE b.created_at < a.created_at
    """,
    "revision before comment": """
        SELECT 1 FROM revision r JOIN comment c ON c.id = r.comment_id WHERE r.created_at < c.created_at
    """,
    "revision before an earlier revision": """
        SELECT 1 FROM revision a JOIN revision b ON b.comment_id = a.comment_id AND b.version > a.version
        WHERE b.created_at < a.created_at
    """,
    "action before comment": """
        SELECT 1 FROM action a JOIN action_item i ON i.action_id = a.id JOIN comment c ON c.id = i.comment_id
        WHERE a.created_at < c.created_at
    """,
    "undo before action": """
        SELECT 1 FROM action a JOIN action u ON u.id = a.undone_by WHERE u.created_at < a.created_at
    """,
    "report before publication": """
        SELECT 1 FROM report r JOIN comment c ON c.id = r.comment_id WHERE r.created_at < c.published_at
    """,
    "end of a report before it": "SELECT 1 FROM report WHERE settled_at < created_at",
    "log out of order": "SELECT 1 FROM audit a JOIN audit b ON b.seq = a.seq + 1 WHERE b.created_at < a.created_at",
    "end of a rule before it": "SELECT 1 FROM rule WHERE removed_at < created_at",
    "end of a key before it": "SELECT 1 FROM api_key WHERE revoked_at < created_at OR last_used_at < created_at",
    "sign-in before its link": "SELECT 1 FROM invitation WHERE used_at < created_at",
    "session before its start": "SELECT 1 FROM session WHERE seen_at < created_at",
    "end of a moderator before it": "SELECT 1 FROM moderator WHERE removed_at < created_at",
}


@pytest.fixture
async def minutes_apart(database_url, clock):
    """Two servers on one database; the clock of the first is seven minutes ahead."""
    async with two_servers(database_url, clock, MINUTES) as both:
        yield both


async def found_before_their_cause(service):
    async def look(unit):
        return [name for name, statement in BEFORE_THEIR_CAUSE.items() if await unit.all(statement)]

    return await private_read(look)(service)


async def test_a_reply_is_not_dated_before_its_parent(minutes_apart):
    ahead, behind = minutes_apart
    parent = await post_comment(ahead, draft(comment="A question."), visit())
    reply = await post_comment(behind, draft(comment="An answer.", parent=parent.id), visit())
    await post_comment(behind, draft(comment="Another.", parent=reply.id), visit())

    assert await found_before_their_cause(behind) == []


async def test_an_edit_and_a_withdrawal_are_not_dated_before_the_comment(minutes_apart):
    ahead, behind = minutes_apart
    receipt = await post_comment(ahead, draft(), visit())
    for server, text in ((behind, "Second."), (ahead, "Third."), (behind, "Fourth.")):
        await edit_comment(server, receipt.id, receipt.edit_token, CommentEdit(comment=text), visit())
    assert await found_before_their_cause(behind) == []

    await withdraw_comment(behind, receipt.id, receipt.edit_token)
    assert await found_before_their_cause(behind) == []


async def test_decisions_undos_and_replies_of_moderators_are_not_dated_before_their_cause(minutes_apart):
    ahead, behind = minutes_apart
    receipts = [await post_comment(ahead, draft(comment=f"Text {n}"), visit()) for n in range(3)]
    ids = [receipt.id for receipt in receipts]
    for server, verb in ((behind, ActionVerb.SPAM), (ahead, ActionVerb.TRASH), (behind, ActionVerb.APPROVE)):
        done = await act(server, verb, *ids)
    await undo_action(behind, EVERYTHING, done.id)
    await act(ahead, ActionVerb.APPROVE, *ids)
    key = await a_moderators_key(behind)
    who = await authenticate_key(behind, key["Authorization"].removeprefix("Bearer "))
    await post_reply(behind, who, ids[0], NewReply(comment="Thank you."))

    assert await found_before_their_cause(behind) == []


async def test_an_action_in_pieces_is_not_dated_before_its_comments(minutes_apart):
    ahead, behind = minutes_apart
    ids = [(await post_comment(ahead, draft(comment=f"Text {n}"), visit())).id for n in range(120)]
    await act(behind, ActionVerb.SPAM, *ids)
    assert await found_before_their_cause(behind) == []


async def test_reports_are_not_dated_before_the_comment_and_end_after_they_begin(minutes_apart):
    ahead, behind = minutes_apart
    receipt = await post_comment(ahead, draft(), visit())
    for number, server in enumerate((behind, ahead, behind)):
        await report_comment(server, receipt.id, NewReport(), visit(address=f"203.0.{number}.1"))
    await act(behind, ActionVerb.APPROVE, receipt.id)
    assert await found_before_their_cause(behind) == []


async def test_keys_moderators_and_rules_do_not_end_before_they_begin(minutes_apart):
    ahead, behind = minutes_apart
    made = await create_key(ahead, EVERYTHING, NewKey(name="filter", scopes=[Scope.READ]))
    await authenticate_key(behind, made.key)
    await revoke_key(behind, EVERYTHING, made.id)
    await add_moderator(ahead, "Noa", None, [])
    await remove_moderator(behind, "Noa")
    assert await found_before_their_cause(behind) == []


async def test_a_sign_in_is_not_dated_before_its_link(minutes_apart):
    ahead, behind = minutes_apart
    await add_moderator(ahead, "Noa", None, [])
    link = await create_sign_in_link(ahead, "Noa")
    token = await sign_in_by_link(behind, link.rpartition("/")[2], visit())
    session = await authenticate_session(behind, token)
    assert session.name == "Noa"
    assert await found_before_their_cause(behind) == []


async def test_a_time_that_is_wrong_by_days_does_not_spread(database_url, clock):
    future = Clock()
    future.time = clock.time + timedelta(days=400)
    async with a_service(database_url, future, moderation=Mode.NONE) as broken:
        parent = await post_comment(broken, draft(), visit())
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        reply = await post_comment(service, draft(comment="An answer.", parent=parent.id), visit())
        dated = {row["id"]: row["created_at"] for row in await everything_in(service, "comment")}
        assert dated[reply.id] == service.now()


async def test_a_server_behind_still_counts_what_a_network_sends(database_url, clock):
    ahead = Clock()
    ahead.time = clock.time + MINUTES
    limit = {"moderation": Mode.NONE, "rate_limit": "3/300"}
    async with a_service(database_url, ahead, **limit) as first, a_service(database_url, clock, **limit) as second:
        await post_comment(first, draft(comment="0"), visit(address="203.0.113.1"))
        for number in range(1, 4):
            await post_comment(second, draft(comment=str(number)), visit())
        with pytest.raises(RateLimited):
            await post_comment(second, draft(comment="4"), visit())
