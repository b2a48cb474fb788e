"""Post hostile texts in every field that readers see: no list, page, feed or widget shows more than text.

The corpora are those of ``tests/web/test_hostile_input.py``. Lists and feeds are read by a parser; the page of the
thread, the widget on a blog and the moderation page by Chromium.
"""

import json
import re
import socket
import tempfile
import xml.etree.ElementTree as ET
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
from aiohttp import web
from playwright.async_api import async_playwright

from commentsvc import app
from commentsvc.access import moderators
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import NewComment
from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Mode
from commentsvc.domain.validation import validate
from commentsvc.web.server.connections import Deadlines
from tests.attacks.command import Figures, run
from tests.chromium import ARGUMENTS, CHROMIUM
from tests.conftest import SHARED, Clock, a_service, fields_of, visit
from tests.web.test_hostile_input import Reader, payloads_of, unsafe_parts

ATOM = "{http://www.w3.org/2005/Atom}"
PER_COMMENT = 6  # payloads; one in each field, the others in the text
PAGES_IN_CHROMIUM = 6  # of each kind; every page has many comments
# Every element that Markdown makes, so that all others are the work of a payload.
HARMLESS = """# A

**b** *c* ~~d~~ `e` [f](https://a.example "t")

> g

- h

3. i

```
j
```

|k|l|
|:-|-|
|m|n|

***

x\x20\x20
y
"""
INERT = """() => {
  const roots = [document, ...[...document.querySelectorAll("*")].map(one => one.shadowRoot).filter(Boolean)]
  const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)])
  return {
    canary: typeof canary == "number" ? canary : -1,
    strange: all("iframe, object, embed, img, svg, math, base, video, audio, form form").length,
    handlers: all("*").flatMap(one => one.getAttributeNames()).filter(name => name.startsWith("on")),
    links: all(".ct-text [href], .ct-name[href], .ct-name [href], .text [href]").map(one => one.protocol)
      .filter(kind => !["http:", "https:", "mailto:"].includes(kind)),
    scripts: all("script").filter(one => !one.src).length,
  }
}"""


class Markup(HTMLParser):
    """The elements of a page with their attributes, and the targets of its links, without our empty icon."""

    def __init__(self, text):
        super().__init__()
        self.found, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(" ".join([tag, *sorted(name for name, _ in attrs)]))
        self.links |= {value for name, value in attrs if name in {"href", "src", "action"} and value != "data:,"}


async def fill(service, payloads, thread) -> int:
    """Publish the payloads in every text field of comments; return the number of comments that were accepted."""
    made = 0
    for at in range(0, len(payloads), PER_COMMENT):
        group = payloads[at : at + PER_COMMENT]
        sent = {
            "thread": thread, "name": group[0], "website": group[-1], "title": group[0],
            "comment": "\n\n".join([*group, f"Number {at}."]),
        }  # fmt: skip
        # A refused field is left out, or cleaned of what is refused: the others must still be tried.
        for change in (
            {},
            {"website": None},
            {"name": "M" + printable(group[0])[:70], "title": None},
            {"comment": "x"},
        ):
            sent |= change | ({"comment": printable(sent["comment"])[:9000] + f" {at}"} if "name" in change else {})
            try:
                await post_comment(service, validate(NewComment, fields_of(**sent), Limits()), visit())
            except (Invalid, Refusal):
                continue
            made += 1
            break
    return made


def printable(text):
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


async def read_all(session, url, path):
    """Yield every page of a list, by its cursor."""
    cursor = ""
    while cursor is not None:
        async with session.get(f"{url}{path}{cursor and f'&cursor={cursor}'}") as answer:
            assert answer.status == 200
            text = await answer.text()
        yield text
        cursor = json.loads(text)["next_cursor"] if path.startswith("/v1/comments?") else None


async def read_with_parsers(session, url, thread, allowed) -> list[str]:
    """Return what lists, fragments, the page and the feeds contain that they must not."""
    wrong = []
    async for text in read_all(session, url, f"/v1/comments?thread={thread}&view=flat&limit=1000"):
        for comment in json.loads(text)["comments"]:
            wrong += [f"list: {found}" for found in unsafe_parts(comment["html"])]
            if comment["website"] and not Reader.is_safe_link(comment["website"]):
                wrong.append(f"website: {comment['website']}")
    for order in ("oldest", "newest"):
        for path in (
            f"/v1/comments.html?limit=1000&order={order}&thread={thread}",
            f"/t?thread={thread}&order={order}",
        ):
            async with session.get(url + path) as answer:
                page = Markup(await answer.text())
            wrong += [f"{path}: <{found}>" for found in page.found - allowed[path.partition("?")[0]]]
            wrong += [
                f"{path}: {to}"
                for to in page.links
                if to and not re.match(r"/(?!/)|#", to) and not Reader.is_safe_link(to)
            ]
    for path in (f"/v1/comments.atom?limit=200&thread={thread}", "/v1/latest.atom?limit=200"):
        async with session.get(url + path) as answer:
            feed = ET.fromstring(await answer.text())  # noqa: S314 -- our own feed, which must be well-formed
        for entry in feed.iter(f"{ATOM}entry"):
            wrong += [f"{path}: {found}" for found in unsafe_parts(entry.findtext(f"{ATOM}content") or "")]
            strange = {one.tag for one in entry.iter()} - allowed["feed"]
            wrong += [f"{path}: {one}" for one in strange]
    return wrong


