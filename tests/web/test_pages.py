"""People read and write in a browser that runs no script."""

import re
from itertools import pairwise
from urllib.parse import quote

import pytest

from commentsvc.access import moderators
from commentsvc.comments import post
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, threads
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from commentsvc.web.pages import thread
from tests.comments.test_post import approve
from tests.conftest import EVERYTHING, a_key, draft, fields_of, visit
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

THREAD = "/t?thread=/a-page/"
FIELDS = ".ct-input"
NARROW = {"width": 320, "height": 700}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}


async def post_approved(service, **changed):
    """Post a comment and approve it."""
    receipt = await post.post_comment(service, draft(**changed), visit())
    await approve(service, receipt)
    return receipt


async def write(page, **changed):
    """Fill in the form and send it without the browser's own checks. Return the answer."""
    for name, text in (fields_of(thread=None) | changed).items():
        await page.locator(f"[name={name}]").fill(text)
    await page.locator("form").evaluate("form => { form.noValidate = true }")
    return await press(page)


async def press(page):
    """Press the button that posts; return the answer."""
    async with page.expect_navigation() as navigation:
        await page.locator("button:not([type=button], .ct-look, .ct-first, [hidden]), [type=submit]:is(input)").click()
    return await navigation.value


async def filled_in(page):
    """Return the values of the form. The website field exists only if a website was sent."""
    fields = {name: page.locator(f"[name={name}]") for name in ("comment", "name", "email", "website")}
    return {name: await field.input_value() for name, field in fields.items() if await field.count()}


async def focused(page):
    return await page.evaluate("document.activeElement.name ?? document.activeElement.id")


async def test_two_readers_discuss_after_a_moderator_approves(opened, browse, curl):
    url, service = await opened()
    key = await a_key(service)

    async def approve_pending():
        async with curl.get(f"{url}/v1/moderation/comments", headers=key) as response:
            pending = [comment["id"] for comment in (await response.json())["comments"]]
        action = {"action": "approve", "ids": pending}
        async with curl.post(f"{url}/v1/moderation/actions", headers=key, json=action) as response:
            assert (await response.json())["changed"] == 1

    mia = await browse(url)
    await mia.goto("/")
    answer = await write(mia)
    assert answer.request.redirected_from.method == "POST"
    assert (await answer.request.redirected_from.response()).status == 303
    assert re.search(r"/t\?thread=demo&.*receipt=cr_.*#comment-", mia.url)
    own_comment = mia.get_by_role("article")
    assert "Waiting for moderation. Only you can see this." in await own_comment.inner_text()
    assert await focused(mia) == await own_comment.get_attribute("id")

    sam = await browse(url)
    await sam.goto("/")
    assert await sam.locator("comment-thread").get_by_role("article").count() == 0

    await approve_pending()
    await mia.reload()
    assert "is published" in await mia.locator(".notice").inner_text()
    await sam.reload()
    await sam.get_by_role("link", name="Reply to Mia").click()
    assert "I have been wondering" in await sam.locator(".ct-quote").inner_text()
    await write(sam, name="Sam", email="sam@example.com", comment="So have I.")
    await approve_pending()

    await mia.goto("/")
    assert await mia.get_by_role("heading", name="2 comments").count() == 1
    reply = mia.locator("[role=listitem] [role=listitem]", has=mia.get_by_text("Sam", exact=True))
    assert "So have I." in await reply.inner_text()


async def test_a_commenter_sees_their_pending_comment_for_an_hour(opened, browse, clock):
    url, _ = await opened()
    mia, sam = await browse(url), await browse(url)
    await mia.goto(THREAD)
    await write(mia)

    await sam.goto(THREAD)
    assert await sam.locator("comment-thread").get_by_role("article").count() == 0
    answer = await sam.goto(f"{THREAD}&receipt={'cr_' + 'A' * 56}")
    assert answer.status == 200
    assert await sam.locator("comment-thread").get_by_role("article").count() == 0

    clock.move(minutes=59)
    answer = await mia.reload()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert await mia.get_by_role("article").count() == 1
    clock.move(minutes=2)
    await mia.reload()
    assert await mia.get_by_role("article").count() == 0
    assert "for one hour only" in await mia.locator(".notice").inner_text()


