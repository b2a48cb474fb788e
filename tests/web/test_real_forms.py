"""Forms of real blogs: other names, other encodings, fields sent twice; a browser always gets a page."""

import asyncio
import html
import io
import re
from urllib.parse import quote, urlencode

import pytest

from commentsvc.domain.models import Mode
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from commentsvc.web.routes import application
from commentsvc.web.server import forms
from tests.conftest import EVERYTHING, fields_of

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
OLD_BROWSER = {"Accept": "text/html,application/xhtml+xml"}
THEME = {"comment_post_ID": "17", "author": "Jo", "email": "jo@example.com"}
STATICMAN = {"fields[name]": "Jo", "fields[email]": "jo@example.com", "options[slug]": "a-post"}


@pytest.fixture
async def service(served):
    """The service on SQLite: what a form means does not depend on the database."""
    return await served()


async def sent(client, body, headers=FORM):
    """Send a form; return the response and its JSON."""
    body = urlencode(body) if isinstance(body, dict) else body
    response = await client.post("/v1/comments", data=body, headers=headers)
    return response, await response.json()


async def stored(service, status):
    """Return the only comment with this status, as text."""
    [comment] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status=status))).comments
    return str(comment)


async def faults(client, body):
    response, problem = await sent(client, body)
    assert response.status == 422
    return {fault["field"]: fault["code"] for fault in problem["errors"]}


# Names of other systems


@pytest.mark.parametrize("name", ["d71b1f9ab8", "0123456789", "j71b1f9ab8"])
@pytest.mark.parametrize("trap", ["comment=", "comment=+%0D%0A", ""])
async def test_a_renamed_text_area_is_the_comment(service, client, name, trap):
    response, receipt = await sent(client, f"{urlencode(THEME)}&{name}=my+words&{trap}")
    assert (response.status, receipt["html"]) == (202, "<p>my words</p>")
    assert "honeypot" not in await stored(service, "pending")


async def test_a_program_that_fills_the_old_text_area_too_is_noticed(service, client):
    response, receipt = await sent(client, f"{urlencode(THEME)}&d71b1f9ab8=my+words&comment=buy")
    assert (response.status, receipt["html"]) == (202, "<p>my words</p>")
    assert "honeypot" in await stored(service, "pending")


@pytest.mark.parametrize(
    "body",
    [
        f"{urlencode(THEME)}&d71b1f9ab8=one&e71b1f9ab8=two&comment=",  # which one?
        f"{urlencode(THEME)}&D71B1F9AB8=one&comment=",
        f"{urlencode(THEME)}&d71b1f9ab=one&comment=",
        f"{urlencode(fields_of(comment=''))}&d71b1f9ab8=one",  # not a form of WordPress
    ],
)
async def test_other_fields_are_not_taken_for_the_comment_but_are_given_back(client, body):
    assert await faults(client, body) == {"comment": "required"}
    page = await client.post("/v1/comments", data=body, headers=FORM | BROWSER)
    text = await page.text()
    assert (page.status, page.content_type) == (422, "text/html")
    assert re.search(r"readonly[^>]*>\n?one", text)
    assert (re.search(r"^two\b", text, re.MULTILINE) is not None) == ("two" in body)


@pytest.mark.parametrize("names", [("message", "url"), ("comment", "website"), ("body", "url")])
async def test_the_form_of_staticman_works(service, client, names):
    text, website = names
    fields = STATICMAN | {
        f"fields[{text}]": "my words",
        f"fields[{website}]": "jo.example",
        "fields[replying_to]": "",
        "options[redirect]": "https://evil.example/",
        "options[reCaptcha][siteKey]": "x",
    }
    response, receipt = await sent(client, fields)
    assert response.status == 202
    assert (receipt["name"], receipt["website"], receipt["thread"]) == ("Jo", "https://jo.example", "a-post")
    assert receipt["html"] == "<p>my words</p>"


async def test_the_first_name_with_a_value_counts_and_ours_before_all(client):
    fields = STATICMAN | {
        "fields[message]": "",
        "fields[body]": "my words",
        "options[slug]": "",
        "options[entryId]": "7",
    }
    assert (await sent(client, fields))[1]["thread"] == "7"
    assert (await sent(client, fields | {"thread": "/ours/", "comment": "our words"}))[1]["thread"] == "/ours"


