"""A moderator reads the queue, decides and undoes; an operator creates keys."""

import asyncio
import re

import pytest

from commentsvc.access import keys, moderators, sessions, sign_in
from commentsvc.access.schemas import NewKey
from commentsvc.domain.errors import Unauthorized
from commentsvc.domain.models import Mode, Scope
from commentsvc.web.routes import ROUTES, application
from tests.comments.test_post import everything_in, shown
from tests.conftest import EVERYTHING, a_key, a_service, post, visit

QUEUE = "/v1/moderation/comments"


async def act(client, key, action, *ids, status=200, **more):
    body = {"action": action, **({"ids": list(ids)} if ids else {}), **more}
    response = await client.post("/v1/moderation/actions", json=body, headers=key)
    assert response.status == status, await response.text()
    return await response.json()


async def queue(client, key, **query):
    response = await client.get(QUEUE, params=query, headers=key)
    assert response.status == 200, await response.text()
    return await response.json()


async def detail(client, key, comment):
    return await (await client.get(f"{QUEUE}/{comment}", headers=key)).json()


async def statuses(service):
    return {row["id"]: row["status"] for row in await everything_in(service, "comment")}


async def test_a_queue_card_has_every_detail_for_a_decision(client, service, key, clock):
    first = await post(service, "An opening " + "word " * 60, title="The page", thread="http://localhost/a-page/")
    await act(client, key, "approve", first)
    clock.move(minutes=1)
    await post(service, "One of three.", name="Sel", address="203.0.113.1")
    await post(service, "Two of three.", name="Sel", address="203.0.113.2")
    reply = await post(service, "Three of three.", parent=first, website="example.com", address="203.0.113.3")

    listing = await queue(client, key)
    card = listing["comments"][-1]
    assert (card["id"], card["status"], card["comment"]) == (reply, "pending", "Three of three.")
    assert (card["email"], card["network"], card["website"]) == (
        "mia@example.com", "203.0.113.0/24", "https://example.com"
    )  # fmt: skip
    assert card["reasons"] == [
        {
            "actor": {"kind": "rule", "id": None, "name": "mode"},
            "code": "mode_all",
            "args": {},
            "text": "Every comment on this site is held for moderation.",
        }
    ]
    assert card["author"] == {"approved": 1, "spam": 0}
    assert card["parent_excerpt"].startswith("An opening word")
    assert card["parent_excerpt"].endswith("…")
    assert card["similar"] == 2
    assert card["thread"] == {
        "key": "/a-page", "url": "http://localhost/a-page/", "title": "The page", "closed": False, "count": 1
    }  # fmt: skip
    assert listing["totals"] == {"pending": 3, "approved": 1, "spam": 0, "trash": 0, "reported": 0}


