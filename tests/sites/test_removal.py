"""Operators remove a site; nothing of it is left, and nothing of other sites is lost."""

import json

import pytest

from commentsvc.access import keys, moderators, sessions, sign_in
from commentsvc.access.schemas import KeyRotation, NewKey
from commentsvc.audit import verification
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.deliveries import Channel, NewParcel
from commentsvc.domain.errors import Unauthorized
from commentsvc.domain.models import ActionVerb, Mode, Scope
from commentsvc.moderation import actions, threads
from commentsvc.moderation.schemas import Action, ThreadChange
from commentsvc.rules import manage as rules
from commentsvc.rules.schemas import NewRule
from commentsvc.service import write
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.storage import parcels, site_removal
from commentsvc.web.routes import application
from tests.cli.test_moderate import command, pending_comments
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, fields_of, post, visit

OF_SITES = (
    "site",
    "site_origin",
    "site_total",
    "thread",
    "thread_name",
    "moderator_site",
    "session",
    "api_key",
    "rule",
)
OF_COMMENTS = ("comment", "comment_search", "contact", "decision", "revision", "action", "action_item", "report")
TABLES = (*OF_SITES, *OF_COMMENTS, "submission", "site_total")
A, B = "https://a.example", "https://b.example"


@pytest.fixture
async def two_blogs(database_url, clock, aiohttp_client):
    """Two sites with comments; return the service, a client and the sites' ids by name."""
    async with a_service(database_url, clock) as service:
        for name, origin in (("a", A), ("b", B)):
            await manage.add_site(service, EVERYTHING, NewSite(name=name, origins=[origin]))
        found = (await manage.list_sites(service, EVERYTHING)).sites
        yield service, await aiohttp_client(application(service)), {site.name: site.id for site in found}


async def test_what_waits_for_a_removed_site_is_deleted_in_pieces(two_blogs, monkeypatch):
    service, _, sites = two_blogs
    monkeypatch.setattr(removal, "ROWS", 10)
    pieces = []
    delete = site_removal.delete_parcels

    async def delete_piece(*args):
        pieces.append(await delete(*args))
        return pieces[-1]

    monkeypatch.setattr(site_removal, "delete_parcels", delete_piece)
    await add_parcels(service, [sites["a"]] * 25 + [sites["b"]] * 3)
    await removal.remove_site(service, EVERYTHING, sites["a"], SiteRemoval())
    assert pieces == [10, 10, 5]
    assert {row["site_id"] for row in await everything_in(service, "parcel")} == {sites["b"]}


@write
async def add_parcels(unit, site_ids):
    new = [NewParcel(channel=Channel.WEBHOOK, kind="thread.changed", site_id=one) for one in site_ids]
    await parcels.add_many(unit, new)


async def fill(service, origin, site):
    """Give a site one of everything that belongs to a site. Every text has the name of the site in it."""
    mark = f"canary {site}"
    one = await post(service, f"{mark} one", thread=f"{origin}/x/", title=mark, submission=f"{site}-form-1")
    two = await post(service, f"{mark} two", thread=f"{origin}/y/", name=mark)
    approve = Action(action=ActionVerb.APPROVE, ids=[one, two], note=mark)
    await actions.apply_action(service, EVERYTHING, approve)
    reply = await post(service, f"{mark} reply", thread=f"{origin}/x/", parent=one)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[reply]))
    await post(service, f"{mark} answer", thread=f"{origin}/x/", parent=reply)
    await reports.report_comment(service, one, NewReport(reason=mark), visit())
    new = NewRule(kind="words", match=mark, site=site, note=mark)
    await rules.add_rule(service, EVERYTHING, new)
    listed = [row for row in await everything_in(service, "thread") if mark in str(row["title"])]
    await threads.change_thread(service, EVERYTHING, listed[0]["id"], ThreadChange(title=f"{mark} again"))


async def remove(client, admin, site_id, **query):
    answer = await client.delete(f"/v1/sites/{site_id}", params=query, headers=admin)
    return answer.status, await answer.json()