async def test_the_page_of_a_staticman_form_names_the_thread_if_nothing_else_does(client):
    page = {"options[origin]": "https://localhost/a-post/", "fields[message]": "my words"}
    alone = {name: value for name, value in STATICMAN.items() if name != "options[slug]"}
    assert (await sent(client, alone | page))[1]["thread"] == "/a-post"
    assert (await sent(client, STATICMAN | page))[1]["thread"] == "a-post"


async def test_a_reply_in_the_form_of_staticman_has_its_parent(served, aiohttp_client):
    service = await served(moderation=Mode.NONE)
    client = await aiohttp_client(application(service))
    _, first = await sent(client, STATICMAN | {"fields[message]": "my words"})
    _, reply = await sent(client, STATICMAN | {"fields[message]": "an answer", "fields[replying_to]": first["id"]})
    assert reply["parent"] == first["id"]


async def test_names_of_other_systems_are_refused_in_json(client):
    response = await client.post("/v1/comments", json=fields_of(**{"fields[name]": "Jo", "d71b1f9ab8": "x"}))
    assert {fault["field"] for fault in (await response.json())["errors"]} == {"fields[name]", "d71b1f9ab8"}


# Fields sent twice


@pytest.mark.parametrize(
    "again", ["comment_post_ID=17", "ak_js=1&ak_js=2", "x[]=1&x[]=2", "author=Jo&author=Jo", "=&=1", "topic=&topic="]
)
async def test_equal_values_count_once_and_other_names_are_ignored(client, again):
    response, receipt = await sent(client, f"{urlencode(THEME | {'comment': 'words'})}&{again}")
    assert response.status == 202
    assert (receipt["name"], receipt["thread"]) == ("Jo", "17")


@pytest.mark.parametrize("again", ["comment_post_ID=18", "author=Mia", "email=", "topic=1&topic=2"])
async def test_our_field_with_two_values_is_refused_by_its_name(client, again):
    body = f"{urlencode(THEME | {'comment': 'my words'})}&{again}"
    assert await faults(client, body) == {again.partition("=")[0]: "repeated"}
    page = await client.post("/v1/comments", data=body, headers=FORM | BROWSER)
    assert "my words" in await page.text()


# Encodings


def multipart(pairs, boundary="xYz", charset="utf-8"):
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode(charset)
        for name, value in pairs
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


MULTIPART = {"Content-Type": "multipart/form-data; boundary=xYz"}
FILE = b'--xYz\r\nContent-Disposition: form-data; name="comment"; filename="a.txt"\r\n\r\na file\r\n'


async def test_a_multipart_form_is_read_without_its_files(client):
    fields = fields_of(comment="Grüße,\r\n\r\n--xY & co = 100%", stray="1")
    response, receipt = await sent(client, FILE + multipart(fields.items()), MULTIPART)
    assert response.status == 202
    assert receipt["html"] == "<p>Grüße,</p>\n<p>--xY &amp; co = 100%</p>"


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": 'Multipart/Form-Data; charset=utf-8; boundary="xYz"'}, MULTIPART | {"Origin": "null"}],
)
async def test_multipart_headers_may_be_written_in_other_ways(client, headers):
    body = multipart((THEME | {"comment": "words"}).items()).replace(b"Content-Disposition", b"content-disposition")
    body = body.replace(b'name="author"', b"name=author")
    assert (await sent(client, body, headers))[0].status == 202
    named = body.replace(b"content-disposition", b'Content-Type: text/plain; name="topic"\r\nContent-Disposition')
    assert (await sent(client, named.replace(b"words", b"other"), headers))[0].status == 202
    assert (await sent(client, body.replace(b"\r\n", b"\n").replace(b"words", b"more"), headers))[0].status == 202


@pytest.mark.parametrize("body", [b"", b"x", b"--xYz", b"--xYz--\r\n", b"--other\r\n\r\n", b'{"name": "Mia"}'])
@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=xYz", "multipart/form-data", 'multipart/form-data; boundary="']
)
async def test_a_broken_multipart_form_is_refused(client, body, kind):
    response, problem = await sent(client, body, {"Content-Type": kind})
    assert (response.status, problem["code"]) == (400, "malformed_request")


