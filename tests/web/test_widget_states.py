"""Readers see at each moment what is going on: loading, failed, not allowed, not public, closed."""

import asyncio
import re

import pytest

from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, threads
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from tests.conftest import EVERYTHING
from tests.web.test_widget import post_approved, queue, reload, write
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LISTS = "**/v1/comments.html*"


async def test_a_reader_waits_and_tries_again_after_a_failure(at_post):
    mia, _ = await at_post()
    await mia.locator(".ct").wait_for()
    mia.ignored += ["net::ERR_FAILED", "status of 503"]
    answered = asyncio.Event()

    async def fail_late(route):
        await answered.wait()
        await route.fulfill(status=503, json={})

    await mia.route(LISTS, fail_late)
    await mia.reload()
    thread = mia.locator("comment-thread[aria-busy=true]")
    await thread.get_by_text("Loading comments…").wait_for()
    await assert_accessible(mia)
    kept = await thread.evaluate("thread => thread.getBoundingClientRect().height >= innerHeight")
    answered.set()
    await mia.get_by_role("status").get_by_text("Comments could not be loaded.").wait_for()
    assert kept, "nothing below moves when the comments arrive"
    assert await thread.count() == 0
    await assert_accessible(mia)
    await mia.get_by_role("button", name="Try again").evaluate("button => button.id = 'first'")
    await mia.get_by_role("button", name="Try again").press("Enter")
    await mia.wait_for_function("document.activeElement.matches('.ct-again:not(#first)')")  # it failed again
    await mia.unroute(LISTS)
    await mia.get_by_role("button", name="Try again").press("Enter")
    await mia.get_by_text("No comments yet").wait_for()
    assert await mia.evaluate("document.activeElement.matches('.ct-title')")
    assert await mia.get_by_text("could not be loaded").count() == 0


async def test_a_blogger_reads_on_the_page_which_origin_to_allow(at_post):
    mia, service = await at_post(
        sites="https://blog.example", person={"permissions": ["clipboard-read", "clipboard-write"]}
    )
    setting = f"COMMENTSVC_SITES={await mia.evaluate('location.origin')}"
    await mia.get_by_text("Comments are not available on this page yet.").wait_for()
    await mia.get_by_text(setting).wait_for()
    await assert_accessible(mia)
    await mia.get_by_role("button", name="Copy").click()
    await mia.get_by_role("button", name="Copied").wait_for()
    assert await mia.evaluate("navigator.clipboard.readText()") == setting
    help_page = await mia.get_by_role("link", name="How to allow a website").get_attribute("href")
    assert help_page == f"{service.config.own_origin}/docs#origin_not_allowed"


async def test_a_blogger_reads_which_attribute_is_wrong(at_post):
    element = '<comment-thread order="best" site="elsewhere"></comment-thread>'
    mia, _ = await at_post(line='<script async src="{service}/embed.js"></script>', element=element)
    await mia.get_by_text("order: This must be one of: oldest, newest.").wait_for()
    await mia.locator("comment-thread").evaluate("thread => thread.setAttribute('order', 'newest')")
    await mia.get_by_text("site: There is no site of this name.").wait_for()
    # An order that a later version had stored.
    await mia.evaluate("localStorage['commentsvc:order'] = '\"best\"'")
    await mia.locator("comment-thread").evaluate("thread => thread.removeAttribute('site')")
    await mia.get_by_text("No comments yet").wait_for()


async def test_a_commenter_sees_what_is_not_public_and_what_a_person_removed(at_post, clock):
    mia, service = await at_post()
    await write(mia)
    await mia.get_by_role("heading", name="1 comment, not public yet").wait_for()
    await write(mia, "Another thought.")
    await mia.get_by_role("heading", name="Your comments, not public yet").wait_for()
    first, second = await queue(service)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[first.id]))
    clock.move(days=15)
    await reload(mia)
    refused = mia.locator(f"[id='comment-{first.id}']")
    await refused.get_by_text("Not published. Only you can see this comment.").wait_for()
    await mia.get_by_role("heading", name="1 comment, not public yet").wait_for()
    await assert_accessible(mia)
    await refused.get_by_role("button", name="Delete it").click()
    await refused.get_by_role("button", name="Delete permanently?").click()
    await refused.wait_for(state="detached")
    await reload(mia)
    await mia.locator(f"[id='comment-{second.id}']").wait_for()
    assert await refused.count() == 0


async def test_what_a_moderator_just_did_shows_at_the_next_visit(at_post):
    mia, service = await at_post()
    await mia.get_by_text("No comments yet").wait_for()
    await post_approved(service, mia)
    await mia.goto(mia.url)  # with the browser's cache
    await mia.get_by_role("heading", name="1 comment").wait_for()
    [thread] = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(closed=True))
    await mia.goto(mia.url)
    await mia.get_by_text("Comments are closed.").wait_for()
    assert await mia.locator("form[data-write]").count() == 0


async def test_times_are_relative_in_the_language_of_the_page_and_stay_fresh(at_post, clock):
    mia, service = await at_post(lang="de", person={"timezone_id": "Asia/Tokyo"})
    await post_approved(service, mia)
    await mia.clock.install(time=clock())
    await mia.goto(mia.url)
    time = mia.locator("time.dt-published")
    await time.get_by_text("jetzt").wait_for()
    assert re.match(r"23\.11\.2026, \d\d:02", await time.get_attribute("title"))
    for minutes, shown in ((4, "vor 4 Minuten"), (60 * 3, "vor 3 Stunden"), (60 * 24 * 14, "vor 14 Tagen")):
        await mia.clock.fast_forward(minutes * 60_000)
        await time.get_by_text(shown).wait_for()
