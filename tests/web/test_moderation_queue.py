"""Moderators decide on many comments at once, on a phone, and see what they decide on."""

import pytest

from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.web.moderation import queue as moderation_queue
from tests.comments.test_post import standing
from tests.conftest import EVERYTHING, post, visit
from tests.web.test_moderation_looks import fill_queue
from tests.web.test_moderation_page import current, open_page, press, wait_for_status, wait_until_saved
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True}
LONG = "How long did the rebuild take on the larger table, and was one night enough for all of it? " * 8
TOP = "one => Math.round(one.getBoundingClientRect().top)"
HEIGHT = "one => Math.round(one.getBoundingClientRect().height)"


async def approve(service, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=list(ids)))


async def post_many(service, number, start=0):
    return [await post(service, f"thought {n:03}", address=f"192.0.{n}.1") for n in range(start, start + number)]


@pytest.mark.parametrize("script", [True, False])
async def test_the_first_decision_is_at_hand_on_a_phone(at_desk, script):
    ada, service = await at_desk(script=script, person=PHONE)
    parent = await post(service, "We kept the old index and rebuilt it at night.", name="Sam Lee", title="A post")
    await approve(service, parent)
    await post(service, LONG, parent=parent, title="A post")
    await post(service, "Another.", address="192.0.2.1")
    await ada.reload()

    first, second = ada.locator("#cards .card").first, ada.locator("#cards .card").nth(1)
    assert await first.evaluate(TOP) <= 146
    assert await first.locator(".approve").evaluate(TOP) <= 474
    assert await ada.locator("nav").evaluate(HEIGHT) <= 49
    assert await ada.locator(".bar").evaluate(HEIGHT) == 48
    await first.get_by_text("Show all").tap()
    assert await first.evaluate(HEIGHT) > 600
    assert await first.locator(".approve").evaluate(TOP) < 600, "it sticks while a long text is read"
    assert await second.locator(".actions").evaluate("one => getComputedStyle(one).position") == "static"

    assert await ada.get_by_role("searchbox").is_hidden()
    await ada.get_by_role("button", name="Search").tap()
    await ada.get_by_role("searchbox").fill("another")
    await ada.get_by_role("searchbox").press("Enter")
    await ada.wait_for_url("**q=another")
    assert await ada.locator(".text").all_inner_texts() == ["Another."]
    await ada.get_by_role("button", name="Menu").tap()
    await ada.get_by_role("link", name="Account").tap()
    await ada.wait_for_url("**/account")


async def test_after_a_tap_the_next_card_is_in_view_and_the_message_covers_no_button(at_desk):
    ada, service = await at_desk(person=PHONE)
    for number in range(4):
        await post(service, f"{number} {LONG}", address=f"192.0.{number}.1")
    await ada.reload()
    await current(ada).locator(".approve").tap()
    await wait_for_status(ada, "1 comment approved.")
    await wait_until_saved(ada)
    assert "1 How long" in await current(ada).inner_text()
    assert await current(ada).evaluate(TOP) >= 0
    await current(ada).get_by_text("Show all").tap()
    toast = await ada.locator(".toast").evaluate(TOP)
    assert await current(ada).locator(".secondary").evaluate("one => one.getBoundingClientRect().bottom") <= toast
    await ada.get_by_role("link", name="Close").tap()
    assert await ada.locator(".toast").count() == 0


async def test_undo_speaks_in_a_long_queue_and_what_it_says_stays(at_desk, monkeypatch, clock):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 3)
    ada, service = await at_desk()
    await post_many(service, 8)
    clock.move(hours=2)
    await ada.reload()
    assert await ada.locator("#oldest").inner_text() == "Oldest: 2 hours ago"
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    await wait_until_saved(ada)
    await ada.keyboard.press("u")
    await wait_for_status(ada, "Undone: 1 comment approved.")
    await wait_until_saved(ada)
    await post(service, "newer")
    await ada.evaluate("dispatchEvent(new Event('focus'))")
    await ada.get_by_role("link", name="Pending 9").wait_for()
    assert "Undone: 1 comment approved." in await ada.locator("#status").inner_text()
    await ada.locator("#status").get_by_role("button", name="Redo").click()
    await wait_for_status(ada, "Redone: 1 comment changed.")
    await wait_until_saved(ada)
    clock.move(hours=1)
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    await wait_until_saved(ada)
    assert await ada.locator("#oldest").inner_text() == "Oldest: 3 hours ago"


