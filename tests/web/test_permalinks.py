"""A reader follows a link to a comment, wherever its page is now."""

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import ActionVerb, Mode, Visit
from commentsvc.moderation import actions, erase, threads
from commentsvc.moderation.schemas import Action, ThreadChange
from commentsvc.service import write
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, draft, post
from tests.moderation.test_merge import find_thread_id, merge_into

BLOG = "https://blog.example"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Accept-Language": "de"}


@pytest.fixture
async def blog(served):
    return await served(sites=BLOG, moderation=Mode.NONE)


async def follow(service, aiohttp_client, comment_id, method="GET", **headers):
    client = await aiohttp_client(application(service))
    return await client.request(method, f"/c/{comment_id}", allow_redirects=False, headers=headers)


async def post_at(service, page, **more):
    return (await post_comment(service, draft(thread=page, **more), Visit(origin=BLOG))).id


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_link_leads_to_the_comment_on_its_page(blog, aiohttp_client, method):
    comment = await post_at(blog, f"{BLOG}/2026/a-post/?p=1")
    response = await follow(blog, aiohttp_client, comment, method)
    assert (response.status, response.headers["Location"]) == (302, f"{BLOG}/2026/a-post/?p=1#comment-{comment}")
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert await response.read() == b""


async def test_a_link_leads_to_our_own_page_if_the_article_is_not_known(blog, aiohttp_client):
    comment = await post(blog, "Hello.", thread="17")
    response = await follow(blog, aiohttp_client, comment)
    assert response.headers["Location"] == f"/t?thread=17&at={comment}#comment-{comment}"
    client = await aiohttp_client(application(blog))
    page = await client.get(response.headers["Location"])
    assert f'id="comment-{comment}"' in await page.text()


async def test_links_respect_the_path_and_the_sites_of_the_service(served, aiohttp_client):
    service = await served(
        sites=f"{BLOG} https://other.example", moderation=Mode.NONE, public_url="https://example.com/comments"
    )
    comment = await post(service, "Hello.", thread="17", site="other.example")
    response = await follow(service, aiohttp_client, comment)
    assert response.headers["Location"] == f"/comments/t?thread=17&site=other.example&at={comment}#comment-{comment}"


async def test_a_link_finds_the_page_after_it_moved_or_was_merged(blog, aiohttp_client):
    comment = await post_at(blog, f"{BLOG}/old-name/")
    await post_at(blog, f"{BLOG}/new-name/")
    change = ThreadChange(thread=f"{BLOG}/renamed/")
    await threads.change_thread(blog, EVERYTHING, await find_thread_id(blog, "/old-name/"), change)
    response = await follow(blog, aiohttp_client, comment)
    assert response.headers["Location"] == f"{BLOG}/renamed/#comment-{comment}"
    await merge_into(blog, "/renamed/", "/new-name/")
    response = await follow(blog, aiohttp_client, comment)
    assert response.headers["Location"] == f"{BLOG}/new-name/#comment-{comment}"


@write
async def set_url(unit, url):
    await unit.run("UPDATE thread SET url = :url", url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/", "//evil.example/", "javascript:alert(1)", f"{BLOG}@evil.example/", f"{BLOG}\\@evil/",
        f"{BLOG}/\r\nSet-Cookie: a=b", "data:text/html,x", "https:evil.example", "ftp://blog.example/",
        "https://blog.example.evil.example/", "",
    ],
)  # fmt: skip
async def test_a_link_leads_to_no_other_site(blog, aiohttp_client, url):
    comment = await post_at(blog, f"{BLOG}/a-post/")
    await set_url(blog, url)
    response = await follow(blog, aiohttp_client, comment)
    assert response.headers["Location"] == f"/t?thread=%2Fa-post&at={comment}#comment-{comment}"


async def test_an_address_in_another_script_is_encoded(blog, aiohttp_client):
    comment = await post_at(blog, f"{BLOG}/käse/")
    await set_url(blog, f"{BLOG}/käse/?q=ü")
    response = await follow(blog, aiohttp_client, comment)
    assert response.headers["Location"] == f"{BLOG}/k%C3%A4se/?q=%C3%BC#comment-{comment}"


async def test_a_reader_learns_in_their_language_that_a_comment_is_gone_or_unknown(served, aiohttp_client):
    service = await served(sites=BLOG)
    held = await post(service, "Held.", thread=f"{BLOG}/a-post/")
    unknown = await follow(service, aiohttp_client, "01990000-0000-7000-8000-000000000000", **BROWSER)
    waiting = await follow(service, aiohttp_client, held, **BROWSER)
    assert (unknown.status, waiting.status) == (404, 404)
    assert await unknown.text() == await waiting.text()
    assert '<html lang="de"' in await unknown.text()
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[held]))
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[held]))
    gone = await follow(service, aiohttp_client, held, **BROWSER)
    assert (gone.status, '<html lang="de"' in await gone.text(), "blog.example" in await gone.text()) == (
        410, True, False
    )  # fmt: skip
    await erase.erase_permanently(service, EVERYTHING, held)
    assert (await follow(service, aiohttp_client, held, "HEAD")).status == 410
    assert (await follow(service, aiohttp_client, "no-id")).status == 404
