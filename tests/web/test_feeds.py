"""Readers follow a thread, or a site, in a feed reader."""

import re
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest

from commentsvc.comments import post
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.web.routes import application
from tests.comments.test_post import approve
from tests.conftest import EVERYTHING, draft, visit

ATOM = "{http://www.w3.org/2005/Atom}"
THREAD = "{http://purl.org/syndication/thread/1.0}"
PAGE = "http://localhost/a-page/"
FEED = "/v1/comments.atom"
LATEST = "/v1/latest.atom"


async def post_approved(service, **changed):
    """Post a comment and approve it."""
    receipt = await post.post_comment(service, draft(**{"thread": PAGE} | changed), visit())
    await approve(service, receipt)
    return receipt


async def read_feed(client, path=FEED, **asked):
    """Return a feed, parsed by a feed reader, and its bytes. Checks that the feed is valid."""
    asked = ({"thread": PAGE} if path == FEED else {}) | asked
    async with client.get(path, params=asked) as response:
        body = await response.read()
        assert response.status == 200, body
        assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
        headers = {"content-type": response.headers["Content-Type"], "content-location": str(response.url)}
    assert_valid(body)
    parsed = feedparser.parse(body, response_headers=headers)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    return parsed, body


def assert_valid(body, *, links_itself=True):
    """Check the rules of RFC 4287 (4.1.1, 4.1.2, 4.2) for feeds and of RFC 4685 (3) for replies."""
    feed = _xml(body)
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    for one in (feed, *entries):
        for name in ("id", "title", "updated"):
            assert len(one.findall(f"{ATOM}{name}")) == 1
            assert one.find(f"{ATOM}{name}").text.strip()
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", one.find(f"{ATOM}id").text)
        for name in ("updated", "published"):
            for moment in one.findall(f"{ATOM}{name}"):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment.text)
        links = [(link.get("rel"), link.get("type")) for link in one.findall(f"{ATOM}link")]
        assert links.count(("alternate", "text/html")) == 1
        assert len(links) == len(set(links))
        assert all(re.match(r"https?://", link.get("href")) for link in one.findall(f"{ATOM}link"))
    links = [(link.get("rel"), link.get("type")) for link in feed.findall(f"{ATOM}link")]
    assert (("self", "application/atom+xml") in links) == links_itself
    ids = [entry.find(f"{ATOM}id").text for entry in entries]
    assert len(ids) == len(set(ids))
    for entry in entries:
        assert entry.find(f"{ATOM}author/{ATOM}name").text.strip()
        assert entry.find(f"{ATOM}author/{ATOM}email") is None
        assert entry.find(f"{ATOM}content").get("type") == "html"
        for reply in entry.findall(f"{THREAD}in-reply-to"):
            assert reply.get("ref").startswith("urn:uuid:")
            assert reply.get("href").startswith("http")


def _xml(body):
    return ET.fromstring(body)  # noqa: S314 -- the service's own output


async def test_a_reader_follows_a_thread(service, client, clock):
    first = await post_approved(service, title="A page & more", website="https://mia.example/")
    clock.move(minutes=5)
    reply = await post_approved(service, name="Sam", comment="So *have* I: 1 < 2.", parent=first.id)
    feed, body = await read_feed(client)

    assert feed.feed.title == "Comments on A page & more"
    assert feed.feed.link == "http://localhost/a-page/"
    assert feed.feed.updated == reply.created_at
    newest, oldest = feed.entries
    assert (newest.title, oldest.title) == ("Sam on A page & more", "Mia on A page & more")
    assert newest.link == f"http://localhost/a-page/#comment-{reply.id}"
    assert (newest.published, newest.updated) == (reply.created_at, reply.created_at)
    assert newest.content[0].value == "<p>So <em>have</em> I: 1 &lt; 2.</p>"
    assert (oldest.author_detail.name, oldest.author_detail.href) == ("Mia", "https://mia.example/")
    answered = _xml(body).findall(f"{ATOM}entry/{THREAD}in-reply-to")
    assert [one.get("ref") for one in answered] == [f"urn:uuid:{first.id}"] == [oldest.id]
    assert answered[0].get("href") == oldest.link


async def test_a_reader_cannot_tell_a_pending_thread_from_an_unknown_one(service, client):
    for name in (PAGE, "/another/", "post-17"):
        _, unknown = await read_feed(client, thread=name)
        receipt = await post.post_comment(service, draft(thread=name, title="Secret"), visit())
        _, pending = await read_feed(client, thread=name)
        assert pending == unknown
        await approve(service, receipt)
        feed, _ = await read_feed(client, thread=name)
        assert len(feed.entries) == 1
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[receipt.id]))
        feed, _ = await read_feed(client, thread=name)
        assert feed.entries == []


