"""People's browsers: Chromium, and somebody who notes whatever a page should never do."""

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

# What Chromium itself says of an answer that refuses; it is no fault of the page's.
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
    """The fixture ``live``, in the loop that the browser lives in: ``url, service = await opened(...)``."""
    async with asynccontextmanager(conftest.live.__wrapped__)(laid_file, tmp_path, clock) as start:
        yield start


@in_shared_loop()
async def curl():
    """Somebody at a command line."""
    async with aiohttp.ClientSession() as session:
        yield session


@in_shared_loop()
async def browse(chromium):
    """Sit somebody down at a browser of their own: ``page = await browse(url)``. No script runs, unless asked for.

    A ``moderator`` may keep the cookie of a session.

    When the test is over, no page may have asked an origin but that one and those in ``also``, opened a dialog, set
    a cookie, or left a word in the console (where violations of the Content-Security-Policy are noted).
    """
    misdeeds, people = [], []
    async with AsyncExitStack() as stack:

        async def sit_down(url, *, script=False, also=(), moderator=False, **options) -> Page:
            person = await chromium.new_context(base_url=url, java_script_enabled=script, **options)
            stack.push_async_callback(person.close)
            person.set_default_timeout(10_000)
            if not moderator:
                people.append(person)
            page = await person.new_page()
            page.ignored = []  # what a test expects to be complained of
            _watch(page, {urlsplit(origin).netloc for origin in (url, *also)}, misdeeds)
            return page

        yield sit_down
        misdeeds += [f"cookie: {cookie}" for person in people for cookie in await person.cookies()]
    assert misdeeds == []


@in_shared_loop()
async def blog():
    """A blog of an origin of its own: ``url = await blog(page)``; that page is what stands at every address."""
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


def _watch(page, known, misdeeds):
    async def dismiss(dialog):
        misdeeds.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def ask(request):
        if urlsplit(request.url).netloc not in known:
            misdeeds.append(f"request: {request.url}")

    def say(message):
        said = f"{message.text} {message.location['url']}"
        if not any(expected in said for expected in (REFUSED, *page.ignored)):
            misdeeds.append(f"console: {message.text}")

    page.on("dialog", dismiss)
    page.on("request", ask)
    page.on("console", say)
    page.on("pageerror", lambda error: misdeeds.append(f"error: {error}"))


POST = (
    "<!doctype html><html lang={lang}><meta charset=utf-8><title>A post</title>{head}<h1>A post</h1><p>Words.</p>{line}"
)
LINE = '<script async src="{service}/embed.js"></script>'


@in_shared_loop()
async def at_post(opened, blog, browse):
    """Somebody at a blog's post with comments: ``page, service = await at_post(moderation=…)``.

    The blog pasted ``line``, and perhaps an ``element``. ``{service}`` in these is where the service is.
    """

    async def sit_down(
        *, line=LINE, element="", head="", lang="en", path="/a-post/", headers=None, person=None, **settings
    ):
        url, service = await opened(**settings)
        parts = {"head": head.replace("{service}", url), "line": (line + element).replace("{service}", url)}
        told = {name: value.replace("{service}", url) for name, value in (headers or {}).items()}
        blog_url = await blog(POST.format(lang=lang, **parts), told)
        page = await browse(blog_url, script=True, also=[url], **(person or {}))
        await page.goto(path)
        return page, service

    yield sit_down


@in_shared_loop()
async def at_desk(opened, browse):
    """A moderator at their page: ``ada, service = await at_desk()``; ``await at_desk("Sam", beside=service)``."""

    async def sit_down(name="Ada", *, beside=None, script=True, person=None, **settings):
        service = beside or (await opened(**settings))[1]
        url = service.config.own_origin
        if name not in {one.name for one in await moderators.list_moderators(service)}:
            await moderators.add_moderator(service, name, None, [])
        page = await browse(url, script=script, moderator=True, **(person or {}))
        await page.goto((await moderators.create_sign_in_link(service, name)).removeprefix(url))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/moderate")
        return page, service

    yield sit_down
