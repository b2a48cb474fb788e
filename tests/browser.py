"""Fixtures that open pages in Chromium, and record everything that a page must never do."""

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, async_playwright

from commentsvc.access import moderators
from tests import conftest
from tests.chromium import ARGUMENTS, CHROMIUM

# Chromium logs this for every answer with an error status; it is not an error of the page.
REFUSED = "Failed to load resource: the server responded with a status of 4"

# Starting Chromium takes a second, so the tests of a module share one, and with it their event loop: such a
# module is marked asyncio(loop_scope="module").
in_shared_loop = partial(pytest_asyncio.fixture, loop_scope="module")


@in_shared_loop(scope="module")
async def chromium():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@in_shared_loop()
async def opened(laid_file, tmp_path, clock):
    """The fixture ``live``, in the event loop of the browser: ``url, service = await opened(...)``."""
    async with asynccontextmanager(conftest.live.__wrapped__)(laid_file, tmp_path, clock) as start:
        yield start


@in_shared_loop()
async def curl():
    """An HTTP client without a browser."""
    async with aiohttp.ClientSession() as session:
        yield session


@in_shared_loop()
async def browse(chromium):
    """Open a page in a new browser context: ``page = await browse(url)``. Scripts run only with ``script=True``.

    Only a ``moderator`` may have a cookie (of the session).

    The test fails if a page sends a request to an origin other than this one and those in ``also``, opens a dialog,
    sets a cookie, or writes to the console (Chromium logs violations of the Content-Security-Policy there).
    """
    violations, anonymous = [], []
    async with AsyncExitStack() as stack:

        async def open_page(url, *, script=False, also=(), moderator=False, **options) -> Page:
            person = await chromium.new_context(base_url=url, java_script_enabled=script, **options)
            stack.push_async_callback(person.close)
            person.set_default_timeout(10_000)
            if not moderator:
                anonymous.append(person)
            page = await person.new_page()
            page.ignored = []  # console messages that a test expects
            _record_violations(page, {urlsplit(origin).netloc for origin in (url, *also)}, violations)
            return page

        yield open_page
        violations += [f"cookie: {cookie}" for person in anonymous for cookie in await person.cookies()]
    assert violations == []


@in_shared_loop()
async def blog():
    """A blog with its own origin: ``url = await blog(page)``. Every path of it serves this page."""
    async with AsyncExitStack() as stack:

        async def start(page, headers=None):
            async def show(_request):
                return web.Response(text=page, content_type="text/html", headers=headers)

            app = web.Application()
            app.router.add_get("/{path:.*}", show)
            runner = web.AppRunner(app)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


def _record_violations(page, allowed, violations):
    async def dismiss(dialog):
        violations.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def check_request(request):
        if urlsplit(request.url).netloc not in allowed:
            violations.append(f"request: {request.url}")

    def check_message(message):
        text = f"{message.text} {message.location['url']}"
        if not any(expected in text for expected in (REFUSED, *page.ignored)):
            violations.append(f"console: {message.text}")

    page.on("dialog", dismiss)
    page.on("request", check_request)
    page.on("console", check_message)
    page.on("pageerror", lambda error: violations.append(f"error: {error}"))


POST = (
    "<!doctype html><html lang={lang}><meta charset=utf-8><title>A post</title>{head}<h1>A post</h1><p>Words.</p>{line}"
)
LINE = '<script async src="{service}/embed.js"></script>'


@in_shared_loop()
async def at_post(opened, blog, browse):
    """A reader at a blog post with comments: ``page, service = await at_post(moderation=…)``.

    The post contains ``line`` and ``element``. ``{service}`` in these is replaced by the URL of the service.
    """

    async def open_page(
        *, line=LINE, element="", head="", lang="en", path="/a-post/", headers=None, person=None, **settings
    ):
        url, service = await opened(**settings)
        parts = {"head": head.replace("{service}", url), "line": (line + element).replace("{service}", url)}
        sent_headers = {name: value.replace("{service}", url) for name, value in (headers or {}).items()}
        blog_url = await blog(POST.format(lang=lang, **parts), sent_headers)
        page = await browse(blog_url, script=True, also=[url], **(person or {}))
        await page.goto(path)
        return page, service

    yield open_page


@in_shared_loop()
async def at_desk(opened, browse):
    """A signed-in moderator: ``ada, service = await at_desk()``; ``await at_desk("Sam", beside=service)``."""

    async def open_page(name="Ada", *, beside=None, script=True, person=None, **settings):
        service = beside or (await opened(**settings))[1]
        url = service.config.own_origin
        if name not in {one.name for one in await moderators.list_moderators(service)}:
            await moderators.add_moderator(service, name, None, [])
        page = await browse(url, script=script, moderator=True, **(person or {}))
        await page.goto((await moderators.create_sign_in_link(service, name)).removeprefix(url))
        await page.locator("form.sign-in button").click()
        await page.wait_for_url("**/moderate")
        return page, service

    yield open_page
