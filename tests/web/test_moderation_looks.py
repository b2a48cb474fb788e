"""Moderators can use the page with a screen reader, a keyboard, a mouse or a phone."""

import pytest

from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.pages import assets
from tests.conftest import EVERYTHING, post, visit
from tests.web.test_moderation_page import card, open_page, press, wait_for_status
from tests.web.test_widget_looks import LONG, assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NARROW = {"viewport": {"width": 320, "height": 700}}
DEVICES = [
    {"color_scheme": "dark", **PHONE},
    pytest.param({"color_scheme": "light"}, marks=pytest.mark.slow),
    pytest.param({"color_scheme": "dark"}, marks=pytest.mark.slow),
    pytest.param({"color_scheme": "light", **PHONE}, marks=pytest.mark.slow),
    pytest.param({"color_scheme": "light", **NARROW}, marks=pytest.mark.slow),
    pytest.param({"color_scheme": "light", "locale": "ar", **PHONE}, marks=pytest.mark.slow),
]


async def fill_queue(service):
    """Post pending comments of many kinds (links, Arabic, long words, replies, similar ones), a report and spam."""
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0", note="shops"))
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match=f"pills\n{LONG}"))
    shown = await post(service, "A first word.", title="A post")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[shown]))
    await reports.report_comment(service, shown, NewReport(reason="rude"), visit(address="192.0.2.9"))
    reply = await post(service, f"See https://example.com/{'x' * 200} {LONG * 3}", parent=shown, name=LONG[:80])
    for number in range(3):
        shop = {"name": f"Shop {number}", "website": "https://shop.example/", "address": f"203.0.113.{number}"}
        await post(service, "pills for all", title=LONG, **shop)
    await post(service, "شكرا على هذا المقال.\n\nThis is English.", name="مريم", address="192.0.2.1")
    await post(service, "words " * 900, address="192.0.2.2")
    spam = await post(service, "Bye.", address="192.0.2.3")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[spam], note="a machine"))
    return reply


