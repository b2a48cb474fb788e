"""Moderators use the page with keys, a mouse, without script, and at the same time as others."""

import asyncio
import json
import random
import re

import pytest

from commentsvc.access import moderators
from commentsvc.comments import edit, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewComment, NewReport
from commentsvc.domain import email_address, fields
from commentsvc.domain.errors import Invalid, VersionConflict
from commentsvc.domain.models import ActionVerb, Mode, RuleKind, Scope, StatusFilter
from commentsvc.domain.validation import validate
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action, PrivateSearch, QueueQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.spam import training
from commentsvc.web.moderation import queue as moderation_queue
from commentsvc.web.routes import ROUTES
from tests.comments.test_post import everything_in, standing
from tests.conftest import EVERYTHING, a_key, draft, fields_of, post, visit

# Parts of the searched texts that cannot be in the sealed (base64) search by chance.
PRIVATE_PART = re.compile(r"mia(@|%40)|example\.com|203\.", re.IGNORECASE)

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")


def card(page, text):
    return page.locator(".card").filter(has_text=text)


def current(page):
    return page.locator(".card[aria-current]")


async def wait_until_saved(page):
    """Wait until every request is answered and its result is shown."""
    await page.locator("#cards:not([aria-busy])").wait_for(state="attached")


async def wait_for_status(page, text):
    await page.locator("#status").get_by_text(text).wait_for()


async def open_page(page, address="/moderate"):
    await page.goto(address)


async def post_a_hundred_comments(service):
    """Post 60 spam comments from six networks, 35 good ones and 5 to delete, shuffled."""
    spam = [("spam", f"pills {n}", f"203.0.{n % 6}.{n}") for n in range(60)]
    good = [("good", f"thoughts {n}", f"192.0.{n}.1") for n in range(35)]
    rude = [("rude", f"insults {n}", f"100.64.{n}.1") for n in range(5)]
    together = spam + good + rude
    random.Random(1).shuffle(together)  # noqa: S311 -- the same order each time
    for kind, text, address in together:
        await post(service, f"{kind}: {text}", address=address)


async def test_a_queue_of_a_hundred_is_cleared_with_46_keys(at_desk):
    ada, service = await at_desk()
    await post_a_hundred_comments(service)
    await ada.reload()
    keys = {"spam": "Shift+S", "good": "a", "rude": "d"}

    pressed = 0
    while await ada.locator(".card, .empty").first.get_attribute("class") == "card":
        text = await current(ada).locator(".text").inner_text()
        await ada.keyboard.press(keys[text.partition(":")[0]])
        pressed += 1
        if await current(ada).count() == 0:
            await wait_until_saved(ada)  # the page is empty; it loads the next comments without a key press

    assert pressed <= 46
    assert await ada.locator(".empty").inner_text() == "All done. No comments are waiting."
    wanted = {"spam": "spam", "good": "approved", "rude": "trash"}
    assert {text: wanted[text[:4]] for text in await standing(service)} == await standing(service)
    assert await ada.title() == "Pending · Moderation"


@pytest.mark.slow
async def test_ten_steps_are_undone_one_by_one(at_desk):
    ada, service = await at_desk()
    for number in range(12):
        await post(service, f"number {number:02}", address=f"192.0.{number}.1")
    await post(service, "also from there", address="192.0.0.9")
    await ada.reload()
    before = await standing(service)

    for key in "aasdadsada":
        await ada.keyboard.press(key)
    await wait_until_saved(ada)
    assert list((await standing(service)).values()).count("pending") == 3

    for step in range(10):
        await ada.keyboard.press("u")
        await wait_until_saved(ada)
        await wait_for_status(ada, "Undone: 1 comment")
        assert list((await standing(service)).values()).count("pending") == 4 + step
    assert await standing(service) == before
    assert await ada.locator(".card").count() == 13
    await ada.keyboard.press("u")
    await wait_for_status(ada, "Nothing to undo.")
    assert await standing(service) == before


async def test_a_key_acts_at_once_and_moves_to_the_next_comment(at_desk):
    ada, service = await at_desk()
    for name in ("One", "Two", "Three"):
        await post(service, f"{name} says so.", name=name, address=f"192.0.{len(name)}.1")
    await ada.route("**/moderate/act", lambda route: None)  # never answer
    await ada.reload()  # Chromium can miss a route that is younger than its page

    await ada.keyboard.press("a")
    assert await ada.locator(".card").count() == 2
    assert "Two says so." in await current(ada).inner_text()
    assert await current(ada).evaluate("card => card == document.activeElement")


async def test_a_decision_that_cannot_be_sent_is_shown_again(at_desk):
    ada, service = await at_desk()
    await post(service, "Keep me.")
    ada.ignored.append("net::ERR_FAILED")
    await ada.route("**/moderate/act", lambda route: route.abort())
    await ada.reload()

    await ada.keyboard.press("a")
    await wait_for_status(ada, "Could not save your decision.")
    await card(ada, "Keep me.").wait_for()
    assert await standing(service) == {"Keep me.": "pending"}


async def test_a_moderator_who_is_offline_loses_no_card(at_desk):
    ada, service = await at_desk()
    await post(service, "Keep me.")
    await post(service, "Keep me too.", address="203.0.113.1")
    ada.ignored.append("net::ERR_FAILED")
    offline = asyncio.Event()
    await ada.route("**/moderate**", lambda route: route.abort() if offline.is_set() else route.continue_())
    await ada.reload()

    offline.set()
    await ada.keyboard.press("a")
    await wait_for_status(ada, "Could not save your decision.")
    assert await ada.locator(".card").count() == 2
    offline.clear()
    await card(ada, "Keep me.").focus()
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    assert await standing(service) == {"Keep me.": "approved", "Keep me too.": "pending"}


