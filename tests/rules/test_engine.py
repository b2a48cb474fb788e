"""The rules engine: which rule decides, and with which result."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.domain.models import Effect, Mode, RuleKind, Status
from commentsvc.domain.reasons import reason_text
from commentsvc.rules import engine
from commentsvc.rules.context import Context
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.rules.verdicts import CompiledRule, Policy
from tests.conftest import draft

PENDING, APPROVED, SPAM = Status.PENDING, Status.APPROVED, Status.SPAM


def stored(kind, matching="", effect=None, number=0):
    kind = RuleKind(kind)
    return CompiledRule(f"rule-{number}", kind, Effect(effect or KINDS[kind].effects[0]), KINDS[kind].compile(matching))


def judge(mode="none", *stored_rules, context=None, **written):
    return engine.evaluate_rules(draft(**written), context or Context(), Policy(Mode(mode), stored_rules))


# mode, rules, context, draft -> status, deciding rule
JUDGEMENTS = [
    # The mode decides if no rule matches
    ("all", [], {}, {}, PENDING, "rule:mode"),
    ("all", [], {"approved_comments": 14}, {}, PENDING, "rule:mode"),
    ("trusted", [], {}, {}, PENDING, "rule:new_author"),
    ("trusted", [], {"approved_comments": 1}, {}, APPROVED, "rule:known_author"),
    ("none", [], {}, {}, APPROVED, "rule:none"),
    # A trust rule can require several approved comments
    ("trusted", [("trust", "3")], {"approved_comments": 2}, {}, PENDING, "rule:new_author"),
    ("trusted", [("trust", "3")], {"approved_comments": 3}, {}, APPROVED, "rule:trust"),
    ("all", [("trust", "3")], {"approved_comments": 3}, {}, APPROVED, "rule:trust"),
    # Holding is stricter than approving
    ("trusted", [("links", "0")], {"approved_comments": 9}, {"comment": "See https://a.example"}, PENDING,
     "rule:links"),
    ("all", [("trust", "1"), ("words", "casino")], {"approved_comments": 9}, {"comment": "casino!"}, PENDING,
     "rule:words"),
    # Bans
    ("none", [("network", "198.51.100.0/24")], {"address": "198.51.100.7"}, {}, PENDING, "rule:network"),
    ("none", [("network", "198.51.100.0/24")], {"address": "::ffff:198.51.100.7"}, {}, PENDING, "rule:network"),
    ("none", [("network", "198.51.100.0/24", "spam")], {"address": "198.51.100.7"}, {}, SPAM, "rule:network"),
    ("none", [("network", "2001:db8::/32")], {"address": "2001:db8:7::1"}, {}, PENDING, "rule:network"),
    ("none", [("network", "198.51.100.7")], {"address": "198.51.100.8"}, {}, APPROVED, "rule:none"),
    ("none", [("website", "shop.example")], {}, {"website": "https://www.shop.example/x"}, PENDING, "rule:website"),
    ("none", [("website", "shop.example")], {}, {"website": "https://bookshop.example"}, APPROVED, "rule:none"),
    ("all", [("email_domain", "spam.example", "spam")], {"email_domain": "mail.spam.example"}, {}, SPAM,
     "rule:email_domain"),
    ("all", [("email", "k:digest")], {"email_digests": {"k:digest"}}, {}, PENDING, "rule:email"),
    # The response must not reveal whose address is banned, so in mode none it does not matter
    ("none", [("email", "k:digest", "spam")], {"email_digests": {"k:digest"}}, {}, APPROVED, "rule:none"),
    ("none", [], {"has_moderator_email": True}, {}, APPROVED, "rule:none"),
    # … and in no mode does it decide what is published; but a held comment can become spam
    ("trusted", [("email", "k:digest", "spam")], {"email_digests": {"k:digest"}, "approved_comments": 3}, {}, APPROVED,
     "rule:known_author"),
    ("none", [("email", "k:digest", "spam"), ("links", "0")], {"email_digests": {"k:digest"}},
     {"comment": "https://a.example"}, SPAM, "rule:email"),
    # A known author is banned by their author token
    ("trusted", [("author", "an-author")], {"author_id": "an-author", "approved_comments": 3}, {}, PENDING,
     "rule:author"),
    # Impersonation of a moderator
    ("none", [], {"has_moderator_name": True}, {}, PENDING, "rule:impersonation"),
    ("trusted", [], {"has_moderator_email": True}, {}, PENDING, "rule:impersonation"),
    # Content
    ("none", [("words", "casino")], {}, {"comment": "The casino is closed."}, PENDING, "rule:words"),
    ("none", [("words", "casino")], {}, {"comment": "In casinos?"}, APPROVED, "rule:none"),
    ("none", [("words", "casino")], {}, {"name": "Casino Royale"}, PENDING, "rule:words"),
    ("none", [("words", "casino.example")], {}, {"website": "https://casino.example/"}, PENDING, "rule:words"),
    ("none", [("links", "1")], {}, {"comment": "http://a.example"}, APPROVED, "rule:none"),
    ("none", [("links", "1")], {}, {"comment": "http://a.example www.b.example"}, PENDING, "rule:links"),
    ("none", [("links", "1", "spam")], {}, {"comment": "[a](https://a.example) https://b.example"}, SPAM, "rule:links"),
    ("none", [("length", "10..")], {}, {"comment": "first"}, PENDING, "rule:length"),
    ("none", [("length", "..20")], {}, {"comment": "a rather long comment indeed"}, PENDING, "rule:length"),
    ("none", [("length", "2..20")], {}, {"comment": "first"}, APPROVED, "rule:none"),
    ("none", [("script", "en")], {}, {"comment": "Купить дёшево сегодня"}, PENDING, "rule:script"),
    ("none", [("script", "en ru")], {}, {"comment": "Купить дёшево сегодня"}, APPROVED, "rule:none"),
    ("none", [("script", "en")], {}, {"comment": "I say Здравствуйте to you all"}, APPROVED, "rule:none"),
    ("none", [("script", "ja")], {}, {"comment": "これはとてもいい記事だと思います"}, APPROVED, "rule:none"),
    ("none", [("same_text", "2")], {"same_text_comments": 2}, {"comment": "Great post, I will be back"}, PENDING,
     "rule:same_text"),
    ("none", [("same_text", "2")], {"same_text_comments": 2}, {"comment": "Thank you!"}, APPROVED, "rule:none"),
    # When
    ("none", [("too_fast", "30")], {"seconds_since_last": 4.2}, {}, PENDING, "rule:too_fast"),
    ("none", [("too_fast", "30")], {"seconds_since_last": 30.0}, {}, APPROVED, "rule:none"),
    ("none", [("too_many", "5")], {"comments_last_hour": 5}, {}, PENDING, "rule:too_many"),
    ("none", [("too_many", "5")], {"comments_last_hour": 4}, {}, APPROVED, "rule:none"),
    ("none", [("closing_age", "90")], {"thread_age_days": 91.0}, {}, PENDING, "rule:closing_age"),
    ("none", [("closing_age", "90")], {"thread_age_days": 89.0}, {}, APPROVED, "rule:none"),
    # Machines
    ("none", [], {"honeypot_filled": True}, {}, PENDING, "rule:honeypot"),
    ("all", [], {"honeypot_filled": True}, {}, PENDING, "rule:honeypot"),
    ("trusted", [], {"honeypot_filled": True, "approved_comments": 3}, {}, PENDING, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "form_token": FormTokenState.ABSENT}, {}, PENDING, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "form_token": FormTokenState.TOO_QUICK}, {}, SPAM, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "form_token": FormTokenState.EXPIRED}, {}, SPAM, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "form_token": FormTokenState.USED}, {}, SPAM, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "form_token": FormTokenState.INVALID}, {}, SPAM, "rule:honeypot"),
    ("none", [], {"form_token": FormTokenState.TOO_QUICK}, {}, PENDING, "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.USED}, {}, PENDING, "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.INVALID}, {}, PENDING, "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.ABSENT}, {}, APPROVED, "rule:none"),
    ("trusted", [], {"form_token": FormTokenState.ABSENT, "approved_comments": 1}, {}, APPROVED, "rule:known_author"),
    ("none", [("links", "0")], {"form_token": FormTokenState.ABSENT}, {"comment": "https://a.example"}, PENDING,
     "rule:form_token"),
    # A weak signal and another sign together call a comment spam
    ("all", [], {"honeypot_filled": True, "form_token": FormTokenState.TOO_QUICK}, {}, SPAM, "rule:honeypot"),
    ("none", [("words", "casino")], {"honeypot_filled": True}, {"comment": "casino"}, SPAM, "rule:honeypot"),
    ("none", [("links", "0")], {"form_token": FormTokenState.TOO_QUICK}, {"comment": "https://a.example"}, SPAM,
     "rule:form_token"),
    ("none", [("links", "0")], {"form_token": FormTokenState.INVALID}, {"comment": "https://a.example"}, SPAM,
     "rule:form_token"),
    ("trusted", [("network", "198.51.100.0/24")], {"honeypot_filled": True, "address": "198.51.100.7"}, {}, SPAM,
     "rule:honeypot"),
    ("none", [("too_many", "5")], {"honeypot_filled": True, "comments_last_hour": 5}, {}, SPAM, "rule:honeypot"),
    ("none", [("email", "k:digest")], {"honeypot_filled": True, "email_digests": {"k:digest"}}, {}, SPAM,
     "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "has_staff_name": True}, {}, SPAM, "rule:honeypot"),
    ("none", [], {"honeypot_filled": True, "proof_of_work": ProofState.ABSENT}, {}, SPAM, "rule:honeypot"),
    # … but not with the mode, with what holds a whole thread, or with a rule that only approves
    ("all", [], {"form_token": FormTokenState.TOO_QUICK}, {}, PENDING, "rule:form_token"),
    ("none", [("closing_age", "90")], {"honeypot_filled": True, "thread_age_days": 91.0}, {}, PENDING,
     "rule:honeypot"),
    ("all", [("trust", "3")], {"honeypot_filled": True, "approved_comments": 3}, {}, PENDING, "rule:honeypot"),
    # … and people have old tabs, press Back, and have both at once
    ("none", [("links", "0")], {"form_token": FormTokenState.EXPIRED}, {"comment": "https://a.example"}, PENDING,
     "rule:form_token"),
    ("none", [("too_fast", "30")], {"form_token": FormTokenState.USED, "seconds_since_last": 4.0}, {}, PENDING,
     "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.EXPIRED, "proof_of_work": ProofState.INVALID}, {}, PENDING,
     "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.USED, "proof_of_work": ProofState.USED}, {}, PENDING,
     "rule:form_token"),
    ("none", [], {"form_token": FormTokenState.INVALID, "proof_of_work": ProofState.INVALID}, {}, PENDING,
     "rule:form_token"),
    # A rule that calls spam decides itself
    ("none", [("links", "0", "spam")], {"honeypot_filled": True}, {"comment": "https://a.example"}, SPAM, "rule:links"),
    ("none", [], {"proof_of_work": ProofState.ABSENT}, {}, PENDING, "rule:proof_of_work"),
    ("none", [], {"proof_of_work": ProofState.VALID}, {}, APPROVED, "rule:none"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "kept", "facts", "written", "status", "rule"),
    JUDGEMENTS,
    ids=[
        " ".join(map(str, (row[0], *itertools.chain(*row[1]), row[2], row[3].get("comment", ""), row[4])))
        for row in JUDGEMENTS
    ],
)
def test_the_strictest_matching_rule_decides_the_status(mode, kept, facts, written, status, rule):
    judgement = judge(mode, *(stored(*one) for one in kept), context=Context(**facts), **written)
    assert (judgement.decision.status, f"rule:{judgement.decision.actor.name}") == (status, rule)
    assert reason_text(judgement.deciding.reason).endswith(".")


def test_the_strictest_verdict_decides_and_the_others_are_stored():
    judgement = judge(
        "all",
        stored("links", "0", number=1),
        stored("network", "198.51.100.0/24", "spam", number=2),
        context=Context(address="198.51.100.7", form_token=FormTokenState.TOO_QUICK),
        comment="https://a.example",
    )
    assert judgement.decision.actor.name == "network"
    assert judgement.decision.actor.id == "rule-2"
    assert [(verdict.rule, verdict.effect) for verdict in judgement.others] == [
        ("rule:form_token", "hold"),
        ("rule:links", "hold"),
        ("rule:mode", "hold"),
    ]


def test_a_refused_commenter_is_told_the_reason_and_email_rules_never_refuse():
    judgement = judge("none", stored("links", "0", "refuse"), comment="https://a.example")
    assert judgement.refusal.detail == "Contains 1 link (limit 0): a.example."
    closed = judge("none", stored("closing_age", "30", "refuse"), context=Context(thread_age_days=31.0))
    assert closed.refusal.code == "thread_closed"
    fast = judge("none", stored("too_fast", "30", "refuse"), context=Context(seconds_since_last=1.0))
    assert fast.refusal.code == "rate_limited"
    by_email = [kind for kind, row in KINDS.items() if row.by_email]
    assert by_email == ["email", "email_domain", "disposable"]
    assert all(KINDS[kind].effects == (Effect.HOLD, Effect.SPAM, Effect.NOTE) for kind in by_email)
    assert KINDS[RuleKind.WORDS].effects == (Effect.HOLD, Effect.NOTE)


WRONG = {
    "email_domain": ["", "nodot", "a b.example", "http://x.example/"],
    "network": ["", "198.51.100", "example.com", "1.2.3.4/40"],
    "website": ["", "example"],
    "words": ["", "\n\n"],
    "links": ["", "-1", "many", "1.5", "٣"],
    "length": ["", "..", "5", "5-10", "a..b"],
    "script": ["", "Klingon", "123"],
    "same_text": ["0", ""],
    "too_fast": ["0", "99999999"],
    "too_many": ["0"],
    "closing_age": ["0", "never"],
    "newcomer": ["0", "some", ""],
    "all": ["", "links: 0", "links: 0\nlinks", "links: 0\nall: newcomer", "newcomer\ntrust: 3", "newcomer\nwords: |"],
    "trust": ["0", ""],
    "disposable": ["x"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in WRONG.items() for text in texts])
def test_a_kind_rejects_a_text_that_it_cannot_use(kind, text):
    with pytest.raises(ValueError):  # noqa: PT011 -- the message is not shown
        KINDS[RuleKind(kind)].compile(text)


def test_disposable_email_is_recognised_if_the_list_is_installed():
    pytest.importorskip("disposable_email_domains")
    judgement = judge("all", stored("disposable"), context=Context(email_domain="mailinator.com"))
    assert judgement.decision.actor.name == "disposable"
    assert judge("all", stored("disposable"), context=Context(email_domain="example.com")).decision.actor.name == "mode"


HOLDING_RULES = [
    stored("links", "0", number=1),
    stored("words", "casino", number=2),
    stored("network", "198.51.100.0/24", number=3),
    stored("closing_age", "30", number=4),
    stored("trust", "1", number=5),
]
SIGNALS = st.fixed_dictionaries(
    {"honeypot_filled": st.booleans(), "form_token": st.sampled_from(FormTokenState)},
    optional={"proof_of_work": st.sampled_from(ProofState)},
)


@given(
    signals=SIGNALS,
    mode=st.sampled_from(Mode),
    approvals=st.integers(0, 2),
    age=st.sampled_from([1.0, 31.0]),
    text=st.sampled_from(["hi", "casino", "https://a.example"]),
)
def test_one_cause_alone_never_calls_a_comment_spam_and_a_signal_is_never_published(
    signals, mode, approvals, age, text
):
    context = Context(**signals, approved_comments=approvals, thread_age_days=age)
    judgement = engine.evaluate_rules(draft(comment=text), context, Policy(mode, tuple(HOLDING_RULES)))
    token, trap = context.form_token, context.honeypot_filled
    weak = trap or token not in {FormTokenState.VALID, FormTokenState.ABSENT}
    if weak:
        assert judgement.deciding.effect in {Effect.HOLD, Effect.SPAM}
    if judgement.deciding.effect is Effect.SPAM:
        by_proof = context.proof_of_work not in {ProofState.NOT_REQUIRED, ProofState.VALID}
        of_form = by_proof or token not in {FormTokenState.VALID, FormTokenState.ABSENT}
        assert weak
        assert (trap, of_form, text != "hi").count(True) >= 2
        assert trap or token not in {FormTokenState.EXPIRED, FormTokenState.USED}, "an old tab is a person's"


SOME_RULES = [
    stored("network", "198.51.100.0/24", "spam", number=1),
    stored("links", "0", number=2),
    stored("words", "casino", number=3),
    stored("trust", "1", number=4),
    stored("length", "..4", "refuse", number=5),
    stored("website", "shop.example", number=6),
    stored("email", "k:digest", "spam", number=7),
]


@given(
    order=st.permutations(SOME_RULES),
    mode=st.sampled_from(Mode),
    approvals=st.integers(0, 20),
    text=st.sampled_from(["hi", "casino", "https://a.example", "a longer text"]),
)
def test_a_banned_commenter_is_stopped_in_any_order_of_rules(order, mode, approvals, text):
    context = Context(approved_comments=approvals, address="198.51.100.7")
    judgement = engine.evaluate_rules(draft(comment=text), context, Policy(mode, tuple(order)))
    assert judgement.deciding.effect in {Effect.SPAM, Effect.REFUSE}


@given(
    order=st.permutations(SOME_RULES),
    mode=st.sampled_from(Mode),
    approvals=st.integers(0, 2),
    address=st.sampled_from(["198.51.100.7", "203.0.113.9", None]),
    text=st.sampled_from(["hi", "casino", "https://a.example", "a longer text"]),
)
def test_the_order_of_rules_does_not_change_the_result(order, mode, approvals, address, text):
    context = Context(approved_comments=approvals, address=address)
    one = engine.evaluate_rules(draft(comment=text), context, Policy(mode, tuple(SOME_RULES)))
    other = engine.evaluate_rules(draft(comment=text), context, Policy(mode, tuple(order)))
    assert one.deciding.effect == other.deciding.effect
    assert {verdict.rule for verdict in (one.deciding, *one.others)} == {
        verdict.rule for verdict in (other.deciding, *other.others)
    }


@given(
    facts=st.fixed_dictionaries(
        {"email_digests": st.sampled_from([frozenset(), frozenset({"k:digest"})]), "has_moderator_email": st.booleans()}
    )
)
def test_the_response_does_not_depend_on_the_email_address_typed(facts):
    """Otherwise an outsider could find out which addresses are banned or belong to a moderator."""
    for mode in Mode:
        typed = engine.evaluate_rules(draft(), Context(**facts), Policy(mode, tuple(SOME_RULES[4:5] + SOME_RULES[6:])))
        plain = engine.evaluate_rules(draft(), Context(), Policy(mode, tuple(SOME_RULES[4:5] + SOME_RULES[6:])))
        assert (typed.deciding.effect is Effect.APPROVE) == (plain.deciding.effect is Effect.APPROVE)
        assert (typed.refusal is None) == (plain.refusal is None)
