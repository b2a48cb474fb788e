"""Moderators delete a thread permanently, or all that a flood created; nothing of it is left."""

import re

from commentsvc.audit import verification
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import ActionVerb, Mode, Scope
from commentsvc.moderation import actions, queue, thread_removal, threads
from commentsvc.moderation.schemas import (
    Action,
    QueueQuery,
    ThreadChange,
    ThreadListQuery,
    ThreadsRemoval,
    UnpublishedThreads,
)
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, read_csrf_token
from tests.cli.test_moderate import command, pending_comments
from tests.comments.test_post import everything_in, shown
from tests.conftest import EVERYTHING, a_key, a_service, post, visit

TABLES = (
    "thread", "thread_name", "thread_search", "comment", "comment_search", "contact", "decision", "revision", "action",
    "action_item", "report", "audit", "site_total",
)  # fmt: skip


async def list_threads(service):
    found = await threads.list_threads(service, EVERYTHING, ThreadListQuery())
    return {thread.key: thread.id for thread in found.threads}


async def texts(service):
    return sorted(row["text"] for row in await everything_in(service, "comment"))


async def fill(service, mark, thread):
    """Give a thread one of everything; every text has a mark in it."""
    one = await post(service, f"{mark} one", thread=thread, title=f"{mark} title", name=mark)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[one], note=f"{mark} note"))
    reply = await post(service, f"{mark} reply", thread=thread, parent=one)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[reply]))
    await post(service, f"{mark} answer", thread=thread, parent=reply)
    await reports.report_comment(service, one, NewReport(reason=mark), visit())
    await threads.change_thread(
        service,
        EVERYTHING,
        (await list_threads(service))[thread],
        ThreadChange(title=f"{mark} again", alias=f"{thread}-2"),
    )


async def test_a_deleted_thread_takes_everything_with_it_and_nothing_else(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock) as service:
        client, admin = await aiohttp_client(application(service)), await a_key(service)
        await fill(service, "canary", "/gone")
        await fill(service, "others", "/kept")
        await post(service, "canary merged", thread="/canary-merged")
        merged = (await list_threads(service))["/canary-merged"]
        await threads.change_thread(service, EVERYTHING, merged, ThreadChange(merge_into="/gone"))
        kept = {table: [row for row in await everything_in(service, table) if "others" in str(row)] for table in TABLES}

        address = f"/v1/threads/{(await list_threads(service))['/gone']}"
        for number in (None, 3):
            query = {"expect": number} if number else {}
            refused = await client.delete(address, params=query, headers=admin)
            assert (refused.status, (await refused.json())["code"]) == (409, "expectation_failed")
        assert (
            await client.delete(address, params={"expect": 4}, headers=await a_key(service, Scope.MODERATE))
        ).status == 403
        answer = await client.delete(address, params={"expect": 4}, headers=admin)
        assert (answer.status, await answer.json()) == (200, {"threads": 2, "comments": 4})

        for table in TABLES:
            rows = await everything_in(service, table)
            assert "canary" not in str(rows), table
            assert [row for row in rows if "others" in str(row)] == kept[table], table
        totals = (await queue.search_comments(service, EVERYTHING, QueueQuery())).totals
        assert (totals.approved, totals.pending, totals.reported) == (2, 1, 1)
        assert (await shown(service, "/gone")).comments == []
        assert (await client.delete(address, params={"expect": 4}, headers=admin)).status == 404
        await verification.verify_log(service, None)
        await post(service, "A new beginning", thread="/gone")


