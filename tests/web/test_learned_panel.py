"""Moderators test the learned filter on the page of rules, and choose from its curve what it may do."""

import pytest

from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.moderation import undo
from commentsvc.rules import manage
from commentsvc.rules.schemas import RuleQuery
from commentsvc.sites import manage as sites
from commentsvc.sites.schemas import NewSite
from commentsvc.spam import training
from tests.conftest import EVERYTHING, post
from tests.spam.teaching import GOOD, SPAM, decide, teach, write_comments
from tests.web.test_bans_and_rules import words_of
from tests.web.test_moderation_page import open_page, press, wait_for_status
from tests.web.test_statistics_looks import DEVICES
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def list_filters(service):
    rules = (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules
    return [(rule.match, rule.effect, rule.site) for rule in rules if rule.kind is RuleKind.LEARNED]


async def decide_later(service, site="blog"):
    """Teach a site's filter, then decide on ten spam and ten good comments, and approve one that looks like spam."""
    """Teach the filter of a site, then decide on ten spam and ten good comments, approve one like spam."""
    await teach(service, site=site)
    spam = await write_comments(service, SPAM, 10, thread="/later/", site=site)
    await decide(service, ActionVerb.SPAM, spam)
    good = await write_comments(service, GOOD, 10, thread="/later/", site=site)
    like_spam = await write_comments(service, SPAM, 1, thread="/last/", site=site)
    await decide(service, ActionVerb.APPROVE, good + like_spam)
    return like_spam[0]


async def test_a_moderator_sees_what_it_would_catch_and_lets_it_hold(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    lost = await decide_later(service)
    await open_page(ada, "/moderate/rules")
    panel = ada.locator(".learned")
    assert "from 53 decisions" in await words_of(panel)
    assert "At 99.5% it catches 13 of 13 spam and holds 1 of 11 good comments." in await words_of(panel)
    assert "Replayed in order: each comment was judged only by decisions made before it." in await words_of(panel)
    assert await panel.locator(".figure").first.text_content() == "100% caught"
    assert await panel.locator(".plot").get_attribute("aria-labelledby") == "curve-title curve-text"
    await panel.get_by_text("See it").click()
    assert f"/moderate/comments/{lost}" in await panel.locator(".list a").get_attribute("href")
    assert await panel.locator(".chip.danger").count() == 4
    assert await panel.get_by_label("Action").input_value() == "note"
    await assert_accessible(ada)

    before = await panel.locator("circle").get_attribute("cx")
    await panel.get_by_label("Keep at least this share").select_option("98")
    await panel.get_by_text("At 98% it catches").wait_for()
    assert await panel.locator("circle").get_attribute("cx") != before
    await panel.get_by_label("Action").select_option("hold")
    await panel.get_by_role("button", name="Save").click()
    await wait_for_status(ada, "Rule saved.")
    assert await list_filters(service) == [("98", "hold", None)]
    assert await panel.get_by_label("Keep at least this share").input_value() == "98"

    await panel.get_by_label("Action").select_option("spam")
    await panel.get_by_role("button", name="Save").click()
    await wait_for_status(ada, "Rule changed.")
    assert await list_filters(service) == [("98", "spam", None)], "one rule, which was changed"
    await ada.keyboard.press("u")
    await wait_for_status(ada, "Undone")
    assert await list_filters(service) == [("98", "hold", None)]


async def test_without_a_script_the_curve_is_the_same(at_desk):
    ada, service = await at_desk(script=False)
    await decide_later(service)
    await open_page(ada, "/moderate/rules")
    panel = ada.locator(".learned")
    await panel.get_by_label("Keep at least this share").select_option("99")
    await press(ada, "Show", within=".learned")
    assert "At 99% it catches 13 of 13 spam" in await words_of(panel)
    await panel.get_by_text("All numbers", exact=True).click()
    assert await panel.locator("tbody tr").count() == 21
    await press(ada, "Save", within=".learned")
    assert await list_filters(service) == [("99", "note", None)]


async def test_before_it_knows_enough_it_says_what_is_missing(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    await teach(service, good=3, spam=0)
    await open_page(ada, "/moderate/rules")
    panel = ada.locator(".learned")
    assert "Still missing: 17 good and 5 spam." in await words_of(panel)
    assert await panel.get_by_role("button", name="Save").count() == 0
    await assert_accessible(ada)


async def test_each_site_has_a_filter_and_settings_of_its_own(at_desk):
    ada, service = await at_desk(script=False)
    await sites.add_site(service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    await decide_later(service, "other")
    await open_page(ada, "/moderate/rules")
    panel = ada.locator(".learned")
    await panel.get_by_label("Where").select_option("blog")
    await press(ada, "Show", within=".learned")
    assert "Still missing: 20 good and 5 spam." in await words_of(panel)
    await panel.get_by_label("Where").select_option("other")
    await press(ada, "Show", within=".learned")
    await panel.get_by_label("Action").select_option("hold")
    await press(ada, "Save", within=".learned")
    assert await list_filters(service) == [("99.5", "hold", "other")]


async def test_a_filter_changed_by_someone_else_is_not_overwritten(at_desk):
    ada, service = await at_desk(script=False)
    await decide_later(service)
    await open_page(ada, "/moderate/rules")
    await press(ada, "Save", within=".learned")
    rule = (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules[0]
    await open_page(ada, "/moderate/rules")
    await manage.change_rule(service, EVERYTHING, rule.id, manage.RuleChange(effect="hold"))
    await ada.locator(".learned").get_by_label("Action").select_option("spam")
    await press(ada, "Save", within=".learned")
    assert "now at version 2" in await ada.get_by_role("alert").inner_text()
    assert await list_filters(service) == [("99.5", "hold", None)]


async def test_the_queue_shows_why_a_score_is_high_and_sorts_by_it(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    await teach(service)
    await training.train_sites(service)
    spam = SPAM.format(number=77, topic="rivers")
    await post(service, spam, name="BestDeals 24", address="192.0.2.8", email="shop@shop.example")
    await post(service, GOOD.format(number=78, topic="rivers"), address="192.0.2.9")
    await ada.reload()
    first = ada.locator(".card").first
    chips = await first.locator(".chip").all_inner_texts()
    assert any(chip.startswith("Spam score 9") for chip in chips)
    assert "like this were marked as spam" in chips[0], "harm first"
    assert (await first.locator(".signs").inner_text()).startswith("Score from: ")
    assert await ada.locator(".signs").count() == 1, "the good comment has no score that matters"
    async with ada.expect_navigation():
        await ada.get_by_label("Sort").select_option("score")
    assert await ada.get_by_label("Sort").input_value() == "score"
    assert "BestDeals 24" in await ada.locator(".card").last.inner_text()
    assert "Spam score" in await ada.locator(".card").first.locator(".chips").inner_text()
    await assert_accessible(ada)
    await ada.keyboard.press("a")
    await wait_for_status(ada, "1 comment approved.")
    assert await ada.locator(".card h2").all_inner_texts() == ["BestDeals 24"]
    await open_page(ada, "/moderate?status=approved&order=score")
    assert await ada.get_by_label("Sort").locator("option").all_inner_texts() == ["Oldest first", "Newest first"]


async def test_a_card_counts_the_spam_like_it_that_was_marked_after_it_came(at_desk):
    ada, service = await at_desk(script=False)
    text = "Best casino bonus: win money tonight, play slots with {} at our house"
    await post(service, text.format("cheap friends"), address="192.0.2.8")
    others = [await post(service, text.format(f"good friends {at}"), address=f"203.0.{at}.8") for at in range(3)]
    await ada.reload()
    assert await ada.get_by_text("like this were marked").count() == 0
    await decide(service, ActionVerb.SPAM, others)
    await ada.reload()
    assert (await ada.locator(".chip").all_inner_texts())[0] == "3 like this were marked as spam"


async def test_a_card_that_was_held_for_spam_like_it_does_not_say_so_after_an_undo(at_desk):
    ada, service = await at_desk(script=False)
    text = "Best casino bonus: win money tonight, play slots with {} at our house"
    marked = await decide(service, ActionVerb.SPAM, [await post(service, text.format("cheap friends"))])
    await post(service, text.format("good friends"), address="192.0.2.8")
    await ada.reload()
    like_this = ada.locator(".chip").get_by_text("1 like this was marked as spam")
    assert await like_this.count() == 1
    await undo.undo_action(service, EVERYTHING, marked)
    await ada.reload()
    assert (await ada.locator(".card").count(), await like_this.count()) == (2, 0)


async def test_without_a_script_the_queue_is_sorted_by_a_button_and_keeps_its_filters(at_desk):
    ada, service = await at_desk(script=False)
    for number in range(2):
        await post(service, f"number {number}", address=f"192.0.2.{number}")
    await open_page(ada, "/moderate?thread=/a-page/")
    await ada.get_by_label("Sort").select_option("newest")
    await press(ada, "Show")
    assert "number 1" in await ada.locator(".card").first.inner_text()
    assert ("thread=%2Fa-page%2F" in ada.url, "order=newest" in ada.url) == (True, True)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES, ids=lambda device: "-".join(map(str, device.values()))[:30])
async def test_the_panel_is_accessible_and_fits_every_screen(at_desk, device):
    ada, service = await at_desk(person={"bypass_csp": True, **device})
    await decide_later(service)
    await open_page(ada, "/moderate/rules")
    for details in await ada.locator(".learned details").all():
        await details.evaluate("one => one.open = true")
    await assert_accessible(ada)
    assert await ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