async def test_a_commenter_of_a_deleted_comment_does_not_read_that_it_is_published(opened, browse):
    url, service = await opened(moderation=Mode.NONE)
    mia = await browse(url)
    await mia.goto(THREAD)
    await write(mia)
    assert "is published" in await mia.locator(".notice").inner_text()

    first = (await mia.get_by_role("article").get_attribute("id")).removeprefix("comment-")
    await post.post_comment(service, draft(parent=first, comment="Is it?"), visit())
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[first]))
    await mia.reload()
    assert "is published" not in await mia.locator(".notice").inner_text()
    assert "This comment was deleted." in await mia.get_by_role("main").inner_text()
    assert "Is it?" in await mia.get_by_role("article").inner_text()


async def test_a_reader_replies_to_a_comment_on_the_second_page(opened, browse, monkeypatch):
    monkeypatch.setattr(thread, "COMMENTS_PER_PAGE", 1)
    url, service = await opened(moderation=Mode.NONE)
    for name in ("Ada", "Ben"):
        await post.post_comment(service, draft(name=name, comment=f"{name} was here."), visit())
    mia = await browse(url)

    await mia.goto(THREAD)
    await mia.locator(".ct-more").click()
    await mia.get_by_role("link", name="Reply to Ben").click()
    assert await mia.get_by_role("heading", name="Reply to Ben").count() == 1
    answer = await write(mia, email="nope")
    assert answer.status == 422
    assert await mia.get_by_role("heading", name="Reply to Ben").count() == 1


async def test_a_commenter_sees_their_own_comment_last_on_a_full_page(opened, browse, monkeypatch):
    monkeypatch.setattr(thread, "COMMENTS_PER_PAGE", 2)
    url, service = await opened()
    for name in ("Ada", "Ben", "Lea"):
        last = await post_approved(service, name=name, comment=f"{name} was here.")
    mia = await browse(url)
    await mia.goto(f"{THREAD}&reply_to={last.id}")
    await write(mia)

    own_comment = mia.get_by_role("article").last
    assert "Waiting for moderation. Only you can see this." in await own_comment.inner_text()
    assert await focused(mia) == await own_comment.get_attribute("id")
    assert await mia.get_by_role("article").count() == 3
    own_id = (await own_comment.get_attribute("id")).removeprefix("comment-")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[own_id]))
    await mia.reload()
    assert "is published" in await mia.locator(".notice").inner_text()
    assert await mia.get_by_role("article").count() == 3

    await mia.goto(mia.url.replace("a-page", "another-page"))
    assert await mia.get_by_text("Waiting for moderation").count() == 0


async def test_a_reader_cancels_a_reply(opened, browse):
    url, service = await opened()
    first = await post_approved(service)
    mia = await browse(url)

    await mia.goto(f"{THREAD}&reply_to={first.id}")
    await mia.get_by_role("link", name="Cancel").click()
    assert mia.url.endswith(f"#comment-{first.id}")
    assert await mia.get_by_role("heading", name="Leave a comment").count() == 1


async def test_the_back_link_leads_only_to_the_article(opened, browse):
    url, _ = await opened(sites="https://blog.example")
    mia = await browse(url)

    await mia.goto("/t?thread=https://blog.example/a-post/?utm_source=x")
    back = mia.get_by_role("link", name="Back to the article")
    assert await back.get_attribute("href") == "https://blog.example/a-post/"
    # Python reads the host after the @, a browser the one before the backslash.
    await mia.goto(f"/t?thread={quote('https://evil.example' + chr(92) + '@blog.example/')}")
    assert await back.get_attribute("href") == "https://blog.example/"