async def test_removing_a_site_erases_everything_of_it_and_nothing_else(two_blogs):
    service, client, ids = two_blogs
    admin = await a_key(service)
    for origin, site in ((A, "a"), (B, "b")):
        await fill(service, origin, site)
    before = {table: [row for row in await everything_in(service, table) if "canary b" in str(row)] for table in TABLES}
    await moderators.add_moderator(service, "Noa", None, ["a", "b"])
    made = await keys.create_key(service, EVERYTHING, NewKey(name="script", scopes=[Scope.READ], site="a"))
    session = await sign_in.sign_in_by_key(service, made.key, visit())
    rotated = await keys.rotate_key(
        service, EVERYTHING, made.id, KeyRotation(grace_minutes=60), even_of_moderators=True
    )
    other = await keys.create_key(service, EVERYTHING, NewKey(name="other", scopes=[Scope.READ], site="b"))

    status, refused = await remove(client, admin, ids["a"])
    assert (status, refused["code"]) == (409, "expectation_failed")
    assert "4 comments" in refused["detail"]
    assert (await remove(client, admin, ids["a"], expect=3))[0] == 409
    status, removed = await remove(client, admin, ids["a"], expect=4)
    assert (status, removed) == (200, {"id": ids["a"], "name": "a", "comments": 4})

    for table in (*TABLES, "audit"):
        rows = await everything_in(service, table)
        assert "canary a" not in str(rows), table
        if table != "audit":
            assert not any(row.get("site_id") == ids["a"] for row in rows), table
    after = {table: [row for row in await everything_in(service, table) if "canary b" in str(row)] for table in TABLES}
    assert after == before
    for key in (made.key, rotated.key):
        with pytest.raises(Unauthorized):
            await keys.authenticate_key(service, key)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, session)
    assert (await keys.authenticate_key(service, other.key)).sites == (ids["b"],)
    assert [one.sites for one in await moderators.list_moderators(service)] == [["b"]]
    assert (await verification.verify_log(service)).entries
    entries = await everything_in(service, "audit")
    [entry] = [row for row in entries if row["verb"] == "site_remove"]
    assert json.loads(entry["body"]) == {"comments": 4, "site": ids["a"]}
    assert (await client.get("/v1/audit", headers=admin)).status == 200


async def test_pages_of_a_removed_site_can_neither_read_nor_post(two_blogs):
    service, client, ids = two_blogs
    admin, page = await a_key(service), {"thread": f"{A}/x/"}
    assert (await client.post("/v1/comments", json=fields_of(**page), headers={"Origin": A})).status == 202
    assert (await remove(client, admin, ids["a"], expect=1))[0] == 200
    listed = await client.get("/v1/comments", params=page, headers={"Origin": A})
    assert (listed.status, (await listed.json())["code"]) == (403, "origin_not_allowed")
    refused = await client.post("/v1/comments", json=fields_of(thread="/x/", site="b"), headers={"Origin": A})
    assert refused.status == 403
    assert (await remove(client, admin, ids["a"]))[0] == 404
    again = await manage.add_site(service, EVERYTHING, NewSite(name="a", origins=[A]))
    assert again.id != ids["a"]
    listed = await client.get("/v1/comments", params=page, headers={"Origin": A})
    assert (await listed.json())["comments"] == []


async def test_a_site_with_many_comments_is_removed_in_pieces(two_blogs):
    service, client, ids = two_blogs
    parent = await post(service, "first", thread=f"{A}/x/")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[parent]))
    for number in range(120):
        await post(service, f"reply {number}", thread=f"{A}/x/", parent=parent)
    assert (await remove(client, await a_key(service), ids["a"], expect=121))[0] == 200
    assert await everything_in(service, "comment") == []
    assert await everything_in(service, "contact") == []


