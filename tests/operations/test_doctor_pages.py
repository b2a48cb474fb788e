"""Test what the doctor reads from pages of real blogs: wrong HTML, unusual headers, slow servers."""

import gzip
import http.client
import socket
import threading
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate

import pytest

from commentsvc.config.settings import Config
from commentsvc.operations.doctor import fetch as fetching
from commentsvc.operations.doctor import script_file
from commentsvc.operations.doctor.document import ScriptTag, read_document
from commentsvc.operations.doctor.fetch import Answer, FetchFailed, Request, fetch, split_address
from commentsvc.operations.doctor.findings import Level
from commentsvc.operations.doctor.page import BlogPage, check_certificate, check_page, fetch_page
from commentsvc.operations.doctor.policy import find_blocked
from tests.operations.blog import blog

SERVICE = "https://comments.example"
CONFIG = Config(public_url=SERVICE)
TAG = f"<script async src={SERVICE}/embed.js></script>"


@pytest.fixture(scope="module")
def a_blog():
    with blog() as found:
        yield found


def look(url):
    """Return what is wrong with a page."""
    return [one for one in check_page(fetch_page(url, CONFIG), CONFIG) if one.level is not Level.OK]


@pytest.mark.parametrize(
    "html",
    [
        f'<script src="http://[site/x.js"></script><link rel=canonical href="">{TAG}',
        f'<base href="http://[x"><script src="data:text/javascript,1"></script>{TAG}',
        f'<base href="{SERVICE}/"><base href="https://other.example/"><script src="embed.js"></script>',
        '<script async src="HTTPS://Comments.Example:443/embed.js#x"></script>',
        f"<head><title>{TAG}</title><p>A post without the tag body.{TAG}",
        f'<script src="{SERVICE}/embed.js" src="/other.js"></script>',
        f"<noscript><p>No comments.</noscript><template><template></template>{TAG}</template>{TAG}",
    ],
)
def test_wrong_html_is_read_as_browsers_read_it(a_blog, html):
    assert look(a_blog.show(f"<!doctype html>{html}" if html.startswith("<head") else f"<body>{html}")) == []


@pytest.mark.parametrize(
    "html",
    [
        f"<noscript>{TAG}</noscript>",
        f"<template><template></template>{TAG}</template>",
        f"<textarea>{TAG}</textarea>",
        f"<!-- {TAG} -->",
    ],
)
def test_a_script_that_is_only_text_on_the_page_is_missing(a_blog, html):
    [fault] = look(a_blog.show(html))
    assert fault.says.startswith("The page has no script of commentsvc")


@pytest.mark.parametrize("content", ["0; url=/new/", "0;URL='/new/'", "1.5, /new/"])
def test_a_page_that_sends_its_readers_to_another_one_names_it(a_blog, content):
    url = a_blog.show(f'<meta http-equiv=refresh content="{content}">')
    with pytest.raises(FetchFailed, match=f"sends its readers to {a_blog.url}/new/"):
        look(url)
    assert look(a_blog.show(f"<meta http-equiv=refresh content=300><body>{TAG}")) == []


def test_a_script_for_old_browsers_only_does_not_run(a_blog):
    [fault] = look(a_blog.show(f'<body><script nomodule src="{SERVICE}/embed.js"></script>'))
    assert "the attribute nomodule" in fault.says


def test_the_thread_is_the_one_that_a_theme_for_another_system_names():
    place = '<section id="isso-thread" data-isso-id="/a/"></section><div id=cusdis_thread data-page-id="{{ id }}">'
    assert read_document("https://blog.example/b/", place).threads == [{"thread": "/a/"}, {}]


@pytest.mark.parametrize("charset", ["undefined", "idna", "base64", "x-unknown", "utf-16"])
def test_a_charset_that_is_wrong_stops_no_check(a_blog, charset):
    html = f"<!doctype html>{TAG}"
    fetched = fetch(Request(a_blog.show(html, Content_Type=f"text/html; charset={charset}")))
    # Browsers take the server at its word: it could be UTF-16.
    assert fetched.text() == (html.encode().decode(charset, "replace") if charset == "utf-16" else html)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=latin-1", "é"),
        ("é".encode("utf-16"), "text/html", "é"),
        (b'<meta charset="windows-1251">\xe9', "text/html", '<meta charset="windows-1251">й'),
        (b"\xc3\xa9", "text/html", "é"),
    ],
)
def test_a_page_has_the_charset_that_browsers_find(body, kind, text):
    headers = http.client.HTTPMessage()
    headers["Content-Type"] = kind
    assert Answer("https://blog.example/", 200, headers, body).text() == text