async def test_keys_move_select_open_and_search(at_desk):
    ada, service = await at_desk()
    for name in ("One", "Two", "Three"):
        await post(service, f"{name} says so.", name=name, address=f"192.0.{len(name)}.1")
    await ada.reload()

    assert "One says" in await current(ada).inner_text()
    await ada.keyboard.press("k")
    assert "One says" in await current(ada).inner_text()
    await ada.keyboard.press("x")
    await ada.keyboard.press("j")
    await ada.keyboard.press("j")
    assert "Three says" in await current(ada).inner_text()
    await ada.keyboard.press("x")
    await ada.keyboard.press("s")
    await wait_for_status(ada, "2 comments marked as spam.")
    assert await standing(service) == {"One says so.": "spam", "Two says so.": "pending", "Three says so.": "spam"}

    await ada.keyboard.press("/")
    assert await ada.get_by_role("searchbox").evaluate("field => field == document.activeElement")
    await ada.keyboard.type("sad")
    assert await ada.get_by_role("searchbox").input_value() == "sad", "keys type letters in a field"
    assert (await standing(service))["Two says so."] == "pending"
    await open_page(ada)
    await ada.keyboard.press("?")
    shortcuts = ada.get_by_role("dialog", name="Keyboard shortcuts")
    assert await shortcuts.get_by_text("spam, with all from this network").is_visible()
    await ada.keyboard.press("a")
    assert (await standing(service))["Two says so."] == "pending", "no key reaches the page behind the dialog"
    await ada.keyboard.press("Escape")
    await shortcuts.wait_for(state="hidden")
    await ada.keyboard.press("o")
    await ada.wait_for_url(re.compile("/moderate/comments/"))
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")


async def test_letters_that_are_typed_in_a_reply_decide_nothing(at_desk):
    ada, service = await at_desk()
    await post(service, "Is it so?")
    await ada.reload()
    await ada.keyboard.press("r")
    await ada.wait_for_url(re.compile("#reply-text$"))
    await ada.keyboard.type("thanks, that is a good deed")
    assert await ada.get_by_label("Your reply").input_value() == "thanks, that is a good deed"
    assert await standing(service) == {"Is it so?": "pending"}
    await ada.get_by_role("button", name="Post reply").click()
    await wait_for_status(ada, "Reply posted.")


async def test_after_an_undo_keys_act_on_the_comment_that_came_back(at_desk):
    ada, service = await at_desk()
    for number in range(3):
        await post(service, f"number {number}", address=f"192.0.{number}.1")
    await ada.reload()
    for key in "au":
        await ada.keyboard.press(key)
        await wait_until_saved(ada)
    await ada.keyboard.press("s")
    await wait_until_saved(ada)
    assert await standing(service) == {"number 0": "spam", "number 1": "pending", "number 2": "pending"}


async def test_a_held_key_and_a_double_click_decide_once(at_desk):
    ada, service = await at_desk()
    for number in range(5):
        await post(service, f"number {number}", address=f"192.0.{number}.1")
    await ada.reload()
    await ada.keyboard.down("a")
    for _ in range(4):
        await ada.keyboard.down("a")  # a held key repeats
    await ada.keyboard.up("a")
    await wait_until_saved(ada)
    assert list((await standing(service)).values()).count("approved") == 1
    await ada.locator(".card").first.get_by_role("button", name="Spam", exact=True).dblclick()
    await wait_until_saved(ada)
    assert list((await standing(service)).values()).count("spam") == 1


async def test_no_key_acts_on_a_card_that_is_out_of_view(at_desk):
    ada, service = await at_desk()
    for number in range(12):
        await post(service, f"number {number:02}", address=f"192.0.{number}.1")
    await ada.reload()
    await ada.mouse.wheel(0, 1500)
    await ada.wait_for_function("scrollY > 1000")
    await ada.keyboard.press("a")
    await wait_until_saved(ada)
    assert set((await standing(service)).values()) == {"pending"}, "the key only moved to a visible card"
    seen = await current(ada).locator(".text").inner_text()
    await ada.keyboard.press("a")
    await wait_until_saved(ada)
    assert [text for text, status in (await standing(service)).items() if status == "approved"] == [seen.strip()]


async def test_decisions_are_sent_before_the_page_is_left(at_desk):
    ada, service = await at_desk()
    for number in range(8):
        await post(service, f"number {number}", address=f"192.0.{number}.1")
    await ada.reload()
    for key in "aaaaao":
        await ada.keyboard.press(key)
    await ada.wait_for_url(re.compile("/moderate/comments/"))
    assert list((await standing(service)).values()).count("approved") == 5


async def test_a_comment_that_was_just_edited_is_read_again_first(at_desk, clock):
    ada, service = await at_desk()
    await post(service, "first", address="192.0.2.1")
    mine = await post_comment(service, draft(comment="harmless"), visit())
    await ada.reload()
    await edit.edit_comment(service, mine.id, mine.edit_token, CommentEdit(comment="Buy pills."), visit())
    await ada.keyboard.press("a")
    await card(ada, "Buy pills.").wait_for()
    await ada.keyboard.press("a")
    await wait_until_saved(ada)
    assert await standing(service) == {"first": "approved", "Buy pills.": "pending"}


async def test_keyboard_shortcuts_can_be_switched_off(at_desk):
    ada, service = await at_desk()
    await post(service, "Careful.")
    await ada.reload()
    await ada.get_by_role("button", name="Keyboard shortcuts").click()
    async with ada.expect_response("**/moderate/account/preferences"):
        await ada.get_by_label("Keyboard shortcuts on").uncheck()
    await ada.get_by_role("button", name="Close").click()
    for key in "asdSu":
        await ada.keyboard.press(key)
    await ada.reload()
    await ada.keyboard.press("s")
    assert await ada.locator("kbd").first.is_hidden()
    await wait_until_saved(ada)
    assert await standing(service) == {"Careful.": "pending"}

    await ada.get_by_role("button", name="Keyboard shortcuts").click()
    await ada.get_by_label("Keyboard shortcuts on").check()
    await ada.get_by_role("button", name="Close").click()
    await ada.locator(".card").focus()
    await ada.keyboard.press("s")
    await wait_for_status(ada, "1 comment marked as spam.")