async def test_the_queue_is_paginated_oldest_first(client, service, key):
    ids = [await post(service, f"number {number}") for number in range(7)]
    seen, cursor = [], None
    while True:
        page = await queue(client, key, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [card["id"] for card in page["comments"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids
    assert [card["id"] for card in (await queue(client, key, order="newest"))["comments"]] == ids[::-1]


async def test_a_moderator_searches_the_queue_with_every_filter(client, service, key, clock):
    await post(service, "Straße nach Zürich, 100% sicher_", name="Änne")
    clock.move(hours=1)
    noon = "2026-11-22T17:00:00Z"
    await post(service, "Something else", email="noa@example.com", address="203.0.113.9", thread="/other/")

    async def found(**query):
        return [card["name"] for card in (await queue(client, key, **query))["comments"]]

    async def searched(**body):
        response = await client.post("/v1/moderation/search", json=body, headers=key)
        return [card["name"] for card in (await response.json())["comments"]]

    assert await found(q="ZÜRICH") == ["Änne"]
    assert await found(q="ÄNNE") == ["Änne"]
    assert await found(q="100% sicher_") == ["Änne"]
    assert await found(q="sicher 100 ÄN") == ["Änne"]
    assert await found(q="icher") == []
    assert await found(q="!") == []
    assert await found(thread="/other/") == ["Mia"]
    assert await found(thread="/nowhere/") == []
    assert await found(since=noon) == ["Mia"]
    assert await found(until=noon) == ["Änne"]
    assert await found(reason="mode") == ["Änne", "Mia"]
    assert await found(reason="held FOR") == ["Änne", "Mia"]
    assert await found(reason="links") == []
    assert await found(status="spam") == []
    assert await found(status="any") == ["Änne", "Mia"]
    assert await searched(email="NOA@example.com") == ["Mia"]
    assert await searched(network="198.51.100.0/24") == ["Änne"]
    assert await searched(network="198.51.100.0/24", q="nothing") == []
    assert (await client.get(QUEUE, params={"email": "noa@example.com"}, headers=key)).status == 422


async def test_a_moderator_decides_many_comments_and_undoes_them_together(client, service, key):
    ids = [await post(service, f"number {number}") for number in range(5)]
    done = await act(client, key, "spam", *ids, note="the same advertisement")

    assert (done["changed"], done["action"]) == (5, "spam")
    assert done["results"][0] == {"comment": ids[0], "from": "pending", "to": "spam", "ok": True, "code": None}
    assert done["undo_until"] == "2026-12-22T16:02:11.000Z"
    undone = await (await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)).json()
    assert undone["changed"] == 5
    assert set((await statuses(service)).values()) == {"pending"}
    again = await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)
    assert (again.status, (await again.json())["code"]) == (409, "conflict")
    redone = await client.post(f"/v1/moderation/actions/{undone['id']}/undo", headers=key)
    assert redone.status == 200
    assert set((await statuses(service)).values()) == {"spam"}


async def test_undo_skips_and_reports_comments_changed_since_the_action(client, service, key):
    one, two = await post(service, "one"), await post(service, "two")
    done = await act(client, key, "spam", one, two)
    await act(client, key, "approve", two)

    undone = await (await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)).json()

    assert await statuses(service) == {one: "pending", two: "approved"}
    assert [(item["comment"], item["ok"], item["code"]) for item in undone["results"]] == [
        (one, True, None), (two, False, "changed_since"),
    ]  # fmt: skip


async def test_an_action_returns_a_result_for_each_comment(client, service, key):
    one = await post(service, "one")
    confirmed = await act(client, key, "hold", one)
    assert confirmed["changed"] == 1  # it was held by a rule, now by a person
    done = await act(client, key, "hold", one, "01990000-0000-7000-8000-000000000000", one)

    assert [(item["ok"], item["code"]) for item in done["results"]] == [(True, "unchanged"), (False, "not_found")]
    assert done["changed"] == 0


async def test_an_action_with_a_filter_requires_the_expected_number(client, service, key):
    for number in range(3):
        await post(service, f"cheap {number}", address="203.0.113.4")
    kept = await post(service, "cheap, but from elsewhere")
    where = {"network": "203.0.113.0/24", "q": "cheap"}

    refused = await act(client, key, "spam", where=where, expect=2, status=409)
    assert refused["code"] == "expectation_failed"
    done = await act(client, key, "spam", where=where, expect=3)
    assert done["changed"] == 3
    assert (await statuses(service))[kept] == "pending"
    for body in (
        {},
        {"where": {}, "expect": 1},
        {"where": {"status": "any"}, "expect": 1},
        {"where": where},
        {"where": where, "expect": 0, "ids": [kept]},
        {"where": {"x": 1}, "expect": 1},
    ):
        await act(client, key, "spam", status=422, **body)


async def test_restore_returns_a_comment_to_its_previous_status(client, service, key):
    held, approved = await post(service, "held"), await post(service, "approved")
    await act(client, key, "approve", approved)
    await act(client, key, "spam", held, approved)
    await act(client, key, "trash", held, approved)
    await act(client, key, "restore", held, approved)

    assert await statuses(service) == {held: "pending", approved: "approved"}