@pytest.mark.parametrize(
    ("date", "age", "is_wrong"),
    [
        (0, "36000", False),  # a cache that sets its own date
        (3600, "3600", False),  # a cache that keeps the date of the origin
        (3600, None, True),
        (7200, "3600", True),
        (3600, "an hour", False),  # nothing is known
    ],
)
def test_a_page_from_a_cache_has_no_wrong_clock(date, age, is_wrong):
    headers = http.client.HTTPMessage()
    headers["Date"] = formatdate(time.time() - date, usegmt=True)
    if age:
        headers["Age"] = age
    answer = Answer("https://blog.example/", 200, headers, b"", offset=fetching.clock_offset(headers))
    assert [one.check for one in check_certificate("page", answer)] == ["page"] * is_wrong


@pytest.mark.parametrize(
    "address", ["http://a..b/", f"http://{'a' * 70}.example/", "http://ü..b/", "http://[x/", "/a/"]
)
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(FetchFailed, match="is not an http or https address"):
        fetch(Request(address))


def test_addresses_are_sent_as_browsers_send_them():
    assert split_address("https://user:secret@Straße.Example:443/ü x?q=é").geturl() == (
        "https://xn--strae-oqa.example/%C3%BC%20x?q=%C3%A9"
    )


def test_a_password_in_the_address_is_not_printed(a_blog):
    with pytest.raises(FetchFailed) as failed:
        fetch_page(a_blog.url.replace("http://", "http://editor:secret@") + "/missing", CONFIG)
    assert "secret" not in str(failed.value)


def test_redirects_go_where_browsers_go(a_blog):
    a_blog.show(TAG, "/%D0%BF/")
    a_blog.show("", "/old", status=302, Location="/п/".encode().decode("latin-1"))
    assert fetch(Request(f"{a_blog.url}/old")).url == f"{a_blog.url}/%D0%BF/"
    with pytest.raises(FetchFailed, match="redirects to http://\\[x/"):
        fetch(Request(a_blog.show("", "/wrong", status=302, Location="http://[x/")))


def test_a_compression_that_nobody_asked_for_is_named(a_blog):
    with pytest.raises(FetchFailed, match="compressed by br"):
        fetch_page(a_blog.show("x", Content_Encoding="br"), CONFIG)


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_page_is_read_as_a_whole_or_not_at_all(pack, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", 200)
    encoding = "gzip" if pack is gzip.compress else ""
    with one_answer(pack(b"a" * 200), encoding) as url:
        assert fetch(Request(url)).body == b"a" * 200
    with one_answer(pack(b"a" * 201), encoding) as url, pytest.raises(FetchFailed, match="The answer has more than"):
        fetch(Request(url))


@contextmanager
def one_answer(body, encoding):
    """Serve one answer with this body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def answer(connection):
        connection.recv(4096)
        connection.sendall(head + body)

    with answered_by(answer) as url:
        yield url


@contextmanager
def slow_server(beginning):
    """Serve an answer that begins so and never ends: a byte from time to time."""
    stop = threading.Event()

    def answer(connection):
        with suppress(OSError):
            connection.sendall(beginning)
            while not stop.wait(0.02):
                connection.sendall(b"a")

    with answered_by(answer) as url:
        try:
            yield url
        finally:
            stop.set()


@contextmanager
def answered_by(answer):
    """Let a function answer the first connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        thread.join()
        listener.close()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n",
    ],
)
def test_a_server_that_never_ends_its_answer_does_not_hold_the_doctor(monkeypatch, beginning):
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.1)
    with slow_server(beginning) as url, pytest.raises(FetchFailed, match="did not finish its answer"):
        fetch(Request(url))


