"""Readers find comments on every page of sites that change pages without loading them."""

import pytest
from aiohttp import web

from commentsvc.domain.models import Mode
from tests.browser import in_shared_loop
from tests.conftest import post

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LINE = "<script async src='{service}/embed.js'></script>"
COUNTED = "<p><a href='/a/' data-comment-count>Comments</a></p>"
ELEMENT = "<comment-thread></comment-thread>"
# Each navigates as a library does: which part it replaces, what it does to scripts there, and when the address changes.
FETCH = """addEventListener('click', async event => {
  const link = event.target.closest('nav a')
  if (!link) return
  event.preventDefault()
  const page = new DOMParser().parseFromString(await (await fetch(link.href)).text(), 'text/html')
  %s
})"""
GO = "history.pushState(0, '', link.href);"
RERUN = """for (const old of main.querySelectorAll('script')) {
  const copy = document.createElement('script')
  for (const { name, value } of old.attributes) copy.setAttribute(name, value)
  old.replaceWith(copy)
}"""
MAIN = "let main = page.querySelector('main'); document.querySelector('main').replaceWith(main);"
LIBRARIES = {
    "Turbo replaces the body and runs its scripts again": (
        f"{GO} document.body = page.body; let main = document.body; {RERUN}"
    ),
    "swup replaces a part and runs no script": f"{GO} {MAIN}",
    "htmx replaces a part and runs its scripts again": f"{GO} {MAIN} {RERUN}",
    "pjax removes the scripts, and changes the address last": (
        f"page.querySelectorAll('script').forEach(script => script.remove()); {MAIN} {GO}"
    ),
    "Astro replaces the body, and changes the address last": f"document.body.replaceWith(page.body); {GO}",
}


@in_shared_loop()
async def site(opened):
    """A site with the pages ``/``, ``/a/`` and ``/b/``: ``blog, service = await site(head, line, script)``."""
    runners = []

    async def start(head, index, article, script=""):
        url, service = await opened(moderation=Mode.NONE)

        async def show(request):
            body = index if request.path == "/" else article
            page = (
                f"<!doctype html><html lang=en><head><meta charset=utf-8><title>Site</title>{head}"
                f"<script>{script}</script></head><body>"
                "<nav><a href=/>Home</a> <a href=/a/>A</a> <a href=/b/>B</a></nav>"
                f"<main><h1>{request.path}</h1>{body}</main></body></html>"
            )
            return web.Response(text=page.replace("{service}", url), content_type="text/html")

        app = web.Application()
        app.router.add_get("/{path:.*}", show)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        blog = f"http://127.0.0.1:{runners[-1].addresses[0][1]}"
        await post(service, "On A.", thread=f"{blog}/a/")
        return blog, url

    yield start
    for runner in runners:
        await runner.cleanup()


async def shown(page, thread):
    """Wait until the page shows one thread, this one."""
    await page.wait_for_function(f"document.querySelector('[data-thread]')?.dataset.thread == '{thread}'")
    assert await page.locator("comment-thread").count() == 1


@pytest.mark.parametrize("library", LIBRARIES)
async def test_readers_find_comments_and_counts_on_the_second_page_too(site, browse, library):
    has_line = "removes the scripts" not in library
    head, article = ("", LINE) if has_line else (LINE, ELEMENT)
    index = COUNTED + LINE.replace(" async", " data-counts async") if has_line else COUNTED
    blog, service = await site(head, index, article, FETCH % LIBRARIES[library])
    mia = await browse(blog, script=True, also=[service])
    loaded = []
    mia.on("request", lambda request: loaded.append(request.url) if request.resource_type == "document" else None)
    await mia.goto("/")
    await mia.get_by_text("1 comment").wait_for()
    assert await mia.locator("comment-thread, form").count() == 0, "the list of posts has no thread and no form"
    for name in ("A", "B", "A"):
        await mia.get_by_role("link", name=name, exact=True).click()
        await shown(mia, f"/{name.lower()}")
    await mia.get_by_text("On A.").wait_for()
    await mia.get_by_role("link", name="Home").click()
    await mia.get_by_text("1 comment").wait_for()
    assert len(loaded) == 1


@pytest.mark.parametrize(
    "head",
    [
        "<base href='/x/'><script async src='{service}/embed.js'></script>",
        "<script type=module src='{service}/embed.js'></script>",
        "<script type=module>import('{service}/embed.js')</script>",
    ],
    ids=["base", "module", "import"],
)
async def test_the_script_works_as_a_module_and_below_a_base(site, browse, head):
    blog, service = await site(head, "", ELEMENT)
    mia = await browse(blog, script=True, also=[service])
    await mia.goto("/a/")
    await mia.get_by_text("On A.").wait_for()
    address = mia.locator("a.u-url").first
    await address.click()
    assert mia.url == await address.evaluate("link => link.href")
    assert mia.url.startswith(f"{blog}/a/#comment-")


async def test_a_page_has_several_threads_and_a_link_to_a_comment_finds_the_right_one(site, browse):
    threads = "<comment-thread thread='/a/'></comment-thread><comment-thread thread='/b/'></comment-thread>"
    blog, service = await site(LINE, "", threads)
    mia = await browse(blog, script=True, also=[service])
    await mia.goto("/a/")
    address = await mia.locator("a.u-url").first.evaluate("link => link.href")
    await mia.locator("[data-thread='/b']").wait_for()
    for way in ("load", "change"):
        await mia.goto("about:blank")
        await mia.goto(address if way == "load" else "/a/")
        await mia.locator("[data-thread='/b']").wait_for()
        await mia.evaluate("address => location.hash = address.split('#')[1]", address)
        await mia.locator("[data-thread='/a'] .ct-comment:target").wait_for()
        assert await mia.get_by_text("This comment is not available.").count() == 0
    await mia.evaluate("document.body.append(document.querySelector('comment-thread'))")
    await mia.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done)))")
    assert await mia.locator("[aria-busy]").count() == 0, "a thread that is moved stays as it is"


async def test_a_site_that_routes_by_the_part_after_the_hash_has_working_links(site, browse):
    route = "onhashchange = () => document.querySelector('h1').textContent = location.hash.split('#')[1]"
    blog, service = await site(LINE, "", "<comment-thread thread='/a/'></comment-thread>", route)
    mia = await browse(blog, script=True, also=[service])
    await mia.goto("/b/#/post/1")
    link = mia.locator("a.u-url").first
    await link.wait_for()
    comment = await link.evaluate("link => link.closest('.ct-comment').id")
    await link.click()
    assert mia.url == f"{blog}/b/#/post/1#{comment}"
    await mia.get_by_role("heading", name="/post/1").wait_for()
    await mia.goto("about:blank")
    await mia.goto(f"{blog}/b/#/post/1#{comment}")
    await mia.locator(f"[id='{comment}']").wait_for()
