"""Two servers with different clocks: the order of events counts, not the timestamps."""

import threading
from datetime import timedelta

import pytest

from commentsvc.access.keys import create_key
from commentsvc.access.schemas import NewKey
from commentsvc.comments.edit import edit_comment
from commentsvc.comments.form import is_suspicious_network
from commentsvc.comments.post import post_comment
from commentsvc.comments.reports import report_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, Scope, Status, StatusFilter
from commentsvc.moderation.actions import apply_action
from commentsvc.moderation.queue import get_comment_detail, search_comments
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.undo import undo_last_action
from commentsvc.service import private_read
from commentsvc.storage import decisions
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, Clock, a_service, draft, visit

SKEW = timedelta(seconds=5)


@pytest.fixture
async def servers(database_url, clock):
    """Two servers on one database; the clock of the first is five seconds ahead."""
    ahead, behind = Clock(), clock
    ahead.time = clock.time + SKEW
    async with (
        a_service(database_url, ahead, moderation=Mode.NONE) as first,
        a_service(database_url, behind, moderation=Mode.NONE) as second,
    ):
        yield first, second


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