async def test_keys_with_control_belong_to_the_browser(at_desk):
    ada, service = await at_desk()
    await post(service, "Hello.")
    await ada.reload()
    for chord in ("Control+a", "Control+d", "Alt+s", "Meta+a"):
        await ada.keyboard.press(chord)
    await wait_until_saved(ada)
    assert await standing(service) == {"Hello.": "pending"}


async def test_a_card_shows_everything_that_a_decision_needs(at_desk):
    ada, service = await at_desk(sites="https://blog.example")
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    page = {"thread": "https://blog.example/a-post/", "title": "A post"}
    first = await post(service, "The first\nof all.", name="Sam", **page)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))
    words = "See https://shop.example/x or [this](javascript:alert(1))."
    second = await post(service, words, parent=first, website="https://mia.example", **page)
    await post(service, words, name="Bo", email="bo@example.com", address="203.0.113.9", **page)
    await post(service, "Something else.", email="x@example.com", **page)
    await ada.reload()

    mine = ada.locator(f"#c-{second}")
    shown = await mine.inner_text()
    for fact in (
        "Mia", "mia@example.com", "1 approved · 0 spam", "198.51.100.0/24", "just now", "A post",
        "In reply to Sam: The first of all.", "1 link", "https://mia.example", "[this](javascript:alert(1))",
        "1 more waiting from 198.51.100.0/24", "1 more waiting with the same text",
    ):  # fmt: skip
        assert fact in shown, fact
    assert await mine.locator(".meta mark, .text mark").all_inner_texts() == [
        "https://mia.example", "https://shop.example/x",
    ]  # fmt: skip
    links = await mine.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert [link for link in links if not link.startswith("/moderate/")] == ["https://blog.example/a-post/"]
    assert "First comment" in await card(ada, "bo@example.com").inner_text()


async def test_all_from_one_network_and_all_with_one_text_go_together(at_desk):
    ada, service = await at_desk()
    for number in range(3):
        await post(service, f"from here {number}", address=f"203.0.113.{number}")
        await post(service, "the same everywhere", name=f"N{number}", address=f"192.0.{number}.1")
    await post(service, "nothing to do with it", address="100.64.0.1")
    await ada.reload()

    await card(ada, "from here 0").get_by_role("button", name="Mark all 3 as spam").click()
    await wait_for_status(ada, "3 comments marked as spam.")
    await card(ada, "the same everywhere").first.get_by_role("button", name="Trash all").click()
    await wait_for_status(ada, "3 comments moved to the trash.")
    await wait_until_saved(ada)
    assert await ada.locator(".card").count() == 1
    assert sorted((await standing(service)).values()) == ["pending", "spam", "spam", "spam", "trash"]


@pytest.mark.slow
async def test_comments_newer_than_the_page_are_not_decided(at_desk, clock):
    ada, service = await at_desk()
    receipts = [
        await post_comment(service, draft(comment=f"from here {n}", name=f"N{n}"), visit(address=f"203.0.113.{n}"))
        for n in range(3)
    ]
    await ada.reload()
    clock.move(seconds=1)
    await post(service, "and one more", address="203.0.113.9")
    words = CommentEdit(comment="Buy pills.")
    await edit.edit_comment(service, receipts[1].id, receipts[1].edit_token, words, visit())

    await card(ada, "from here 0").get_by_role("button", name="Approve all").click()
    await wait_for_status(ada, "2 comments approved.")
    await wait_until_saved(ada)
    wanted = {"from here 0": "approved", "from here 2": "approved", "Buy pills.": "pending", "and one more": "pending"}
    assert await standing(service) == wanted
    assert await ada.locator(".card").count() == 2


async def test_comments_with_the_same_text_are_read_again_after_an_edit(at_desk, clock):
    ada, service = await at_desk()
    first = await post_comment(service, draft(comment="the same"), visit())
    await post(service, "the same", name="B", address="203.0.113.1")
    await ada.reload()
    clock.move(seconds=1)
    await edit.edit_comment(service, first.id, first.edit_token, CommentEdit(comment="another"), visit())
    await ada.locator(f"#c-{first.id}").get_by_role("button", name="Approve all").click()
    await wait_for_status(ada, "The commenter has edited this comment.")
    await wait_until_saved(ada)
    assert await standing(service) == {"another": "pending", "the same": "pending"}


async def test_a_long_comment_is_shown_in_part_and_whole_when_asked_for(at_desk):
    ada, service = await at_desk()
    await post(service, "begins " + "words " * 600 + "ends")
    await ada.reload()
    height = "text => text.getBoundingClientRect().height / parseFloat(getComputedStyle(text).lineHeight)"
    assert round(await ada.locator(".text").evaluate(height)) == 12
    await ada.get_by_text("Show all").click()
    assert await ada.locator(".text").evaluate(height) > 40


async def test_reported_comments_wait_for_a_moderator(at_desk):
    ada, service = await at_desk()
    comment = await post(service, "Is it rude?")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[comment]))
    await reports.report_comment(service, comment, NewReport(reason="it is"), visit(address="203.0.113.1"))

    await ada.reload()
    await ada.get_by_role("link", name="Reported 1").click()
    assert "Reported by 1 reader" in await ada.locator(".card").inner_text()
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    await wait_until_saved(ada)
    assert await ada.get_by_text("No reported comments.").count() == 1
    assert await ada.get_by_role("link", name="Reported").inner_text() == "Reported"


