"""The form of a WordPress theme works after changing only its ``action``, in a browser without JavaScript."""

import html
import re
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import test_utils, web

from commentsvc.domain.models import Mode
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from tests.conftest import EVERYTHING, a_key, fields_of
from tests.web.test_pages import BROWSER, filled_in, focused, press

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

# The output of comment_form() in a recent theme (WordPress 6, "html5" support for comment-form).
FORM = """\
<div id="respond" class="comment-respond">
<h2 id="reply-title" class="comment-reply-title">Leave a Reply <small><a rel="nofollow" id="cancel-comment-reply-link" \
href="/2026/11/a-post/#respond">Cancel reply</a></small></h2>\
<form action="{action}" method="post" id="commentform" class="comment-form" novalidate>\
<p class="comment-notes"><span id="email-notes">Your email address will not be published.</span> \
<span class="required-field-message">Required fields are marked <span class="required">*</span></span></p>\
<p class="comment-form-comment"><label for="comment">Comment <span class="required">*</span></label> \
<textarea id="comment" name="comment" cols="45" rows="5" maxlength="65525" required></textarea></p>\
<p class="comment-form-author"><label for="author">Name <span class="required">*</span></label> \
<input id="author" name="author" type="text" value="" size="30" maxlength="245" autocomplete="name" required /></p>
<p class="comment-form-email"><label for="email">Email <span class="required">*</span></label> \
<input id="email" name="email" type="email" value="" size="30" maxlength="100" aria-describedby="email-notes" \
autocomplete="email" required /></p>
<p class="comment-form-url"><label for="url">Website</label> \
<input id="url" name="url" type="url" value="" size="30" maxlength="200" autocomplete="url" /></p>
<p class="comment-form-cookies-consent"><input id="wp-comment-cookies-consent" name="wp-comment-cookies-consent" \
type="checkbox" value="yes" /> <label for="wp-comment-cookies-consent">Save my name, email, and website in this \
browser for the next time I comment.</label></p>
<p class="form-submit"><input name="submit" type="submit" id="submit" class="submit" value="Post Comment" /> \
<input type='hidden' name='comment_post_ID' value='17' id='comment_post_ID' />
<input type='hidden' name='comment_parent' id='comment_parent' value='{parent}' />
</p></form></div><!-- #respond -->
"""
POST = "/2026/11/a-post/"


class Blog:
    """A page of a WordPress blog with its theme's form; ``?replytocom=`` sets the parent, as in WordPress."""

    def __init__(self):
        self.action = self.extra_fields = ""

    async def page(self, request):
        form = FORM.format(action=self.action, parent=html.escape(request.query.get("replytocom", "0")))
        form = form.replace("</p></form>", f"{self.extra_fields}</p></form>")
        text = f'<!doctype html><html lang="en"><title>A post</title><link rel="icon" href="data:,">{form}'
        return web.Response(text=text, content_type="text/html")


@pytest_asyncio.fixture(loop_scope="module")
async def blog(opened):
    """Return a function that starts a blog and a service for it and another site."""
    async with AsyncExitStack() as stack:

        async def start(**settings):
            made, blog_app = Blog(), web.Application()
            blog_app.router.add_get(POST, made.page)
            blog_app.router.add_get("/thanks/", made.page)
            server = await stack.enter_async_context(test_utils.TestServer(blog_app))
            origin = str(server.make_url("/")).rstrip("/")
            url, service = await opened(sites=f"https://other.example {origin}", **settings)
            made.action = f"{url}/v1/comments"
            return made, origin, url, service

        yield start


async def write(page, *, author="Mia", email="mia@example.com", url="", comment="I have been wondering too."):
    for name, text in {"author": author, "email": email, "url": url, "comment": comment}.items():
        await page.locator(f"#{name}").fill(text)
    await page.locator("#wp-comment-cookies-consent").check()
    return await press(page)


@pytest.mark.slow
async def test_two_readers_comment_with_the_form_of_a_wordpress_theme(blog, browse, curl):
    _, origin, url, service = await blog()
    key = await a_key(service)

    async def approve_pending():
        async with curl.get(f"{url}/v1/moderation/comments", headers=key) as response:
            waiting = (await response.json())["comments"]
        action = {"action": "approve", "ids": [comment["id"] for comment in waiting]}
        async with curl.post(f"{url}/v1/moderation/actions", headers=key, json=action) as response:
            assert (await response.json())["changed"] == 1
        return waiting[0]

    mia = await browse(origin, also=[url])
    await mia.goto(POST)
    answer = await write(mia, url="mia.example")
    assert (await answer.request.redirected_from.response()).status == 303
    assert urlsplit(mia.url).path == "/t"
    own = mia.get_by_role("article")
    assert "Waiting for moderation. Only you can see this." in await own.inner_text()
    assert await focused(mia) == await own.get_attribute("id")

    sam = await browse(origin, also=[url])
    await sam.goto(mia.url.replace("receipt=", "receipt=x"))
    assert await sam.get_by_role("article").count() == 0

    first = await approve_pending()
    assert (first["thread"]["key"], first["site"]) == ("17", urlsplit(origin).netloc)
    assert (first["name"], first["website"], first["parent"]) == ("Mia", "https://mia.example", None)
    await sam.reload()
    assert "I have been wondering too." in await sam.get_by_role("article").inner_text()

    await sam.goto(f"{POST}?replytocom={first['id']}")
    await write(sam, author="Sam", email="sam@example.com", comment="So have I.")
    reply = await approve_pending()
    assert (reply["parent"], reply["thread"]["key"]) == (first["id"], "17")
    await mia.reload()
    assert "So have I." in await mia.get_by_role("listitem").get_by_role("listitem").inner_text()


