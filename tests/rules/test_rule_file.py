"""Rules in a file: exported, reviewed, and applied as a whole."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.access import moderators
from commentsvc.domain.errors import Conflict, ExpectationFailed, Forbidden, Invalid
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Actor, ActorKind, Principal, RuleKind, Scope
from commentsvc.moderation import undo
from commentsvc.rules import apply, manage, rule_file
from commentsvc.rules.apply import FileScope
from commentsvc.rules.rule_file import FileRule
from commentsvc.rules.schemas import NewRule, RuleChange, RuleQuery
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post

FILE = """\
[[rule]]
kind = "words"
match = \"""
casino
free pills
\"""
effect = "hold"

[[rule]]
kind = "links"
match = "2"
effect = "spam"
note = "shops"

[[rule]]
kind = "all"
match = \"""
links: 0
newcomer
\"""
effect = "hold"
expires_at = "2099-01-31T00:00:00.000Z"
"""
ALL_SITES = FileScope()


async def export(service, **scope):
    return (await apply.export_rules(service, EVERYTHING, FileScope(**scope))).text


async def apply_file(service, text, expect=None, **scope):
    return await apply.apply_file(service, EVERYTHING, text, FileScope(**scope), expect=expect)


async def list_matches(service):
    found = await manage.list_rules(service, EVERYTHING, RuleQuery())
    return [(rule.kind, rule.match, rule.effect) for rule in found.rules]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
MARKS = ['"', '""', '"""', "\\", "\n", "\t", "\r", "\x7f", "\u202e", "a", " "]


@given(TEXT | st.lists(st.sampled_from(MARKS)).map("".join))
def test_any_text_survives_a_file(text):
    found = tomllib.loads(f"one = {rule_file.quote(text)}\nmany = {rule_file.quote_lines(text)}\n")
    assert found == {"one": text, "many": f"{text}\n"}


def test_a_review_sees_characters_that_change_how_a_text_is_shown():
    assert rule_file.quote("a\u202eb\u200bc\U000e0001") == '"a\\u202eb\\u200bc\\U000e0001"'


async def test_an_export_is_applied_to_an_empty_service_and_exported_with_the_same_bytes(service, served):
    empty_service = await served()
    done = await apply_file(service, FILE)
    assert (done.added, done.changed, done.removed, done.unchanged) == (3, 0, 0, 0)
    text = await export(service)
    assert text == FILE
    again = await apply_file(service, text)
    assert (again.added, again.changed, again.removed, again.unchanged, again.action) == (0, 0, 0, 3, None)
    assert again.difference == ""
    await apply_file(empty_service, text)
    assert await export(empty_service) == text


NOTES = st.text(st.characters(exclude_categories=["C"]), max_size=30).map("shop {}".format)  # as rules store them
RULES = st.one_of(
    st.builds(FileRule, kind=st.just(RuleKind.LINKS), match=st.integers(0, 9).map(str), note=st.none() | NOTES),
    st.builds(FileRule, kind=st.just(RuleKind.TRUST), match=st.integers(1, 9).map(str)),
    st.builds(
        FileRule, kind=st.just(RuleKind.WORDS), match=st.sampled_from(["casino", "casino\nfree pills", 'a"b\\c'])
    ),
    st.builds(FileRule, kind=st.just(RuleKind.NEWCOMER)),
)


@given(st.lists(RULES, max_size=6))
def test_a_file_that_is_read_and_written_again_stays_the_same(rules):
    written = rule_file.write_rules(rules)
    read = [rule for _, rule in rule_file.read_rules(written, Limits())]
    once = rule_file.write_rules(read)
    assert rule_file.write_rules([rule for _, rule in rule_file.read_rules(once, Limits())]) == once


