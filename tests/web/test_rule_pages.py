"""Moderators combine conditions in a form, and undo what a rule did from its page."""

import pytest

from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post
from tests.web.test_bans_and_rules import decide, list_rules, words_of
from tests.web.test_moderation_page import open_page, press
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def test_a_moderator_combines_conditions_without_a_script(at_desk):
    ada, service = await at_desk(script=False)
    await open_page(ada, "/moderate/rules")
    await ada.get_by_label("Check").select_option("all")
    conditions = ada.get_by_label("Conditions, one a line")
    assert await ada.locator("form.by-kind textarea:visible").count() == 1
    await conditions.fill("links: 0\nnew")
    answer = await press(ada, "Save rule")
    assert answer.status == 422
    assert "Line 2: “new” is not a kind of condition." in await ada.get_by_role("alert").inner_text()
    assert await conditions.input_value() == "links: 0\nnew"
    await ada.get_by_text("Conditions that you can use").click()
    assert "words: casino | free pills" in await words_of(ada.locator(".conditions"))
    await conditions.fill("links: 0\nnewcomer")
    await ada.get_by_label("Action").locator("visible=true").select_option("note")
    await press(ada, "Save rule")
    (rule,) = await list_rules(service)
    assert (rule.kind, rule.match, rule.effect) == ("all", "links: 0\nnewcomer", "note")
    await open_page(ada, f"/moderate/rules/{rule.id}")
    await ada.get_by_label("Conditions").fill("links: 3\nnewcomer")
    await ada.get_by_label("Action").select_option("hold")
    await press(ada, "Save rule")
    assert [(one.match, one.effect) for one in await list_rules(service)] == [("links: 3\nnewcomer", "hold")]


async def test_a_card_says_in_few_words_what_matched(at_desk):
    ada, service = await at_desk(person={"bypass_csp": True})
    for kind, match, effect in (
        (RuleKind.ALL, "links: 0\nnewcomer", "hold"),
        (RuleKind.WORDS, "casino\npills", "note"),
    ):
        await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match, effect=effect))
    await post(service, "Pills: https://pills.example and https://casino.example")
    await ada.reload()
    shown = await words_of(ada.locator(".card").first)
    assert "2 links: pills.example, casino.example + First comment" in shown
    assert "Noted: Word list: pills, casino" in shown
    assert shown.count("First comment") == 1
    await assert_accessible(ada)


async def test_a_rule_that_notes_is_tested_in_these_words(at_desk):
    ada, service = await at_desk(script=False)
    await decide(service, ActionVerb.SPAM, await post(service, "buy pills"))
    rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="pills", effect="note"))
    await open_page(ada, f"/moderate/rules/{rule.id}")
    result = await words_of(ada.locator("#test-result"))
    assert "Noted, you had rejected 1" in result
    assert "Would note 1 of 1 comments." in result


async def test_a_moderator_undoes_what_a_rule_did_after_seeing_how_much(at_desk):
    ada, service = await at_desk(script=False, person={"locale": "en"})
    rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0", effect="spam"))
    for number in range(2):
        await post(service, f"See https://docs.example/{number}")
    await open_page(ada, f"/moderate/rules/{rule.id}")
    await ada.get_by_text("Undo what this rule did").click()
    await ada.get_by_label("Since").fill("2000-01-01")
    await press(ada, "Count comments")
    assert "2 comments match." in await words_of(ada.locator("#undo"))
    await post(service, "See https://docs.example/another")
    answer = await press(ada, "Undo for 2 comments")
    assert answer.status == 409
    assert "3 match now, not 2." in await ada.get_by_role("alert").inner_text()
    assert await ada.get_by_label("Since").input_value() == "2000-01-01"
    await press(ada, "Count again")
    await press(ada, "Undo for 3 comments")
    assert "3 comments decided again, without the rule." in await words_of(ada.locator("#status"))
    assert {row["status"] for row in await everything_in(service, "comment")} == {"pending"}
    await ada.locator("#status").get_by_role("button", name="Undo").click()
    assert {row["status"] for row in await everything_in(service, "comment")} == {"spam"}