async def test_a_commenter_gets_an_invalid_form_back_with_a_link_to_each_error(opened, browse):
    url, service = await opened()
    first = await post_approved(service)
    mia = await browse(url)
    await mia.goto(f"{THREAD}&reply_to={first.id}")

    text = '  \n<b>Bold</b> & "quoted"\n'
    answer = await write(mia, comment=text, name="", email="nope")

    assert answer.status == 422
    assert (await mia.title()).startswith("Error: ")
    assert await filled_in(mia) == {
        "comment": text, "name": "", "email": "nope",
    }  # fmt: skip
    assert await mia.locator("input[name=parent]").get_attribute("value") == first.id
    assert await focused(mia) == "ct-problem"
    links = mia.get_by_role("alert").get_by_role("link")
    assert await links.count() == 2
    for number, name in enumerate(("name", "email")):
        field = mia.locator(f"[name={name}]")
        assert await field.get_attribute("aria-invalid") == "true"
        described = mia.locator(f"#{await field.get_attribute('aria-describedby')}")
        assert await described.inner_text() == await links.nth(number).inner_text()
        await links.nth(number).click()
        assert await focused(mia) == name
    assert await mia.locator("[name=comment]").get_attribute("aria-invalid") is None


async def test_a_commenter_corrects_a_website_sent_by_a_form_of_the_blog(opened, curl):
    url, _ = await opened()
    async with curl.post(f"{url}/v1/comments", data=fields_of(website="javascript:x"), headers=BROWSER) as response:
        page = await response.text()
        assert response.status == 422
    assert re.search(r'name="website"[^>]* value="javascript:x"', page)
    async with curl.get(f"{url}{THREAD}") as response:
        assert "website" not in await response.text()


async def test_a_commenter_who_posts_a_duplicate_keeps_their_text(opened, browse):
    url, _ = await opened()
    mia = await browse(url)
    for _ in range(2):
        await mia.goto(THREAD)
        answer = await write(mia)

    assert answer.status == 409
    assert await mia.get_by_role("alert").inner_text() == "You already posted this comment."
    assert (await filled_in(mia))["comment"] == "I have been wondering about this too."


async def test_a_rate_limited_commenter_keeps_their_text_and_reads_how_long_to_wait(opened, browse, clock):
    url, _ = await opened(rate_limit="1/60")
    mia = await browse(url)
    for text in ("One.", "Two."):
        await mia.goto(THREAD)
        answer = await write(mia, comment=text)

    assert answer.status == 429
    assert answer.headers["retry-after"] == "60"
    assert "Please wait 60 seconds" in await mia.get_by_role("alert").inner_text()
    assert (await filled_in(mia))["comment"] == "Two."
    clock.move(seconds=61)
    assert (await press(mia)).status == 200
    assert "Two." in await mia.get_by_role("article").inner_text()


async def test_a_commenter_on_a_closed_thread_keeps_their_text(opened, browse):
    url, service = await opened()
    await post_approved(service)
    mia = await browse(url)
    await mia.goto(THREAD)
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, record.id, ThreadChange(closed=True))

    answer = await write(mia, comment="Too late.")
    assert answer.status == 403
    assert (await mia.get_by_role("main").inner_text()).count("Comments are closed.") == 1
    given_back = await mia.get_by_label("Not saved. Copy your text:").input_value()
    assert given_back == "Too late.\n\nMia\n\nmia@example.com"
    assert await mia.get_by_role("button").count() == 0
    assert await mia.get_by_role("link", name="Reply").count() == 0


async def test_a_browser_that_sends_an_unknown_thread_gets_an_html_page(opened, curl):
    url, _ = await opened()
    body = fields_of(thread="https://elsewhere.example/")
    async with curl.post(f"{url}/v1/comments", data=body, headers=BROWSER) as response:
        assert (response.status, response.content_type) == (422, "text/html")
        assert "Your text is still in the form" in await response.text()