def test_a_repeated_list_field_survives_each_encoding():
    body = multipart([("thread", "/a/"), ("thread", "/b/")])
    assert forms.normalise_form(MULTIPART["Content-Type"], body) == b"thread=%2Fa%2F&thread=%2Fb%2F"


@pytest.mark.parametrize("charset", ["windows-1252", "ISO-8859-1", "windows-1251", "shift_jis", "utf-8"])
@pytest.mark.parametrize("as_multipart", [False, True])
async def test_a_form_names_its_encoding(client, charset, as_multipart):
    words = {"windows-1251": "Привет", "shift_jis": "日本"}.get(charset, "café")
    fields = fields_of(comment=words, name="Mia &#12354;", _charset_=charset)
    body, headers = urlencode(fields, encoding=charset), FORM
    if as_multipart:
        body, headers = multipart(fields.items(), charset=charset), MULTIPART
    response, receipt = await sent(client, body, headers)
    assert (response.status, receipt["html"]) == (202, f"<p>{words}</p>")
    assert receipt["name"] == ("Mia あ" if charset not in {"shift_jis", "utf-8"} else "Mia &#12354;")


async def test_windows_1252_means_what_browsers_mean(client):
    body = urlencode(fields_of(comment=None)) + "&comment=%93caf%E9%94+%80+5&_charset_=iso-8859-1"
    assert (await sent(client, body))[1]["html"] == "<p>“café” € 5</p>"


@pytest.mark.parametrize(
    ("label", "sent_bytes", "words"),
    [
        ("Shift_JIS", "①髙".encode("cp932"), "①髙"),
        ("windows-31j", "日本".encode("cp932"), "日本"),
        ("EUC-JP", b"\xad\xa1\xfc\xe2" + "日本".encode("euc-jp"), "①髙日本"),
        ("ISO-2022-JP", "日本".encode("iso2022-jp"), "日本"),
        ("EUC-KR", "똠방".encode("cp949"), "똠방"),
        ("gb2312", "朱镕基".encode("gbk") + b"\x80 &#128512;", "朱镕基€ 😀"),
        ("Big5", "碁銹裏".encode("cp950") + b"&#22021;", "碁銹裏嘅"),
        ("ISO-8859-9", "ığş".encode("cp1254"), "ığş"),
        ("TIS-620", "ไทย".encode("cp874"), "ไทย"),
        ("IBM866", "Привет".encode("cp866"), "Привет"),
        ("macintosh", "é".encode("mac-roman"), "é"),
        ("x-mac-cyrillic", "Привет".encode("mac-cyrillic"), "Привет"),
        ("ISO-8859-8-I", "שלום".encode("iso8859-8"), "שלום"),
    ],
)
async def test_an_encoding_means_what_browsers_mean(client, label, sent_bytes, words):
    body = f"{urlencode(fields_of(comment=None))}&comment={quote(sent_bytes)}&_charset_={label}"
    assert (await sent(client, body))[1]["html"] == f"<p>{words}</p>"


@pytest.mark.parametrize("more", ["", "&_charset_=utf-8", "&_charset_=rot13", "&_charset_=zip", "&_charset_=utf-16"])
async def test_a_form_that_is_not_utf_8_is_told_so_and_given_back(client, more):
    body = urlencode(fields_of(comment=None)) + "&comment=caf%E9+words" + more
    response, problem = await sent(client, body)
    assert (response.status, problem["code"]) == (400, "malformed_request")
    assert problem["detail"] == 'The form is not UTF-8. Add accept-charset="utf-8" to it.'
    page = await client.post("/v1/comments", data=body, headers=FORM | BROWSER)
    assert (page.status, page.content_type) == (400, "text/html")
    assert "café words" in await page.text()


async def test_a_form_with_too_many_fields_is_told_so_and_given_back(client):
    body = urlencode(fields_of(comment="my words")) + "&a=" * 1000
    response, problem = await sent(client, body)
    assert (response.status, problem["detail"]) == (400, "The form has more than 1,000 fields.")
    page = await client.post("/v1/comments", data=body, headers=FORM | BROWSER)
    assert (page.status, "my words" in await page.text()) == (400, True)


