"""A moderator undoes everything that one rule did since a time, as one action."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from commentsvc.access import moderators
from commentsvc.audit import lookup
from commentsvc.domain.errors import Conflict, ExpectationFailed, Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, RuleKind, Scope, Status
from commentsvc.moderation import actions, bulk, queue, rule_undo, undo
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.withdraw import decide_without, is_decided_by
from commentsvc.rules import manage
from commentsvc.rules.context import Context
from commentsvc.rules.engine import evaluate_rules
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.schemas import NewRule, RuleUndo
from commentsvc.rules.verdicts import Policy, actor_of
from commentsvc.storage.decisions import StoredDecision, StoredVerdict
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post
from tests.rules.test_engine import SOME_RULES

START = "2000-01-01T00:00:00Z"
LINK = "See https://shop.example, number"


@pytest.fixture
async def open_service(database_url, clock):
    """A service that publishes every comment that no rule holds."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


async def add_rule(service, kind=RuleKind.LINKS, match="0", **more):
    return await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match, **more))


async def count_statuses(service):
    return Counter(row["status"] for row in await everything_in(service, "comment"))


async def undo_all(service, rule, since=START):
    matching = (await rule_undo.undo_rule(service, EVERYTHING, rule, RuleUndo(since=since))).matching
    return await rule_undo.undo_rule(service, EVERYTHING, rule, RuleUndo(since=since, expect=matching))


async def test_what_a_wrong_rule_held_is_published_and_held_again_when_that_is_undone(open_service, monkeypatch):
    monkeypatch.setattr(bulk, "PIECE_SIZE", 2)
    rule = await add_rule(open_service)
    for number in range(5):
        await post(open_service, f"{LINK} {number}")
    await post(open_service, "without a link")
    assert await count_statuses(open_service) == {"pending": 5, "approved": 1}
    freed = await undo_all(open_service, rule.id)
    assert (freed.matching, freed.action.changed) == (5, 5)
    assert await count_statuses(open_service) == {"approved": 6}
    undone = await undo.undo_action(open_service, EVERYTHING, freed.action.id)
    assert await count_statuses(open_service) == {"pending": 5, "approved": 1}
    await undo.undo_action(open_service, EVERYTHING, undone.id)
    assert await count_statuses(open_service) == {"approved": 6}
    summary = await lookup.find_action(open_service, EVERYTHING, freed.action.id)
    assert (summary.verb, summary.number) == ("rule_undo", 5)


async def test_other_reasons_still_hold_a_comment(service):
    rule = await add_rule(service, effect="spam")
    await add_rule(service, RuleKind.WORDS, "casino")
    await post(service, f"{LINK} 1")
    await post(service, "casino https://casino.example")
    assert await count_statuses(service) == {"spam": 2}
    await undo_all(service, rule.id)
    cards = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments
    assert [[reason.actor.name for reason in card.reasons] for card in cards] == [["mode"], ["words", "mode"]]
    assert await queue.search_comments(
        service, EVERYTHING, QueueQuery(reason="rule:links")
    ) == await queue.search_comments(service, EVERYTHING, QueueQuery(reason="nothing"))


async def test_comments_that_somebody_decided_on_since_stay(open_service):
    rule = await add_rule(open_service)
    spam = await post(open_service, f"{LINK} 1")
    await post(open_service, f"{LINK} 2")
    await actions.apply_action(open_service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[spam]))
    assert (await undo_all(open_service, rule.id)).matching == 1
    assert await count_statuses(open_service) == {"spam": 1, "approved": 1}


async def test_only_what_the_rule_did_since_the_time_is_undone(open_service, clock):
    rule = await add_rule(open_service)
    await post(open_service, f"{LINK} 1")
    clock.move(days=2)
    await post(open_service, f"{LINK} 2")
    assert (await undo_all(open_service, rule.id, open_service.ago(days=1))).matching == 1
    assert await count_statuses(open_service) == {"pending": 1, "approved": 1}


