"""Whatever refuses a form that a browser sends, its page gives back all that was typed."""

import html
from urllib.parse import urlencode

import pytest

from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from tests.conftest import EVERYTHING, post

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TYPED = {"name": "Mia", "email": "mia@example.com", "website": "https://mia.example", "comment": "So many words"}


@pytest.fixture
async def service(served):
    """The service on SQLite: what a page gives back does not depend on the database."""
    return await served()


@pytest.mark.parametrize(
    ("path", "more", "headers", "status"),
    [
        ("/v1/comments/", {}, {}, 404),
        ("/wp-comments-post.php", {}, {}, 404),
        ("/moderate/nothing", {}, {}, 404),
        ("/t", {}, {}, 405),
        ("/", {}, {}, 405),
        ("/v1/comments.html", {}, {}, 405),
        ("/v1/rules", {}, {}, 401),
        ("/v1/comments", {"thread": ""}, {}, 422),
        ("/v1/comments", {"thread": "https://other.example/a"}, {}, 422),
        ("/v1/comments", {"site": "no-such-site"}, {}, 422),
        ("/v1/comments", {}, {"Origin": "https://evil.example"}, 403),
        ("/v1/comments", {}, {"Content-Type": "text/xml"}, 415),
        ("/v1/comments", {}, {"Content-Type": "application/json"}, 400),
        ("/v1/comments", {"other": "x" * 70_000}, {}, 413),
    ],
)
async def test_a_reader_gets_back_all_that_was_typed(client, path, more, headers, status):
    body = urlencode({"thread": "/a/"} | TYPED | more)

    response = await client.post(path, data=body, headers=FORM | BROWSER | headers, allow_redirects=False)
    page = html.unescape(await response.text())

    assert (response.status, response.content_type) == (status, "text/html")
    for typed in TYPED.values():
        assert typed in page


async def test_a_form_that_was_sent_in_the_address_comes_back(client):
    query = urlencode({"comment_post_ID": "17", "author": "Mia", "email": "m@x.de", "comment": "So many words"})

    response = await client.get(f"/v1/comments?{query}", headers=BROWSER)

    assert (response.status, response.content_type) == (422, "text/html")
    assert ">\nSo many words\n\nMia\n\nm@x.de<" in await response.text()


async def test_a_reader_gets_back_all_that_was_typed_for_a_thread_that_was_closed(service, client):
    await post(service, "The first one", thread="/a/")
    [thread] = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(closed=True))

    response = await client.post("/v1/comments", data=urlencode({"thread": "/a/"} | TYPED), headers=FORM | BROWSER)
    page = html.unescape(await response.text())

    assert response.status == 403
    for typed in TYPED.values():
        assert typed in page


async def test_a_multipart_form_for_an_unknown_address_comes_back(client):
    body = b'--x\r\nContent-Disposition: form-data; name="comment"\r\n\r\nSo many words\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    response = await client.post("/v1/comment", data=body, headers=kind | BROWSER)

    assert response.status == 404
    assert "So many words" in await response.text()