async def test_all_that_match_a_search_are_decided_on_every_page(at_desk, monkeypatch, clock):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 3)
    ada, service = await at_desk()
    await post_many(service, 7)
    await post(service, "Another.", address="203.0.113.1")
    await open_page(ada, "/moderate?status=pending&q=thought")
    await ada.keyboard.press("x")
    assert await ada.locator("#selected").inner_text() == "1"
    await ada.get_by_label("All 7 that match").check()
    assert await ada.locator("#selected").inner_text() == "7"
    await ada.get_by_role("button", name="Clear").click()
    await ada.locator("#select").wait_for(state="hidden")
    await ada.keyboard.press("Shift+X")
    clock.move(seconds=1)
    await post(service, "thought that is newer", address="203.0.113.2")
    await ada.keyboard.press("s")
    await wait_for_status(ada, "7 comments marked as spam.")
    assert sorted((await standing(service)).values()) == ["pending", "pending", *["spam"] * 7]
    await ada.keyboard.press("u")
    await wait_for_status(ada, "Undone: 7 comments marked as spam.")
    assert set((await standing(service)).values()) == {"pending"}


@pytest.mark.slow
async def test_all_from_a_network_or_a_thread_are_decided_in_steps_without_script(at_desk, monkeypatch):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 2)
    monkeypatch.setattr(actions, "MAX_COMMENTS", 3)
    ada, service = await at_desk(script=False)
    for number in range(8):
        await post(service, f"pills {number}", address=f"203.0.113.{number}", thread="/busy/")
    await post(service, "a thought", address="192.0.2.1")
    await open_page(ada, "/moderate/threads")
    await ada.locator("main .list a").nth(2).click()
    await ada.get_by_role("link", name="8 waiting").click()
    await ada.locator("[name=selected]").first.check()
    await ada.get_by_label("All that match (more than 3)").check()
    await press(ada, "Spam", within="#bulk")
    assert "3 comments marked as spam." in await ada.locator("#status").inner_text()
    assert "More than 3 more match." in await ada.locator("#status").inner_text()
    await press(ada, "Mark the next 3 as spam", within="#status")
    assert "2 more match." in await ada.locator("#status").inner_text()
    await press(ada, "Mark the next 2 as spam", within="#status")
    assert await ada.locator("#status .step").count() == 0
    assert sorted((await standing(service)).values()) == ["pending", *["spam"] * 8]
    for left in (2, 5, 8):
        await press(ada, "Undo last")
        assert list((await standing(service)).values()).count("pending") == left + 1
    await open_page(ada)
    await press(ada, "Mark all 8 as spam")
    await press(ada, "Mark the next 3 as spam", within="#status")
    await press(ada, "Mark the next 2 as spam", within="#status")
    assert (await standing(service))["a thought"] == "pending"


@pytest.mark.slow
async def test_nothing_is_decided_if_the_number_that_matches_has_changed(at_desk, monkeypatch):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 2)
    ada, service = await at_desk(script=False)
    ids = await post_many(service, 5)
    await ada.reload()
    await ada.locator("[name=selected]").first.check()
    await ada.get_by_label("All 5 that match").check()
    await approve(service, ids[4])
    answer = await press(ada, "Trash", within="#bulk")
    assert answer.status == 409
    assert "4 match now, not 5." in await ada.get_by_role("alert").inner_text()
    assert list((await standing(service)).values()).count("pending") == 4


