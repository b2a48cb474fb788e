"""Readers report what should be looked at."""

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
async def open_house(database_url, clock):
    """A service where nobody is held whom no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def report(service, comment, reader, reason=None):
    said = await reports.report_comment(
        service, comment.id, NewReport(reason=reason), visit(address=f"198.51.{reader}.7")
    )
    assert said.reported is True


async def card(service, comment):
    return await queue.get_comment_detail(service, EVERYTHING, comment.id)


async def reported(service):
    found = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.ANY, reported=True))
    return [one.id for one in found.comments], found.totals.reported


async def act(service, verb, comment):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[comment.id]))


async def test_three_readers_hold_a_comment_that_no_person_approved(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    for reader in (1, 2):
        await report(open_house, comment, reader, "rude")
    assert (await card(open_house, comment)).status is Status.APPROVED
    await report(open_house, comment, 3)
    held = await card(open_house, comment)
    assert (held.status, held.reports) == (Status.PENDING, 3)
    assert [(one.actor.name, one.text) for one in held.reasons] == [("reports", "Reported by 3 readers.")]
    assert sorted(str(one.reason) for one in held.reported) == ["None", "rude", "rude"]


async def test_one_reader_counts_once(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    for _ in range(5):
        await report(open_house, comment, 1)
    held = await card(open_house, comment)
    assert (held.status, held.reports) == (Status.APPROVED, 1)
    assert await reported(open_house) == ([comment.id], 1)


async def test_what_a_person_approved_is_only_flagged(service):
    comment = await post.post_comment(service, draft(), visit())
    await approve(service, comment)
    for reader in range(1, 6):
        await report(service, comment, reader)
    assert (await card(service, comment)).status is Status.APPROVED
    assert await reported(service) == ([comment.id], 1)


async def test_approving_once_more_settles_the_reports_and_undoing_opens_them_again(service):
    comment = await post.post_comment(service, draft(), visit())
    await approve(service, comment)
    await report(service, comment, 1)
    await report(service, comment, 2)
    kept = await act(service, ActionVerb.APPROVE, comment)
    assert kept.changed == 1
    assert await reported(service) == ([], 0)
    await undo.undo_action(service, EVERYTHING, kept.id)
    assert await reported(service) == ([comment.id], 1)
    assert (await card(service, comment)).reports == 2


async def test_any_decision_settles_and_what_comes_later_counts_anew(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    for reader in (1, 2, 3):
        await report(open_house, comment, reader)
    await act(open_house, ActionVerb.APPROVE, comment)
    assert await reported(open_house) == ([], 0)
    await report(open_house, comment, 4)
    seen = await card(open_house, comment)
    assert (seen.status, seen.reports) == (Status.APPROVED, 1)


async def test_only_what_readers_see_can_be_reported(service, client):
    waiting = await post.post_comment(service, draft(), visit())
    with pytest.raises(NotFound):
        await report(service, waiting, 1)
    await approve(service, waiting)
    await act(service, ActionVerb.TRASH, waiting)
    with pytest.raises(Gone):
        await report(service, waiting, 1)
    assert (await client.post("/v1/comments/nobody/reports", json={})).status == 404


async def test_a_reader_who_reports_everything_is_slowed_down_and_may_still_write(database_url, clock):
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


async def test_the_answer_tells_nothing(client, key):
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [posted["id"]]}, headers=key)
    answers = []
    for body in ({"reason": "rude"}, {}, {"reason": "again"}):
        response = await client.post(f"/v1/comments/{posted['id']}/reports", json=body)
        answers.append((response.status, await response.read()))
    assert answers == [(202, b'{"reported":true}')] * 3


async def test_reports_go_with_what_they_are_about(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    await report(open_house, comment, 1, "rude")
    await act(open_house, ActionVerb.TRASH, comment)
    await erase.erase_permanently(open_house, EVERYTHING, comment.id)
    assert await everything_in(open_house, "report") == []
    assert await reported(open_house) == ([], 0)


async def test_held_by_readers_it_is_hidden_as_a_moderator_would_hide_it(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    reply = await post.post_comment(open_house, draft(comment="An answer.", parent=comment.id), visit())
    before = await everything_in(open_house, "thread")
    for reader in (1, 2, 3):
        await report(open_house, comment, reader)

    listing = await shown(open_house)
    assert [(one.id, one.deleted) for one in listing.comments] == [(comment.id, True)]
    assert [one.id for one in listing.comments[0].replies] == [reply.id]
    assert listing.thread.count == 1
    (thread,) = await everything_in(open_house, "thread")
    assert thread["version"] == before[0]["version"] + 1, "what caches keep is renewed, once"
    assert (thread["pending"], thread["approved"], thread["reported"]) == (1, 1, 1)
    with pytest.raises(Gone):
        await read.get_comment(open_house, comment.id, None)


async def test_whoever_wrote_it_cannot_free_it_by_other_words(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    for reader in (1, 2, 3):
        await report(open_house, comment, reader)
    await edit.edit_comment(
        open_house, comment.id, comment.edit_token, CommentEdit(comment="How kind of you."), visit()
    )

    assert (await card(open_house, comment)).status is Status.PENDING
    assert await reported(open_house) == ([comment.id], 1)


async def test_what_a_person_approved_before_it_was_edited_is_theirs_no_more(open_house):
    comment = await post.post_comment(open_house, draft(), visit())
    await act(open_house, ActionVerb.SPAM, comment)
    await act(open_house, ActionVerb.APPROVE, comment)
    await edit.edit_comment(open_house, comment.id, comment.edit_token, CommentEdit(comment="Rude words."), visit())
    for reader in (1, 2, 3):
        await report(open_house, comment, reader)

    assert (await card(open_house, comment)).status is Status.PENDING


async def test_a_report_comes_by_json_or_by_a_plain_form_from_the_sites_own_pages(database_url, clock, aiohttp_client):
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


async def test_unknown_and_waiting_comments_are_refused_alike(client):
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    answers = []
    for name in (posted["id"], "01990000-0000-7000-8000-000000000000"):
        response = await client.post(f"/v1/comments/{name}/reports", json={})
        answers.append((response.status, await response.read()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_who_reported_is_known_by_no_more_than_a_digest_and_that_for_a_while(open_house, clock):
    comments = [await post.post_comment(open_house, draft(comment=f"n {n}"), visit()) for n in range(2)]
    for comment in comments:
        await report(open_house, comment, 1)
    kept = await everything_in(open_house, "report")
    assert len({row["reader_digest"] for row in kept}) == 2, "nobody can tell what else this reader reported"
    assert "198.51" not in str(kept)

    await act(open_house, ActionVerb.APPROVE, comments[0])
    clock.move(days=31)
    await maintenance.delete_expired(open_house)
    assert [row["comment_id"] for row in await everything_in(open_house, "report")] == [comments[1].id]
    assert await reported(open_house) == ([comments[1].id], 1)


async def test_readers_at_once_are_each_counted_and_hold_it_once(open_house):
    comment = await post.post_comment(open_house, draft(), visit())

    async def one(reader):
        with suppress(Gone):
            await report(open_house, comment, reader)

    await asyncio.gather(*(one(reader % 5) for reader in range(20)))
    held = await card(open_house, comment)
    assert (held.status, held.reports, len(held.decisions)) == (Status.PENDING, 3, 2)