async def test_a_site_with_erased_comments_and_merged_threads_can_be_removed(two_blogs):
    service, client, ids = two_blogs
    first, second = [await post(service, text, thread=f"{A}/{text}/") for text in ("one", "two")]
    rows = {row["key"]: row["id"] for row in await everything_in(service, "thread")}
    await threads.change_thread(service, EVERYTHING, rows["/one"], ThreadChange(merge_into=f"{A}/two/"))
    admin = await a_key(service)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[first]))
    assert (await client.delete(f"/v1/moderation/comments/{first}", headers=admin)).status == 200
    assert second
    assert (await remove(client, admin, ids["a"], expect=1))[0] == 200
    assert await everything_in(service, "thread") == []


async def test_a_site_that_is_needed_is_not_removed(two_blogs):
    service, client, ids = two_blogs
    admin = await a_key(service)
    await moderators.add_moderator(service, "Noa", None, ["a"])
    status, refused = await remove(client, admin, ids["a"])
    assert (status, refused["detail"]) == (
        409, "A moderator has access to this site only. Remove the moderator first.",
    )  # fmt: skip
    await moderators.remove_moderator(service, "Noa")
    assert (await remove(client, admin, ids["a"]))[0] == 200
    assert (await remove(client, admin, ids["b"]))[0] == 200
    status, refused = await remove(client, admin, ids["blog"])
    assert (status, refused["detail"]) == (409, "This is the only site. Add another one first.")
    for wrong in ({"expect": -1}, {"expect": "many"}):
        assert (await remove(client, admin, ids["blog"], **wrong))[0] == 422


async def test_a_site_in_the_settings_is_not_removed(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites=f"{A} {B}") as service:
        client, admin = await aiohttp_client(application(service)), await a_key(service)
        [first, _] = (await manage.list_sites(service, EVERYTHING)).sites
        status, refused = await remove(client, admin, first.id)
        assert (status, refused["code"]) == (409, "conflict")
        assert refused["detail"].startswith("COMMENTSVC_SITES has")


async def test_a_key_for_one_site_cannot_remove_it(two_blogs):
    service, client, ids = two_blogs
    for who in (
        await a_key(service, Scope.ADMIN, name="site admin", site="a"),
        await a_key(service, Scope.MODERATE, name="moderator"),
    ):
        assert (await remove(client, who, ids["a"]))[0] == 403
    assert len(await everything_in(service, "site")) == 3


async def test_a_cached_thread_of_a_removed_site_is_not_served(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        site = await manage.add_site(service, EVERYTHING, NewSite(name="a", origins=[A]))
        client, admin = await aiohttp_client(application(service)), await a_key(service)
        path, origin = f"/v1/comments?thread={A}/x/", {"Origin": A}
        await client.post("/v1/comments", json=fields_of(thread=f"{A}/x/"), headers=origin)
        for _ in range(2):
            seen = await client.get(path, headers=origin)
            assert seen.status == 200
        assert (await remove(client, admin, site.id, expect=1))[0] == 200
        await manage.add_site(service, EVERYTHING, NewSite(name="a", origins=[A]))
        now = await client.get(path, headers=origin | {"If-None-Match": seen.headers["ETag"]})
        assert (now.status, (await now.json())["comments"]) == (200, [])


def test_an_operator_removes_a_site_at_the_command_line(tmp_path):
    command(tmp_path, "site", "add", "b", "--origin", B)
    pending_comments(tmp_path, "one", "two", thread=f"{B}/x/")
    refused = command(tmp_path, "site", "remove", "b")
    assert (refused.code, refused.errors) == (
        1, "Removing this site permanently erases 2 comments. Check them, then send the number as expect.",
    )  # fmt: skip
    done = command(tmp_path, "site", "remove", "b", "--expect", "2")
    assert (done.code, done.text) == (0, "Removed the site b. Comments erased: 2.")
    assert command(tmp_path, "site", "list").text == "blog  localhost only"
    assert command(tmp_path, "site", "remove", "b").errors == "Site not found. See: commentsvc site list"
    only = command(tmp_path, "site", "remove", "blog")
    assert (only.code, only.errors) == (1, "This is the only site. Add another one first.")
