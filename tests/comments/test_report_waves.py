"""A few people cannot hide other people's comments by reporting them."""

import pytest

from commentsvc.comments import post, reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import Mode, Status, StatusFilter
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, draft, visit


@pytest.fixture
async def open_service(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def report(service, comment, address):
    return await reports.report_comment(service, comment.id, NewReport(), visit(address=address))


async def status_of(service, comment):
    return (await queue.get_comment_detail(service, EVERYTHING, comment.id)).status


async def post_many(service, number):
    return [await post.post_comment(service, draft(comment=f"Number {n}."), visit()) for n in range(number)]


@pytest.mark.parametrize("network", ["2001:db8:7:{:x}::1", "198.51.100.{}"])
async def test_one_customer_of_a_provider_counts_once_for_a_comment(open_service, clock, network):
    (comment,) = await post_many(open_service, 1)
    for number in range(1, 9):
        await report(open_service, comment, network.format(number))
    clock.move(days=20)  # the digests of networks change with the retention period
    await report(open_service, comment, network.format(20))
    assert await status_of(open_service, comment) is Status.APPROVED
    assert len(await everything_in(open_service, "report")) == 1


async def test_three_networks_can_hide_a_few_comments_an_hour_and_flag_the_others(open_service, clock):
    written = await post_many(open_service, 12)
    for turn, comment in enumerate(written):
        for number in range(3):
            await report(open_service, comment, f"2001:db8:{(turn + number) % 3}::7")
    held = [one for one in written if await status_of(open_service, one) is Status.PENDING]
    assert held == written[:5]
    found = await queue.search_comments(open_service, EVERYTHING, QueueQuery(status=StatusFilter.ANY, reported=True))
    assert (len(found.comments), found.recent_reports) == (12, 36), "moderators see every report"
    clock.move(hours=1)
    later = await post.post_comment(open_service, draft(comment="Later."), visit())
    for number in range(3):
        await report(open_service, later, f"2001:db8:{number}::7")
    assert await status_of(open_service, later) is Status.PENDING


@pytest.mark.parametrize(("hours", "answered", "needed"), [(0, False, 3), (25, False, 6), (0, True, 6), (25, True, 9)])
async def test_an_old_or_answered_comment_needs_more_reports(open_service, clock, hours, answered, needed):
    (comment,) = await post_many(open_service, 1)
    if answered:
        await post.post_comment(open_service, draft(comment="Thank you.", parent=comment.id), visit())
    clock.move(hours=hours)
    for number in range(needed):
        assert await status_of(open_service, comment) is Status.APPROVED
        await report(open_service, comment, f"198.51.{number}.7")
    assert await status_of(open_service, comment) is Status.PENDING


@pytest.mark.parametrize(("setting", "held"), [(0, []), (1, [1]), (5, [5])])
async def test_the_operator_says_how_many_reports_hold_a_comment(served, setting, held):
    service = await served(moderation=Mode.NONE, reports_to_hold=setting)
    (comment,) = await post_many(service, 1)
    statuses = []
    for number in range(1, 6):
        if await status_of(service, comment) is Status.APPROVED:
            await report(service, comment, f"198.51.{number}.7")
            statuses.append(await status_of(service, comment))
    assert [number for number, status in enumerate(statuses, 1) if status is Status.PENDING] == held


async def test_a_page_that_hides_its_origin_cannot_make_its_visitors_report(served, aiohttp_client):
    service = await served(moderation=Mode.NONE, sites="https://one.example")
    client = await aiohttp_client(application(service))
    comment = await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
    cross = {"Sec-Fetch-Site": "cross-site"}
    for headers, status in [
        ({"Origin": "null"} | cross, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-site"}, 403),
        (cross, 403),
        ({"Origin": "https://other.example"} | cross, 403),
        ({"Origin": "https://one.example"} | cross, 202),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 202),
        ({}, 202),
    ]:
        for body in ({"json": {}}, {"data": {"reason": "rude"}}):
            response = await client.post(f"/v1/comments/{comment.id}/reports", headers=headers, **body)
            assert response.status == status, headers


async def test_moderators_are_told_of_a_wave_of_reports_on_their_sites(served, aiohttp_client, clock):
    service = await served(moderation=Mode.NONE, reports_to_hold=0)
    client, key = await aiohttp_client(application(service)), await a_key(service)
    await sign_in_moderator(client, service)
    written = await post_many(service, 4)

    async def read_queue():
        answer = await (await client.get("/v1/moderation/comments", headers=key)).json()
        page = await (await client.get("/moderate", headers=SAME_ORIGIN)).text()
        return answer["recent_reports"], "reports within an hour" in page

    assert await read_queue() == (0, False)
    for number in range(20):
        await report(service, written[number % 4], f"198.51.{number}.7")
    assert await read_queue() == (20, True)
    clock.move(hours=2)
    assert await read_queue() == (0, False)
