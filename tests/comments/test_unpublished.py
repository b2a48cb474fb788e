"""A commenter whose comment a person put in the trash does not wait for ever."""

import pytest

from commentsvc.comments import post
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from tests.conftest import EVERYTHING, a_key, draft, visit

LIST = "/v1/comments?thread=/a-page/"


async def write(service, text):
    receipt = await post.post_comment(service, draft(comment=text), visit())
    return f"/v1/comments/{receipt.id}", {"Authorization": f"Bearer {receipt.edit_token}"}, receipt.id


async def status_of(client, comment):
    path, token, _ = comment
    alone = (await (await client.get(path, headers=token)).json())["status"]
    listed = (await (await client.get(LIST, headers=token)).json())["comments"]
    return alone, [one["status"] for one in listed]


async def test_they_see_after_14_days_that_it_is_not_published_and_can_delete_it(client, service, clock):
    trashed, spam, waiting = [await write(service, text) for text in ("To the trash.", "To spam.", "Nobody looked.")]
    for verb, one in ((ActionVerb.TRASH, trashed), (ActionVerb.SPAM, spam)):
        await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[one[2]]))
    clock.move(days=13, hours=23)
    for one in (trashed, spam, waiting):
        assert await status_of(client, one) == ("pending", ["pending"])
        assert (await client.delete(one[0], headers=one[1])).status == 403

    clock.move(hours=1)
    assert await status_of(client, trashed) == ("not_published", [])
    html = {"Accept": "text/html, application/problem+json"}
    shown = await (await client.get(trashed[0], headers=trashed[1] | html)).text()
    assert "Not published." in shown
    assert "To the trash." not in shown
    assert (await client.patch(trashed[0], json={"comment": "Please!"}, headers=trashed[1])).status == 403
    assert (await client.delete(trashed[0], headers=trashed[1])).status == 204
    assert (await client.get(trashed[0], headers=trashed[1])).status == 404
    for one in (spam, waiting):
        assert await status_of(client, one) == ("pending", ["pending"]), "spammers must not learn what works"
        assert (await client.delete(one[0], headers=one[1])).status == 403


@pytest.mark.parametrize("by", ["a program", "a person who changed their mind"])
async def test_only_a_persons_last_word_is_told(client, service, clock, by):
    mine = await write(service, "To the trash.")
    if by == "a program":
        key = await a_key(service, person=False)
        answer = await client.post("/v1/moderation/actions", json={"action": "trash", "ids": [mine[2]]}, headers=key)
        assert answer.status == 200
    else:
        for verb in (ActionVerb.TRASH, ActionVerb.HOLD):
            await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[mine[2]]))
    clock.move(days=15)
    assert (await status_of(client, mine))[0] == "pending"