async def test_a_decision_of_another_moderator_is_kept_and_shown(at_desk):
    ada, service = await at_desk()
    await post(service, "Whose is it?")
    sam, _ = await at_desk("Sam", beside=service)
    await ada.reload()

    await sam.keyboard.press("a")
    await wait_for_status(sam, "1 comment approved.")
    await ada.keyboard.press("s")
    await ada.get_by_text("Sam approved this comment.").wait_for()
    assert await standing(service) == {"Whose is it?": "approved"}
    assert await card(ada, "Whose is it?").count() == 0


async def test_two_moderators_never_undo_each_other(at_desk):
    ada, service = await at_desk()
    texts = [f"number {number:02}" for number in range(20)]
    for number, text in enumerate(texts):
        await post(service, text, address=f"192.0.{number}.1")
    sam, _ = await at_desk("Sam", beside=service)
    await ada.reload()

    for _ in texts:
        await ada.keyboard.press("a")
        await sam.keyboard.press("s")
    await wait_until_saved(ada)
    await wait_until_saved(sam)
    assert set((await standing(service)).values()) <= {"approved", "spam"}
    rows = await everything_in(service, "decision")
    people = [row["comment_id"] for row in rows if row["actor_kind"] == "person"]
    assert len(people) == len(set(people)) == len(texts), "each comment was decided once"


async def test_a_card_that_another_moderator_decided_on_says_so(at_desk):
    ada, service = await at_desk()
    mine = await post(service, "Whose is it?")
    await post(service, "Another.", address="203.0.113.1")
    await ada.reload()
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[mine]))
    await post(service, "And a new one.", address="203.0.114.1")

    await ada.evaluate("dispatchEvent(new Event('focus'))")
    await ada.get_by_text("ada marked this comment as spam.").wait_for()
    assert await card(ada, "And a new one.").count() == 1
    assert await ada.title() == "(2) Pending · Moderation"
    await ada.keyboard.press("s")
    await wait_until_saved(ada)
    assert (await standing(service))["Another."] == "pending", "the key had no card to act on"


@pytest.mark.slow
async def test_no_key_acts_on_a_card_that_moved_into_the_place_of_another(at_desk):
    ada, service = await at_desk()
    ids = [await post(service, text, address=f"192.0.{n}.1") for n, text in enumerate(("one", "two", "three"))]
    await ada.reload()
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[ids[1]]))

    await ada.keyboard.press("a")
    await ada.get_by_text("ada moved this comment to the trash.").wait_for()
    await wait_until_saved(ada)
    assert "ada moved this comment" in await current(ada).inner_text()
    await ada.keyboard.press("s")
    await wait_until_saved(ada)
    assert await standing(service) == {"one": "approved", "two": "trash", "three": "pending"}
    await ada.keyboard.press("j")
    await ada.keyboard.press("s")
    await wait_until_saved(ada)
    assert (await standing(service))["three"] == "spam"


@pytest.mark.slow
async def test_every_error_of_several_requests_is_shown(at_desk, clock):
    ada, service = await at_desk()
    await post(service, "one", address="192.0.2.1")
    two = await post_comment(service, draft(comment="the same"), visit(address="203.0.113.1"))
    await post(service, "the same", name="B", address="203.0.114.1")
    await post(service, "last", address="192.0.3.1")
    sam, _ = await at_desk("Sam", beside=service)
    await ada.reload()
    clock.move(seconds=1)
    await edit.edit_comment(service, two.id, two.edit_token, CommentEdit(comment="another"), visit())
    await sam.keyboard.press("s")
    await wait_until_saved(sam)

    for key in ("a", "Shift+S", "a"):
        await ada.keyboard.press(key)
    await wait_until_saved(ada)
    assert "Sam marked this comment as spam." in await ada.locator("#skipped").inner_text()
    await wait_for_status(ada, "The commenter has edited this comment.")
    expected = {"one": "spam", "another": "pending", "the same": "pending", "last": "approved"}
    assert await standing(service) == expected


async def test_counts_are_sent_only_when_they_changed(at_desk):
    ada, service = await at_desk()
    asked = "fetch('/moderate/counts', {cache: 'no-store', headers: {'If-None-Match': TAG}})"
    fetch_counts = "async TAG => { const a = await ASKED; return [a.status, a.headers.get('ETag')] }".replace(
        "ASKED", asked
    )
    status, tag = await ada.evaluate(fetch_counts, "")
    assert status == 200
    assert await ada.evaluate(fetch_counts, tag) == [304, tag]
    await post(service, "Hello.")
    assert (await ada.evaluate(fetch_counts, tag))[0] == 200


async def press(page, name, within="main"):
    async with page.expect_navigation() as navigation:
        await page.locator(within).get_by_role("button", name=name).first.click()
    return await navigation.value


async def decide(page, name):
    """Press a button of the first comment."""
    return await press(page, name, within="article.card")


async def test_a_moderator_can_do_everything_without_script(at_desk):
    ada, service = await at_desk(script=False)
    for number in range(4):
        await post(service, f"number {number}", name=f"N{number}", address=f"203.0.113.{number}")
    await post(service, "number 4", name="N4", address="192.0.2.1")
    await ada.reload()

    await decide(ada, "Approve")
    assert "1 comment approved." in await ada.locator("#status").inner_text()
    await ada.locator("#status").get_by_role("button", name="Undo").click()
    assert "Undone: 1 comment approved." in await ada.locator("#status").inner_text()
    await decide(ada, "Mark all 4 as spam")
    assert "4 comments marked as spam." in await ada.locator("#status").inner_text()
    await ada.get_by_role("button", name="Undo last").click()
    await ada.get_by_label("Select the comment by N1").check()
    await ada.get_by_label("Select the comment by N4").check()
    await ada.locator("#bulk").get_by_role("button", name="Trash").click()
    assert "2 comments moved to the trash." in await ada.locator("#status").inner_text()
    await ada.get_by_role("link", name="Trash 2").click()
    await decide(ada, "Restore")
    statuses = await standing(service)
    assert sorted(statuses.values()) == ["pending"] * 4 + ["trash"]
    assert await ada.locator("kbd").first.is_hidden()