async def test_a_moderator_needs_the_current_version_to_amend_a_comment(client, service, key):
    comment = await post(service, "teh text")
    address = f"{QUEUE}/{comment}"
    etag = (await client.get(address, headers=key)).headers["ETag"]

    without_version = await client.patch(address, json={"comment": "the text"}, headers=key)
    assert (without_version.status, (await without_version.json())["code"]) == (428, "version_required")
    change = {"comment": "the text", "status": "approved", "note": "spelling"}
    amended = await client.patch(address, json=change, headers=key | {"If-Match": etag})
    assert amended.status == 200
    outdated = await client.patch(address, json={"status": "spam"}, headers=key | {"If-Match": etag})
    assert (outdated.status, (await outdated.json())["code"]) == (412, "version_conflict")

    now = await detail(client, key, comment)
    assert (now["comment"], now["html"], now["status"], now["note"]) == (
        "the text", "<p>the text</p>", "approved", "spelling",
    )  # fmt: skip
    assert [revision["comment"] for revision in now["revisions"]] == ["teh text"]
    undone = await client.post(f"/v1/moderation/actions/{(await amended.json())['id']}/undo", headers=key)
    assert undone.status == 200
    now = await detail(client, key, comment)
    assert (now["comment"], now["status"]) == ("teh text", "pending")


async def test_a_moderator_sets_deletes_and_restores_a_note(client, service, key):
    comment = await post(service, "x")

    async def note(text, version):
        headers = key | {"If-Match": f'"{version}"'}
        response = await client.patch(f"{QUEUE}/{comment}", json={"note": text}, headers=headers)
        assert (await response.json())["changed"] == 1
        return (await response.json())["id"]

    await note("ask Noa", 1)
    taken = await note(None, 2)
    assert (await detail(client, key, comment))["note"] is None
    await client.post(f"/v1/moderation/actions/{taken}/undo", headers=key)
    assert (await detail(client, key, comment))["note"] == "ask Noa"
    left = await client.patch(f"{QUEUE}/{comment}", json={"status": "trash"}, headers=key | {"If-Match": '"4"'})
    assert left.status == 200
    assert (await detail(client, key, comment))["note"] == "ask Noa"


async def test_every_decision_is_stored_with_its_reason_and_actor(client, service, key):
    comment = await post(service, "x")
    done = await act(client, key, "spam", comment, note="an advertisement")

    now = await detail(client, key, comment)
    (ada,) = await everything_in(service, "api_key")
    by_ada = {"kind": "person", "id": ada["id"], "name": "grace"}
    by_mode = {"kind": "rule", "id": None, "name": "mode"}
    assert [(one["status"], one["actor"], one["code"], one["text"]) for one in now["decisions"]] == [
        ("pending", by_mode, "mode_all", "Every comment on this site is held for moderation."),
        ("spam", by_ada, None, "an advertisement"),
    ]
    assert [(one["id"], one["action"], one["actor"], one["note"]) for one in now["actions"]] == [
        (done["id"], "spam", by_ada, "an advertisement")
    ]


async def test_an_erased_comment_cannot_be_recovered(client, service, key):
    comment = await post(service, "to be forgotten", name="Forget Me")
    refused = await client.delete(f"{QUEUE}/{comment}", headers=key)
    assert (refused.status, (await refused.json())["code"]) == (409, "conflict")
    await act(client, key, "trash", comment)
    erased = await client.delete(f"{QUEUE}/{comment}", headers=key)
    assert (erased.status, (await erased.json())["undo_until"]) == (200, None)

    for table in ("comment", "revision", "contact"):
        rows = str(await everything_in(service, table))
        assert "orget" not in rows
    final = await client.post(f"/v1/moderation/actions/{(await erased.json())['id']}/undo", headers=key)
    assert final.status == 409
    assert (await client.delete(f"{QUEUE}/{comment}", headers=key)).status == 409
    assert [one["action"] for one in (await detail(client, key, comment))["actions"]] == ["trash", "erase"]
    assert (await act(client, key, "approve", comment))["results"][0]["code"] == "erased"
    assert (await queue(client, key, status="trash"))["totals"]["trash"] == 0


async def test_concurrent_decisions_of_two_moderators_are_both_recorded(client, service, key):
    comment = await post(service, "contested")
    noa = await a_key(service, name="noa")
    await asyncio.gather(act(client, key, "approve", comment), act(client, noa, "spam", comment))

    now = await detail(client, key, comment)
    assert {(one["actor"]["kind"], one["actor"]["name"]) for one in now["decisions"]} == {
        ("rule", "mode"), ("person", "grace"), ("person", "noa"),
    }  # fmt: skip
    assert now["status"] == now["decisions"][-1]["status"]
    (row,) = await everything_in(service, "thread")
    assert row["approved"] == (now["status"] == "approved")