async def test_a_rule_is_named_by_its_kind_and_a_built_in_one_by_its_name(open_service):
    for site in ("blog", None):
        await add_rule(open_service, site=site)
    await post(open_service, f"{LINK} 1")
    await moderators.add_moderator(open_service, "Ada", None, [])
    await post(open_service, "Hello from me", name="Ada")
    assert (await undo_all(open_service, "rule:links")).matching == 1
    assert (await undo_all(open_service, "rule:impersonation")).matching == 1
    assert await count_statuses(open_service) == {"approved": 2}


@pytest.mark.parametrize("rule", ["rule:mode", "rule:reports", "rule:", "links", "mode", "", "x" * 50])
async def test_what_is_no_rule_cannot_be_undone(service, rule):
    with pytest.raises(NotFound):
        await rule_undo.undo_rule(service, EVERYTHING, rule, RuleUndo(since=START))


async def test_a_deleted_rule_can_be_undone(open_service):
    rule = await add_rule(open_service)
    await post(open_service, f"{LINK} 1")
    await manage.remove_rule(open_service, EVERYTHING, rule.id)
    assert (await undo_all(open_service, rule.id)).matching == 1
    assert await count_statuses(open_service) == {"approved": 1}


async def test_another_number_than_expected_changes_nothing(open_service, monkeypatch):
    rule = await add_rule(open_service)
    await post(open_service, f"{LINK} 1")
    await post(open_service, f"{LINK} 2")
    with pytest.raises(ExpectationFailed, match="2 match now, not 1"):
        await rule_undo.undo_rule(open_service, EVERYTHING, rule.id, RuleUndo(since=START, expect=1))
    with pytest.raises(Invalid):
        await rule_undo.undo_rule(open_service, EVERYTHING, rule.id, RuleUndo(since="yesterday"))
    monkeypatch.setattr(rule_undo, "MAX_COMMENTS", 1)
    with pytest.raises(Conflict, match="More than 1 comment matches"):
        await rule_undo.undo_rule(open_service, EVERYTHING, rule.id, RuleUndo(since=START))
    assert await count_statuses(open_service) == {"pending": 2}


async def test_a_moderator_of_one_site_undoes_a_rule_there_only(open_service):
    rule = await add_rule(open_service)
    await post(open_service, f"{LINK} 1")
    (site,) = await everything_in(open_service, "site")
    noa = Actor(ActorKind.PERSON, None, "Noa")
    elsewhere = Principal(noa, frozenset(Scope), ("another-site",))
    here = Principal(noa, frozenset(Scope), (site["id"],))
    assert (await rule_undo.undo_rule(open_service, elsewhere, rule.id, RuleUndo(since=START))).matching == 0
    assert (await rule_undo.undo_rule(open_service, here, rule.id, RuleUndo(since=START))).matching == 1
    own = await add_rule(open_service, site="blog")
    with pytest.raises(NotFound):
        await rule_undo.undo_rule(open_service, elsewhere, own.id, RuleUndo(since=START))


@pytest.mark.parametrize(
    ("kind", "match", "effect"),
    [
        ("email", "banned@banned.example", "spam"),
        ("email_domain", "banned.example", "hold"),
        ("all", "newcomer\nemail_domain: banned.example", "spam"),
    ],
)
async def test_what_becomes_public_does_not_tell_which_address_is_banned(open_service, kind, match, effect):
    ban = await add_rule(open_service, RuleKind(kind), match, effect=effect)
    links = await add_rule(open_service, effect="hold")
    words = await add_rule(open_service, RuleKind.WORDS, "shop", effect="hold")
    found = [await post(open_service, f"{LINK} {one}", email=f"{one}@{one}.example") for one in ("banned", "free")]
    for rule, public in ((words, False), (links, False), (words, True)):
        await undo_all(open_service, rule.id)
        rows = {row["id"]: row["status"] for row in await everything_in(open_service, "comment")}
        assert {rows[one] == "approved" for one in found} == {public}, rule.kind
    banned = await queue.get_comment_detail(open_service, EVERYTHING, found[0])
    assert ban.id in {reason.actor.id for reason in banned.reasons}
    free = await post(open_service, f"{LINK} again", email="free@free.example")
    assert (await undo_all(open_service, ban.id)).matching == 0, free