@pytest.mark.slow
async def test_no_url_shows_an_email_address_or_a_network(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "Mine.", email="mia@example.com", address="203.0.113.5")
    await post(service, "Another's.", email="sam@example.com", address="192.0.2.1")
    for text in ("mia@example.com", "203.0.113.77", "203.0.113.0/24", "203.0.113.64/26", "MIA@example.com"):
        await open_page(ada)
        await ada.get_by_role("searchbox").fill(text)
        await ada.get_by_role("searchbox").press("Enter")
        await ada.wait_for_url("**/moderate?*")
        assert await ada.locator(".card").count() == 1, text
        assert "Mine." in await ada.locator(".card").inner_text()
        assert not PRIVATE_PART.search(ada.url), ada.url
        assert await ada.get_by_role("searchbox").input_value() in {text, "203.0.113.0/24"}
        await decide(ada, "Spam")
        assert not PRIVATE_PART.search(ada.url), ada.url
        assert "Mine." in await ada.locator(".card").inner_text(), "the search is kept"
        await press(ada, "Undo last", within="body")
    await ada.get_by_role("searchbox").fill("203.0.0.0/16")
    await ada.get_by_role("searchbox").press("Enter")
    assert "Search for one like 203.0.0.0/24." in await ada.get_by_role("alert").inner_text()
    await ada.get_by_role("searchbox").fill("another")
    await ada.get_by_role("searchbox").press("Enter")
    await ada.wait_for_url("**q=another")
    assert "Another's." in await ada.locator(".card").inner_text()


@pytest.mark.slow
async def test_a_search_url_works_only_for_the_moderator_who_searched(at_desk, browse):
    ada, service = await at_desk(script=False)
    await post(service, "Mine.", email="mia@example.com")
    await ada.get_by_role("searchbox").fill("mia@example.com")
    await ada.get_by_role("searchbox").press("Enter")
    await ada.wait_for_url("**/moderate?*")
    sam, _ = await at_desk("Sam", beside=service, script=False)
    key = (await a_key(service, Scope.READ, name="Reader"))["Authorization"].removeprefix("Bearer ")
    reader = await browse(service.config.own_origin, moderator=True)
    await reader.goto("/moderate")
    await reader.get_by_label("Your key").fill(key)
    await reader.get_by_role("button", name="Sign in").click()
    for other in (sam, reader):
        answer = await other.goto(ada.url)
        assert answer.status == 422
        assert "mia@" not in await other.content()
    for text in ("mia@example.com", "198.51.100.7"):
        await reader.goto("/moderate")
        await reader.get_by_role("searchbox").fill(text)
        await reader.get_by_role("searchbox").press("Enter")
        assert "needs a key with scope moderate" in await reader.get_by_role("alert").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["mia\uff20example.com", "mia%40example.com", "mia@", "203.0.113.9:443", "[2001:db8::1]"]
)
async def test_no_url_shows_part_of_an_email_address_or_a_network(at_desk, text):
    ada, _ = await at_desk(script=False)
    for field in (ada.get_by_role("searchbox"), ada.get_by_label("Text, email, network")):
        await open_page(ada)
        await ada.get_by_text("Filters").click()
        await field.fill(text)
        await field.press("Enter")
        await ada.wait_for_url("**/moderate?*")
        assert "sealed=" in ada.url
        assert "q=" not in ada.url


@pytest.mark.slow
async def test_filters_narrow_down_what_is_shown(at_desk):
    ada, service = await at_desk(script=False, sites="https://one.example https://two.example")
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    await post(service, "one", thread="https://one.example/a/")
    await post(service, "two https://x.example", thread="https://two.example/a/")
    await ada.reload()
    assert await ada.locator(".card").count() == 2
    await ada.get_by_text("Filters").click()
    await ada.get_by_label("Reason", exact=True).fill("links")
    await ada.get_by_role("button", name="Filter").click()
    assert "two.example" in await ada.locator(".card").inner_text()
    await ada.get_by_label("Site").select_option("one.example")
    await ada.get_by_role("button", name="Filter").click()
    assert await ada.get_by_text("No matches.").count() == 1
    await ada.get_by_label("Since").fill("2026-11-23")
    await ada.get_by_label("Reason", exact=True).fill("")
    await press(ada, "Filter")
    assert await ada.get_by_text("No matches.").count() == 1
    await ada.get_by_label("Since").fill("2026-11-22")
    await press(ada, "Filter")
    assert "one.example" in await ada.locator(".card").inner_text()
    answer = await ada.goto("/moderate?since=yesterday")
    assert answer.status == 422
    assert "Use RFC 3339 with a time zone, like 2026-" in await ada.get_by_role("alert").inner_text()


async def test_the_next_page_keeps_the_filters(at_desk, monkeypatch):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 2)
    ada, service = await at_desk(script=False)
    for number in range(5):
        await post(service, f"number {number}", address=f"192.0.{number}.1")
    await ada.reload()
    await ada.get_by_role("link", name="Next page").click()
    assert [text[:8] for text in await ada.locator(".text").all_inner_texts()] == ["number 2", "number 3"]
    await decide(ada, "Spam")
    assert [text[:8] for text in await ada.locator(".text").all_inner_texts()] == ["number 3", "number 4"]
    await ada.get_by_label("Sort").select_option("newest")
    await press(ada, "Show")
    assert [text[:8] for text in await ada.locator(".text").all_inner_texts()] == ["number 4", "number 3"]