# A browser always gets a page


@pytest.mark.parametrize("browser", [BROWSER, OLD_BROWSER])
@pytest.mark.parametrize("length", [70_000, 300_000, 1_500_000])
@pytest.mark.parametrize("as_multipart", [False, True])
async def test_a_comment_that_is_too_large_comes_back(client, browser, length, as_multipart):
    fields = fields_of(comment="Grüße " + "x" * length)
    body, headers = urlencode(fields), FORM
    if as_multipart:
        body, headers = multipart(fields.items()), MULTIPART
    body = io.BytesIO(body if isinstance(body, bytes) else body.encode())
    response = await client.post("/v1/comments", data=body, headers=headers | browser)
    page = html.unescape(await response.text())
    assert (response.status, response.content_type) == (413, "text/html")
    assert "Shorten your text, then send it again." in page
    assert 'value="mia@example.com"' in page
    assert f"Grüße {'x' * min(length, 1_000_000)}" in page


async def test_a_program_is_told_at_once_that_its_body_is_too_large(client):
    response, problem = await sent(client, urlencode(fields_of(comment="x" * 70_000)))
    assert (response.status, problem["code"]) == (413, "too_large")


async def test_a_form_that_arrives_too_slowly_comes_back(client, monkeypatch):
    monkeypatch.setattr("commentsvc.web.server.body.BODY_SECONDS", 0.2)

    answered = asyncio.Event()

    async def slow():
        yield urlencode(fields_of(comment="my words")).encode()
        await answered.wait()
        yield b"&a=b"

    response = await client.post("/v1/comments", data=slow(), headers=FORM | BROWSER)
    answered.set()
    assert (response.status, response.content_type) == (408, "text/html")
    assert "my words" in await response.text()


async def test_a_form_of_plain_text_comes_back_in_a_form_that_works(service, client):
    body = "".join(f"{name}={value}\r\n" for name, value in fields_of(comment="my words\r\nand = more").items())
    response = await client.post("/v1/comments", data=body, headers={"Content-Type": "text/plain"} | BROWSER)
    page = await response.text()
    assert (response.status, response.content_type) == (415, "text/html")
    assert "my words\nand = more" in page
    assert 'name="thread" value="/a-page/"' in page
    assert not (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments


@pytest.mark.parametrize("lang", ["en", "de"])
async def test_what_was_typed_comes_back_even_without_a_thread(client, lang):
    body = urlencode({"name": "Jo", "comment": "my words", "review": "more words", "submit": "Post Comment"})
    response = await client.post(f"/v1/comments?lang={lang}", data=body, headers=FORM | BROWSER)
    page = await response.text()
    assert (response.status, response.content_type) == (422, "text/html")
    assert re.search(r">\n?my words\n\nJo\n\nmore words</textarea>", page)
    assert "Post Comment" not in page


@pytest.fixture
async def no_sites(service):
    """Take away a table that every request reads."""
    await service.db.write(lambda statements: statements.run("ALTER TABLE site RENAME TO lost"))
    yield
    await service.db.write(lambda statements: statements.run("ALTER TABLE lost RENAME TO site"))


@pytest.mark.usefixtures("no_sites")
async def test_what_was_typed_comes_back_while_the_database_fails(client):
    response = await client.post("/v1/comments", data=urlencode(fields_of(comment="my words")), headers=FORM | BROWSER)
    assert (response.status, response.content_type) == (503, "text/html")
    assert "my words" in await response.text()


async def test_what_was_typed_comes_back_after_an_internal_error(client, clock):
    clock.time = None
    response = await client.post("/v1/comments", data=urlencode(fields_of(comment="my words")), headers=FORM | BROWSER)
    assert (response.status, response.content_type) == (500, "text/html")
    assert "my words" in await response.text()


@pytest.mark.parametrize("browser", [BROWSER, OLD_BROWSER])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/comments", 422),
        ("/v1/comments?lang=en", 422),
        ("/v1/comments?lang=de&thread=/a/", 422),
        ("/nowhere", 404),
        ("/v1/comments/nobody", 404),
        ("/v1/moderation/comments", 401),
        ("/v1/preview", 405),
    ],
)
async def test_a_refusal_in_a_browser_is_a_page(client, browser, path, status):
    response = await client.get(path, headers=browser)
    assert (response.status, response.content_type) == (status, "text/html")
    assert "<h1>" in await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    program = await client.get(path)
    assert (program.status, program.content_type) == (status, "application/problem+json")


