"""Moderators ban commenters and write rules: one sentence, tested on past comments at once, undone by one action."""

import pytest

from commentsvc.access import moderators
from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.moderation import actions, threads
from commentsvc.moderation.schemas import Action, ThreadChange
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule, RuleChange, RuleQuery
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post
from tests.web.test_moderation_page import open_page, press, standing, wait_for_status
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def decide(service, verb, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


async def list_rules(service):
    return (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules


async def words_of(place):
    return " ".join((await place.inner_text()).split())


async def fill_network(service):
    """Post two rejected, one approved and three waiting comments from one network; return a waiting one."""
    for number in range(2):
        await decide(service, ActionVerb.SPAM, await post(service, f"old pills {number}", address="203.0.113.9"))
    good = await post(service, "a neighbour", address="203.0.113.50", name="Noa", email="noa@example.com")
    await decide(service, ActionVerb.APPROVE, good)
    mine = [
        await post(service, f"pills {number}", address=f"203.0.113.{number}", email="shop@shop.example")
        for number in range(3)
    ]
    await post(service, "a friend's", address="192.0.2.1")
    return mine[0]


async def test_a_ban_takes_two_clicks_and_one_undo(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    await fill_network(service)
    await ada.reload()
    await ada.locator(".card").first.get_by_role("link", name="Ban…").click()
    assert "shop" not in ada.url
    assert await ada.evaluate("document.activeElement.name") == "kind"
    sentence = ada.locator(".sentence").first
    assert await sentence.locator("option:checked").all_inner_texts() == [
        "network 203.0.113.0/24 (256 addresses)",
        "30 days",
        "hold new comments",
    ]
    assert await ada.get_by_label("Since when").locator("option").all_inner_texts() == [
        "since 21 Nov",
        "since 15 Nov",
        "since 23 Oct",
        "at any time",
    ]
    result = await words_of(ada.locator("#test-result"))
    assert "Would catch 2 of the 2 that you rejected, and 1 that you approved." in result
    button = ada.get_by_role("button", name="Ban and mark 3 as spam")
    assert await button.is_visible()
    await ada.get_by_label("Also mark 1 public comment").check()
    assert await ada.get_by_role("button", name="Ban and mark 4 as spam").is_visible()
    await ada.get_by_label("Whom").select_option("author")
    assert "0" in await words_of(ada.locator("#test-result"))
    await ada.get_by_label("Whom").select_option("network")
    await ada.get_by_label("Also mark 1 public comment").uncheck()
    await assert_accessible(ada)
    await ada.get_by_label("Whom").press("Enter")
    await wait_for_status(ada, "Banned 203.0.113.0/24. 3 comments marked as spam.")
    (rule,) = await list_rules(service)
    assert (rule.kind, rule.match, rule.effect, rule.site) == (RuleKind.NETWORK, "203.0.113.0/24", "hold", "blog")
    assert rule.expires_at == service.ahead(days=30)
    assert sorted((await standing(service)).values()) == ["approved", "pending", *["spam"] * 5]

    await ada.keyboard.press("u")
    await wait_for_status(ada, "Undone: ban, 3 comments restored.")
    assert await list_rules(service) == []
    assert sorted((await standing(service)).values()) == ["approved", *["pending"] * 4, "spam", "spam"]


async def test_without_a_script_a_ban_says_again_what_it_would_sweep(at_desk):
    ada, service = await at_desk(script=False)
    waiting = await fill_network(service)
    await open_page(ada, f"/moderate/comments/{waiting}/ban")
    spam = [row["id"] for row in await everything_in(service, "comment") if row["status"] == "spam"]
    await decide(service, ActionVerb.HOLD, *spam)
    await press(ada, "Ban and mark 3 as spam")
    assert "More comments match now." in await ada.get_by_role("alert").inner_text()
    assert await everything_in(service, "rule") == []
    await ada.get_by_label("How long").select_option("7")
    await ada.get_by_text("Add a note").click()
    await ada.get_by_label("Note").fill("a shop")
    await press(ada, "Ban and mark 5 as spam")
    (rule,) = await list_rules(service)
    assert (rule.note, rule.expires_at) == ("a shop", service.ahead(days=7))


async def test_a_ban_that_is_refused_keeps_its_form(at_desk):
    ada, service = await at_desk(script=False)
    await open_page(ada, f"/moderate/comments/{await post(service, 'pills', email='shop@shop.example')}/ban")
    await ada.get_by_label("Whom").select_option("email")
    await ada.get_by_label("Action").select_option("refuse")
    await ada.get_by_text("Add a note").click()
    await ada.get_by_label("Note").fill("a shop")
    await press(ada, "Ban and mark 1 as spam")
    assert "can have the effect: hold, spam" in await ada.get_by_role("alert").inner_text()
    assert await ada.get_by_label("Whom").input_value() == "email"
    assert await ada.get_by_label("Note").input_value() == "a shop"
    assert await everything_in(service, "rule") == []


async def test_a_bad_rule_is_tested_in_red_and_loses_the_line_to_blame(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    for number in range(3):
        await decide(service, ActionVerb.APPROVE, await post(service, f"the lamp is lovely {number}"))
    spam = await post(service, "the casino", address="203.0.113.1")
    await decide(service, ActionVerb.SPAM, spam)
    await open_page(ada, "/moderate/rules")
    assert await ada.get_by_label("Check").input_value() == "words"
    assert await ada.get_by_label("Until").is_visible()
    await ada.get_by_label("Matches, one word").fill("casino\nTHE\n the")
    await ada.get_by_text("This rule would hit more good comments than bad ones.").wait_for()
    widths = await ada.locator(".meter").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.02)
    assert await ada.locator("tr.blamed").all_inner_texts() == ["THE\t1\t3\tRemove"]
    strong = ada.locator(".button.strong")
    assert await strong.all_inner_texts() == ["Test again"]
    await assert_accessible(ada)
    async with ada.expect_navigation():
        await ada.get_by_label("Note").press("Enter")  # tests, and removes nothing
    assert await ada.get_by_label("Matches, one word").input_value() == "casino\nTHE\n the"

    await ada.get_by_role("button", name="Remove THE").click()
    assert await ada.get_by_label("Matches, one word").input_value() == "casino"
    assert "Would catch 1 of the 1 that you rejected, and none that you approved." in await words_of(
        ada.locator("main")
    )
    assert await strong.all_inner_texts() == ["Save rule"]
    await strong.click()
    await wait_for_status(ada, "Rule saved.")
    (rule,) = await list_rules(service)
    assert (rule.kind, rule.match) == ("words", "casino")


async def test_without_a_script_the_form_shows_only_the_fields_of_its_kind(at_desk):
    ada, service = await at_desk(script=False)
    await open_page(ada, "/moderate/rules")
    labels = ada.locator("form.by-kind label:visible, form.by-kind .label:visible")
    assert await labels.all_inner_texts() == [
        "Check", "Matches, one word or phrase a line", "Action", "Until", "Note (only moderators see it)",
    ]  # fmt: skip
    await ada.get_by_label("Check").select_option("links")
    assert await labels.all_inner_texts() == [
        "Check", "Matches: more than this many", "Action", "Note (only moderators see it)",
    ]  # fmt: skip
    await ada.get_by_label("Matches: more").fill("2")
    await ada.get_by_label("Action").locator("visible=true").select_option("refuse")
    await ada.get_by_label("Check").select_option("network")
    await ada.get_by_label("Matches: this IP").fill("300.1.1.1")
    answer = await press(ada, "Save rule")
    assert answer.status == 422
    assert "such as 198.51.100.0/24" in await ada.get_by_role("alert").inner_text()
    assert await ada.get_by_label("Matches: this IP").input_value() == "300.1.1.1"
    assert await everything_in(service, "rule") == []
    await ada.get_by_label("Matches: this IP").fill("2001:db8::/32")
    await ada.get_by_label("Until").fill("2027-01-01")
    await press(ada, "Save rule")
    assert "2001:db8::/32 (2⁹⁶ addresses)" in await ada.locator("main .list").inner_text()
    assert (await list_rules(service))[0].expires_at == "2027-01-01T00:00:00.000Z"


async def test_a_moderator_sees_what_another_changed_before_overwriting_it(at_desk):
    ada, service = await at_desk(script=False)
    new = NewRule(kind=RuleKind.WORDS, match="casino\nviagra", expires_at="2027-01-31T10:00:00Z")
    rule = await manage.add_rule(service, EVERYTHING, new)
    await open_page(ada, f"/moderate/rules/{rule.id}")
    await press(ada, "Save rule")
    assert "Nothing was changed." in await ada.locator("#status").inner_text()
    await open_page(ada, f"/moderate/rules/{rule.id}")
    await ada.get_by_label("Matches").fill("casino\nroulette")
    await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(match="casino\npoker", note="Bob's"))
    await press(ada, "Test again")  # does not hide the conflict
    answer = await press(ada, "Save rule")
    assert answer.status == 412
    told = await words_of(ada.get_by_role("alert"))
    assert "This rule was changed by someone else." in told
    assert "ada, just now Matches: added “poker” removed “viagra” Note: none → Bob's" in told
    assert await ada.get_by_label("Matches").input_value() == "casino\nroulette"
    await press(ada, "Save rule")
    assert [(one.match, one.note) for one in await list_rules(service)] == [("casino\nroulette", None)]

    await open_page(ada, "/moderate/rules")
    await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(note="keep it"))
    answer = await press(ada, "Delete")
    assert answer.status == 412
    assert await ada.get_by_label("Note").input_value() == "keep it"
    await press(ada, "Delete rule")
    assert await list_rules(service) == []
    await ada.locator("#status").get_by_role("button", name="Undo").click()
    assert len(await list_rules(service)) == 1


async def test_a_thread_that_another_changed_is_not_overwritten(at_desk):
    ada, service = await at_desk(script=False)
    await post(service, "here", thread="/a-post/")
    ((row,), path) = await everything_in(service, "thread"), "/moderate/threads/"
    await open_page(ada, path + row["id"])
    await threads.change_thread(service, EVERYTHING, row["id"], ThreadChange(title="Bob's title"))
    await press(ada, "Close comments")  # another field
    assert "Thread changed." in await ada.locator("#status").inner_text()
    await ada.get_by_label("Title").fill("Ada's title")
    await threads.change_thread(service, EVERYTHING, row["id"], ThreadChange(title="Better title"))
    answer = await press(ada, "Save title")
    assert answer.status == 412
    assert "Title: Bob's title → Better title" in await words_of(ada.get_by_role("alert"))
    assert await ada.get_by_label("Title").input_value() == "Ada's title"
    await press(ada, "Save title")
    await press(ada, "Save title")
    assert "Nothing was changed." in await ada.locator("#status").inner_text()
    assert (await everything_in(service, "thread"))[0]["title"] == "Ada's title"


async def test_a_moderator_of_some_sites_cannot_change_rules_of_all_sites(at_desk):
    _, service = await at_desk("owner")
    rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="2"))
    await moderators.add_moderator(service, "Ben", None, ["blog"])
    ben, _ = await at_desk("Ben", beside=service, script=False)
    await open_page(ben, "/moderate/rules")
    assert await ben.locator("main .list").get_by_role("button", name="Delete").count() == 0
    await open_page(ben, f"/moderate/rules/{rule.id}")
    assert "Only moderators of all sites can change it." in await ben.locator("main").inner_text()
    assert await ben.get_by_role("button", name="Save rule").count() == 0