async def assert_large_targets(page):
    """Check that everything to tap is at least 48 pixels high on a phone, except links in a sentence."""
    small = await page.evaluate(
        """() => [...document.querySelectorAll("main :is(a, button, select, summary, input:not([type=hidden]))")]
          .map(one => one.closest("label") ?? one)
          .filter(one => one.checkVisibility() && getComputedStyle(one).display != "inline")
          .filter(one => getComputedStyle(one).clipPath == "none" && one.getBoundingClientRect().height < 47.9)
          .map(one => one.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize(
    "device",
    DEVICES,
    ids=lambda device: f"{device['color_scheme']} {device.get('viewport', {}).get('width')} {device.get('locale')}",
)
@pytest.mark.slow
async def test_every_moderation_page_is_accessible(at_desk, device):
    # The Content-Security-Policy of the page would block the script of the accessibility checker.
    ada, service = await at_desk("owner", person={"bypass_csp": True, **device})
    reply = await fill_queue(service)
    paths = (
        "",
        "?status=reported",
        "?status=spam",
        "?status=any&q=pills",
        "/threads",
        "/rules",
        "/audit",
        "/sites",
        "/account",
        "/import",
        "/webhooks",
        "/deliveries",
    )
    for path in (*paths, f"/comments/{reply}", f"/comments/{reply}/ban"):
        await open_page(ada, f"/moderate{path}")
        await assert_accessible(ada)
        if "is_mobile" in device:
            await assert_large_targets(ada)
    await open_page(ada, "/moderate/threads")
    await ada.locator("main .list a").first.click()
    await assert_accessible(ada)
    await open_page(ada, "/moderate/rules")
    await ada.locator("main .list a").last.click()
    await assert_accessible(ada)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_forms_errors_and_results_are_accessible(at_desk, browse, scheme):
    ada, service = await at_desk(person={"bypass_csp": True, "color_scheme": scheme})
    await fill_queue(service)
    await ada.reload()
    await ada.keyboard.press("x")
    await ada.get_by_text("Filters").click()
    await assert_accessible(ada)
    await ada.keyboard.press("?")
    await assert_accessible(ada)
    await ada.keyboard.press("Escape")
    await ada.keyboard.press("x")
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    await assert_accessible(ada)
    await open_page(ada, "/moderate/rules")
    await ada.get_by_text("New rule").click()
    await ada.get_by_label("Matches, one word").fill("pills")
    await ada.get_by_text("Would catch").wait_for()
    await assert_accessible(ada)
    await ada.get_by_label("Check").select_option("links")
    await press(ada, "Save rule")
    await ada.get_by_role("alert").wait_for()
    await assert_accessible(ada)
    await open_page(ada, "/moderate/comments/01990000-0000-7000-8000-000000000000")
    await assert_accessible(ada)
    stranger = await browse(service.config.own_origin, script=True, bypass_csp=True, color_scheme=scheme)
    await stranger.goto("/moderate")
    await assert_accessible(stranger)


async def test_a_screen_reader_announces_results_and_the_keyboard_reaches_a_card(at_desk):
    ada, service = await at_desk()
    await fill_queue(service)
    await ada.reload()
    assert await ada.locator("#status").get_attribute("role") == "status"
    assert await ada.locator("#skipped").get_attribute("aria-live") == "assertive"
    await ada.keyboard.press("Tab")
    assert await ada.evaluate("document.activeElement.className") == "skip"
    ring = "getComputedStyle(document.activeElement)"
    for _ in range(30):
        await ada.keyboard.press("Tab")
        assert await ada.evaluate(f"{ring}.outlineStyle + {ring}.outlineWidth") == "solid2px"
    card_has_focus = await ada.evaluate("document.activeElement.closest('.card') != null")
    assert card_has_focus


async def test_buttons_are_large_enough_on_a_phone(at_desk):
    ada, service = await at_desk(person=PHONE)
    await fill_queue(service)
    await ada.reload()
    sizes = "all => all.filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect().height)"
    assert min(await ada.locator("main button, main .actions a, nav a").evaluate_all(sizes)) >= 48
    boxes = (
        await ada.locator(".card")
        .first.locator(".button-row")
        .first.locator("button")
        .evaluate_all("all => all.map(one => { const box = one.getBoundingClientRect(); return [box.top, box.width] })")
    )
    assert len(boxes) == 3
    assert len({top for top, _ in boxes}) == 1, "three in a row"
    assert min(width for _, width in boxes) > 90
    await card(ada, "pills for all").first.get_by_role("button", name="Spam", exact=True).tap()
    await wait_for_status(ada, "1 comment marked as spam.")
    await ada.locator("#status").get_by_role("button", name="Undo").tap()
    await wait_for_status(ada, "Undone")


async def test_a_comment_keeps_its_own_text_direction(at_desk):
    ada, service = await at_desk()
    await fill_queue(service)
    await ada.reload()
    text = card(ada, "شكرا").locator(".text")
    assert await text.evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert await ada.locator("main").evaluate("main => getComputedStyle(main).direction") == "ltr"


async def test_new_comments_do_not_move_the_current_card(at_desk):
    ada, service = await at_desk()
    await fill_queue(service)
    await ada.reload()
    for _ in range(3):
        await ada.keyboard.press("j")
    position = "document.querySelector('.card[aria-current]').getBoundingClientRect().top"
    before = await ada.evaluate(position)
    await post(service, "A new one.", address="100.64.0.1")
    await ada.evaluate("dispatchEvent(new Event('focus'))")
    await card(ada, "A new one.").wait_for()
    assert abs(await ada.evaluate(position) - before) < 1
    assert await ada.evaluate("document.activeElement == document.querySelector('.card[aria-current]')")


async def test_the_moderation_script_is_at_most_4_kb_and_its_style_5_kb_and_a_half():
    assert len(assets.moderate().packed) <= 4_000
    assert len(assets.moderate_style().packed) <= 5_700
    assert len(assets.rules_style().packed) <= 1_000