async def test_an_unchanged_feed_is_answered_with_304(service, client, clock):
    await post_approved(service, comment="long " * 300)
    for path in (f"{FEED}?thread={PAGE}", LATEST):
        first = await client.get(path, headers={"Accept-Encoding": "gzip"})
        assert first.headers["Content-Encoding"] == "gzip"
        assert "max-age" in first.headers["Cache-Control"]
        assert "Accept-Language" in first.headers["Vary"]
        for held, status in ((first.headers["ETag"], 304), ('"other"', 200)):
            again = await client.get(path, headers={"If-None-Match": held})
            assert again.status == status
        head = await client.head(path)
        assert head.status == 200
    clock.move(minutes=1)
    await post_approved(service, comment="Something new.")
    assert (await client.get(path, headers={"If-None-Match": first.headers["ETag"]})).status == 200


async def test_feed_ids_do_not_depend_on_the_public_url(served, aiohttp_client):
    service = await served(moderation=Mode.NONE)
    await post_approved(service)
    default = await read_feed(await aiohttp_client(application(service)))
    object.__setattr__(service, "config", service.config.__class__(public_url="https://comments.example"))
    renamed = await read_feed(await aiohttp_client(application(service)))
    for (one, _), (other, _) in ((default, renamed),):
        assert one.feed.id == other.feed.id
        assert [entry.id for entry in one.entries] == [entry.id for entry in other.entries]
    assert "https://comments.example/v1/comments.atom?thread=" in renamed[1].decode()


HOSTILE = (
    "]]> <![CDATA[ <!-- --> <?xml?> &lt; &amp;amp; &#0; <script>alert(1)</script>",
    "\x01\x08\x0b\x0c\x1f \x7f\x85\x9f \ufffe\uffff \U0001ffff \u2028 \r\n \t.",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]> &y; 😀 مريم",
)


async def test_hostile_text_is_escaped_in_feeds(service, client):
    for number, text in enumerate(HOSTILE):
        name = f"{number} ]]> <b> & \ufffe \uffff"
        await post_approved(service, thread="key ]]> <&\"'> \ufffe", comment=text, name=name, title=f"{text} \ufffe")
    for path, asked in ((FEED, {"thread": "key ]]> <&\"'> \ufffe"}), (LATEST, {})):
        feed, body = await read_feed(client, path, **asked)
        assert len(feed.entries) == len(HOSTILE)
        assert "\ufffe" not in body.decode()
        assert not re.search(rb"<script|<!DOCTYPE|<!\[CDATA|<!--", body)
        assert feed.entries[-1].author.startswith("0 ]]> <b> &")
        assert "<script>" not in feed.entries[-1].content[0].value


async def test_a_reader_follows_a_site(service, client, clock):
    await post_approved(service, title="A page")
    clock.move(minutes=1)
    by_key = await post_approved(service, thread="post-17", comment="By a key.")
    feed, _ = await read_feed(client, LATEST)
    assert [entry.title for entry in feed.entries] == ["Mia on post-17", "Mia on A page"]
    assert feed.entries[0].link.endswith(f"/t?thread=post-17#comment-{by_key.id}")
    assert feed.feed.title == "Comments on blog"
    assert feed.feed.id != (await read_feed(client))[0].feed.id


async def test_feed_links_name_the_site_if_there_are_several(served, aiohttp_client):
    service = await served(moderation=Mode.NONE, sites="https://one.example https://two.example")
    client = await aiohttp_client(application(service))
    await post_approved(service, thread="post-17", site="two.example")
    feed, _ = await read_feed(client, LATEST, site="two.example")
    assert "/t?thread=post-17&site=two.example#comment-" in feed.entries[0].link
    assert feed.feed.link == "https://two.example/"
    assert (await read_feed(client, LATEST, site="one.example"))[0].entries == []
    assert (await client.get(LATEST)).status == 422


async def test_a_reader_follows_next_links_through_a_long_feed(service, client, clock):
    for number in range(5):
        clock.move(minutes=1)
        await post_approved(service, comment=f"Comment {number}.")
    for path, asked in ((FEED, {"thread": PAGE}), (LATEST, {})):
        found, query = [], {"limit": "2"}
        while query:
            feed, _ = await read_feed(client, path, **asked | query)
            found += [entry.content[0].value for entry in feed.entries]
            next_links = [link.href for link in feed.feed.links if link.rel == "next"]
            query = dict(parse_qsl(urlsplit(next_links[0]).query)) if next_links else None
        assert found == [f"<p>Comment {number}.</p>" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(("asked", "header"), [({"lang": "de"}, "fr"), ({}, "de-AT, en;q=0.5")])
async def test_a_reader_gets_a_feed_in_their_language(service, client, asked, header):
    await post_approved(service, title="Seite")
    for path in (FEED, LATEST):
        more = asked | ({"thread": PAGE} if path == FEED else {})
        response = await client.get(path, params=more, headers={"Accept-Language": header})
        feed = _xml(await response.read())
        title = feed.find(f"{ATOM}entry/{ATOM}title")
        assert title.text == "Mia zu „Seite“"
        assert title.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
        own = [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
        assert ("lang=de" in own[0]) == bool(asked)
