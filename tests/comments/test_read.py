"""Readers list threads and comments."""

import asyncio
import json

import pytest
from yarl import URL

from commentsvc.comments import post
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, queue, threads
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from commentsvc.web.routes import application
from tests.comments.test_post import approve, shown
from tests.conftest import EVERYTHING, a_service, draft, fields_of, visit

LIST = "/v1/comments?thread=/a-page/"


async def write(client, **changed):
    response = await client.post("/v1/comments", json=fields_of(**changed))
    assert response.status in {201, 202}, await response.text()
    return await response.json()


@pytest.fixture
async def open_client(database_url, clock, aiohttp_client):
    """A client of a service that publishes every comment at once."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield await aiohttp_client(application(service))


async def test_an_unknown_thread_is_empty_and_not_an_error(client):
    response = await client.get("/v1/comments?thread=https://localhost/nobody/wrote/here/")

    assert response.status == 200
    assert await response.json() == {
        "thread": {"key": "/nobody/wrote/here", "url": None, "title": None, "closed": False, "count": 0},
        "comments": [],
        "previous_cursor": None,
        "next_cursor": None,
    }


async def test_a_thread_without_approved_comments_looks_like_an_unknown_thread(client):
    unknown = await client.get(LIST)
    await write(client, title="A title that nobody has checked", thread="http://localhost:4000/a-page/?x=1#y")
    before = await client.get(LIST)

    assert await before.read() == await unknown.read()
    assert before.headers["ETag"] == unknown.headers["ETag"]


async def test_a_pending_comment_does_not_change_public_responses(client, service):
    first = await post.post_comment(service, draft(), visit())
    await approve(service, first)
    before = await client.get(LIST)
    latest = await client.get("/v1/latest")
    await write(client, comment="This one waits.", parent=first.id)
    after = await client.get(LIST)

    assert await after.read() == await before.read()
    assert after.headers["ETag"] == before.headers["ETag"]
    assert await (await client.get("/v1/latest")).read() == await latest.read()


async def test_a_reader_gets_not_modified_until_the_thread_changes(client, service):
    first = await post.post_comment(service, draft(), visit())
    await approve(service, first)
    etag = (await client.get(LIST)).headers["ETag"]

    async def revalidate(known):
        return await client.get(LIST, headers={"If-None-Match": known, "Accept-Encoding": "identity"})

    unchanged = await revalidate(f'"other", W/{etag}')
    assert (unchanged.status, await unchanged.read()) == (304, b"")
    assert unchanged.headers["ETag"] == etag, "the ETag is the one of the cached encoding"
    await post.post_comment(service, draft(comment="waits"), visit())
    assert (await revalidate(etag)).status == 304
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[first.id]))
    changed = await revalidate(etag)
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


async def test_each_view_and_encoding_of_a_listing_has_its_own_etag(open_client):
    for number in range(30):
        await write(open_client, comment=f"number {number}")
    tags = set()
    for view in ("tree", "flat"):
        for encoding in ("gzip", "identity"):
            response = await open_client.get(f"{LIST}&view={view}", headers={"Accept-Encoding": encoding})
            tags.add(response.headers["ETag"])
            assert response.headers.get("Content-Encoding", "identity") == encoding
            assert len((await response.json())["comments"]) == 30
            assert set(response.headers["Vary"].split(", ")) == {"Accept-Encoding", "Origin"}
    assert len(tags) == 4
    refused = await open_client.get(LIST, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


async def test_a_reader_sees_a_change_that_another_process_made(client, service):
    first = await post.post_comment(service, draft(), visit())
    await approve(service, first)
    for _ in range(3):
        assert len((await (await client.get(LIST)).json())["comments"]) == 1
    second = await post.post_comment(service, draft(comment="Second."), visit())
    await approve(service, second)  # not through this server
    assert len((await (await client.get(LIST)).json())["comments"]) == 2


async def test_a_head_request_returns_the_headers_of_get(open_client):
    await write(open_client)
    got, headed = await open_client.get(LIST), await open_client.head(LIST)

    assert await headed.read() == b""
    assert {name: value for name, value in got.headers.items() if name not in {"X-Request-ID", "Date"}} == {
        name: value for name, value in headed.headers.items() if name not in {"X-Request-ID", "Date"}
    }


async def post_discussion(client):
    """Post two comments with replies: a(b(c), d), e(f). Return their ids by name."""
    ids = {}
    for name, parent in (("a", None), ("b", "a"), ("e", None), ("c", "b"), ("f", "e"), ("d", "a")):
        ids[name] = (await write(client, comment=name, parent=ids.get(parent)))["id"]
    return ids


def outline(nodes):
    return "".join(
        ("…" if "stub" in node else node["html"][3:-4]) + (f"({outline(node['replies'])})" if node["replies"] else "")
        for node in nodes
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", "a(b(c)d)e(f)"), ("&order=newest", "e(f)a(b(c)d)")],
)
async def test_a_tree_nests_replies_under_their_parents(open_client, query, expected):
    await post_discussion(open_client)
    listing = await (await open_client.get(LIST + query)).json()

    assert outline(listing["comments"]) == expected
    assert listing["thread"]["count"] == 6


@pytest.mark.parametrize(("order", "expected"), [("oldest", "abecfd"), ("newest", "dfceba")])
async def test_a_flat_list_is_sorted_by_time(open_client, order, expected):
    await post_discussion(open_client)
    listing = await (await open_client.get(f"{LIST}&view=flat&order={order}")).json()

    assert "".join(comment["html"][3:-4] for comment in listing["comments"]) == expected


async def test_a_page_that_starts_inside_a_discussion_repeats_the_parents(open_client):
    await post_discussion(open_client)
    pages = []
    cursor = ""
    while cursor is not None:
        listing = await (await open_client.get(f"{LIST}&limit=2{cursor and '&cursor=' + cursor}")).json()
        pages.append(outline(listing["comments"]))
        cursor = listing["next_cursor"]

    assert pages == ["a(b)", "…(…(c)d)", "e(f)"]


async def test_a_cursor_of_another_query_is_refused(open_client):
    await post_discussion(open_client)
    cursor = (await (await open_client.get(f"{LIST}&limit=2")).json())["next_cursor"]
    for query in (f"&view=flat&cursor={cursor}", "&cursor=nonsense", "&cursor=%FF", f"&order=newest&cursor={cursor}"):
        response = await open_client.get(LIST + query)
        assert response.status in {400, 422}


@pytest.mark.parametrize(
    "time", ["2026-11-22t16:00:00z", "2026-11-22T16:00:00+00:00", "2026-11-22T16:00:00.123456789Z"]
)
async def test_a_program_writes_a_time_in_any_form_of_rfc_3339(open_client, time):
    await write(open_client, comment="new")

    # The plus sign is not encoded: it arrives as a space.
    listing = await (await open_client.get(URL(f"{LIST}&since={time}", encoded=True))).json()

    assert [one["html"] for one in listing["comments"]] == ["<p>new</p>"]


async def test_a_reader_can_list_only_the_comments_since_a_time(open_client, clock):
    first = await write(open_client, comment="old")
    clock.move(minutes=1)
    seen = "2026-11-22T16:02:30Z"
    await write(open_client, comment="new", parent=first["id"])

    listing = await (await open_client.get(f"{LIST}&view=flat&since={seen}")).json()
    assert [comment["html"] for comment in listing["comments"]] == ["<p>new</p>"]
    tree = await (await open_client.get(f"{LIST}&since={seen}")).json()
    assert outline(tree["comments"]) == "…(new)"
    assert (await open_client.get(f"{LIST}&since=yesterday")).status == 422


async def test_an_invalid_limit_is_refused(open_client):
    for query in ("limit=0", "limit=1001", "limit=-1", "limit=many", "limit=1&limit=2"):
        assert (await open_client.get(f"{LIST}&{query}")).status == 422


async def test_an_unknown_query_parameter_is_refused(open_client):
    response = await open_client.get(f"{LIST}&emial=x")
    assert response.status == 422
    assert (await response.json())["errors"][0]["field"] == "emial"


async def test_only_the_author_sees_their_pending_comment(client):
    mine, theirs = await write(client), await write(client, name="Noa")
    token = {"Authorization": f"Bearer {mine['edit_token']}"}

    response = await client.get(LIST, headers=token)
    listing = await response.json()
    assert [(comment["id"], comment["status"]) for comment in listing["comments"]] == [(mine["id"], "pending")]
    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers
    own = await (await client.get(f"/v1/comments/{mine['id']}", headers=token)).json()
    assert own["comment"] == "I have been wondering about this too."
    assert (await client.get(f"/v1/comments/{theirs['id']}", headers=token)).status == 404


async def test_pending_unknown_and_malformed_ids_get_the_same_answer(client):
    waiting = await write(client)
    answers = []
    for name in (waiting["id"], "01990000-0000-7000-8000-000000000000", "nonsense", "%00", "a" * 300):
        response = await client.get(f"/v1/comments/{name}")
        answers.append((response.status, await response.read()))

    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)


async def test_a_spam_comment_is_gone_if_it_was_public_and_otherwise_not_found(client, service):
    public = await post.post_comment(service, draft(), visit())
    await approve(service, public)
    never = await post.post_comment(service, draft(comment="spam"), visit())
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[public.id, never.id]))

    assert (await client.get(f"/v1/comments/{public.id}")).status == 410
    assert (await client.get(f"/v1/comments/{never.id}")).status == 404


async def test_counts_use_the_thread_names_of_the_request(open_client):
    await write(open_client, thread="http://localhost:1313/a-page/")
    await write(open_client, thread="post-17", comment="another")
    asked = ["/a-page/", "http://localhost:1313/a-page/?utm_source=x", "post-17", "/none/"]

    counted = await open_client.get("/v1/counts", params=[("thread", name) for name in asked])
    posted = await open_client.post("/v1/counts", data=[("thread", name) for name in asked])

    assert (await counted.json())["counts"] == dict(zip(asked, (1, 1, 1, 0), strict=True))
    assert await posted.json() == await counted.json()
    too_many = [("thread", f"/{number}/") for number in range(201)]
    assert (await open_client.post("/v1/counts", data=too_many)).status == 422


async def test_the_latest_comments_are_listed_with_their_threads(open_client, clock):
    for number in range(5):
        clock.move(minutes=1)
        await write(open_client, thread=f"/page-{number}/", comment=f"number {number}")

    first = await (await open_client.get("/v1/latest?limit=3")).json()
    rest = await (await open_client.get(f"/v1/latest?limit=3&cursor={first['next_cursor']}")).json()

    assert [one["thread"]["key"] for one in first["comments"] + rest["comments"]] == [
        f"/page-{number}" for number in (4, 3, 2, 1, 0)
    ]
    assert rest["next_cursor"] is None
    etag = (await open_client.get("/v1/latest")).headers["ETag"]
    assert (await open_client.get("/v1/latest", headers={"If-None-Match": etag})).status == 304


async def test_a_preview_has_the_same_html_as_the_comment(open_client):
    words = "A *word*, <b>not bold</b>, 5 < 6 & `a > b`"
    preview = await (await open_client.post("/v1/preview", json={"comment": words})).json()

    assert preview["html"] == (await write(open_client, comment=words))["html"]


async def test_a_reader_finds_a_renamed_thread_by_all_its_names(service):
    receipt = await post.post_comment(service, draft(thread="/old/"), visit())
    await approve(service, receipt)
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    changed = await threads.change_thread(
        service, EVERYTHING, record.id, ThreadChange(thread="/new/", alias="post-17", title="A better title")
    )

    assert (changed.key, changed.aliases, changed.title) == ("/new", ["/old", "post-17"], "A better title")
    for name in ("/old/", "/new/", "post-17"):
        listing = await shown(service, thread=name)
        assert [comment.id for comment in listing.comments] == [receipt.id]
        assert listing.thread.key == "/new"
    again = await post.post_comment(service, draft(thread="/old/", comment="By the old name."), visit())
    assert again.thread == "/new"


async def test_only_the_pages_of_a_configured_site_can_call_the_api(database_url, clock, aiohttp_client):
    sites = "https://blog.example https://other.example:8443"
    async with a_service(database_url, clock, sites=sites) as service:
        client = await aiohttp_client(application(service))
        page = "https://blog.example/a/"
        ours, foreign = {"Origin": "https://blog.example"}, {"Origin": "https://evil.example"}

        allowed = await client.get("/v1/comments", params={"thread": page}, headers=ours)
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://blog.example"
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        for same in ("https://BLOG.example", "https://blog.example."):
            also_allowed = await client.get("/v1/comments", params={"thread": page}, headers={"Origin": same})
            assert also_allowed.headers["Access-Control-Allow-Origin"] == same
            assert "Origin" in also_allowed.headers["Vary"]
        for origin in (
            "https://evil.example", "http://blog.example", "https://blog.example.evil.example", "null",
            "https://blog.example:444", "http://localhost",
        ):  # fmt: skip
            refused = await client.get("/v1/comments", params={"thread": page}, headers={"Origin": origin})
            assert (refused.status, (await refused.json())["code"]) == (403, "origin_not_allowed"), origin
            assert refused.headers["Access-Control-Allow-Origin"] == "*", "the page can read what to do"
        posted = await client.post("/v1/comments", json=fields_of(thread=page), headers=foreign)
        assert (posted.status, (await posted.json())["code"]) == (403, "origin_not_allowed")
        cross_site = await client.post(
            "/v1/comments", json=fields_of(thread="https://other.example:8443/a/"), headers=ours
        )
        assert cross_site.status == 403
        asked = await client.options("/v1/comments", headers=ours | {"Access-Control-Request-Method": "POST"})
        assert asked.status == 204
        assert asked.headers["Access-Control-Allow-Origin"] == "https://blog.example"
        assert "Idempotency-Key" in asked.headers["Access-Control-Allow-Headers"]
        other_thread = await client.post("/v1/comments", json=fields_of(thread="https://elsewhere.example/a/"))
        assert (await other_thread.json())["errors"][0]["field"] == "thread"
        without_site = await client.post("/v1/comments", json=fields_of(thread="/a/"))
        assert (await without_site.json())["errors"][0]["field"] == "site"
        with_site = await client.post("/v1/comments", json=fields_of(thread="/a/", site="other.example:8443"))
        assert with_site.status == 202
        by_origin = await client.post("/v1/comments", json=fields_of(thread="/a/"), headers=ours)
        assert by_origin.status == 202
        form = await client.post(
            "/v1/comments", data=fields_of(thread=page, comment="form"), headers={"Origin": "null"}
        )
        assert form.status == 202
        moderators = await client.get("/v1/moderation/comments", headers=ours)
        assert "Access-Control-Allow-Origin" not in moderators.headers


async def test_readers_get_a_consistent_listing_during_concurrent_writes(open_client):
    await write(open_client, comment="first")

    async def read():
        listing = await (await open_client.get(LIST)).json()
        return listing["thread"]["count"] == len(json.dumps(listing).split('"html"')) - 1

    writes = [write(open_client, comment=f"number {number}") for number in range(40)]
    outcomes = await asyncio.gather(*writes, *(read() for _ in range(40)))

    assert all(outcomes[40:]), "a listing is a consistent snapshot"
    listing = await (await open_client.get(f"{LIST}&limit=100")).json()
    assert len(listing["comments"]) == listing["thread"]["count"] == 41


async def test_readers_see_an_edit_of_a_published_comment_at_once(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        mine = await write(client)
        etag = (await client.get(LIST)).headers["ETag"]
        response = await client.patch(
            f"/v1/comments/{mine['id']}",
            json={"comment": "Mended."},
            headers={"Authorization": f"Bearer {mine['edit_token']}"},
        )
        assert (response.status, (await response.json())["html"]) == (200, "<p>Mended.</p>")
        after = await client.get(LIST)
        assert after.headers["ETag"] != etag
        (comment,) = (await after.json())["comments"]
        assert (comment["html"], comment["edited_at"]) == ("<p>Mended.</p>", "2026-11-22T16:02:11.000Z")


async def test_a_moderator_sees_the_complete_source_of_a_comment(service):
    source = "5 < 6 & a > b\r\n\r\n\t<script>alert(1)</script> \u202e ok\r\n"
    receipt = await post.post_comment(service, draft(comment=source), visit())

    assert (await queue.get_comment_detail(service, EVERYTHING, receipt.id)).comment == source


async def test_an_author_who_edits_a_published_comment_sees_that_it_is_pending(client, service):
    mine = await post.post_comment(service, draft(), visit())
    await approve(service, mine)
    reply = await post.post_comment(service, draft(comment="A reply.", parent=mine.id), visit())
    await approve(service, reply)
    token = {"Authorization": f"Bearer {mine.edit_token}"}
    await client.patch(f"/v1/comments/{mine.id}", json={"comment": "Mended."}, headers=token)

    (public,) = (await (await client.get(LIST)).json())["comments"]
    assert (public["deleted"], public["html"]) == (True, None)
    (own,) = (await (await client.get(LIST, headers=token)).json())["comments"]
    assert (own["deleted"], own["html"], own["status"]) == (False, "<p>Mended.</p>", "pending")
    assert [below["id"] for below in own["replies"]] == [reply.id]