async def test_a_reader_who_reloads_a_refused_form_is_sent_back(client):
    response = await client.get("/v1/comments?lang=en", headers=BROWSER)
    assert "Go back in your browser. Your text is still in the form." in await response.text()


# After posting


@pytest.mark.parametrize("name", ["redirect_to", "options[redirect]"])
async def test_a_path_leads_back_to_the_site_that_posted(served, aiohttp_client, name):
    service = await served(sites="https://blog.example https://other.example")
    client = await aiohttp_client(application(service))
    for origin in ("https://blog.example", "https://other.example"):
        body = fields_of(**{name: "/thanks/?p=1"})
        response = await client.post(
            "/v1/comments", data=body, headers=FORM | BROWSER | {"Origin": origin}, allow_redirects=False
        )
        assert response.headers["Location"] == f"{origin}/thanks/?p=1#comment-pending"


async def test_a_path_leads_back_to_the_page_of_the_thread_if_a_browser_hides_its_origin(service, aiohttp_client):
    origins = ["https://blog.example", "https://www.blog.example"]
    await manage.add_site(service, EVERYTHING, NewSite(name="blog", origins=origins))
    client = await aiohttp_client(application(service))
    for origin in origins:
        body = fields_of(thread=f"{origin}/a/", comment=origin, redirect_to="/thanks/")
        response = await client.post(
            "/v1/comments", data=body, headers=FORM | BROWSER | {"Origin": "null"}, allow_redirects=False
        )
        assert response.headers["Location"] == f"{origin}/thanks/#comment-pending"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "/\t/evil.example/", "/ /evil.example"])
async def test_a_path_leads_nowhere_else(served, aiohttp_client, path):
    client = await aiohttp_client(application(await served(sites="https://blog.example")))
    headers = FORM | BROWSER | {"Origin": "https://blog.example"}
    response = await client.post(
        "/v1/comments", data=fields_of(redirect_to=path), headers=headers, allow_redirects=False
    )
    assert response.headers["Location"].startswith("/t?")


# Parameters that others add to an address


SHARED = (
    "/t?thread=/a/",
    "/v1/comments.atom?thread=/a/",
    "/v1/latest.atom?limit=5",
    "/v1/comments.html?thread=/a/",
    "/?",
)
ADDED = ("fbclid=x", "utm_source=a&utm_source=b", "Thread=/b/", "x=%ff", "%ff=1", "x[]=1", "=", "_=1", quote("日本"))


@pytest.mark.parametrize("path", SHARED)
async def test_parameters_that_others_add_are_ignored(client, path):
    plain = await client.get(path)
    assert plain.status == 200
    tokens = re.compile(rb'name="(started|submission)" value="[^"]*"')
    for added in (*ADDED, "&".join(ADDED)):
        response = await client.get(f"{path}&{added}")
        assert response.status == 200, added
        assert tokens.sub(b"", await response.read()) == tokens.sub(b"", await plain.read())
        assert response.headers.get("ETag") == plain.headers.get("ETag")


@pytest.mark.parametrize("path", ["/t", "/v1/comments.atom", "/v1/comments.html"])
async def test_a_known_parameter_of_a_page_has_one_value(client, path):
    assert (await client.get(f"{path}?thread=/a/&thread=/a/")).status == 200
    response = await client.get(f"{path}?thread=/a/&thread=/b/", headers={"Accept": "*/*"})
    assert response.status == 422


@pytest.mark.parametrize("path", ["/v1/comments?thread=/a/", "/v1/counts?thread=/a/", "/v1/latest?limit=5"])
async def test_the_json_api_stays_strict(client, path):
    for added in ("fbclid=x", "Thread=/a/"):
        response = await client.get(f"{path}&{added}")
        assert [fault["code"] for fault in (await response.json())["errors"]] == ["unknown_field"]