async def test_a_long_thread_is_deleted_in_pieces_and_also_from_memory(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        client, admin = await aiohttp_client(application(service)), await a_key(service)
        parent = await post(service, "canary")
        for number in range(thread_removal.PIECE + 5):
            parent = await post(service, f"canary {number}", parent=parent if number % 7 else None)
        assert "canary" in await (await client.get("/v1/comments?thread=/a-page/")).text()
        (thread,) = (await list_threads(service)).values()
        answer = await client.delete(f"/v1/threads/{thread}", params={"expect": 106}, headers=admin)
        assert await answer.json() == {"threads": 1, "comments": 106}
        assert await everything_in(service, "comment") == []
        for path in ("/v1/comments?thread=/a-page/", "/v1/latest", "/v1/latest.atom"):
            assert "canary" not in await (await client.get(path)).text()


async def flood(service, clock):
    """Send comments to 12 pages from one network; between them, honest ones from elsewhere."""
    await post(service, "Honest and early", thread="/early", address="192.0.2.1")
    clock.move(days=1)
    for number in range(12):
        await post(service, f"pills {number}", thread=f"/flood-{number}", address="203.0.113.5")
    await post(service, "pills on a page of others", thread="/early", address="203.0.113.5")
    await post(service, "Honest and late", thread="/late", address="192.0.2.1")
    one = await post(service, "Published", thread="/published", address="203.0.113.5")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[one]))


HONEST = ["Honest and early", "Honest and late", "Published", "pills on a page of others"]


async def test_the_pending_threads_of_a_flood_are_deleted_with_their_comments(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock) as service:
        client, admin = await aiohttp_client(application(service)), await a_key(service)
        await flood(service, clock)

        async def remove(**body):
            answer = await client.post("/v1/threads/removals", json=body, headers=admin)
            return answer.status, await answer.json()

        since = "2026-11-23T00:00:00Z"
        for body in ({"expect": 0}, {"where": {}, "expect": 0}, {"where": {"site": "blog"}, "expect": 14},
                     {"where": {"network": ""}, "expect": 0}, {"where": {"since": ""}, "expect": 0}):  # fmt: skip
            assert (await remove(**body))[0] == 422, body
        assert (await remove(where={"since": since}, expect=12))[1]["code"] == "expectation_failed"
        where = {"since": since, "network": "203.0.113.0/24"}
        assert await remove(where=where, expect=12) == (200, {"threads": 12, "comments": 12})
        assert await texts(service) == HONEST
        ids = [(await list_threads(service))[name] for name in ("/late", "/published")]
        assert await remove(ids=[*ids, ids[0]], expect=2) == (200, {"threads": 2, "comments": 2})
        assert sorted(await list_threads(service)) == ["/early"]


async def test_a_thread_that_is_approved_while_a_flood_is_deleted_stays(served, clock, monkeypatch):
    service = await served()
    await flood(service, clock)
    monkeypatch.setattr(thread_removal, "PIECE", 5)
    first_piece = thread_removal.remove_all

    async def approve_after_first_piece(*arguments):
        removed = await first_piece(*arguments)
        monkeypatch.setattr(thread_removal, "remove_all", first_piece)
        (last,) = [row["id"] for row in await everything_in(service, "comment") if row["text"] == "pills 11"]
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[last]))
        return removed

    monkeypatch.setattr(thread_removal, "remove_all", approve_after_first_piece)
    where = UnpublishedThreads(since="2026-11-23T00:00:00Z", network="203.0.113.0/24")
    removed = await thread_removal.remove_threads(service, EVERYTHING, ThreadsRemoval(where=where, expect=12))
    assert (removed.threads, removed.comments) == (11, 11)
    assert await texts(service) == sorted([*HONEST, "pills 11"])


async def test_a_moderator_of_one_site_cannot_delete_threads_of_another(served, aiohttp_client):
    service = await served(sites="https://one.example https://two.example")
    client = await aiohttp_client(application(service))
    await post(service, "One", thread="https://one.example/a/")
    await post(service, "Two", thread="https://two.example/a/")
    key = await a_key(service, site="one.example")
    theirs = (await list_threads(service)).values()
    for thread in theirs:
        await client.delete(f"/v1/threads/{thread}", params={"expect": 1}, headers=key)
    await client.post("/v1/threads/removals", json={"ids": list(theirs), "expect": 2}, headers=key)
    await client.post(
        "/v1/threads/removals", json={"where": {"since": "2026-01-01T00:00:00Z"}, "expect": 1}, headers=key
    )
    assert await texts(service) == ["Two"]


