"""Readers report comments to the moderators."""

import asyncio
from contextlib import suppress

import pytest

from commentsvc.comments import edit, post, read, reports
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.errors import Gone, NotFound, RateLimited
from commentsvc.domain.models import ActionVerb, Mode, Status, StatusFilter
from commentsvc.moderation import actions, erase, queue, undo
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.operations import maintenance
from commentsvc.web.routes import application
from tests.comments.test_post import approve, everything_in, shown
from tests.conftest import EVERYTHING, a_service, draft, fields_of, visit


@pytest.fixture
async def open_service(database_url, clock):
    """A service that publishes every comment that no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def report(service, comment, reader, reason=None):
    receipt = await reports.report_comment(
        service, comment.id, NewReport(reason=reason), visit(address=f"198.51.{reader}.7")
    )
    assert receipt.reported is True


async def card(service, comment):
    return await queue.get_comment_detail(service, EVERYTHING, comment.id)


async def list_reported(service):
    found = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.ANY, reported=True))
    return [one.id for one in found.comments], found.totals.reported


async def act(service, verb, comment):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[comment.id]))


async def test_three_reports_hold_a_comment_that_no_moderator_approved(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    for reader in (1, 2):
        await report(open_service, comment, reader, "rude")
    assert (await card(open_service, comment)).status is Status.APPROVED
    await report(open_service, comment, 3)
    held = await card(open_service, comment)
    assert (held.status, held.reports) == (Status.PENDING, 3)
    assert [(one.actor.name, one.text) for one in held.reasons] == [("reports", "Reported by 3 readers.")]
    assert sorted(str(one.reason) for one in held.reported) == ["None", "rude", "rude"]


async def test_repeated_reports_by_one_reader_count_once(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    for _ in range(5):
        await report(open_service, comment, 1)
    held = await card(open_service, comment)
    assert (held.status, held.reports) == (Status.APPROVED, 1)
    assert await list_reported(open_service) == ([comment.id], 1)


async def test_reports_only_flag_a_comment_that_a_moderator_approved(service):
    comment = await post.post_comment(service, draft(), visit())
    await approve(service, comment)
    for reader in range(1, 6):
        await report(service, comment, reader)
    assert (await card(service, comment)).status is Status.APPROVED
    assert await list_reported(service) == ([comment.id], 1)


async def test_a_second_approval_closes_the_reports_and_undo_reopens_them(service):
    comment = await post.post_comment(service, draft(), visit())
    await approve(service, comment)
    await report(service, comment, 1)
    await report(service, comment, 2)
    kept = await act(service, ActionVerb.APPROVE, comment)
    assert kept.changed == 1
    assert await list_reported(service) == ([], 0)
    await undo.undo_action(service, EVERYTHING, kept.id)
    assert await list_reported(service) == ([comment.id], 1)
    assert (await card(service, comment)).reports == 2


async def test_a_decision_closes_the_reports_and_later_reports_count_from_zero(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    for reader in (1, 2, 3):
        await report(open_service, comment, reader)
    await act(open_service, ActionVerb.APPROVE, comment)
    assert await list_reported(open_service) == ([], 0)
    await report(open_service, comment, 4)
    seen = await card(open_service, comment)
    assert (seen.status, seen.reports) == (Status.APPROVED, 1)


async def test_a_reader_can_report_only_a_published_comment(service, client):
    waiting = await post.post_comment(service, draft(), visit())
    with pytest.raises(NotFound):
        await report(service, waiting, 1)
    await approve(service, waiting)
    await act(service, ActionVerb.TRASH, waiting)
    with pytest.raises(Gone):
        await report(service, waiting, 1)
    assert (await client.post("/v1/comments/nobody/reports", json={})).status == 404


async def test_a_reader_over_the_rate_limit_for_reports_can_still_comment(database_url, clock):
    async with a_service(database_url, clock, rate_limit="2/300", moderation=Mode.NONE) as service:
        written = [
            await post.post_comment(service, draft(comment=f"number {number}"), visit(address=f"203.0.{number}.1"))
            for number in range(3)
        ]
        await report(service, written[0], 9)
        await report(service, written[1], 9)
        with pytest.raises(RateLimited):
            await report(service, written[2], 9)
        await post.post_comment(service, draft(comment="I write too."), visit(address="198.51.9.7"))


async def test_every_report_gets_the_same_answer(client, key):
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [posted["id"]]}, headers=key)
    answers = []
    for body in ({"reason": "rude"}, {}, {"reason": "again"}):
        response = await client.post(f"/v1/comments/{posted['id']}/reports", json=body)
        answers.append((response.status, await response.read()))
    assert answers == [(202, b'{"reported":true}')] * 3


async def test_erasing_a_comment_deletes_its_reports(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    await report(open_service, comment, 1, "rude")
    await act(open_service, ActionVerb.TRASH, comment)
    await erase.erase_permanently(open_service, EVERYTHING, comment.id)
    assert await everything_in(open_service, "report") == []
    assert await list_reported(open_service) == ([], 0)


async def test_a_comment_held_by_reports_is_hidden_like_one_held_by_a_moderator(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    reply = await post.post_comment(open_service, draft(comment="An answer.", parent=comment.id), visit())
    before = await everything_in(open_service, "thread")
    for reader in range(1, 7):
        await report(open_service, comment, reader)

    listing = await shown(open_service)
    assert [(one.id, one.deleted) for one in listing.comments] == [(comment.id, True)]
    assert [one.id for one in listing.comments[0].replies] == [reply.id]
    assert listing.thread.count == 1
    (thread,) = await everything_in(open_service, "thread")
    assert thread["version"] == before[0]["version"] + 1, "the cached listing changes once"
    assert (thread["pending"], thread["approved"], thread["reported"]) == (1, 1, 1)
    with pytest.raises(Gone):
        await read.get_comment(open_service, comment.id, None)


async def test_an_author_cannot_publish_a_held_comment_by_editing_it(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    for reader in (1, 2, 3):
        await report(open_service, comment, reader)
    await edit.edit_comment(
        open_service, comment.id, comment.edit_token, CommentEdit(comment="How kind of you."), visit()
    )

    assert (await card(open_service, comment)).status is Status.PENDING
    assert await list_reported(open_service) == ([comment.id], 1)


async def test_reports_can_hold_a_comment_that_was_edited_after_its_approval(open_service):
    comment = await post.post_comment(open_service, draft(), visit())
    await act(open_service, ActionVerb.SPAM, comment)
    await act(open_service, ActionVerb.APPROVE, comment)
    await edit.edit_comment(open_service, comment.id, comment.edit_token, CommentEdit(comment="Rude words."), visit())
    for reader in (1, 2, 3):
        await report(open_service, comment, reader)

    assert (await card(open_service, comment)).status is Status.PENDING


async def test_a_reader_can_report_by_json_or_form_only_from_pages_of_the_site(database_url, clock, aiohttp_client):
    sites = "https://one.example https://two.example"
    async with a_service(database_url, clock, moderation=Mode.NONE, sites=sites) as service:
        client = await aiohttp_client(application(service))
        comment = await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
        address, ours, theirs = (
            f"/v1/comments/{comment.id}/reports", {"Origin": "https://one.example"}, {"Origin": "https://two.example"}
        )  # fmt: skip
        by_form = await client.post(address, data={"reason": "rude", "extra": "passed over"}, headers=ours)
        assert (by_form.status, by_form.headers["Access-Control-Allow-Origin"]) == (202, "https://one.example")
        assert (await client.options(address, headers=ours | {"Access-Control-Request-Method": "POST"})).status == 204
        foreign = await client.post(address, json={}, headers=theirs)
        assert (foreign.status, (await foreign.json())["code"]) == (403, "origin_not_allowed")
        long = await client.post(address, json={"reason": "x" * 501}, headers=ours)
        assert [fault["field"] for fault in (await long.json())["errors"]] == ["reason"]
        assert [one.reason for one in (await card(service, comment)).reported] == ["rude"]


async def test_reports_of_unknown_and_pending_comments_get_the_same_answer(client):
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    answers = []
    for name in (posted["id"], "01990000-0000-7000-8000-000000000000"):
        response = await client.post(f"/v1/comments/{name}/reports", json={})
        answers.append((response.status, await response.read()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_a_report_stores_only_a_digest_of_the_reader_and_expires_after_it_is_closed(open_service, clock):
    comments = [await post.post_comment(open_service, draft(comment=f"n {n}"), visit()) for n in range(2)]
    for comment in comments:
        await report(open_service, comment, 1)
    kept = await everything_in(open_service, "report")
    assert len({row["reader_digest"] for row in kept}) == 2, "two reports of one reader cannot be linked"
    assert "198.51" not in str(kept)

    await act(open_service, ActionVerb.APPROVE, comments[0])
    clock.move(days=31)
    await maintenance.delete_expired(open_service)
    assert [row["comment_id"] for row in await everything_in(open_service, "report")] == [comments[1].id]
    assert await list_reported(open_service) == ([comments[1].id], 1)


async def test_concurrent_reports_by_several_readers_hold_the_comment_once(open_service):
    comment = await post.post_comment(open_service, draft(), visit())

    async def report_once(reader):
        with suppress(Gone):
            await report(open_service, comment, reader)

    await asyncio.gather(*(report_once(reader % 5) for reader in range(20)))
    held = await card(open_service, comment)
    assert (held.status, held.reports, len(held.decisions)) == (Status.PENDING, 3, 2)