HOSTILE = (
    "<script>canary = 1; alert(1)</script>",
    "<img src=x onerror='canary = 1; alert(1)'> <svg/onload=alert(1)> <iframe src=//evil.example></iframe>",
    "[click](javascript:alert(1)) <javascript:alert(1)> [data](data:text/html,<script>alert(1)</script>)",
    "![see](https://evil.example/pixel.gif) <style>@import '//evil.example'; body { display: none }</style>",
    '[x](https://a.example "\' onmouseover=alert(1) x=") `</code></pre><script>alert(1)</script>`',
    "<form action=//evil.example><button>Post comment</button></form><base href=//evil.example>",
    "</article></ol></textarea></title><math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
)  # fmt: skip


async def test_a_hostile_comment_cannot_run_script(opened, browse):
    url, service = await opened(moderation=Mode.NONE)
    mia = await browse(url, script=True)
    for number, text in enumerate(HOSTILE):
        last = await post.post_comment(service, draft(comment=text, name=text[:70], title=text), visit())
        assert last.status == "approved", number

    for page in (THREAD, f"{THREAD}&reply_to={last.id}"):
        await mia.goto(page)
        assert await mia.get_by_role("article").count() == len(HOSTILE)
        assert await mia.locator("script, iframe, style, img, svg, base, main form form").count() == 0
        assert await mia.locator("form").count() == 1
        assert await mia.evaluate("typeof canary") == "undefined"
        assert set(await evaluate_each(mia, ".ct-text a[href]", "one.protocol")) == {"https:"}
        attributes = await evaluate_each(mia, "*", "one.getAttributeNames().join(' ')")
        assert not re.search(r"\bon", " ".join(attributes))
        for link in await mia.locator(".ct-text a[href]").all():
            await link.hover()


async def test_a_hostile_form_is_escaped_when_it_is_shown_again(opened, browse):
    url, _ = await opened()
    mia = await browse(url, script=True)
    hostile = '"></textarea></title><script>canary = 1; alert(1)</script><img src=//evil.example onerror=alert(1)>'
    await mia.goto(f"/t?thread={quote(hostile)}")

    answer = await write(mia, comment=hostile, name=hostile, email=hostile)
    assert answer.status == 422
    assert set((await filled_in(mia)).values()) == {hostile}
    assert await mia.locator("input[name=thread]").get_attribute("value") == hostile
    assert await mia.locator("script, img").count() == 0
    assert await mia.evaluate("typeof canary") == "undefined"


async def evaluate_each(page, selector, script):
    """Return the result of a script for each element that a selector matches."""
    return await page.locator(selector).evaluate_all(f"all => all.map(one => {script})")


async def assert_valid_page(page, answer, status=200):
    assert answer.status == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert await page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    assert await page.locator("html").get_attribute("lang") == "en"
    assert await page.title()
    levels = [int(level) for level in await evaluate_each(page, "h1, h2, h3, h4", "one.tagName[1]")]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(below <= above + 1 for above, below in pairwise(levels))
    ids = await evaluate_each(page, "[id]", "one.id")
    assert len(ids) == len(set(ids))
    assert min(await evaluate_each(page, f"{FIELDS}, .ct-button", "one.offsetHeight"), default=44) >= 44
    assert set(await evaluate_each(page, FIELDS, "one.labels[0].checkVisibility()")) <= {True}
    assert await page.locator("[style], style, script:not([src])").count() == 0


