"""Every request gets a valid answer, and no client can block the service."""

import asyncio
import json
import re
import zlib

import pytest
from aiohttp.test_utils import TestClient, TestServer

from commentsvc.comments import post
from commentsvc.domain.errors import Invalid
from commentsvc.web.routes import application
from commentsvc.web.server.connections import Deadlines
from commentsvc.web.server.middleware import DRAINING
from tests.comments.test_post import everything_in
from tests.conftest import draft, fields_of, visit

PROBLEM = {"type", "title", "status", "detail", "code", "errors"}
SHORT_DEADLINES = Deadlines(header=0.3, idle=0.6, sweep=0.05, drain=0, last=0, finish=2)


async def exchange(url, raw, *, until_closed=True):
    """Send bytes; return the answer up to the end of the connection, or up to 64 KiB."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    try:
        return await asyncio.wait_for(reader.read(-1 if until_closed else 65536), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def parse_answer(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/comments", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("GET", "/v1/comments", 422, "invalid"),
        ("POST", "/v1/comments", 415, "unsupported_media_type"),
        ("GET", "/v1/comments?thread=%ff", 400, "malformed_request"),
        ("GET", "/v1/comments/../../etc/passwd", 404, "not_found"),
    ],
)
async def test_every_error_is_sent_as_problem_json(client, method, path, status, code):
    response = await client.request(method, path, data=b"x" if method == "POST" else None)

    assert (response.status, response.content_type) == (status, "application/problem+json")
    problem = await response.json()
    assert set(problem) == PROBLEM
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Request-ID"]
    if status == 405:
        assert response.headers["Allow"]


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: secret-canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"POST /v1/comments HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/comments HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_request_that_cannot_be_parsed_gets_problem_json(live, raw, caplog):
    url, _ = await live(SHORT_DEADLINES)
    status, headers, body = parse_answer(await exchange(url, raw))

    assert 400 <= status < 500
    assert headers["Content-Type"].startswith("application/problem+json")
    assert set(json.loads(body)) == PROBLEM
    assert re.fullmatch("[0-9a-f]{16}", headers["X-Request-ID"])
    assert b"canary" not in body
    assert "canary" not in caplog.text
    assert "127.0.0.1" not in caplog.text


@pytest.mark.parametrize("path", ["/v1/comments?thread=/a-page/", "/nowhere"])
async def test_an_expectation_that_nobody_can_meet_gets_problem_json(live, path):
    url, _ = await live(SHORT_DEADLINES)
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nConnection: close\r\n\r\n".encode()
    status, headers, body = parse_answer(await exchange(url, request))

    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (
        417, "application/problem+json", "nosniff",
    )  # fmt: skip
    assert json.loads(body)["code"] == "expectation_not_met"
    assert headers["X-Request-ID"]


async def test_the_service_refuses_a_compressed_body_without_unpacking_it(live, browser_less):
    url, _ = await live()
    bomb = zlib.compress(b"0" * 20_000_000)
    response = await browser_less.post(
        f"{url}/v1/comments",
        data=bomb,
        headers={"Content-Encoding": "deflate", "Content-Type": "application/json"},
    )
    assert response.status == 415
    assert response.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("chunked", [True, False])
async def test_the_service_refuses_a_body_that_is_too_large(live, browser_less, chunked):
    url, _ = await live()

    async def send_chunks():
        for _ in range(80):
            yield b"x" * 1024

    data = send_chunks() if chunked else b"x" * 65 * 1024
    response = await browser_less.post(f"{url}/v1/comments", data=data, headers={"Content-Type": "application/json"})
    assert response.status == 413
    assert (await response.json())["code"] == "too_large"


async def test_the_service_closes_a_connection_that_does_not_finish_its_header(live):
    url, _ = await live(SHORT_DEADLINES)
    before = asyncio.get_running_loop().time()

    assert await exchange(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n") == b""
    assert await exchange(url, b"") == b""
    assert asyncio.get_running_loop().time() - before < 5


async def test_the_service_stops_waiting_for_an_unfinished_body(live, monkeypatch):
    monkeypatch.setattr("commentsvc.web.server.body.BODY_SECONDS", 0.2)
    url, _ = await live(SHORT_DEADLINES)
    request = b"POST /v1/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"

    status, _, body = parse_answer(await exchange(url, request))
    assert (status, json.loads(body)["code"]) == (408, "too_slow")


async def test_the_service_closes_an_idle_connection(live):
    url, _ = await live(SHORT_DEADLINES)
    answer = await exchange(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


async def test_the_service_reports_that_it_is_stopping_and_still_answers(live, browser_less):
    url, service = await live()
    assert (await browser_less.get(f"{url}/readyz")).status == 200
    app = application(service)
    app[DRAINING].process = app[DRAINING].service = True
    async with TestClient(TestServer(app)) as client:
        ready = await client.get("/readyz")
        assert (ready.status, ready.headers["Connection"]) == (503, "close")
        posted = await client.post("/v1/comments", json=fields_of())
        assert (posted.status, posted.headers["Connection"]) == (202, "close")


async def test_every_answer_has_security_headers_and_no_version(client):
    for path in ("/healthz", "/nowhere", "/", "/docs", "/v1/comments?thread=x"):
        headers = (await client.get(path)).headers
        assert headers["Server"] == "commentsvc"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Set-Cookie" not in headers


async def test_a_client_gets_all_field_errors_at_once(client):
    body = fields_of(name=" ", email="nobody", comment="", website="javascript:x", parent=7, unknown="x")
    response = await client.post("/v1/comments", json=body)

    assert response.status == 422
    assert [(fault["field"], fault["code"]) for fault in (await response.json())["errors"]] == [
        ("name", "required"),
        ("email", "invalid_email"),
        ("comment", "required"),
        ("website", "invalid_url"),
        ("parent", "invalid"),
        ("unknown", "unknown_field"),
    ]


async def test_a_client_can_use_an_idempotency_key_as_submission(client):
    header = {"Idempotency-Key": '"one-of-a-kind"'}
    first = await client.post("/v1/comments", json=fields_of(), headers=header)
    again = await client.post("/v1/comments", json=fields_of(), headers=header)
    other = await client.post("/v1/comments", json=fields_of(comment="Other."), headers=header)

    assert (first.status, again.status) == (202, 202)
    assert await first.read() == await again.read()
    by_form = await client.post("/v1/comments", data=fields_of(), headers=header)
    assert (by_form.status, await by_form.read()) == (202, await first.read())
    assert first.headers["Location"] == f"/v1/comments/{(await first.json())['id']}"
    assert (other.status, (await other.json())["code"]) == (422, "submission_reused")


async def test_only_a_trusted_proxy_can_set_the_client_address(served, aiohttp_client):
    for trusted, network in (("", "127.0.0.0/24"), ("127.0.0.0/8 10.0.0.0/8", "203.0.113.0/24")):
        service = await served(trusted_proxies=trusted)
        client = await aiohttp_client(application(service))
        forwarded = "198.51.100.66, 203.0.113.9, 10.1.2.3"  # the first address is forged by the client
        await client.post("/v1/comments", json=fields_of(), headers={"X-Forwarded-For": forwarded})
        (contact,) = await everything_in(service, "contact")
        assert contact["network"] == network


async def test_an_undeliverable_email_domain_is_refused_only_if_the_operator_enables_it(served, name_server):
    without_check = await served()
    await post.post_comment(without_check, draft(email="x@no-such-domain.example"), visit())
    assert name_server.asked == []
    with_check = await served(deliverability="on")
    with pytest.raises(Invalid) as refused:
        await post.post_comment(with_check, draft(email="x@no-such-domain.example"), visit())
    assert refused.value.faults[0].field == "email"
    name_server.known.add("blog.example")
    await post.post_comment(with_check, draft(email="x@blog.example"), visit())
    assert set(name_server.asked) == {"no-such-domain.example", "blog.example"}


async def test_a_browser_that_names_no_thread_gets_an_html_page(client):
    browser = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    page = await client.get("/t", headers=browser)

    assert (page.status, page.content_type) == (422, "text/html")
    assert "This link does not work" in await page.text()
    script = await client.get("/t", headers={"Sec-Fetch-Mode": "cors"})
    assert (script.status, script.content_type) == (422, "application/problem+json")