async def test_a_preview_shows_the_difference_and_changes_nothing(service):
    await apply_file(service, FILE)
    edited = FILE.replace("free pills\n", "pills\n").replace('match = "2"', 'match = "1"')
    seen = await apply.preview_file(service, EVERYTHING, edited, ALL_SITES)
    assert (seen.added, seen.changed, seen.removed, seen.unchanged) == (0, 2, 0, 1)
    assert {"-free pills", "+pills", '-match = "2"', '+match = "1"'} <= set(seen.difference.splitlines())
    assert await export(service) == FILE


async def test_a_rule_that_is_changed_in_a_file_keeps_its_id(service):
    await apply_file(service, FILE)
    before = {rule["kind"]: rule["id"] for rule in await everything_in(service, "rule")}
    done = await apply_file(service, FILE.replace("casino", "roulette").replace('"spam"', '"hold"'))
    assert (done.changed, done.unchanged) == (2, 1)
    assert {rule["kind"]: rule["id"] for rule in await everything_in(service, "rule")} == before


async def test_all_changes_of_a_file_are_undone_together(service):
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.TRUST, match="3"))
    before = await list_matches(service)
    done = await apply_file(service, FILE, expect=1)
    assert (done.added, done.removed) == (3, 1)
    undone = await undo.undo_action(service, EVERYTHING, done.action)
    assert undone.changed == 4
    assert await list_matches(service) == before
    await undo.undo_action(service, EVERYTHING, undone.id)
    assert await export(service) == FILE


async def test_a_rule_that_was_changed_since_is_not_undone_with_the_others(service):
    await apply_file(service, FILE)
    done = await apply_file(service, FILE.replace("casino", "roulette").replace('match = "2"', 'match = "1"'))
    links = next(rule["id"] for rule in await everything_in(service, "rule") if rule["kind"] == "links")
    await manage.change_rule(service, EVERYTHING, links, RuleChange(match="7"))
    undone = await undo.undo_action(service, EVERYTHING, done.action)
    assert (undone.changed, undone.skipped) == (1, [links])
    with pytest.raises(Conflict):
        await undo.undo_action(service, EVERYTHING, done.action)


async def test_a_file_deletes_rules_only_if_their_number_is_expected(service):
    await apply_file(service, FILE)
    shorter = FILE.partition('[[rule]]\nkind = "all"')[0]
    for expect in (None, 0, 2):
        with pytest.raises(ExpectationFailed, match="add: --expect 1"):
            await apply_file(service, shorter, expect)
    assert len(await list_matches(service)) == 3
    assert (await apply_file(service, shorter, 1)).removed == 1


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("[[rule]", ["file: This is not valid TOML. "]),
        (f"a = {'[' * 50_000}", ["file: This is not valid TOML. It is nested too deeply."]),
        ("[[rules]]\nkind = 1", ["rules: Unknown field. Known fields: rule."]),
        ("rule = 3", ["rule: Write a table for each rule, such as [[rule]]."]),
        (
            '[[rule]]\nkind = "link"\n\n[[rule]]\nkind = "links"\nmatch = 3\neffect = "approve"',
            ["rule 1, line 1, kind: ", "rule 2, line 4, match: "],
        ),
        ('[[rule]]\nkind = "links"\nmatch = ""', ["rule 1, line 1, match: This is empty."]),
        ('[[rule]]\nkind = "links"\nmatch = "many"', ["rule 1, line 1, match: Enter a whole number of links"]),
        ('[[rule]]\nkind = "words"\nmatch = "x"\neffect = "spam"', ["rule 1, line 1, effect: A rule of kind words"]),
        ('[[rule]]\nkind = "links"\nmatch = "2"\nexpires_at = "2099-01-01T00:00:00Z"', ["rule 1, line 1, expires_at"]),
        ('[[rule]]\nkind = "links"\nmatch = "2"\nsite = "blog"', ["rule 1, line 1, site: A file is for one site"]),
        ('[[rule]]\nkind = "author"\nmatch = "x"', ["rule 1, line 1, kind: Bans of browsers"]),
        ('[[rule]]\nkind = "email"\nmatch = "mia@example.com"', ["rule 1, line 1, kind: A ban of an address"]),
        ('[[rule]]\nkind = "all"\nmatch = "newcomer\\nnetwork: 192.0.2.1"', ["rule 1, line 1, kind: A ban of an"]),
        (rule_file.write_rules([FileRule(kind=RuleKind.NEWCOMER)] * 1001), ["rule: A file can have 1,000 rules"]),
    ],
)  # fmt: skip
async def test_a_mistake_in_a_file_is_named_with_its_rule_and_changes_nothing(service, text, errors):
    with pytest.raises(Invalid) as refused:
        await apply_file(service, text)
    found = [f"{fault.field}: {fault.detail}" for fault in refused.value.faults]
    assert len(found) == len(errors)
    assert all(one.startswith(start) for one, start in zip(found, errors, strict=True)), found
    assert await list_matches(service) == []


