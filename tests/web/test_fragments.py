"""Blogs load the HTML of a thread, the script and the comment counts."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from commentsvc.comments import post
from commentsvc.domain.models import Mode
from commentsvc.web.pages import assets
from commentsvc.web.routes import application
from tests.comments.test_post import approve
from tests.conftest import a_key, draft, fields_of, visit

ROOT = Path(__file__).parent.parent.parent
HTML = "/v1/comments.html?thread=/a-page/"
SCRIPT = {"Accept": "text/html, application/problem+json"}


async def post_approved(service, **changed):
    receipt = await post.post_comment(service, draft(**changed), visit())
    await approve(service, receipt)
    return receipt


@pytest.fixture
async def get(client):
    async def send(path, **headers):
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return send


async def test_caches_keep_the_html_of_a_thread_until_it_changes(service, get):
    await post_approved(service)
    first = await get(f"{HTML}&lang=en")
    assert first.content_type == "text/html"
    assert first.headers["Cache-Control"].startswith("public, max-age=")
    tag = first.headers["ETag"]

    assert (await get(f"{HTML}&lang=en", If_None_Match=tag)).status == 304
    assert (await get(f"{HTML}&lang=de", If_None_Match=tag)).status == 200
    assert (await get("/v1/comments?thread=/a-page/", If_None_Match=tag)).status == 200
    await post_approved(service, comment="Another.")
    again = await get(f"{HTML}&lang=en", If_None_Match=tag)
    assert again.status == 200
    assert "2 comments" in await again.text()


async def test_the_compressed_html_has_its_own_etag(service, client):
    await post_approved(service)
    tags = set()
    for encoding in ("gzip", "identity"):
        async with client.get(HTML, headers={"Accept-Encoding": encoding}) as response:
            assert response.headers.get("Content-Encoding", "identity") == encoding
            assert "I have been wondering" in await response.text()
            tags.add(response.headers["ETag"])
    assert len(tags) == 2


async def test_a_reader_gets_the_requested_language_or_else_their_own(service, get):
    await post_approved(service)
    by_query = await get(f"{HTML}&lang=ar", Accept_Language="de")
    text = await by_query.text()
    assert 'lang="ar" dir="rtl"' in text
    assert "Accept-Language" not in by_query.headers["Vary"]
    by_header = await get(HTML, Accept_Language="de")
    assert "1 Kommentar" in await by_header.text()
    assert "Accept-Language" in by_header.headers["Vary"]
    assert "1 comment" in await (await get(HTML)).text()


async def test_only_pages_of_the_site_can_read_the_html(aiohttp_client, served):
    client = await aiohttp_client(application(await served(sites="https://blog.example")))
    own = await client.get(HTML, headers={"Origin": "https://blog.example"})
    assert own.headers["Access-Control-Allow-Origin"] == "https://blog.example"
    assert "Origin" not in own.headers["Vary"], "a cache keeps one copy for a site with one origin"
    foreign = await client.get(HTML, headers={"Origin": "https://elsewhere.example"})
    assert foreign.status == 403
    assert "data-thread" not in await foreign.text()


async def test_html_that_caches_share_has_no_tokens(get):
    text = await (await get(HTML)).text()
    assert 'name="thread" value="/a-page/"' in text
    for one in ("submission", "started", "data-edit", "data-author"):
        assert f'name="{one}"' not in text
        assert f"{one}=" not in text


async def test_a_reader_sees_the_number_of_new_comments(service, get):
    for text in ("One.", "Two.", "Three."):
        await post_approved(service, comment=text)
    assert "Show 2 new comments" in await (await get(f"{HTML}&known=1")).text()
    assert "Show 1 new comment<" in await (await get(f"{HTML}&known=2")).text()
    assert "ct-fresh" not in await (await get(f"{HTML}&known=3")).text()


async def test_links_work_without_script_and_keep_the_thread(service, client):
    first = await post_approved(service, comment="One.")
    await post_approved(service, comment="Two.")
    for order in ("oldest", "newest"):
        page = await (await client.get(f"{HTML}&limit=1&order={order}&lang=de")).text()
        links = [link.replace("&amp;", "&") for link in re.findall(r'href="http://localhost:8080(/t\?[^"#]*)', page)]
        assert len(links) == 3
        for link in links:
            answer = await client.get(link)
            assert answer.status == 200
            assert 'lang="de"' in await answer.text()
    assert first.id in page or order == "newest"


class Markup(HTMLParser):
    """Collects the microdata and microformats of the comments."""

    def __init__(self, text):
        super().__init__()
        self.types, self.properties, self.classes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.types += [given["itemtype"]] if "itemtype" in given else []
        self.properties += [given["itemprop"]] if "itemprop" in given else []
        self.classes += given.get("class", "").split()


async def test_programs_read_authors_dates_and_texts_from_the_markup(service, get):
    first = await post_approved(service, website="https://mia.example")
    await post_approved(service, comment="A reply.", parent=first.id)
    found = Markup(await (await get(HTML)).text())
    assert found.types.count("https://schema.org/Comment") == 2
    assert found.types.count("https://schema.org/Person") == 2
    assert found.properties.count("comment") == 2, "of its parent comment, or of the page's article"
    for name, count in {"author": 2, "name": 2, "dateCreated": 2, "datePublished": 2, "text": 2, "url": 3}.items():
        assert found.properties.count(name) == count
    for name in ("h-entry", "h-cite", "u-comment", "p-author", "dt-published", "e-content"):
        assert found.classes.count(name) == 2


async def test_the_widget_gets_the_posted_comment_as_html_with_its_tokens(client):
    answer = await client.post(
        "/v1/comments", data=fields_of(comment="*Once*."), headers=SCRIPT | {"Accept-Language": "de"}
    )
    text = await answer.text()
    assert (answer.status, answer.content_type) == (202, "text/html")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<em>Once</em>" in text
    assert 'data-text="*Once*."' in text
    (edit,) = re.findall(r'data-edit="(ct_[^"]+)"', text)
    (author,) = re.findall(r'data-author="(ca_[^"]+)"', text)
    assert author
    (id_,) = re.findall(r'id="comment-([^"]+)"', text)

    mine = SCRIPT | {"Authorization": f"Bearer {edit}"}
    again = await client.get(f"/v1/comments/{id_}", headers=mine)
    assert again.content_type == "text/html"
    assert "data-edit" not in await again.text()
    edited = await client.patch(f"/v1/comments/{id_}", json={"comment": "Twice."}, headers=mine)
    assert "<p>Twice.</p>" in await edited.text()


async def test_the_widget_gets_errors_in_its_language_and_programs_in_english(client):
    for accept, words in ((SCRIPT["Accept"], "Bitte"), ("application/json", "Please enter your name.")):
        headers = {"Accept": accept, "Accept-Language": "de"}
        answer = await client.post("/v1/comments", data=fields_of(name=""), headers=headers)
        assert answer.content_type == "application/problem+json"
        problem = await answer.json()
        assert problem["code"] == "invalid"
        assert words in problem["errors"][0]["detail"]


async def test_counts_include_texts_if_a_language_is_requested(service, client):
    await post_approved(service)
    both = {"thread": ["/a-page/", "/b/"]}
    assert await (await client.post("/v1/counts", data=both)).json() == {"counts": {"/a-page/": 1, "/b/": 0}}
    answer = await (await client.post("/v1/counts", data=both | {"lang": "de"})).json()
    assert answer["words"] == {"/a-page/": "1 Kommentar", "/b/": "0 Kommentare"}


async def test_caches_keep_the_script_for_five_minutes_and_its_hashed_name_for_ever(get):
    short = await get("/embed.js")
    assert short.content_type == "text/javascript"
    assert "max-age=300" in short.headers["Cache-Control"]
    assert (await get("/embed.js", If_None_Match=short.headers["ETag"])).status == 304
    hashed = await get(f"/embed.{assets.embed().digest}.js")
    assert "immutable" in hashed.headers["Cache-Control"]
    assert await hashed.read() == await short.read()
    assert hashed.headers["Access-Control-Allow-Origin"] == "*", "browsers check the integrity only of readable answers"
    assert (await get("/embed.0000000000000000.js")).status == 404


async def test_the_documented_digest_matches_the_script(get):
    body = await (await get("/embed.js")).read()
    integrity = f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"
    documented = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    for page in (documented, await (await get("/")).text()):
        assert f'integrity="{integrity}"' in page
        assert f"/embed.{assets.embed().digest}.js" in page


async def test_the_script_has_its_style_sheet_and_no_code_comments(get):
    script = await (await get("/embed.js")).text()
    assert not re.search(r"^\s*//", script, re.MULTILINE)
    assert '"thread.css"' not in script
    style = json.dumps(await (await get("/thread.css")).text())[1:-1]
    rest = assets.embed_form().body.decode()
    assert any(style[:at] in script and style[at:] in rest for at in range(len(style))), "one half is in each script"
    assert "eval" not in script
    assert "document.cookie" not in script


async def test_a_deleted_comment_with_a_reply_leaves_a_placeholder(service, client):
    first = await post_approved(service, name="Mia")
    await post_approved(service, comment="A reply.", parent=first.id, name="Sam")
    key = await a_key(service)
    await client.post("/v1/moderation/actions", json={"action": "trash", "ids": [first.id]}, headers=key)
    text = await (await client.get(HTML)).text()
    assert "This comment was deleted." in text
    assert "Mia" not in text


@pytest.mark.parametrize("mode", [Mode.ALL, Mode.NONE])
async def test_hostile_names_are_escaped_in_the_html(served, aiohttp_client, mode):
    service = await served(moderation=mode)
    client = await aiohttp_client(application(service))
    hostile = '"><script>alert(1)</script>%(x)s {{ 7 * 7 }}'
    answer = await client.post("/v1/comments", data=fields_of(name=hostile, comment=hostile), headers=SCRIPT)
    texts = [await answer.text(), await (await client.get(HTML)).text()]
    for text in texts:
        assert "<script" not in text
        assert " 49" not in text