async def test_concurrent_decisions_keep_the_counts_correct(client, service, key):
    ids = [await post(service, f"number {number}") for number in range(12)]
    jobs = [act(client, key, verb, *ids) for verb in ("approve", "spam", "hold", "approve", "trash", "approve")]
    await asyncio.gather(*jobs)

    (row,) = await everything_in(service, "thread")
    assert row["approved"] == list((await statuses(service)).values()).count("approved")


async def test_a_read_key_sees_masked_emails_and_cannot_change_anything(client, service):
    comment = await post(service, "x")
    reader = await a_key(service, Scope.READ, name="reader")

    assert (await queue(client, reader))["comments"][0]["email"] == "m…@example.com"
    assert (await act(client, reader, "approve", comment, status=403))["code"] == "forbidden"
    assert (await client.post("/v1/moderation/search", json={}, headers=reader)).status == 403


def _call(route, name="01990000-0000-7000-8000-000000000000"):
    return route.method, re.sub(r"\{\w+\}", name, route.path)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope], ids=lambda r: f"{r.method} {r.path}")
async def test_every_protected_route_requires_its_scope(served, aiohttp_client, route):
    service = await served()
    client = await aiohttp_client(application(service))
    order = list(Scope)
    for headers in ({}, {"Authorization": "Bearer cs_nonsense"}, {"Authorization": "Basic eDp5"}):
        refused = await client.request(*_call(route), json={}, headers=headers)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    for scope in Scope:
        response = await client.request(*_call(route), json={}, headers=await a_key(service, scope, name=scope))
        enough = order.index(scope) >= order.index(route.scope)
        assert (response.status not in {401, 403}) == enough, (scope, response.status)


async def test_a_revoked_or_expired_key_is_rejected(client, service, key, clock):
    made = await client.post(
        "/v1/keys",
        json={"name": "script", "scopes": ["read"], "expires_at": "2026-11-23T00:00:00+01:00"},
        headers=key,
    )
    assert made.status == 201
    record = await made.json()
    assert record["key"].startswith("cs_")
    assert record["expires_at"] == "2026-11-22T23:00:00.000Z"
    script = {"Authorization": f"Bearer {record['key']}"}
    assert (await client.get(QUEUE, headers=script)).status == 200
    listed = (await (await client.get("/v1/keys", headers=key)).json())["keys"]
    assert [one["name"] for one in listed] == ["grace", "script"]
    assert "key" not in listed[1]
    assert listed[1]["last_used_at"] == "2026-11-22T16:02:11.000Z"
    assert record["key"] not in str(await everything_in(service, "api_key"))

    clock.move(hours=8)
    assert (await client.get(QUEUE, headers=script)).status == 401
    clock.move(hours=-8)
    assert (await client.delete(f"/v1/keys/{record['id']}", headers=key)).status == 204
    assert (await client.get(QUEUE, headers=script)).status == 401
    assert (await client.delete(f"/v1/keys/{record['id']}", headers=key)).status == 404


async def test_a_key_for_one_site_cannot_access_another_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        ours = await post(service, "ours", thread="https://one.example/a/")
        theirs = await post(service, "theirs", thread="https://two.example/a/")
        admin = await a_key(service)
        (there,) = [
            thread for thread in (await (await client.get("/v1/threads", headers=admin)).json())["threads"]
            if thread["site"] == "two.example"
        ]  # fmt: skip
        key = await a_key(service, Scope.ADMIN, name="one", site="one.example")

        listing = await queue(client, key)
        assert [card["id"] for card in listing["comments"]] == [ours]
        assert listing["totals"]["pending"] == 1
        assert (await client.get(f"{QUEUE}/{theirs}", headers=key)).status == 404
        assert (await act(client, key, "approve", theirs))["results"][0]["code"] == "not_found"
        assert (await act(client, key, "approve", where={"q": "theirs"}, expect=0))["changed"] == 0
        assert (await client.delete(f"{QUEUE}/{theirs}", headers=key)).status == 404
        assert (await client.patch(f"/v1/threads/{there['id']}", json={"closed": True}, headers=key)).status == 404
        assert len((await (await client.get("/v1/threads", headers=key)).json())["threads"]) == 1
        assert (await client.get(QUEUE, params={"site": "two.example"}, headers=key)).status == 422
        done = await act(client, admin, "spam", theirs)
        assert (await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)).status == 404
        for wide in ({}, {"site": "two.example"}):
            more = await client.post("/v1/keys", json={"name": "more", "scopes": ["admin"], **wide}, headers=key)
            assert more.status == 403
        assert [one["name"] for one in (await (await client.get("/v1/sites", headers=key)).json())["sites"]] == [
            "one.example"
        ]
        assert (
            await client.post("/v1/sites", json={"name": "x", "origins": ["https://x.example"]}, headers=key)
        ).status == 403


