"""A reader on the page of a thread learns which blog it belongs to, and finds the way back."""

import html
import re

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import Site, Visit
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.web.pages import redirects
from commentsvc.web.routes import application
from tests.comments.test_post import approve
from tests.conftest import draft, fields_of

BLOG = "https://blog.example"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Origin": BLOG}


async def links_of(response):
    """Return the links at the top of a page: text to address."""
    links = re.findall(r'<a href="(.*?)">(.*?)</a>', (await response.text()).partition("<h1>")[0])
    return {re.sub("<[^>]*>", "", text): html.unescape(url) for url, text in links}


@pytest.mark.parametrize(
    ("thread", "article"),
    [
        (f"{BLOG}/2026/a-post/?utm_source=x", f"{BLOG}/2026/a-post/"),
        ("/2026/a-post/?utm_source=x&p=1", f"{BLOG}/2026/a-post/?p=1"),
        ("/%22%3E%3Cscript%3E", f"{BLOG}/%22%3E%3Cscript%3E"),
        ("17", None),
        ("post-17", None),
    ],
)
async def test_the_page_of_a_thread_names_its_blog_and_leads_back(served, aiohttp_client, thread, article):
    client = await aiohttp_client(application(await served(sites=BLOG)))
    response = await client.get("/t", params={"thread": thread, "lang": "en"})
    found = await links_of(response)
    assert (found.pop("blog.example"), found) == (f"{BLOG}/", {"Back to the article": article} if article else {})
    assert re.search(r"<title>.*blog\.example</title>", await response.text())


async def test_a_key_leads_back_to_the_page_of_its_first_published_comment(served, aiohttp_client):
    service = await served(sites=BLOG)
    client = await aiohttp_client(application(service))
    receipt = await post_comment(service, draft(thread=f"{BLOG}/a-post/"), Visit(origin=BLOG))
    await approve(service, receipt)
    response = await client.get("/t", params={"thread": "/a-post", "lang": "en"})
    assert (await links_of(response))["Back to the article"] == f"{BLOG}/a-post/"


async def test_a_form_that_is_shown_again_leads_back_to_the_origin_that_posted(served, aiohttp_client):
    client = await aiohttp_client(application(await served(sites=f"http://localhost:1313 {BLOG}")))
    form = fields_of(name="", thread="/a-post/", site="blog.example")
    response = await client.post("/v1/comments?lang=en", data=form, headers=BROWSER)
    assert response.status == 422
    assert await links_of(response) == {"blog.example": f"{BLOG}/", "Back to the article": f"{BLOG}/a-post/"}


async def test_a_page_on_this_computer_has_a_blog_without_an_address(served, aiohttp_client):
    client = await aiohttp_client(application(await served()))
    response = await client.get("/t?thread=/a/")
    assert await links_of(response) == {}
    assert "<bdi>blog</bdi>" in await response.text()


@pytest.mark.parametrize(
    ("origins", "visited", "address"),
    [
        ((), None, None),
        (("https://*.netlify.app",), None, None),
        (("http://blog.example", "http://localhost:1313", BLOG), None, BLOG),
        (("http://localhost:1313", "http://blog.example"), None, "http://blog.example"),
        ((BLOG, "https://www.blog.example"), "https://www.blog.example", "https://www.blog.example"),
        ((BLOG,), "https://evil.example", BLOG),
    ],
)
def test_readers_are_led_to_the_public_address_of_a_blog(origins, visited, address):
    site = Site(id="1", name="blog")
    directory = SiteDirectory((site,), dict.fromkeys(origins, site.id), "http://localhost:8080")
    assert redirects.site_address(directory, site, visited) == address