async def test_a_moderator_replies_and_undoes_it(at_desk):
    ada, service = await at_desk()
    mine = await post(service, "Is it so?")
    await ada.reload()
    await ada.keyboard.press("r")
    await ada.wait_for_url(re.compile("#reply-text$"))
    await ada.get_by_label("Your reply, as Ada").fill("It is, and <b>thank you</b>.")
    await ada.keyboard.press("Control+Enter")
    await wait_for_status(ada, "Reply posted.")
    assert await standing(service) == {"Is it so?": "approved", "It is, and <b>thank you</b>.": "approved"}
    (reply,) = (
        await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.APPROVED, q="thank"))
    ).comments
    assert (reply.parent, reply.by_moderator, reply.name, reply.email) == (mine, True, "Ada", None)

    await ada.keyboard.press("u")
    await wait_for_status(ada, "Undone")
    assert await standing(service) == {"Is it so?": "pending", "It is, and <b>thank you</b>.": "trash"}


async def test_a_moderator_edits_a_comment_and_its_old_text_is_kept(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "Thsi is it.")
    await ada.reload()
    await ada.locator(".card").get_by_role("link", name="Edit").click()
    await ada.get_by_label("Comment", exact=True).fill("This is it.")
    await press(ada, "Save")
    assert "1 comment changed." in await ada.locator("#status").inner_text()
    await ada.get_by_text("show earlier text").click()
    assert "Thsi is it." in await ada.locator(".history").inner_text()
    await ada.get_by_label("Only moderators see this note").fill("a friend")
    await press(ada, "Save note")
    assert "Note: a friend" in await ada.locator(".card").inner_text()
    assert await standing(service) == {"This is it.": "pending"}
    await ada.get_by_role("link", name="Back").click()
    assert "/moderate#c-" in ada.url


async def test_an_edit_that_comes_too_late_keeps_the_typed_text(at_desk):
    ada, service = await at_desk(script=False)
    mine = await post(service, "Words.")
    await ada.reload()
    await ada.locator(".card").get_by_role("link", name="Edit").click()
    await ada.get_by_label("Comment", exact=True).fill("Better words.")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[mine]))
    answer = await press(ada, "Save")
    assert answer.status == 412
    assert VersionConflict.title in await ada.get_by_role("alert").first.inner_text()
    assert await ada.get_by_label("Comment", exact=True).input_value() == "Better words."
    await press(ada, "Save")
    assert await standing(service) == {"Better words.": "approved"}


async def test_a_form_with_a_mistake_comes_back_filled_in(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "Words.")
    await ada.reload()
    await ada.locator(".card").get_by_role("link", name="Reply").click()
    await ada.get_by_label("Your reply").fill("long " * 2100)
    answer = await press(ada, "Post reply")
    assert answer.status == 422
    assert await ada.get_by_label("Your reply").input_value() == "long " * 2100
    assert await ada.get_by_label("Also approve this comment").is_checked()


@pytest.mark.slow
async def test_only_an_admin_deletes_permanently_and_confirms_first(at_desk):
    owner, service = await at_desk("owner", script=False)
    mine = await post(service, "Forget me.")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[mine]))
    ada, _ = await at_desk("Ada", beside=service, script=False)
    await open_page(ada, f"/moderate/comments/{mine}")
    assert await ada.get_by_text("Delete permanently").count() == 0

    await open_page(owner, f"/moderate/comments/{mine}?back=/moderate%3Fstatus%3Dspam")
    assert not await owner.get_by_role("button", name="Yes, delete permanently").is_visible()
    await owner.get_by_text("Delete permanently…").click()
    await press(owner, "Yes, delete permanently")
    assert "1 comment permanently deleted." in await owner.locator("#status").inner_text()
    assert "Forget me." not in str(await everything_in(service, "comment"))
    await open_page(owner, f"/moderate/comments/{mine}")
    assert await owner.get_by_text("This comment was permanently deleted.").count() == 1


@pytest.mark.slow
async def test_threads_are_closed_renamed_moved_and_merged(at_desk):
    ada, service = await at_desk(script=False, moderation=Mode.NONE)
    titled = [await post(service, "here", thread="/a-post/", title="A post")]
    titled.append(await post(service, "there", thread="/b-post/", title="B post"))
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=titled))
    await open_page(ada, "/moderate/threads")
    await press(ada, "Close comments A post")
    assert await ada.get_by_text("closed", exact=True).count() == 1
    await ada.get_by_role("button", name="Undo").click()
    assert await ada.get_by_text("closed", exact=True).count() == 0

    await ada.get_by_label("Title or address").fill("B PO")
    await ada.get_by_role("button", name="Find").click()
    await ada.locator("main .list").get_by_role("link").first.click()
    await ada.get_by_label("Add another address").fill("/an-alias/")
    await press(ada, "Add address")
    assert "/an-alias" in await ada.locator("dl").inner_text()
    await ada.get_by_label("Move to another address").fill("/c-post/")
    await press(ada, "Move")
    assert "/b-post" in await ada.locator("dl").inner_text()
    await ada.get_by_label("Merge into another thread").fill("/nowhere/")
    answer = await press(ada, "Merge")
    assert answer.status == 422
    await ada.get_by_label("Merge into another thread").fill("/a-post/")
    await press(ada, "Merge")
    assert "Threads merged." in await ada.locator("#status").inner_text()
    assert "2 approved" in await ada.locator("dl").inner_text()
    await ada.get_by_role("button", name="Undo").click()
    await open_page(ada, "/moderate/threads")
    assert await ada.get_by_text("1 comment", exact=True).count() == 2


@pytest.mark.slow
async def test_the_audit_log_shows_who_did_what_and_undoes_it(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "Hello.")
    await ada.reload()
    await decide(ada, "Spam")
    await open_page(ada, "/moderate/audit")
    newest = ada.locator("main .list li").first
    assert "Ada" in await newest.inner_text()
    assert "Ada marked 1 comment as spam pending → spam" in await newest.inner_text()
    assert "Mia: Hello." in await newest.inner_text()
    await newest.get_by_role("button", name="Undo").click()
    assert await standing(service) == {"Hello.": "pending"}
    assert await ada.locator("main .list li").nth(1).get_by_role("button").count() == 0, (
        "an action can be undone only once"
    )
    await ada.locator("#status").get_by_role("button", name="Redo").click()
    assert await standing(service) == {"Hello.": "spam"}


