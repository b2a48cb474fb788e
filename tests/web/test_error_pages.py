"""A person who goes wrong reads a page that says what to do; a program reads a problem."""

import pytest
from yarl import URL

from commentsvc.web.routes import application
from tests.conftest import a_service

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
OWN = {"Sec-Fetch-Site": "same-origin"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
async def service(served):
    """The service on SQLite: what a page says does not depend on the database."""
    return await served()


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "shown"),
    [
        ("GET", "/nothing", {}, 404, ("Page not found", "Check it for mistakes.", 'href="/"')),
        ("GET", "/nothing/", {}, 404, ("Page not found", 'href="/"')),
        ("GET", "//evil.example/", {}, 404, ("Page not found",)),
        ("GET", "/moderate/nothing", {}, 404, ("Page not found", 'href="/moderate"')),
        ("GET", "/moderate/nothing/", {}, 404, ("Page not found", 'href="/moderate"')),
        ("GET", "/v1/nothing", {}, 404, ("Page not found", 'href="/docs"')),
        ("GET", "/t", {}, 422, ("This link does not work", "open the page again")),
        ("GET", "/v1/comments?site=x", {}, 422, ("could not be read",)),
        ("GET", "/v1/moderation/comments", {}, 401, ("Authentication required.", 'href="/docs"')),
        ("POST", "/moderate/sign-in", OWN | {"Content-Type": "text/plain"}, 415, ("in a wrong format", "Your key")),
        ("GET", "/moderate/act", {}, 405, ("This page cannot be opened", "only receives forms", 'href="/moderate"')),
        ("POST", "/t", FORM, 405, ("This page cannot be opened", "So many words")),
        ("POST", "/v1/comments", {"Content-Type": "text/plain"}, 415, ("Your form could not be read", "wrong format")),
        (
            "POST",
            "/v1/comments",
            FORM | {"Size": "70000"},
            413,
            ("Too much text", "Shorten your text", "So many words"),
        ),
        ("GET", "/?" + "x" * 9000, {}, 431, ("The address or a cookie is too long", "the method POST")),
    ],
)
async def test_a_person_reads_a_page_and_a_program_a_problem(client, method, path, more, status, shown):
    address = f"http://{client.host}:{client.port}{path}"
    headers, size = dict(more), int(more.get("Size", 0))
    body = None if method == "GET" else f"thread=/a/&comment=So many words {'x' * size}"
    response = await client.session.request(
        method, address, headers=BROWSER | headers, data=body, allow_redirects=False
    )
    page = await response.text()
    assert (response.status, response.content_type) == (status, "text/html"), page
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for text in shown:
        assert text in page
    response = await client.session.request(method, address, headers=headers, data=body, allow_redirects=False)
    assert (response.status, response.content_type) == (status, "application/problem+json")


async def test_a_person_reads_an_error_in_their_language(client):
    for path in ("/nothing", "/?" + "x" * 9000):
        response = await client.get(path, headers=BROWSER | {"Accept-Language": "ar"})
        assert '<html lang="ar" dir="rtl">' in await response.text()


@pytest.mark.parametrize("path", ["/moderate", "/docs", "/t", "/moderate/rules", "/moderate/comments/0-1/ban"])
async def test_a_slash_too_many_leads_to_the_page(client, path):
    for headers in ({}, BROWSER):
        response = await client.get(
            URL(f"{path}/?thread=%2Fa%2F", encoded=True), headers=headers, allow_redirects=False
        )
        assert (response.status, response.headers["Location"]) == (308, f"{path}?thread=%2Fa%2F")
        assert response.headers["Cache-Control"] == "no-store"
    response = await client.post(f"{path}/", headers=BROWSER | FORM, data="comment=x", allow_redirects=False)
    assert response.status == 404, "a form is never sent on"


async def test_a_slash_too_many_leads_to_the_page_below_a_path(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, public_url="https://blog.example/comments") as service:
        client = await aiohttp_client(application(service))
        root = f"http://{client.host}:{client.port}"
        for path in ("/comments/docs/", "/docs/", "//docs/"):
            response = await client.session.get(f"{root}{path}", allow_redirects=False)
            assert (response.status, response.headers["Location"]) == (308, "/comments/docs")
        for path in ("/comments//evil.example/", "/nothing/"):
            assert (await client.session.get(f"{root}{path}", allow_redirects=False)).status == 404
