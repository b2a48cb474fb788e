"""A flood of comments is stopped, and an honest person on another network can still write."""

import pytest

from commentsvc.access import site_limits
from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import RateLimited, Unavailable
from commentsvc.domain.models import ActionVerb, Mode, RuleKind
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, a_service, draft, fields_of, visit


async def send_from(service, addresses, text, **more):
    """Post a comment from each address; return the classes of the refusals, in order."""
    refused = []
    for number, address in enumerate(addresses):
        try:
            await post_comment(service, draft(comment=f"{text} {number}", **more), visit(address=address))
        except (RateLimited, Unavailable) as error:
            refused.append(type(error))
    return refused


async def test_a_flood_from_a_whole_48_is_stopped_and_others_can_write(database_url, clock):
    async with a_service(database_url, clock, rate_limit="2/300") as service:
        flood = [f"2001:db8:7:{number:x}::1" for number in range(12)]
        assert await send_from(service, flood, "Pills") == [RateLimited] * 4
        assert await send_from(service, ["2001:db8:8::1", "198.51.100.7"], "Honest") == []
        clock.move(minutes=5)
        assert await send_from(service, flood[:8], "More pills") == []


async def test_a_48_has_one_allowance_of_unreadable_requests_and_of_reports(served, aiohttp_client):
    service = await served(rate_limit="1/300", trusted_proxies="127.0.0.1")
    client = await aiohttp_client(application(service))

    async def statuses(path, body, number):
        return [
            (await client.post(path, json=body, headers={"X-Forwarded-For": f"2001:db8:7:{one:x}::1"})).status
            for one in range(number)
        ]

    assert await statuses("/v1/comments", fields_of(email="wrong"), 42) == [422] * 40 + [429] * 2
    assert await statuses("/v1/comments/nobody/reports", {}, 6) == [404] * 4 + [429] * 2


async def test_a_flood_from_many_networks_is_stopped_and_a_new_network_can_write(served, clock):
    service = await served(rate_limit="2/300", moderation=Mode.NONE)
    flood = [f"2001:db8:{number:x}::1" for number in range(60)]
    assert await send_from(service, flood, "Pills") == []
    # 100 comments are what a site takes at once; 10 more networks were in the flood, each once more.
    assert await send_from(service, flood, "More pills") == []
    assert await send_from(service, flood, "Too many pills") == [RateLimited] * 60
    assert await send_from(service, ["198.51.100.7"], "Honest") == []
    with pytest.raises(Unavailable) as refused:
        await post_comment(service, draft(comment="Once more."), visit())
    assert refused.value.retry_after
    clock.move(minutes=5)
    assert await send_from(service, flood[:30], "Later") == []


async def test_a_comment_that_is_tried_again_after_a_change_of_rules_counts_once(served):
    service = await served(rate_limit="2/300", moderation=Mode.NONE)
    for number in range(2):
        assert await send_from(service, [f"2001:db8:{one:x}::1" for one in range(50)], f"Pills {number}") == []
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="pills"))
    assert await send_from(service, ["198.51.100.7"], "Honest") == []


async def test_a_full_queue_refuses_strangers_and_takes_proven_commenters(database_url, clock, caplog):
    async with a_service(database_url, clock, rate_limit="20/300", pending_limit=3) as service:
        known = await post_comment(service, draft(comment="Known."), visit())
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[known.id]))
        waiting = [await post_comment(service, draft(comment=f"n {n}"), visit()) for n in range(3)]
        stranger = {"address": "192.0.2.7"}
        for token in (None, waiting[0].author_token):
            with pytest.raises(Unavailable, match="Please wait 3,600 seconds, then send it again"):
                await post_comment(service, draft(comment="A stranger.", author_token=token), visit(**stranger))
        await post_comment(service, draft(comment="Me again.", author_token=known.author_token), visit())
        assert caplog.text.count("refuses comments") == 1

        ids = [one.id for one in waiting]
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=ids))
        await post_comment(service, draft(comment="A stranger."), visit(**stranger))


async def test_a_person_is_told_when_to_send_a_refused_comment_again_and_keeps_the_text(served, aiohttp_client):
    service = await served(rate_limit="20/300", pending_limit=1)
    client = await aiohttp_client(application(service))
    assert (await client.post("/v1/comments", json=fields_of())).status == 202
    refused = await client.post("/v1/comments", json=fields_of(comment="Another."))
    assert (refused.status, refused.headers["Retry-After"]) == (503, str(site_limits.FULL_SECONDS))
    assert (await refused.json())["detail"] == "Please wait 3,600 seconds, then send it again."
    browser = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    page = await client.post("/v1/comments", data=fields_of(comment="Words of an hour."), headers=browser)
    assert page.status == 503
    assert "Words of an hour." in await page.text()


async def test_a_commenter_who_saves_the_same_text_again_and_again_is_stopped(served, aiohttp_client):
    client = await aiohttp_client(application(await served(rate_limit="3/300")))
    made = await (await client.post("/v1/comments", json=fields_of())).json()
    own, same = {"Authorization": f"Bearer {made['edit_token']}"}, {"comment": fields_of()["comment"]}
    sent = [(await client.patch(f"/v1/comments/{made['id']}", json=same, headers=own)).status for _ in range(3)]
    assert sent == [200, 200, 429]