async def test_a_link_signs_in_once_and_a_key_signs_in_again(at_desk):
    ada, _ = await at_desk()
    notice = ada.get_by_text("Create a key so that you can sign in again.")
    assert await notice.is_visible()
    await ada.get_by_role("button", name="Create key").click()
    key = await ada.locator(".key").inner_text()
    await ada.get_by_role("link", name="Pending").click()
    assert await notice.count() == 0
    await ada.locator("footer").get_by_role("button", name="Sign out").click()
    await ada.get_by_label("Your key").fill("cs_wrong")
    await ada.get_by_role("button", name="Sign in").click()
    assert "This key is" in await ada.get_by_role("alert").inner_text()
    field = ada.get_by_label("Your key")
    assert await field.get_attribute("aria-describedby") == "key-error"
    size = await field.bounding_box()
    assert (size["width"] > 300, size["height"] >= 44) == (True, True)
    assert "moderator invite owner" in await ada.locator(".command").inner_text()
    await field.fill(key)
    await ada.get_by_role("button", name="Sign in").click()
    await ada.wait_for_url("**/moderate")
    assert "Signed in as Ada" in await ada.locator("footer").inner_text()


async def test_a_moderator_chooses_the_language_of_the_page_and_keeps_it(at_desk):
    ada, service = await at_desk(script=False, person={"locale": "de-AT"})
    language = "[document.documentElement.lang, document.documentElement.dir]"
    assert await ada.evaluate(language) == ["de", "ltr"]
    await open_page(ada, "/moderate/account")
    await ada.locator("#language").select_option("ar")
    await ada.locator("form:has(#language) button").click()
    await ada.wait_for_url("**/moderate/account")
    assert await ada.evaluate(language) == ["ar", "rtl"]
    assert await ada.locator("#language").input_value() == "ar"
    assert await ada.locator("main [name=shortcuts]").is_checked()
    elsewhere, _ = await at_desk(beside=service, script=False)
    assert await elsewhere.evaluate(language) == ["ar", "rtl"], "it is kept for the person, not for the browser"


@pytest.mark.slow
async def test_an_operator_renames_a_site_and_undoes_it(at_desk):
    ada, service = await at_desk("owner", script=False)
    elsewhere, _ = await at_desk("owner", beside=service, script=False)
    await open_page(elsewhere, "/moderate/sites")
    await ada.get_by_role("link", name="Sites").click()
    await ada.get_by_label("Name").fill("Notes")
    await ada.get_by_role("button", name="Save").click()
    await wait_for_status(ada, "Site changed.")
    assert await ada.locator("main h2").inner_text() == "Notes"
    assert "Earlier names, which still find the site: blog" in await ada.locator("main").inner_text()

    await elsewhere.get_by_label("Name").fill("Diary")
    await elsewhere.get_by_role("button", name="Save").click()
    assert "Someone else changed this site." in await elsewhere.get_by_role("alert").inner_text()

    await ada.get_by_label("Name").fill("\u200b")
    await ada.get_by_role("button", name="Save").click()
    assert await ada.get_by_label("Name").get_attribute("aria-invalid") == "true"
    await open_page(ada, "/moderate/audit")
    await ada.get_by_role("button", name="Undo").first.click()
    await wait_for_status(ada, "Undone: Site changed.")
    await open_page(ada, "/moderate/sites")
    assert await ada.get_by_label("Name").input_value() == "blog"


async def test_a_session_is_ended_from_another_browser(at_desk):
    ada, service = await at_desk(script=False)
    elsewhere, _ = await at_desk(beside=service, script=False)
    await open_page(ada, "/moderate/account")
    others = ada.locator("main .list li").filter(has_not_text="This session")
    await others.get_by_role("button", name="Sign out").click()
    answer = await elsewhere.reload()
    assert answer.status == 401
    assert (await ada.reload()).status == 200


async def test_text_that_was_typed_while_the_session_ended_is_not_lost(at_desk, clock):
    ada, service = await at_desk(script=False)
    await post(service, "Words.")
    await ada.reload()
    await ada.locator(".card").get_by_role("link", name="Reply").click()
    await ada.get_by_label("Your reply").fill("A long answer.")
    clock.move(hours=13)
    answer = await press(ada, "Post reply")
    assert answer.status == 401
    assert await ada.get_by_label("Not saved").input_value() == "A long answer."


async def test_a_read_key_sees_no_button_and_no_email(browse, opened):
    url, service = await opened()
    await post(service, "Hello.")
    key = (await a_key(service, Scope.READ))["Authorization"].removeprefix("Bearer ")
    sam = await browse(url, script=False, moderator=True)
    await sam.goto("/moderate")
    await sam.get_by_label("Your key").fill(key)
    await sam.get_by_role("button", name="Sign in").click()
    assert "m…@example.com" in await sam.locator(".card").inner_text()
    assert await sam.locator("main").get_by_role("button").all_inner_texts() == ["Show"], "it sorts"
    await sam.locator(".card").get_by_role("link", name="Open").click()
    assert await sam.locator("main").get_by_role("button").count() == 0
    for tab in ("threads", "rules"):
        await sam.goto(f"/moderate/{tab}")
        assert set(await sam.locator("main").get_by_role("button").all_inner_texts()) <= {"Find"}


async def test_a_moderator_of_one_blog_sees_nothing_of_another(at_desk, opened):
    _, service = await opened(sites="https://one.example https://two.example")
    ours = await post(service, "ours", thread="https://one.example/a/")
    theirs = await post(service, "theirs", thread="https://two.example/a/")
    await moderators.add_moderator(service, "Sam", None, ["one.example"])
    sam, _ = await at_desk("Sam", beside=service, script=False)
    assert await sam.locator(".text").all_inner_texts() == ["ours"]
    assert await sam.get_by_role("link", name="Pending 1").count() == 1
    for path in (f"/moderate/comments/{theirs}", f"/moderate/comments/{theirs}/ban"):
        assert (await sam.goto(path)).status == 404
    assert (await sam.goto(f"/moderate/comments/{ours}")).status == 200
    await sam.goto("/moderate/threads")
    assert "two.example" not in await sam.content()