async def test_every_page_fits_a_phone_and_has_valid_markup(opened, browse):
    url, service = await opened()
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    wide = f"{long * 3}\n\nhttps://example.com/{'x' * 300}\n\n```\n{'code' * 60}\n```\n\n|{'word | ' * 9}\n|{'-|' * 9}"
    parent = await post_approved(service, name=long[:80], comment=wide, title=long * 2)
    for level in range(7):
        parent = await post_approved(service, parent=parent.id, comment=f"`{long}`", name=f"مريم {level}")
    await moderators.add_moderator(service, long[:80], None, [])
    sign_in = (await moderators.create_sign_in_link(service, long[:80])).partition("/sign-in")[2]
    mia = await browse(url, viewport=NARROW, moderator=True)
    reply = f"{THREAD}&reply_to={parent.id}"

    for path in ("/", THREAD, reply, "/t?thread=/empty/", "/docs", f"/sign-in{sign_in}"):
        await assert_valid_page(mia, await mia.goto(path))
    await assert_valid_page(mia, await press(mia))
    await assert_valid_page(mia, await mia.goto(f"/sign-in{sign_in}"), 404)
    await mia.goto(reply)
    await assert_valid_page(mia, await write(mia, comment=long * 200, name=long * 2, email=long), 422)
    await assert_valid_page(mia, await write(mia, comment=long, name=long[:80], email="mia@example.com"))


async def test_names_and_comments_keep_their_own_text_direction(opened, browse):
    url, service = await opened()
    await post_approved(service, name="مريم", comment="شكرا على هذا المقال.\n\nThis is English.")
    mia = await browse(url)
    await mia.goto(THREAD)

    words = mia.locator(".ct-text")
    assert await words.evaluate("words => getComputedStyle(words).direction") == "rtl"
    assert await mia.locator("[role=article] bdi").first.inner_text() == "مريم"
    assert await mia.locator("main").evaluate("main => getComputedStyle(main).direction") == "ltr"


async def test_a_developer_finds_every_route_schema_and_error_in_the_docs(opened, browse, curl):
    url, _ = await opened()
    async with curl.get(f"{url}/openapi.json") as response:
        document = await response.json()
    mia = await browse(url)
    await mia.goto("/docs")

    shown = await mia.locator(".operation > p > code:first-child").all_text_contents()
    examples = await mia.locator(".example pre:first-of-type").all_text_contents()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in shown
    assert len(examples) == len([text for text in shown if text.split()[0].isupper()])
    assert all(example.startswith("curl ") for example in examples)
    ids = await evaluate_each(mia, "[id]", "one.id")
    assert set(await evaluate_each(mia, "a[href^='#']", "one.hash.slice(1)")) <= set(ids)
    assert {"rate_limited", "invalid", "internal_error", "createComment", "NewComment"} <= set(ids)
    assert len(ids) == len(set(ids))


async def test_a_developer_searches_the_docs_and_follows_a_link_to_an_operation(opened, browse):
    url, _ = await opened()
    mia = await browse(url, script=True)
    without_script = await browse(url)
    await without_script.goto("/docs#undoAction")
    await mia.goto("/docs#undoAction")

    assert "/undo" in await mia.locator("#undoAction ~ .example pre").first.inner_text()
    await mia.keyboard.press("/")
    await mia.keyboard.type("honeypot")
    shown = await mia.locator(".operation:not([hidden]) h3").all_inner_texts()
    assert "Create comment" in shown
    assert "Undo action" not in shown
    assert await mia.locator("output").inner_text() == f"Found: {await mia.locator('.part:not([hidden])').count()}"
    assert not await mia.locator("nav li", has_text="List rules").is_visible()
    await mia.locator("nav a", has_text="Schemas").evaluate("link => { link.hash = 'Mode'; link.click() }")
    assert await mia.locator("#Mode").is_visible()
    assert await mia.locator(".operation:not([hidden])").count() == await without_script.locator(".operation").count()
    assert not await without_script.locator("search").is_visible()


@pytest.mark.slow
async def test_the_docs_are_accessible_on_a_dark_phone(opened, browse):
    url, _ = await opened()
    # The Content-Security-Policy of the page would block the script of the accessibility checker.
    mia = await browse(url, script=True, bypass_csp=True, color_scheme="dark", viewport={"width": 320, "height": 700})
    await mia.goto("/docs")
    await mia.get_by_role("searchbox").fill("honeypot")  # on the whole page, the checker takes 20 seconds
    await mia.locator(".operation:not([hidden]) details").evaluate_all("all => all.forEach(one => { one.open = true })")
    await assert_accessible(mia)