def test_a_server_without_https_is_named(a_blog):
    with pytest.raises(FetchFailed, match="does not speak https"):
        fetch(Request(a_blog.url.replace("http:", "https:")))


@pytest.mark.parametrize(
    ("policy", "directives"),
    [
        ("script-src https://*; connect-src https://*:*", []),
        ("script-src *:443; connect-src http://*", []),
        ("script-src *:8443", ["script-src"]),
    ],
)
def test_a_star_in_a_policy_allows_every_host(policy, directives):
    script = ScriptTag(f"{SERVICE}/embed.js", {}, in_head=False)
    assert [one for one, _ in find_blocked([policy], "https://blog.example/", script, SERVICE)] == directives


def test_a_sandbox_of_the_page_lacks_what_the_widget_needs(a_blog):
    [fault] = look(a_blog.show(f"<body>{TAG}", Content_Security_Policy="sandbox allow-scripts"))
    assert fault.cure == "Content-Security-Policy: sandbox allow-scripts allow-same-origin allow-forms"
    assert look(a_blog.show(f'<meta http-equiv="Content-Security-Policy" content="sandbox"><body>{TAG}')) == []


def test_a_page_that_upgrades_addresses_has_no_mixed_content(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    with blog(tmp_path) as by_https:
        html = '<body><script async src="http://comments.example/embed.js"></script>'
        assert "mixed content" in {one.check for one in look(by_https.show(html))}
        page = by_https.show(html, Content_Security_Policy="upgrade-insecure-requests")
        assert {one.check for one in look(page)} <= {"page"}  # its certificate ends soon


def loaded(page_headers, attributes, script_headers, page="https://blog.example/a/"):
    """Return what is wrong with the file of the script on a page."""
    script = ScriptTag(f"{SERVICE}/embed.js", attributes, in_head=False)
    answers = []
    for url, given in ((page, page_headers), (script.url, script_headers)):
        headers = http.client.HTTPMessage()
        for name, value in given.items():
            headers[name] = value
        answers.append(Answer(url, 200, headers, b""))
    found = BlogPage(answers[0], read_document(page, ""), script, SERVICE)
    checks = (script_file.check_digest, script_file.check_isolation)
    return [one for check in checks for one in check(found, script, answers[1])]


EMPTY = {
    "256": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "384": "sha384-OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb",
}
CORP = "Cross-Origin-Resource-Policy"
ISOLATED = {"Cross-Origin-Embedder-Policy": "require-corp"}


@pytest.mark.parametrize(
    ("integrity", "attributes", "says"),
    [
        (EMPTY["256"], {"crossorigin": ""}, None),
        (f"sha256-AAAA {EMPTY['384']}", {"crossorigin": ""}, None),  # only the strongest counts
        ("sha256-AAAA", {"crossorigin": ""}, "The integrity in the page"),
        ("sha512-AAAA", {"crossorigin": ""}, "The integrity in the page"),
        (EMPTY["384"], {}, "without crossorigin"),
        ("md5-AAAA", {}, None),
    ],
)
def test_the_digest_of_the_script_is_compared_as_in_browsers(integrity, attributes, says):
    found = loaded({}, {"integrity": integrity} | attributes, {})
    assert [one.level for one in found] == [Level.FAULT] * bool(says)
    assert not says or says in found[0].says


@pytest.mark.parametrize(
    ("page_headers", "attributes", "script_headers", "page", "is_blocked"),
    [
        (ISOLATED, {}, {CORP: "cross-origin"}, "https://blog.example/", False),
        (ISOLATED, {}, {}, "https://blog.example/", True),
        (ISOLATED, {"crossorigin": ""}, {}, "https://blog.example/", False),
        ({}, {}, {CORP: "same-origin"}, "https://blog.example/", True),
        ({}, {}, {CORP: "same-site"}, "https://blog.example/", True),
        ({}, {}, {CORP: "same-site"}, "https://www.comments.example/", False),
    ],
)
def test_a_script_is_kept_from_a_page_as_in_browsers(page_headers, attributes, script_headers, page, is_blocked):
    assert bool(loaded(page_headers, attributes, script_headers, page)) == is_blocked