async def test_the_filter_learns_nothing_from_an_undone_rule(open_service):
    rule = await add_rule(open_service)
    await post(open_service, f"{LINK} 1")
    freed = await undo_all(open_service, rule.id)
    assert await everything_in(open_service, "memory") == []
    await undo.undo_action(open_service, EVERYTHING, freed.action.id)
    assert await everything_in(open_service, "memory") == []


async def test_an_interrupted_undo_is_continued(open_service, monkeypatch):
    monkeypatch.setattr(bulk, "PIECE_SIZE", 2)
    rule = await add_rule(open_service)
    for number in range(5):
        await post(open_service, f"{LINK} {number}")

    async def stop(*_):
        raise ConnectionError

    with monkeypatch.context() as stopped:
        stopped.setattr(bulk, "_work_on_next_piece", stop)
        with pytest.raises(ConnectionError):
            await undo_all(open_service, rule.id)
    assert await count_statuses(open_service) == {"pending": 5}
    assert await bulk.resume(open_service, open_service.ahead(days=1)) == 1
    assert await count_statuses(open_service) == {"approved": 5}


@given(
    stored_rules=st.lists(st.sampled_from(SOME_RULES), unique_by=lambda rule: rule.id, min_size=1),
    mode=st.sampled_from(Mode),
    approvals=st.integers(0, 2),
    digests=st.sampled_from([frozenset(), frozenset({"k:digest"})]),
    address=st.sampled_from(["198.51.100.7", None]),
    trapped=st.booleans(),
    form=st.sampled_from(FormTokenState),
    text=st.sampled_from(["casino", "https://a.example", "https://casino.example", "a longer text"]),
)
def test_without_the_rule_a_comment_has_the_status_that_it_would_have_had(
    stored_rules, mode, approvals, digests, address, trapped, form, text
):
    context = Context(
        approved_comments=approvals,
        address=address,
        email_digests=digests,
        honeypot_filled=trapped,
        form_token=form,
    )
    judged = evaluate_rules(draft(comment=text), context, Policy(mode, tuple(stored_rules)))
    latest = stored_of(judged)
    assume(latest.status is not Status.APPROVED and latest.actor.id)
    others = tuple(rule for rule in stored_rules if rule.id != latest.actor.id)
    wanted = evaluate_rules(draft(comment=text), context, Policy(mode, others))
    decision, verdicts = decide_without(latest, latest.actor)
    assert decision == wanted.decision
    assert verdicts == [StoredVerdict(actor_of(one), one.effect, one.reason) for one in wanted.others]


@given(
    order=st.permutations([*SOME_RULES[:2], *SOME_RULES[5:]]),
    mode=st.sampled_from([Mode.NONE, Mode.TRUSTED]),
    approvals=st.integers(0, 1),
    trapped=st.booleans(),
    form=st.sampled_from(FormTokenState),
    moderator=st.booleans(),
    undone=st.permutations(["links", "website", "honeypot", "form_token", "links"]),
)
def test_whatever_is_undone_no_typed_address_changes_what_is_published(
    order, mode, approvals, trapped, form, moderator, undone
):
    facts = {"approved_comments": approvals, "honeypot_filled": trapped, "form_token": form}
    typed = {"email_digests": frozenset({"k:digest"}), "has_moderator_email": moderator}
    written = draft(comment="https://a.example", website="https://shop.example")
    found = [
        stored_of(evaluate_rules(written, Context(**facts, **more), Policy(mode, tuple(order)))) for more in ({}, typed)
    ]
    for name in undone:
        rule = Actor(ActorKind.RULE, None, name)
        chosen = [one.status is not Status.APPROVED and is_decided_by(one, rule) for one in found]
        found = [
            after_of(*decide_without(one, rule)) if is_chosen else one
            for one, is_chosen in zip(found, chosen, strict=True)
        ]
        assert len({one.status is Status.APPROVED for one in found}) == 1


def stored_of(judged):
    return after_of(judged.decision, [StoredVerdict(actor_of(one), one.effect, one.reason) for one in judged.others])


def after_of(decision, others):
    return StoredDecision(
        seq=1,
        comment_id="a-comment",
        action_id=None,
        status=decision.status,
        actor=decision.actor,
        reason=decision.reason,
        note=None,
        verdicts=tuple(others),
        created_at="",
    )
