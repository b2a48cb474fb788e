"""Readers find their way in a long thread: links to comments, order, reports."""

import asyncio

import pytest

from commentsvc.domain.models import Mode
from commentsvc.moderation.queue import search_comments
from commentsvc.moderation.schemas import QueueQuery
from tests.conftest import EVERYTHING
from tests.web.test_widget import box, comment, focused, post_approved, reload, stored
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


def lists_of(page):
    """Return the list that the requests for comments of a page are added to."""
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/comments.html" in request.url else None)
    return asked


async def post_many(service, page, clock, number=120):
    posted = []
    for each in range(number):
        clock.move(seconds=1)
        posted.append(await post_approved(service, page, comment=f"Number {each}."))
    return posted


async def test_a_link_to_any_comment_of_a_long_thread_takes_one_request(at_post, clock):
    mia, service = await at_post(moderation=Mode.NONE)
    posted = await post_many(service, mia, clock)
    await mia.goto("about:blank")
    asked = lists_of(mia)
    await mia.goto(f"/a-post/#comment-{posted[70].id}")
    await mia.locator(f"[id='comment-{posted[70].id}']:target").wait_for()
    assert len(asked) == 1

    for number, requests in ((0, 1), (3, 0), (119, 1)):  # the address changes later; number 3 is there already
        asked.clear()
        await mia.evaluate(f"location.hash = 'comment-{posted[number].id}'")
        target = mia.locator(f"[id='comment-{posted[number].id}']:target")
        await target.wait_for()
        assert await target.evaluate("comment => comment.getBoundingClientRect().top < innerHeight")
        assert len(asked) == requests

    await mia.evaluate("location.hash = 'comment-01990000-0000-7000-8000-000000000000'")
    gone = mia.get_by_text("This comment is not available.")
    await gone.wait_for()
    assert await gone.evaluate("told => told == document.activeElement")

    await mia.goto("about:blank")
    await mia.goto(f"/a-post/#comment-{posted[70].id}")
    await mia.get_by_role("link", name="comments before these").click()
    await comment(mia, "Number 69.").wait_for()
    texts = await mia.locator(".ct-text").all_inner_texts()
    numbers = [int(text.strip("Number .\n")) for text in texts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] < 70 < numbers[-1]


async def fail_while_set(page, requests):
    """Return an event; requests like these fail while it is set. Call it before the page loads, or it may be missed."""
    offline = asyncio.Event()
    page.ignored.append("net::ERR_FAILED")
    await page.route(requests, lambda route: route.abort() if offline.is_set() else route.continue_())
    return offline


@pytest.mark.slow
async def test_a_reader_chooses_the_order_and_it_is_kept(at_post, clock):
    mia, service = await at_post(moderation=Mode.NONE)
    await post_many(service, mia, clock, 3)
    offline = await fail_while_set(mia, "**/v1/comments.html*")
    await reload(mia)
    order = mia.get_by_role("combobox", name="Sort")
    await box(mia).fill("Half a thought")
    await order.select_option("newest")
    await comment(mia, "Number 2.").wait_for()
    await mia.wait_for_function("document.activeElement.matches('.ct-sort select')")
    assert (await mia.locator(".ct-text").all_inner_texts())[0].strip() == "Number 2."
    assert await box(mia).input_value() == "Half a thought"
    offline.set()
    await order.select_option("oldest")
    await mia.get_by_text("Comments could not be loaded.").wait_for()
    assert await mia.get_by_role("article").count() == 3, "what was loaded stays"
    offline.clear()
    await order.select_option("newest")
    await mia.get_by_text("Comments could not be loaded.").wait_for(state="detached")
    assert (await stored(mia))["commentsvc:order"] == "newest"

    await mia.goto("/another/")
    await post_many(service, mia, clock, 2)
    await reload(mia)
    assert await order.input_value() == "newest"
    assert (await mia.locator(".ct-text").all_inner_texts())[0].strip() == "Number 1."


@pytest.mark.slow
async def test_a_reader_copies_the_link_to_a_comment(at_post):
    mia, service = await at_post(person={"permissions": ["clipboard-read", "clipboard-write"]})
    posted = await post_approved(service, mia)
    for forbid in ("", "Object.defineProperty(navigator, 'clipboard', {value: undefined})"):
        await mia.goto("/a-post/#top")
        await post_approved(service, mia, comment=f"Here. {forbid}")
        await reload(mia)
        await mia.evaluate("navigator.clipboard.writeText('')")
        await mia.evaluate(forbid or "0")
        await mia.get_by_role("button", name="Copy link").first.press("Enter")
        await mia.get_by_role("button", name="Link copied").wait_for()
        assert await mia.evaluate("document.activeElement.matches('.ct-copy')")
    assert posted


async def test_a_reader_reports_a_comment_with_the_keyboard(at_post):
    mia, service = await at_post()
    posted = await post_approved(service, mia)
    offline = await fail_while_set(mia, "**/reports")
    await reload(mia)
    link = mia.get_by_role("link", name="Report")
    await link.press("Enter")
    form = mia.locator(".ct-comment .ct-report-form")
    await form.wait_for()
    assert await focused(mia) == "reason"
    await assert_accessible(mia)
    await mia.keyboard.press("Escape")
    await form.wait_for(state="detached")
    assert await link.evaluate("link => link == document.activeElement")

    await link.press("Enter")
    await form.wait_for()
    await mia.keyboard.type("This is an advertisement.")
    offline.set()
    await mia.keyboard.press("Enter")
    await form.get_by_text("Could not send").wait_for()
    offline.clear()
    await mia.keyboard.press("Enter")
    thanks = mia.get_by_role("status").filter(has_text="Thank you")
    await thanks.wait_for()
    assert await thanks.evaluate("thanks => thanks == document.activeElement")
    await link.press("Enter")
    await form.get_by_role("button", name="Cancel").press("Enter")
    await form.wait_for(state="detached")
    [row] = (await search_comments(service, EVERYTHING, QueueQuery(status="approved"))).comments
    assert (row.id, row.reports) == (posted.id, 1)


@pytest.mark.slow
async def test_a_reader_prints_and_opens_folded_replies(at_post, clock):
    mia, service = await at_post(moderation=Mode.NONE)
    root = await post_approved(service, mia, comment="The first.")
    for number in range(11):
        clock.move(seconds=1)
        last = await post_approved(service, mia, comment=f"Answer {number}.", parent=root.id)
    await reload(mia)
    answer = comment(mia, "Answer 10.")
    assert not await answer.is_visible()
    await mia.emulate_media(media="print")
    assert await answer.is_visible()
    await mia.emulate_media(media="screen")
    await mia.evaluate(f"location.hash = 'comment-{last.id}'")
    await answer.wait_for()
