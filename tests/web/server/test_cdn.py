"""A CDN keeps answers as docs/scaling.md says, and drops those of a thread or a site by the keys in our header."""

import pytest

from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.web.pages import assets
from commentsvc.web.routes import application
from tests.access.test_sessions import sign_in_moderator
from tests.conftest import EVERYTHING, a_key, post

THREAD_PAGES = ["/v1/comments", "/v1/comments.html", "/v1/comments.atom"]
SITE_PAGES = ["/v1/latest", "/v1/latest.atom"]
STYLES = ["/thread.css", "/page.css", "/moderate.css"]
LISTED = "public, max-age=10, stale-while-revalidate=60"
KEPT = [
    *((path, LISTED) for path in [*THREAD_PAGES, *SITE_PAGES]),
    *((path, "public, max-age=300, stale-while-revalidate=86400") for path in ["/embed.js", *STYLES]),
    ("/embed.<hash>.js", "public, max-age=31536000, immutable"),
    ("/embed-form.<form>.js", "public, max-age=31536000, immutable"),
]
NOT_KEPT = ["/v1/counts", "/v1/form", "/t"]


@pytest.fixture
async def tagged(served):
    return await served(moderation=Mode.NONE, surrogate_keys="on")


async def keys_of(client, path, thread="/a-page/", **headers):
    parameters = {"thread": thread} if path in THREAD_PAGES else {}
    async with client.get(path, params=parameters, headers=headers) as response:
        assert response.status in {200, 304}
        return response.headers["Surrogate-Key"].split(), response.headers["ETag"]


async def ask(client, path, **headers):
    parameters = {"thread": "/a-page/"} if path in [*THREAD_PAGES, *NOT_KEPT] else {}
    path = path.replace("<hash>", assets.embed().digest).replace("<form>", assets.embed_form().digest)
    async with client.get(path, params=parameters, headers=headers) as response:
        return response.status, response.headers


@pytest.mark.parametrize(("path", "kept"), KEPT)
async def test_a_cdn_keeps_what_all_readers_see_and_gets_no_cookie_with_it(client, service, path, kept):
    await sign_in_moderator(client, service)  # the client has a cookie now
    _, first = await ask(client, path)
    for headers, expected in (({}, 200), ({"If-None-Match": first["ETag"]}, 304)):
        status, found = await ask(client, path, **headers)
        assert (status, found["Cache-Control"], "Set-Cookie" in found) == (expected, kept, False)


@pytest.mark.parametrize("path", NOT_KEPT)
async def test_a_cdn_does_not_keep_what_is_new_for_each_reader(client, path):
    status, headers = await ask(client, path)
    assert (status, headers["Cache-Control"]) == (200, "no-store")


async def test_a_cdn_does_not_keep_what_only_a_moderator_sees(client, service):
    await sign_in_moderator(client, service)
    with_session = await ask(client, "/moderate", **{"Sec-Fetch-Site": "same-origin"})
    with_key = await ask(client, "/v1/moderation/comments", **await a_key(service))
    for status, headers in (with_session, with_key):
        assert (status, headers["Cache-Control"]) == (200, "no-store")


async def test_an_operator_finds_the_ids_of_the_keys_by_the_api(tagged, aiohttp_client):
    client = await aiohttp_client(application(tagged))
    await post(tagged, "On one page.")
    await post(tagged, "On another page.", thread="/another-page/")
    key = await a_key(tagged)
    async with client.get("/v1/sites", headers=key) as sites, client.get("/v1/threads", headers=key) as threads:
        [site] = [site["id"] for site in (await sites.json())["sites"]]
        ids = {thread["key"]: thread["id"] for thread in (await threads.json())["threads"]}
    for path in THREAD_PAGES:
        for page, thread in ids.items():
            assert (await keys_of(client, path, page))[0] == [f"site-{site}", f"thread-{thread}"]
        assert (await keys_of(client, path, "/nobody-wrote-here/"))[0] == [f"site-{site}", f"empty-{site}"]
    for path in SITE_PAGES:
        assert (await keys_of(client, path))[0] == [f"site-{site}", f"latest-{site}"]
    assert len(ids) == 2


@pytest.mark.parametrize("path", THREAD_PAGES)
async def test_a_cdn_can_drop_all_pages_of_one_thread(tagged, aiohttp_client, path):
    client = await aiohttp_client(application(tagged))
    await post(tagged, "On one page.")
    await post(tagged, "On another page.", thread="/another-page/")

    first, tag = await keys_of(client, path)
    again, _ = await keys_of(client, path, **{"If-None-Match": tag})
    other, _ = await keys_of(client, path, "/another-page/")

    assert first == again
    assert (first[0], first[0].partition("-")[0]) == (other[0], "site")
    assert first[1].startswith("thread-")
    assert first[1] != other[1]


@pytest.mark.parametrize("path", THREAD_PAGES)
async def test_nobody_learns_from_a_key_that_a_thread_has_hidden_comments(tagged, aiohttp_client, path):
    client = await aiohttp_client(application(tagged))
    comment = await post(tagged, "Hidden soon.")
    await actions.apply_action(tagged, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[comment]))

    hidden, _ = await keys_of(client, path)
    unknown, _ = await keys_of(client, path, "/nobody-wrote-here/")

    assert hidden == unknown
    assert hidden[1].startswith("empty-")


@pytest.mark.parametrize("path", SITE_PAGES)
async def test_a_cdn_can_drop_the_latest_comments_of_a_site(tagged, aiohttp_client, path):
    client = await aiohttp_client(application(tagged))
    (site, latest), _ = await keys_of(client, path)
    assert latest == site.replace("site-", "latest-")


@pytest.mark.parametrize("path", [*THREAD_PAGES, *SITE_PAGES])
async def test_without_a_cdn_no_answer_has_keys(client, path):
    parameters = {"thread": "/a-page/"} if path in THREAD_PAGES else {}
    async with client.get(path, params=parameters) as response:
        assert "Surrogate-Key" not in response.headers
