"""Readers follow links to comments, and page a thread in both directions."""

import itertools

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.web.routes import application
from tests.comments.test_post import approve
from tests.comments.test_read import LIST, outline, post_discussion
from tests.conftest import EVERYTHING, a_service, draft, visit


@pytest.fixture
async def open_client(database_url, clock, aiohttp_client):
    """A client of a service that publishes every comment at once."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield await aiohttp_client(application(service))


async def ask(client, query):
    response = await client.get(f"{LIST}{query}")
    assert response.status == 200, await response.text()
    return await response.json()


def texts(nodes):
    """Return the texts of the comments of a page, depth first, without stubs."""
    return [
        text
        for node in nodes
        for text in ([] if "stub" in node else [node["html"][3:-4]]) + texts(node.get("replies", []))
    ]


async def walk(client, query, page, cursor):
    """Return the texts of the pages before or after a page, in the order that they are met."""
    while page[cursor]:
        page = await ask(client, f"{query}&cursor={page[cursor]}")
        yield texts(page["comments"])


async def test_a_link_to_any_comment_shows_it_with_all_others_before_and_after(open_client):
    ids = await post_discussion(open_client)
    for view, order, limit in itertools.product(("tree", "flat"), ("oldest", "newest"), (1, 2, 3, 6)):
        query = f"&view={view}&order={order}&limit={limit}"
        everything = texts((await ask(open_client, f"&view={view}&order={order}"))["comments"])
        for name, id_ in ids.items():
            page = await ask(open_client, f"{query}&at={id_}")
            shown = texts(page["comments"])
            assert page["at"] == "shown"
            assert name in shown, "the page has the comment"
            assert view == "flat" or "…" not in outline(page["comments"]), "ancestors are not stubs"
            before = [text async for one in walk(open_client, query, page, "previous_cursor") for text in one[::-1]]
            after = [text async for one in walk(open_client, query, page, "next_cursor") for text in one]
            others = [text for text in shown if text not in before]  # ancestors can be on an earlier page, too
            assert before[::-1] + others + after == everything, (query, name)
            assert len(shown) <= limit + 2


async def test_a_link_to_a_comment_on_the_first_page_shows_the_first_page(open_client):
    ids = await post_discussion(open_client)
    first, linked = await ask(open_client, "&limit=4"), await ask(open_client, f"&limit=4&at={ids['d']}")

    assert linked == first | {"at": "shown"}


async def test_a_long_branch_is_shown_from_the_linked_comment_on(open_client):
    ids = await post_discussion(open_client)

    assert outline((await ask(open_client, f"&limit=1&at={ids['c']}"))["comments"]) == "a(b(c))"
    assert outline((await ask(open_client, f"&limit=3&at={ids['f']}"))["comments"]) == "e(f)"


async def test_a_reader_learns_that_a_linked_comment_was_removed_and_nothing_of_a_hidden_one(client, service):
    shown, removed = [await post_comment(service, draft(comment=text), visit()) for text in ("Shown.", "Removed.")]
    for one in (shown, removed):
        await approve(service, one)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[removed.id]))
    pending = await post_comment(service, draft(comment="Waits."), visit())
    elsewhere = await post_comment(service, draft(comment="Elsewhere.", thread="/other/"), visit())
    await approve(service, elsewhere)
    first = await ask(client, "")

    assert await ask(client, f"&at={removed.id}") == first | {"at": "removed"}
    assert await ask(client, f"&at={removed.id}&view=flat") == await ask(client, "&view=flat") | {"at": "removed"}
    for unknown in (pending.id, elsewhere.id, "of-another-script", shown.id[:-1] + "x"):
        assert await ask(client, f"&at={unknown}") == first | {"at": "unknown"}
    html = f"/v1/comments.html?thread=/a-page/&at={pending.id}"
    assert "This comment is not available." in await (await client.get(html)).text()
    page = await (await client.get(f"/t?thread=/a-page/&at={removed.id}")).text()
    assert "This comment was deleted." in page
    assert (await client.get(f"{LIST}&at={shown.id}&since=2026-11-22T16:02:30Z")).status == 422


async def test_a_commenter_follows_a_link_to_their_own_pending_comment(client, service):
    mine = await post_comment(service, draft(comment="Mine."), visit())
    headers = {"Authorization": f"Bearer {mine.edit_token}"}
    page = await (await client.get(f"{LIST}&at={mine.id}", headers=headers)).json()

    assert (page["at"], texts(page["comments"])) == ("shown", ["Mine."])