async def test_a_known_name_with_another_address_is_marked_and_compared(at_desk):
    ada, service = await at_desk(script=False, sites="https://one.example https://two.example")
    here, there = {"thread": "https://one.example/a/"}, {"thread": "https://two.example/a/"}
    known = [await post(service, f"known {n}", name="Sam Lee", email="sam@example.net", **here) for n in range(3)]
    await approve(service, *known)
    await post(service, "mine again", name="Sam Lee", email="SAM@example.net", **here)
    await post(service, "on another site", name="Sam Lee", email="other@example.net", **there)
    false = await post(service, "not his", name="S\u0430m  LEE", email="sam.l@mail.example", **here)
    await ada.reload()
    warning = "Same name as a commenter with 3 approved comments, other address"
    assert await ada.locator(".notice").all_inner_texts() == [f"{warning} Compare"]
    assert warning in await ada.locator(f"#c-{false}").inner_text()
    await ada.get_by_role("link", name="Compare").click()
    assert await ada.locator("#cards .text").all_inner_texts() == ["known 2", "known 1", "known 0"]
    assert "sam.l@mail.example" in await ada.locator("section.card").inner_text()
    assert "sam.l" not in ada.url


async def test_reports_show_their_reasons_and_harm_comes_first(at_desk, clock):
    ada, service = await at_desk(script=False)
    shown = await post(service, "This is nonsense, see https://one.example")
    await approve(service, shown)
    for number, reason in enumerate(("This is rude", "Off <b>topic</b>", None)):
        await reports.report_comment(service, shown, NewReport(reason=reason), visit(address=f"192.0.{number}.1"))
        clock.move(minutes=1)
    await open_page(ada, "/moderate?status=reported")
    chips = await ada.locator(".chip").all_inner_texts()
    assert chips[0] == "Reported by 3 readers: “This is rude”, “Off <b>topic</b>”"
    assert await ada.locator(".chip").first.get_attribute("class") == "chip danger"
    await ada.get_by_role("link", name="Moderate this thread").click()
    await press(ada, "Close comments")
    assert "Thread changed." in await ada.locator("#status").inner_text(), "a thread is closed with two clicks"


@pytest.mark.slow
async def test_colours_of_the_system_tell_the_current_card_the_tab_and_the_focus_apart(at_desk):
    ada, service = await at_desk(person={"forced_colors": "active", "bypass_csp": True, **PHONE})
    await fill_queue(service)
    await ada.reload()
    await assert_accessible(ada)
    width = "one => getComputedStyle(one).borderInlineStartWidth"
    assert await current(ada).evaluate(width) == "8px"
    assert await ada.locator("#cards .card").nth(1).evaluate(width) == "1px"
    line = "one => { const style = getComputedStyle(one); return [style.borderBottomWidth, style.borderBottomColor] }"
    tabs = [tuple(await ada.locator("nav a").nth(at).evaluate(line)) for at in range(3)]
    assert tabs[0] not in tabs[1:]
    await ada.keyboard.press("Tab")
    assert await ada.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "dashed"


@pytest.mark.slow
@pytest.mark.parametrize("person", [PHONE, {"viewport": {"width": 1100, "height": 800}}], ids=["phone", "desk"])
async def test_text_of_twice_the_size_fits_and_hides_nothing(at_desk, person):
    ada, service = await at_desk(person=person)
    await fill_queue(service)
    await ada.reload()
    await ada.evaluate("document.documentElement.style.fontSize = '200%'")
    assert await ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = """all => all.filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
        .map(one => one.textContent)"""
    assert await ada.locator("main button, .actions a, .filters summary, nav a").evaluate_all(cut) == []
    sizes = "all => all.filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect().height)"
    assert min(await ada.locator("main :is(button, a, summary), header :is(button, a)").evaluate_all(sizes)) >= 24
    if person is PHONE:
        sticky = "one => getComputedStyle(one).position"
        assert await current(ada).locator(".actions").evaluate(sticky) == "static", "it would cover the text"
