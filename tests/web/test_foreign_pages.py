"""A website that is not allowed yet learns why, and a page's own monitoring keeps nobody from reading."""

import logging

import pytest

from commentsvc.web.routes import application
from commentsvc.web.server import security

BLOG, NEW = "https://blog.example", "https://new.example"


@pytest.fixture
async def client(aiohttp_client, served):
    return await aiohttp_client(application(await served(sites=BLOG)))


@pytest.mark.parametrize("path", ["/v1/comments", "/v1/counts", "/v1/comments.atom"])
async def test_a_blogger_reads_on_the_new_page_and_in_the_log_which_origin_to_add(client, caplog, path):
    for thread in (f"{NEW}/a-page/", f"{BLOG}/a-page/", "post-17"):
        refused = await client.get(path, params={"thread": thread}, headers={"Origin": NEW})
        assert (refused.status, (await refused.json())["code"]) == (403, "origin_not_allowed")
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in refused.headers
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"COMMENTSVC_SITES={NEW}" in line
    assert "origin_not_allowed" in line


async def test_the_widget_gets_what_to_show_in_the_readers_language(client):
    for origin, told in ((NEW, True), ("null", False)):
        answer = await client.get("/v1/comments.html", params={"thread": f"{NEW}/a/"}, headers={"Origin": origin})
        text = await answer.text()
        assert (answer.status, answer.content_type) == (403, "text/html")
        assert "Comments are not available on this page yet." in text
        assert ("COMMENTSVC_SITES=" in text) == told
        assert "opened as a file" in text or told
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_log_names_no_text_that_is_not_an_origin_and_does_not_fill(client, caplog):
    for origin in ("null", "https://new.example/?secret", "https://me:pw@new.example", "a\tb", "file://x"):
        await client.get("/v1/comments", params={"thread": "/a/"}, headers={"Origin": origin})
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
    refused = security.RefusedOrigins()
    for number in range(2000):
        refused.warn(f"https://h{number}.example", 0)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == security.WARNINGS[0]
    refused.warn(NEW, 3600)
    assert NEW in caplog.records[-1].getMessage()


async def test_monitoring_of_a_page_may_add_its_headers_to_every_request(client):
    """A browser sends a preflight request for these (Fetch standard, CORS-preflight fetch)."""
    more = "baggage, sentry-trace, traceparent"
    for origin in (BLOG, NEW):
        for method in ("GET", "POST", "PATCH", "DELETE"):
            asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": more, "Origin": origin}
            allowed = (await client.options("/v1/comments.html", headers=asked)).headers
            assert "*" in allowed["Access-Control-Allow-Headers"].split(", ")
            assert "Authorization" in allowed["Access-Control-Allow-Headers"], "the asterisk does not cover it"
            assert "Access-Control-Allow-Credentials" not in allowed
            # A page of no site can read why it is refused. It cannot use up its visitors' allowance with failed edits.
            expected = BLOG if origin == BLOG else "*" if method in {"GET", "POST"} else None
            assert allowed.get("Access-Control-Allow-Origin") == expected, method
