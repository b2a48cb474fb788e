"""Rules with several conditions, rules for new commenters, and rules that only note."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.domain.models import Effect, Mode, RuleKind, Scope
from commentsvc.domain.reasons import Reason, join_reasons, reason_text, split_reason
from commentsvc.rules import combined, engine
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.kinds import KINDS, allowed_effects
from commentsvc.rules.verdicts import CompiledRule, Policy
from commentsvc.sites.manage import list_sites
from commentsvc.storage.rules import LISTED_CHARACTERS
from tests.conftest import EVERYTHING, a_key, draft
from tests.rules.test_engine import judge, stored
from tests.rules.test_manage import add_rule, answer, client_of, open_service, queue, write

__all__ = ["client_of", "open_service"]
ALL = RuleKind.ALL
NAMES = ", ".join(combined.CONDITION_KINDS)


def test_a_link_in_a_first_comment_is_held_and_the_moderator_reads_both_parts():
    rule = stored("all", "links: 0\nnewcomer")
    held = judge("none", rule, comment="See https://pills.example and https://watches.example")
    assert held.decision.actor.name == "all"
    assert reason_text(held.deciding.reason) == (
        "All conditions match. Contains 2 links (limit 0): pills.example, watches.example. "
        "The commenter has no approved comments yet."
    )
    assert judge("none", rule, comment="No link here").deciding.rule == "rule:none"
    known = Context(approved_comments=1)
    assert judge("none", rule, context=known, comment="https://docs.example").deciding.rule == "rule:none"


@pytest.mark.parametrize(
    ("match", "found", "text"),
    [
        ("1", 0, "The commenter has no approved comments yet."),
        ("3", 2, "The commenter has only 2 approved comments (rule: fewer than 3)."),
        ("3", 3, None),
    ],
)
def test_a_newcomer_has_fewer_approved_comments_than_the_rule_says(match, found, text):
    reason = KINDS[RuleKind.NEWCOMER].compile(match)(draft(), Context(approved_comments=found))
    assert (reason and reason_text(reason)) == text


@pytest.mark.parametrize(
    ("match", "error"),
    [
        ("links: 0", "Enter at least two conditions, one a line, such as links: 0 and newcomer."),
        ("# links: 0\n\nnewcomer", "Enter at least two conditions, one a line, such as links: 0 and newcomer."),
        ("newcomer\n" * 11, "Enter at most 10 conditions. There are 11."),
        ("newcomer\n\nlinks: many", "Line 3: Enter a whole number of links, 0 or more."),
        ("newcomer\nwords: |", "Line 2: The list is empty. Enter one word or phrase a line."),
        ("newcomer\ntrust: 3", f"Line 2: trust cannot be a condition. Use one of: {NAMES}."),
        ("link: 0\nnewcomer", f"Line 1: “link” is not a kind of condition. Use one of: {NAMES}."),
    ],
)
async def test_a_wrong_condition_is_named_by_its_line_with_its_cure(client, key, match, error):
    rule = {"kind": "all", "match": match}
    problem = await answer(await client.post("/v1/rules", json=rule, headers=key), 422)
    assert [(one["field"], one["detail"]) for one in problem["errors"]] == [("match", error)]


def test_the_words_of_a_condition_are_separated_by_bars():
    rule = stored("all", "Words: casino | free pills\nlength: ..10")
    assert judge("none", rule, comment="These free-pills!").deciding.rule == "rule:all"
    assert judge("none", rule, comment="Free speech, no pills").deciding.rule == "rule:none"


@given(kinds=st.sets(st.sampled_from(combined.CONDITION_KINDS), min_size=2, max_size=10))
def test_a_combined_rule_refuses_only_what_each_of_its_kinds_may_refuse(kinds):
    check = combined.CombinedCheck(tuple((kind, lambda _draft, _context: None) for kind in sorted(kinds)))
    may_refuse = all(Effect.REFUSE in KINDS[kind].effects for kind in kinds)
    assert (Effect.REFUSE in allowed_effects(ALL, check)) == may_refuse
    rule = CompiledRule("one", ALL, Effect.HOLD, check)
    assert rule.by_email == any(KINDS[kind].by_email for kind in kinds)
    assert rule.needs == frozenset[Fact]().union(*(KINDS[kind].needs for kind in kinds))


async def test_a_combined_rule_that_refuses_cannot_get_a_condition_that_may_not(client, key):
    refuse = {"effect": "refuse"}
    rule = await add_rule(client, key, "all", "links: 0\nnewcomer", **refuse)
    problem = await answer(
        await client.patch(f"/v1/rules/{rule['id']}", json={"match": "links: 0\nwords: pills"}, headers=key), 422
    )
    assert [one["field"] for one in problem["errors"]] == ["effect"]
    assert problem["errors"][0]["detail"] == "With these conditions, the rule can have the effect: hold, spam, note."
    status, refused = await write(client, comment="https://pills.example")
    assert (status, refused["code"]) == (403, "rejected_by_rule")


@given(
    domain=st.sampled_from(["spam.example", "mail.example"]),
    text=st.sampled_from(["hi", "https://a.example"]),
    mode=st.sampled_from(Mode),
    effect=st.sampled_from(["hold", "spam", "note"]),
)
def test_a_condition_on_the_email_address_decides_nothing_that_a_stranger_can_see(domain, text, mode, effect):
    rule = stored("all", "links: 0\nemail_domain: spam.example", effect)
    typed = engine.evaluate_rules(draft(comment=text), Context(email_domain=domain), Policy(mode, (rule,)))
    other = engine.evaluate_rules(draft(comment=text), Context(), Policy(mode, (rule,)))
    assert (typed.deciding.effect is Effect.APPROVE) == (other.deciding.effect is Effect.APPROVE)
    assert typed.by_email
    assert other.by_email


async def test_what_a_combined_rule_says_about_the_network_stays_when_the_text_is_edited(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "all", "network: 127.0.0.0/8\nlinks: 0")
    _, held = await write(client, comment="https://pills.example")
    token = {"Authorization": f"Bearer {held['edit_token']}"}
    edited = await client.patch(f"/v1/comments/{held['id']}", json={"comment": "No link at all"}, headers=token)
    assert (await answer(edited, 200))["status"] == "pending"


async def test_a_key_for_one_site_does_not_see_the_network_of_a_combined_rule_for_all(client, key, service):
    await add_rule(client, key, "all", "links: 0\nnetwork: 198.51.100.7")
    reader = await a_key(service, Scope.READ)
    (rule,) = (await answer(await client.get("/v1/rules", headers=reader), 200))["rules"]
    assert rule["match"] == "links: 0\nnetwork: …"


@pytest.mark.parametrize("address", ["198.51.100.20", "2001:db8:7:8::9", "2001:db8:7:8:9:a:b:c"])
async def test_a_network_that_a_list_of_rules_cuts_does_not_break_the_list(client, key, service, address):
    (site,) = (await list_sites(service, EVERYTHING)).sites
    limited = await a_key(service, Scope.MODERATE, site=site.name)
    for number in range(len(address)):
        start = f"links: 0\n# {'x' * (LISTED_CHARACTERS - 21 - number)}\n"
        await add_rule(client, key, "all", f"{start}network: {address}")
    for headers in (limited, await a_key(service, Scope.READ)):
        for rule in (await answer(await client.get("/v1/rules", headers=headers), 200))["rules"]:
            assert address not in rule["match"]


async def test_a_rule_full_of_blank_lines_is_read_in_no_time(client, key, service):
    rule = await add_rule(client, key, "all", "links: 0\n" + "\n" * 60_000 + "network: 198.51.100.7")
    reader = await a_key(service, Scope.READ)
    started = time.process_time()
    shown = await answer(await client.get(f"/v1/rules/{rule['id']}", headers=reader), 200)
    assert shown["match"].endswith("network: …")
    assert time.process_time() - started < 3  # with a search that goes back at each line: 35


@pytest.mark.parametrize("separator", ["\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
async def test_only_a_new_line_separates_conditions_so_that_no_network_is_hidden_in_another_one(client, key, separator):
    sent = {"kind": "all", "match": f"links: 0{separator}network: 198.51.100.7\nnewcomer"}
    problem = await answer(await client.post("/v1/rules", json=sent, headers=key), 422)
    assert problem["errors"][0]["field"] == "match"


@pytest.mark.parametrize("kind", [kind for kind in RuleKind if kind is not RuleKind.TRUST])
def test_every_kind_that_may_hold_may_also_only_note(kind):
    effects = KINDS[kind].effects
    assert Effect.HOLD not in effects or Effect.NOTE in effects


async def test_a_rule_that_notes_changes_no_status_and_is_shown_to_moderators_only(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    rule = await add_rule(client, key, "words", "casino\nroulette\npoker\nblackjack", effect="note")
    status, public = await write(client, comment="A саsino, POKER, roulette and blackjack.")  # with Cyrillic letters
    assert (status, public["status"]) == (201, "approved")
    assert "casino" not in str(public)
    (card,) = await queue(client, key, status="approved")
    (noted,) = [reason for reason in card["reasons"] if reason["actor"]["id"] == rule["id"]]
    assert (noted["effect"], noted["text"]) == ("note", "Words not allowed: casino, poker, roulette, and 1 more.")
    assert "effect" not in card["reasons"][0]


async def test_a_commenter_whose_comment_is_held_does_not_learn_the_word_list(open_service, client_of):
    client = await client_of(open_service)
    key = await a_key(open_service, Scope.MODERATE)
    await add_rule(client, key, "words", "casino")
    status, public = await write(client, comment="A саsino.")  # with Cyrillic letters
    assert (status, public["status"]) == (202, "pending")
    assert "casino" not in str(public)


CODES = st.sampled_from(["too_many_links", "word_listed", "no_approved_comments"])
ARGS = st.dictionaries(st.sampled_from(["found", "limit", "word"]), st.text(max_size=5) | st.integers())


@given(st.lists(st.builds(Reason, CODES, ARGS), min_size=1, max_size=10))
def test_the_parts_of_a_reason_survive_being_joined(parts):
    assert split_reason(join_reasons(parts)) == parts


def test_the_reason_of_a_very_long_match_stays_short():
    lines = "\n".join(f"{number} {'x' * 90}" for number in range(50))
    text = " ".join(lines.split("\n")) + " " + " ".join(f"https://{'h' * 60}.{n}.example" for n in range(50))
    words = KINDS[RuleKind.WORDS].compile(lines)(draft(comment=text), Context())
    links = KINDS[RuleKind.LINKS].compile("1")(draft(comment=text), Context())
    assert words.code == "words_listed"
    assert words.args["more"] == 47
    assert len(reason_text(words)) < 400
    assert len(reason_text(links)) < 900


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://user:pass@Shop.Example:8443/x", "shop.example"),
        ("http://198.51.100.7/x", "198.51.100.0/24"),
        ("[here](https://bücher.example/)", "xn--bcher-kva.example"),
        ("www.shop.example", "www.shop.example"),
        ("https://b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("http://[2001:db8::7]/", ""),
        ("https://this%20comment%20is%20fine.", ""),
    ],
)
def test_a_reason_names_the_hosts_of_links_and_no_address_of_a_computer(written, host):
    reason = KINDS[RuleKind.LINKS].compile("0")(draft(comment=written), Context())
    assert reason.args.get("hosts", "") == host