async def test_a_sign_in_link_for_a_moderator_works_once(service, clock):
    await moderators.add_moderator(service, "noa", None, [])
    link = await moderators.create_sign_in_link(service, "noa")
    token = link.rpartition("/")[2]

    assert await sign_in.find_invited_name(service, token) == "noa"
    assert await sign_in.find_invited_name(service, token) == "noa", "reading the name does not use up the link"
    session = await sign_in.sign_in_by_link(service, token, visit())
    noa = await sessions.authenticate_session(service, session)
    assert (noa.who.actor.name, noa.who.scopes) == ("noa", {Scope.READ, Scope.MODERATE})
    made = await sessions.create_session_key(service, noa)
    assert (made.moderator, made.scopes) == ("noa", [Scope.READ, Scope.MODERATE])
    assert await sign_in.find_invited_name(service, token) is None
    assert token not in str(await everything_in(service, "invitation"))
    stale = (await moderators.create_sign_in_link(service, "noa")).rpartition("/")[2]
    fresh = (await moderators.create_sign_in_link(service, "noa")).rpartition("/")[2]
    assert await sign_in.find_invited_name(service, stale) is None
    clock.move(hours=25)
    assert await sign_in.find_invited_name(service, fresh) is None
    await moderators.remove_moderator(service, "noa")
    with pytest.raises(Unauthorized):
        await keys.authenticate_key(service, made.key)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, session)


async def test_the_service_creates_a_first_sign_in_link_until_someone_has_signed_in(service):
    link = await moderators.create_first_sign_in_link(service)
    assert "/sign-in/" in link
    assert await moderators.create_first_sign_in_link(service) != link, "nobody has signed in"
    link = await moderators.create_first_sign_in_link(service)
    owner = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, link.rpartition("/")[2], visit())
    )
    assert Scope.ADMIN in owner.who.scopes
    assert await moderators.create_first_sign_in_link(service) is None


async def test_no_first_sign_in_link_is_created_while_a_key_exists(service):
    made = await keys.create_key(service, EVERYTHING, NewKey(name="x", scopes=[Scope.READ]))
    assert await moderators.create_first_sign_in_link(service) is None
    await keys.revoke_key(service, EVERYTHING, made.id)
    assert await moderators.create_first_sign_in_link(service), "the operator must not be locked out"


async def test_a_site_can_get_more_origins_but_an_origin_has_only_one_site(client, service, key):
    added = await client.post("/v1/sites", json={"name": "b", "origins": ["HTTPS://B.example:443/"]}, headers=key)
    assert (added.status, (await added.json())["origins"]) == (201, ["https://b.example"])
    more = await client.post("/v1/sites", json={"name": "b", "origins": ["https://www.b.example"]}, headers=key)
    assert (await more.json())["origins"] == ["https://b.example", "https://www.b.example"]
    for origins in (["https://b.example"], ["b.example"], ["https://c.example/path"], []):
        refused = await client.post("/v1/sites", json={"name": "c", "origins": origins}, headers=key)
        assert (await refused.json())["errors"][0]["field"] == "origins", origins


async def test_comments_posted_before_a_site_was_configured_belong_to_it(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await post(service, "early", thread="http://localhost:1313/a-page/")
    async with a_service(database_url, clock, sites="https://blog.example") as service:
        listing = await shown(service, thread="https://blog.example/a-page/")
        assert [comment.html for comment in listing.comments] == ["<p>early</p>"]