async def test_bans_of_persons_are_in_a_file_only_if_asked_for_and_stay_as_they_are(service, served):
    empty_service = await served()
    author = await post(service, "pills")
    for kind, match in (
        (RuleKind.EMAIL, "Mia@Example.com"),
        (RuleKind.NETWORK, "198.51.100.7"),
        (RuleKind.ALL, "newcomer\nnetwork: 192.0.2.1"),
        (RuleKind.AUTHOR, author),
        (RuleKind.LINKS, "2"),
    ):
        await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match))
    found = await apply.export_rules(service, EVERYTHING, ALL_SITES)
    assert (found.rules, found.left_out) == (1, 4)
    assert not any(secret in found.text.lower() for secret in ("mia@", "198.51", "192.0", author))
    done = await apply_file(service, found.text)
    assert (done.unchanged, done.removed, done.left_out) == (1, 0, 4)
    whole = await export(service, contacts=True)
    assert "Mia@example.com" in whole
    assert (await apply_file(service, whole, contacts=True)).action is None
    await apply_file(empty_service, whole, contacts=True)
    assert await export(empty_service, contacts=True) == whole


async def test_only_an_administrator_gets_addresses_in_a_file(service):
    moderator = Principal(Actor(ActorKind.PERSON, None, "Noa"), frozenset({Scope.MODERATE}), None)
    with pytest.raises(Forbidden):
        await apply.export_rules(service, moderator, FileScope(contacts=True))
    with pytest.raises(Forbidden):
        await apply.apply_file(service, moderator, "", FileScope(contacts=True))


async def test_a_moderator_of_one_site_applies_files_there_only(service):
    await moderators.add_moderator(service, "Noa", None, ["blog"])
    (site,) = await everything_in(service, "site")
    noa = Principal(Actor(ActorKind.PERSON, None, "Noa"), frozenset({Scope.MODERATE}), (site["id"],))
    with pytest.raises(Forbidden):
        await apply.apply_file(service, noa, FILE, ALL_SITES)
    for who in (noa, EVERYTHING):  # an empty name means no site, and never all of them
        with pytest.raises(Invalid):
            await apply.apply_file(service, who, FILE, FileScope(site=""))
    done = await apply.apply_file(service, noa, FILE, FileScope(site="blog"))
    assert done.added == 3
    assert await export(service) == ""
    assert await export(service, site="blog") == FILE
    await undo.undo_action(service, noa, done.action)
    assert await export(service, site="blog") == ""


async def test_a_rule_that_has_expired_is_ignored_in_the_file_and_in_the_service(service, clock):
    await apply_file(service, FILE.replace("2099-01-31T00:00:00.000Z", service.ahead(days=2)))
    text = await export(service)
    clock.move(days=3)
    found = await apply.export_rules(service, EVERYTHING, ALL_SITES)
    assert (found.rules, found.left_out) == (2, 1)
    done = await apply_file(service, text)
    assert (done.unchanged, done.left_out, done.action) == (2, 1, None)
