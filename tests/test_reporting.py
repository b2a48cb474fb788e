"""Readers report what should be looked at."""

import pytest

from commentsvc import inspecting, moderating, posting, reporting
from commentsvc.errors import Gone, NotFound, TooFast
from commentsvc.model import Mode, Status, Verb
from commentsvc.shapes import Action, QueueQuery, Report, Standing
from tests.conftest import EVERYTHING, a_service, draft, fields_of, visit
from tests.test_posting import approve, everything_in


@pytest.fixture
async def open_house(database_url, clock):
    """A service where nobody is held whom no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def report(service, comment, reader, reason=None):
    said = await reporting.report(service, comment.id, Report(reason=reason), visit(address=f"198.51.{reader}.7"))
    assert said.reported is True


async def card(service, comment):
    return await inspecting.detail(service, EVERYTHING, comment.id)


async def reported(service):
    found = await inspecting.search(service, EVERYTHING, QueueQuery(status=Standing.ANY, reported=True))
    return [one.id for one in found.comments], found.totals.reported


async def act(service, verb, comment):
    return await moderating.act(service, EVERYTHING, Action(action=verb, ids=[comment.id]))


async def test_three_readers_hold_a_comment_that_no_person_approved(open_house):
    comment = await posting.post_reply(open_house, draft(), visit())
    for reader in (1, 2):
        await report(open_house, comment, reader, "rude")
    assert (await card(open_house, comment)).status is Status.APPROVED
    await report(open_house, comment, 3)
    held = await card(open_house, comment)
    assert (held.status, held.reports) == (Status.PENDING, 3)
    assert [(one.rule, one.reason) for one in held.reasons] == [("rule:reports", "3 readers reported it.")]
    assert sorted(str(one.reason) for one in held.reported) == ["None", "rude", "rude"]


async def test_one_reader_counts_once(open_house):
    comment = await posting.post_reply(open_house, draft(), visit())
    for _ in range(5):
        await report(open_house, comment, 1)
    held = await card(open_house, comment)
    assert (held.status, held.reports) == (Status.APPROVED, 1)
    assert await reported(open_house) == ([comment.id], 1)


async def test_what_a_person_approved_is_only_flagged(service):
    comment = await posting.post_reply(service, draft(), visit())
    await approve(service, comment)
    for reader in range(1, 6):
        await report(service, comment, reader)
    assert (await card(service, comment)).status is Status.APPROVED
    assert await reported(service) == ([comment.id], 1)


async def test_approving_once_more_settles_the_reports_and_undoing_opens_them_again(service):
    comment = await posting.post_reply(service, draft(), visit())
    await approve(service, comment)
    await report(service, comment, 1)
    await report(service, comment, 2)
    kept = await act(service, Verb.APPROVE, comment)
    assert kept.changed == 1
    assert await reported(service) == ([], 0)
    await moderating.undo(service, EVERYTHING, kept.id)
    assert await reported(service) == ([comment.id], 1)
    assert (await card(service, comment)).reports == 2


async def test_any_decision_settles_and_what_comes_later_counts_anew(open_house):
    comment = await posting.post_reply(open_house, draft(), visit())
    for reader in (1, 2, 3):
        await report(open_house, comment, reader)
    await act(open_house, Verb.APPROVE, comment)
    assert await reported(open_house) == ([], 0)
    await report(open_house, comment, 4)
    seen = await card(open_house, comment)
    assert (seen.status, seen.reports) == (Status.APPROVED, 1)


async def test_only_what_readers_see_can_be_reported(service, client):
    waiting = await posting.post_reply(service, draft(), visit())
    with pytest.raises(NotFound):
        await report(service, waiting, 1)
    await approve(service, waiting)
    await act(service, Verb.TRASH, waiting)
    with pytest.raises(Gone):
        await report(service, waiting, 1)
    assert (await client.post("/v1/comments/nobody/reports", json={})).status == 404


async def test_a_reader_who_reports_everything_is_slowed_down_and_may_still_write(database_url, clock):
    async with a_service(database_url, clock, rate_limit="2/300", moderation=Mode.NONE) as service:
        written = [
            await posting.post_reply(service, draft(comment=f"number {number}"), visit(address=f"203.0.{number}.1"))
            for number in range(3)
        ]
        await report(service, written[0], 9)
        await report(service, written[1], 9)
        with pytest.raises(TooFast):
            await report(service, written[2], 9)
        await posting.post_reply(service, draft(comment="I write too."), visit(address="198.51.9.7"))


async def test_the_answer_tells_nothing(client, key):
    posted = await (await client.post("/v1/comments", json=fields_of())).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [posted["id"]]}, headers=key)
    answers = []
    for body in ({"reason": "rude"}, {}, {"reason": "again"}):
        response = await client.post(f"/v1/comments/{posted['id']}/reports", json=body)
        answers.append((response.status, await response.read()))
    assert answers == [(202, b'{"reported":true}')] * 3


async def test_reports_go_with_what_they_are_about(open_house):
    comment = await posting.post_reply(open_house, draft(), visit())
    await report(open_house, comment, 1, "rude")
    await act(open_house, Verb.TRASH, comment)
    await moderating.erase(open_house, EVERYTHING, comment.id)
    assert await everything_in(open_house, "report") == []
    assert await reported(open_house) == ([], 0)