def payloads(shared):
    with (shared / "adversarial" / "xss_all.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["p"] for line in lines]


async def post_payloads(service, place, texts):
    """Post a pending comment with these texts, the first also as name and title; return its id, or None if refused.

    Their place is part of the comment: some payloads differ only in letter case, which makes a duplicate.
    """
    sent = fields_of(
        comment="\n\n".join([*texts, f"Payload {place}."]), name=texts[0][:80], title=texts[0], website=None
    )
    try:
        return (await post_comment(service, validate(NewComment, sent, fields.Limits()), visit())).id
    except Invalid:
        printable = ["".join(letter for letter in text if letter.isprintable()) for text in texts]
        try:
            sent |= {
                "comment": "\n\n".join([f"Payload {place}.", *printable])[:9000],
                "name": "A" + printable[0][:70],
                "title": None,
            }
            return (await post_comment(service, validate(NewComment, sent, fields.Limits()), visit())).id
        except Invalid:
            return None


@pytest.mark.slow
async def test_no_attack_payload_of_the_corpora_runs(at_desk, shared, monkeypatch):
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 200)
    ada, service = await at_desk()
    await ada.add_init_script("canary = 0; alert = confirm = prompt = () => { canary += 1 }")
    every = payloads(shared)
    assert len(every) > 9000
    made = [await post_payloads(service, at, every[at : at + 8]) for at in range(0, len(every), 8)]
    assert sum(one is None for one in made) < 5

    seen, following = 0, "/moderate"
    while following:
        await open_page(ada, following)
        seen += await ada.locator(".card").count()
        await assert_inert(ada)
        following = await ada.locator("#more a").get_attribute("href") if await ada.locator("#more a").count() else None
    assert seen == len(made) - sum(one is None for one in made)
    for comment in [one for one in made if one][::100]:
        for path in (f"/moderate/comments/{comment}", f"/moderate/comments/{comment}/ban"):
            await open_page(ada, path)
            await assert_inert(ada)
    await open_page(ada)
    await ada.keyboard.press("Shift+S")  # all of them came from one network
    await wait_for_status(ada, "comments marked as spam.")
    await assert_inert(ada)
    await open_page(ada, "/moderate/audit")
    await assert_inert(ada)


async def assert_inert(page):
    state = await page.evaluate(
        """() => ({
          canary: typeof canary == "number" ? canary : 1,
          scripts: [...document.scripts].map(one => one.getAttribute("src")),
          strange: document.querySelectorAll("iframe, object, embed, img, svg, math, base, style, video, audio").length,
          handlers: [...document.querySelectorAll("*")].flatMap(one => one.getAttributeNames())
            .filter(name => name.startsWith("on") || name == "style"),
          links: [...document.querySelectorAll("[href], [action]")].map(one => one.getAttribute("href")
            ?? one.getAttribute("action")).filter(to => !/^(\\/|#|data:,$)/.test(to)),
        })"""
    )
    assert state == {"canary": 0, "scripts": ["/moderate.js"], "strange": 0, "handlers": [], "links": []}


@pytest.mark.slow
async def test_a_scanner_that_follows_every_link_changes_nothing(at_desk, curl):
    ada, service = await at_desk("owner", script=False)
    mine = await post(service, "Hello, see https://shop.example", website="https://mia.example")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[mine]))
    await post(service, "Another.")
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="pills"))
    invitation = await moderators.create_sign_in_link(service, "owner")
    await training.train_sites(service)  # the running service would do it at any time
    before = await rows_without_session_times(service)

    url = service.config.own_origin
    cookie = {"Cookie": f"commentsvc={(await ada.context.cookies())[0]['value']}"}
    waiting = [route.path for route in ROUTES if "{" not in route.path] + [invitation.removeprefix(url)]
    followed = set()
    while waiting:
        path = waiting.pop()
        if path in followed:
            continue
        followed.add(path)
        for headers in ({}, cookie):
            for method in ("GET", "HEAD"):
                async with curl.request(method, url + path, headers=headers, allow_redirects=False) as answer:
                    page = await answer.text() if answer.content_type == "text/html" else ""
            waiting += [
                link.replace("&amp;", "&").partition("#")[0] for link in re.findall(r'(?:href|action)="(/[^"]*)"', page)
            ]
    assert len(followed) > 40
    assert await rows_without_session_times(service) == before


async def rows_without_session_times(service):
    names = [row["name"] for row in await everything_in(service, "sqlite_master") if row["type"] == "table"]
    rows = {name: [dict(row) for row in await everything_in(service, name)] for name in names}
    for row in rows["session"]:
        del row["seen_at"]
    return rows


async def test_moderation_pages_are_never_cached_or_framed(at_desk):
    ada, service = await at_desk()
    mine = await post(service, "Hello.")
    for path in (
        "",
        "/threads",
        "/rules",
        "/audit",
        "/account",
        f"/comments/{mine}",
        f"/comments/{mine}/ban",
        "/counts",
    ):
        answer = await ada.goto(f"/moderate{path}")
        headers = answer.headers
        assert headers["cache-control"] == "no-store", path
        if path == "/counts":
            continue
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "trusted-types 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"


async def test_only_an_encrypted_search_finds_an_email(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "Hello.")
    for sealed in ("x", service.keyring.seal(email_address.Email("mia@example.com"))):
        answer = await ada.goto(f"/moderate?sealed={sealed}")
        assert answer.status == 422
    assert await queue.search_comments(service, EVERYTHING, PrivateSearch(email=email_address.Email("mia@example.com")))
