"""The title of a page is public only if a person approved it, a moderator wrote it, or an operator set it."""

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import Mode, Scope, Status
from commentsvc.moderation import actions, threads
from commentsvc.moderation.schemas import CommentUpdate, ThreadChange, ThreadListQuery
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, a_key, a_moderators_key, a_service, draft, fields_of, visit

PAGE = "http://localhost/a-page/"
SPAM = "BUY PILLS"


@pytest.fixture(params=[Mode.NONE, Mode.TRUSTED])
async def opened(request, database_url, clock, aiohttp_client):
    """A service that approves comments without a person: all, or those of known authors. And its client."""
    async with a_service(database_url, clock, moderation=request.param) as service:
        yield service, await aiohttp_client(application(service))


async def post(client, title, comment="Words.", **more):
    answer = await client.post("/v1/comments", json=fields_of(thread=PAGE, title=title, comment=comment, **more))
    return await answer.json()


async def known(client, key):
    """Return the token of an author whose comment on another page was approved."""
    sent = fields_of(thread="http://localhost/other/", comment="Elsewhere.")
    receipt = await (await client.post("/v1/comments", json=sent)).json()
    await act(client, key, "approve", receipt["id"])
    return receipt["author_token"]


async def act(client, key, verb, *ids):
    answer = await client.post("/v1/moderation/actions", json={"action": verb, "ids": list(ids)}, headers=key)
    assert answer.status == 200
    return (await answer.json())["id"]


async def public(client):
    """Return the public title, and check that no public answer has another one."""
    listing = await (await client.get("/v1/comments", params={"thread": PAGE})).json()
    title = listing["thread"]["title"]
    for path in ("/v1/comments.html", "/v1/comments.atom", "/v1/latest", "/v1/latest.atom", "/t", "/v1/comments"):
        thread = {} if "latest" in path else {"thread": PAGE}
        text = await (await client.get(path, params=thread)).text()
        assert (title or "") in text or "html" in path
        assert title == SPAM or SPAM not in text, path
    return title


async def test_the_title_of_a_stranger_is_not_public_before_a_person_approves(opened):
    service, client = opened
    key, program = await a_key(service), await a_key(service, Scope.MODERATE, name="filter", person=False)
    token = await known(client, key)
    first = await post(client, SPAM, author_token=token)
    assert (first["status"], await public(client)) == ("approved", None)
    held = await post(client, SPAM, "Held by a rule.", name="Admin")
    await act(client, program, "approve", held["id"])
    assert await public(client) is None, "a program has seen nothing"

    good = await post(client, "The page", "Good.", author_token=token)
    await client.get("/v1/comments", params={"thread": PAGE})  # kept in memory
    await act(client, key, "approve", good["id"])  # which a rule approved already
    assert await public(client) == "The page"
    await act(client, key, "approve", first["id"])
    assert await public(client) == "The page", "the first title stays"
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q="The page"))).threads
    assert thread.title == "The page", "the search finds it"


async def test_a_person_sees_the_title_on_the_card_before_they_approve_it(opened):
    service, client = opened
    key = await a_key(service)
    receipt = await post(client, "The page", author_token=await known(client, key))
    card = await (await client.get(f"/v1/moderation/comments/{receipt['id']}", headers=key)).json()
    assert (card["status"], card["thread"]["title"], await public(client)) == ("approved", "The page", None)
    change = CommentUpdate(status=Status.APPROVED, note="checked")
    await actions.update_comment(service, EVERYTHING, receipt["id"], card["version"], change)
    assert await public(client) == "The page"


async def test_an_edit_that_a_rule_approves_and_an_undo_make_no_title_public(opened):
    service, client = opened
    key = await a_key(service)
    receipt = await post(client, SPAM, author_token=await known(client, key))
    edited = await client.patch(
        f"/v1/comments/{receipt['id']}",
        json={"comment": "Other words."},
        headers={"Authorization": f"Bearer {receipt['edit_token']}"},
    )
    assert (edited.status, await public(client)) == (200, None)
    undone = await act(client, key, "spam", receipt["id"])
    assert (await client.post(f"/v1/moderation/actions/{undone}/undo", headers=key)).status == 200
    assert await public(client) is None


async def test_a_moderator_sets_a_title_and_their_reply_takes_none(opened):
    service, client = opened
    noa = await a_moderators_key(service)
    receipt = await post(client, SPAM, author_token=await known(client, noa))
    path = f"/v1/moderation/comments/{receipt['id']}/replies"
    assert (await client.post(path, json={"comment": "No."}, headers=noa)).status == 201
    assert await public(client) is None
    for thread in (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads:
        if thread.key == "/a-page":
            await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(title="Ours"))
    assert await public(client) == "Ours"


async def test_names_of_a_thread_have_one_order_on_every_database(service):
    """A PostgreSQL server may sort by language: small letters before capitals."""
    await post_comment(service, draft(thread="/m/"), visit())
    page = await threads.list_threads(service, EVERYTHING, ThreadListQuery())
    for name in ("/b", "/B", "/a"):
        changed = await threads.change_thread(service, EVERYTHING, page.threads[0].id, ThreadChange(alias=name))
    assert changed.aliases == ["/B", "/a", "/b"]