async def test_an_admin_deletes_a_thread_and_a_flood_on_the_page_and_sees_examples_first(
    served, clock, aiohttp_client, monkeypatch
):
    monkeypatch.setattr(thread_removal, "MAX_THREADS", 10)
    service = await served()
    client = await aiohttp_client(application(service))
    await flood(service, clock)
    token = (await a_key(service))["Authorization"].removeprefix("Bearer ")
    await client.post("/moderate/sign-in", data={"key": token}, headers=SAME_ORIGIN)
    csrf = await read_csrf_token(client)

    async def send(path, **fields):
        answer = await client.post(path, data={"csrf": csrf} | fields, headers=SAME_ORIGIN, allow_redirects=False)
        return answer.status, await answer.text()

    fields = {"since": "2026-11-23", "until": "2026-11-24", "network": "203.0.113.0/24"}
    status, page = await send("/moderate/unpublished", **fields)
    assert (status, "More than 10 threads match." in page, len(await texts(service))) == (200, True, 16)
    examples = re.findall(r'href="/moderate/comments/[^>]*><bdi>([^<]*)', page)
    assert len(examples) == 5
    assert {text.partition(": ")[2] for text in examples} <= set(await texts(service)) - set(HONEST)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page))
    status, page = await send("/moderate/unpublished", **hidden)
    assert (status, "Yes, delete 2 threads permanently" in page, len(await texts(service))) == (200, True, 6)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page))
    assert (await send("/moderate/unpublished", **hidden))[0] == 303
    assert await texts(service) == HONEST
    assert (await send("/moderate/unpublished"))[0] == 422

    thread = (await list_threads(service))["/early"]
    page = await (await client.get(f"/moderate/threads/{thread}", headers=SAME_ORIGIN)).text()
    assert "Yes, delete 2 comments permanently" in page
    assert (await send(f"/moderate/threads/{thread}/erase", expect="1"))[0] == 409
    assert (await send(f"/moderate/threads/{thread}/erase", expect="2"))[0] == 303
    assert await texts(service) == ["Honest and late", "Published"]


def test_an_operator_deletes_a_thread_and_a_flood_in_the_terminal(tmp_path):
    pending_comments(tmp_path, "pills", thread="/flood", address="203.0.113.5")
    pending_comments(tmp_path, "one", "two", thread="/honest")
    words = ["thread", "remove-unpublished", "--network", "203.0.113.0/24"]
    counted = command(tmp_path, *words)
    assert (counted.code, "Matching threads: 1." in counted.errors, "--expect 1" in counted.errors) == (1, True, True)
    assert command(tmp_path, *words, "--expect", "1").text == "Threads deleted: 1. Comments erased: 1."
    assert command(tmp_path, "thread", "remove-unpublished", "--expect", "1").code == 1
    listed = command(tmp_path, "thread", "list").text
    assert "/flood" not in listed
    thread = listed.partition(" ")[0]
    assert command(tmp_path, "thread", "remove", thread).code == 1
    assert command(tmp_path, "thread", "remove", thread, "--expect", "2").text.endswith("Comments erased: 2.")
    assert command(tmp_path, "thread", "list").text == "No threads found."


def test_an_operator_is_not_told_to_expect_more_threads_than_can_be_deleted_at_once(tmp_path, monkeypatch):
    for number in range(2):
        pending_comments(tmp_path, "pills", thread=f"/flood-{number}", address="203.0.113.5")
    monkeypatch.setattr(thread_removal, "MAX_THREADS", 1)
    counted = command(tmp_path, "thread", "remove-unpublished", "--network", "203.0.113.0/24")
    assert (counted.code, counted.errors) == (1, "More than 1 threads match. Add a condition.")