async def test_a_reader_corrects_a_refused_form_and_it_keeps_its_site(blog, browse):
    _, origin, url, _ = await blog()
    mia = await browse(origin, also=[url])
    await mia.goto(POST)

    answer = await write(mia, author="", url="javascript:alert(1)")
    assert answer.status == 422
    assert await filled_in(mia) == {
        "comment": "I have been wondering too.", "name": "", "email": "mia@example.com",
        "website": "javascript:alert(1)",
    }  # fmt: skip
    await mia.get_by_role("textbox", name="Name").fill("Mia")
    await mia.get_by_role("textbox", name="Website").fill("")
    answer = await press(mia)
    assert answer.status == 200
    assert "Waiting for moderation" in await mia.get_by_role("article").inner_text()


@pytest.mark.parametrize(("moderation", "fragment"), [(Mode.ALL, "pending"), (Mode.NONE, "[0-9a-f-]{36}")])
async def test_a_form_can_redirect_the_author_to_a_page_of_the_site(blog, browse, moderation, fragment):
    made, origin, url, _ = await blog(moderation=moderation)
    made.extra_fields = f'<input type="hidden" name="redirect_to" value="{origin}/thanks/?p=1&amp;q=é#respond">'
    mia = await browse(origin, also=[url])
    await mia.goto(POST)
    await write(mia)
    assert re.fullmatch(rf"{origin}/thanks/\?p=1&q=%C3%A9#comment-{fragment}", mia.url)


async def test_a_corrected_form_leads_the_author_to_the_thread_page(blog, browse):
    """The Content-Security-Policy of the thread page forbids a form to redirect to another origin."""
    made, origin, url, _ = await blog()
    made.extra_fields = f'<input type="hidden" name="redirect_to" value="{origin}/thanks/">'
    mia = await browse(origin, also=[url])
    await mia.goto(POST)
    await write(mia, author="")
    await mia.get_by_role("textbox", name="Name").fill("Mia")
    await press(mia)
    assert "Waiting for moderation" in await mia.get_by_role("article").inner_text()


async def test_a_form_cannot_redirect_the_author_to_a_foreign_page(blog, curl):
    _, origin, url, service = await blog()
    host = urlsplit(origin).netloc
    elsewhere = (
        "https://evil.example/", "//evil.example/", "https://other.example/", f"https://{host}/", f"{url}/t",
        f"{origin}@evil.example/", f"http://evil.example\\@{host}/", f"{origin}\\@evil.example/",
        f"{origin}.evil.example/", f"{origin} .evil.example", f"\t{origin}/", f"{origin}/\r\nSet-Cookie:x",
        f"http://mia:x@{host}/", f"http://{host.partition(':')[0]}/", f"ftp://{host}/", "http://[", "//thanks/",
        "thanks", "javascript:alert(1)", "data:text/html,x",
    )  # fmt: skip
    for number, page in enumerate(elsewhere):
        fields = fields_of(thread=None, comment_post_ID="17", comment=f"Comment {number}.", redirect_to=page)
        headers = BROWSER | {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        async with curl.post(f"{url}/v1/comments", data=fields, headers=headers, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"][:3]) == (303, "/t?"), page
            assert "Set-Cookie" not in response.headers
    waiting = await queue.search_comments(service, EVERYTHING, QueueQuery())
    assert len(waiting.comments) == len(elsewhere), "every comment is stored"


async def test_the_service_accepts_wordpress_field_names_only_in_forms(blog, curl):
    _, origin, url, _ = await blog()
    theirs = {"author": "Mia", "email": "mia@example.com", "comment": "Hello.", "comment_post_ID": "17"}
    async with curl.post(f"{url}/v1/comments", json=theirs, headers={"Origin": origin}) as response:
        faults = {fault["field"]: fault["code"] for fault in (await response.json())["errors"]}
        assert response.status == 422
        assert faults == {
            "thread": "required", "name": "required", "author": "unknown_field", "comment_post_ID": "unknown_field",
        }  # fmt: skip
    ours = theirs | {"name": "Lea", "comment_parent": "0", "url": "https://lea.example/", "website": ""}
    async with curl.post(f"{url}/v1/comments", data=ours, headers={"Origin": origin}) as response:
        receipt = await response.json()
        assert response.status == 202
        assert (receipt["name"], receipt["website"], receipt["parent"]) == ("Lea", "https://lea.example/", None)
    older = ours | {"comment_parent": "16", "comment": "An answer to an older comment."}
    async with curl.post(f"{url}/v1/comments", data=older, headers={"Origin": origin}) as response:
        assert (response.status, (await response.json())["parent"]) == (202, None)