async def markup_of_harmless(session, url, thread) -> dict[str, set[str]]:
    """Return the elements of each page with a harmless comment, before any payload is posted."""
    allowed = {}
    for path in ("/v1/comments.html", "/t"):
        async with session.get(f"{url}{path}?thread={thread}") as answer:
            allowed[path] = Markup(await answer.text()).found
    allowed["/v1/comments.html"] |= {"nav", "a href rel", "a class data-cursor href", "p class"}  # to the next page
    allowed["/t"] |= {"nav", "a href rel", "a class data-cursor href"}
    atom = ("entry", "id", "title", "author", "name", "uri", "published", "updated", "link", "content")
    threading = "{http://purl.org/syndication/thread/1.0}"
    allowed["feed"] = {*(ATOM + name for name in atom), f"{threading}in-reply-to", f"{threading}total"}
    return allowed


async def open_in_chromium(stack, service, url, thread) -> list[str]:
    """Return what pages in Chromium contain that they must not; each page says whether a payload has run."""
    playwright = await stack.enter_async_context(async_playwright())
    browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    stack.push_async_callback(browser.close)
    context = await browser.new_context()
    await context.add_init_script("canary = 0; alert = confirm = prompt = () => { canary += 1 }")
    page = await context.new_page()
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await moderators.add_moderator(service, "Ada", None, [])
    link = await moderators.create_sign_in_link(service, "Ada")
    wrong = []

    async def check_page(name):
        state = await page.evaluate(INERT)
        if state != {"canary": 0, "strange": 0, "handlers": [], "links": [], "scripts": 0}:
            wrong.append(f"{name}: {state}")

    async def check_pages(address, name, following):
        for number in range(PAGES_IN_CHROMIUM):
            if not address:
                break
            await page.goto(address)
            await check_page(f"{name}, page {number + 1}")
            more = page.locator(following)
            address = await more.first.evaluate("one => one.href") if await more.count() else None

    await check_pages(f"{url}/t?thread={thread}", "page of the thread", "a[rel=next], nav a")
    await page.goto(thread)
    await page.locator(".ct-text").first.wait_for()
    for _ in range(PAGES_IN_CHROMIUM):
        await check_page("widget")
        more = page.locator(".ct-more")
        if not await more.count():
            break
        shown = await page.locator(".ct-text").count()
        await more.first.click()
        await page.locator(".ct-text").nth(shown).wait_for()
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/moderate")
    await check_pages(f"{url}/moderate?status=approved", "moderation page", "#more a")
    return wrong + [f"dialog: {text}" for text in dialogs]


async def serve_blog(stack, listener, line):
    """Serve a page with the script line at every address."""

    async def answer(_request):
        return web.Response(text=f"<!doctype html><title>A post</title><p>Words.</p>{line}", content_type="text/html")

    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/{path:.*}", answer)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()


async def attack(number: int) -> Figures:
    """Post up to ``number`` payloads, evenly spread over the corpora, and look at them everywhere."""
    corpus = payloads_of(SHARED / "adversarial")
    payloads = corpus[:: max(1, len(corpus) // number)]
    listener, blog = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    listener.setblocking(False)
    url, origin = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (listener, blog))
    thread = f"{origin}/a-post/"
    settings = {"sites": origin, "moderation": Mode.NONE, "public_url": url}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = await stack.enter_async_context(a_service(f"sqlite:///{folder}/comments.db", Clock(), **settings))
        await stack.enter_async_context(app.listen(service, Deadlines(drain=0, last=0), listener))
        await serve_blog(stack, blog, f'<script async src="{url}/embed.js"></script>')
        session = await stack.enter_async_context(aiohttp.ClientSession())
        harmless = fields_of(thread=thread, comment=HARMLESS, website="https://a.example", title="A post")
        first = await post_comment(service, validate(NewComment, harmless, Limits()), visit())
        reply = fields_of(thread=thread, comment="A reply.", parent=first.id)
        await post_comment(service, validate(NewComment, reply, Limits()), visit())
        allowed = await markup_of_harmless(session, url, thread)
        made = await fill(service, payloads, thread)
        parsed = await read_with_parsers(session, url, thread, allowed)
        opened = await open_in_chromium(stack, service, url, thread) if CHROMIUM else ["Chromium is not installed"]
    return {
        "payloads": len(payloads), "comments": made, "found by parsers": len(parsed), "found by Chromium": len(opened),
        "first of them": (parsed + opened)[:12],
    }  # fmt: skip


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return bool(figures["found by parsers"] or figures["found by Chromium"] or not figures["comments"])


if __name__ == "__main__":
    run(attack, number=100_000, is_broken=is_broken)
