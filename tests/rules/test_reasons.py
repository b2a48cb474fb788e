"""Reasons: stored as codes and arguments, worded when shown."""

import gettext
import re
import time
from pathlib import Path

import msgspec
import pytest

import commentsvc
from commentsvc.domain import reasons
from commentsvc.domain.models import Effect, Mode, RuleKind
from commentsvc.domain.reasons import TEMPLATES, Plural, Reason, reason_text, word_reason
from commentsvc.rules import built_in, engine
from commentsvc.rules.context import Context
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.rules.verdicts import UNPROVEN_CODES, CompiledRule, Policy
from commentsvc.web.pages.i18n import Locale
from tests.conftest import draft

# kind, text of the rule, context, draft -> code, text
REASONS = [
    ("email", "k:digest", {"email_digests": {"k:digest"}}, {}, "email_banned", "This email address is banned."),
    ("email_domain", "spam.example", {"email_domain": "a.spam.example"}, {}, "email_domain_banned",
     "Email addresses at spam.example are banned."),
    ("author", "an-author", {"author_id": "an-author"}, {}, "author_banned", "This commenter is banned."),
    ("network", "198.51.100.0/24", {"address": "198.51.100.7"}, {}, "network_banned", "This network is banned."),
    ("website", "shop.example", {}, {"website": "https://www.shop.example/"}, "website_banned",
     "Websites on shop.example are banned."),
    ("words", "Casino", {}, {"comment": "A casino!"}, "word_listed", "Words not allowed: Casino."),
    ("links", "0", {}, {"comment": "https://a.example"}, "too_many_links_to",
     "Contains 1 link (limit 0): a.example."),
    ("links", "1", {}, {"comment": "www.a.example www.b.example"}, "too_many_links_to",
     "Contains 2 links (limit 1): www.a.example, www.b.example."),
    ("length", "10..", {}, {"comment": "?"}, "text_too_short", "Contains 1 character (minimum 10)."),
    ("length", "..1000", {}, {"comment": "a" * 2500}, "text_too_long", "Contains 2,500 characters (limit 1,000)."),
    ("script", "en", {}, {"comment": "Купить дёшево сегодня"}, "other_script",
     "Mostly in Cyrillic script (expected Latin)."),
    ("script", "ja", {}, {"comment": "An English comment"}, "other_script",
     "Mostly in Latin script (expected CJK, Hiragana, Katakana)."),
    ("same_text", "1", {"same_text_comments": 3}, {"comment": "A text that is long enough."}, "repeated_text",
     "The same text is in 3 other comments (rule: 1 or more)."),
    ("too_fast", "30", {"seconds_since_last": 1.9}, {}, "too_fast",
     "Sent 1 second after the last comment from this network (minimum 30)."),
    ("too_many", "5", {"comments_last_hour": 5}, {}, "too_many",
     "Comment 6 from this network within an hour (limit 5)."),
    ("closing_age", "90", {"thread_age_days": 91.0}, {}, "thread_old", "The thread is more than 90 days old."),
    ("trust", "1", {"approved_comments": 1}, {}, "author_approved", "The commenter has 1 approved comment."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "facts", "written", "code", "worded"), REASONS)
def test_a_moderator_reads_what_a_rule_found_and_its_limit(kind, text, facts, written, code, worded):
    reason = KINDS[RuleKind(kind)].compile(text)(draft(**written), Context(**facts))
    assert reason is not None
    assert (reason.code, reason_text(reason)) == (code, worded)


BUILT_IN = [
    ("all", {}, "mode_all", "Every comment on this site is held for moderation."),
    ("none", {}, "mode_none", "No rule matched."),
    ("trusted", {}, "author_new", "The commenter has no approved comments yet."),
    ("trusted", {"approved_comments": 2}, "author_approved", "The commenter has 2 approved comments."),
    ("none", {"honeypot_filled": True}, "honeypot_filled", "Filled in a hidden field (honeypot)."),
    ("all", {"form_token": FormTokenState.ABSENT}, "form_token_missing",
     "Sent without opening the form (script or API)."),
    ("none", {"form_token": FormTokenState.INVALID}, "form_token_invalid", "Invalid form token."),
    ("none", {"proof_of_work": ProofState.ABSENT}, "proof_missing", "Proof of work missing."),
    ("none", {"has_moderator_name": True}, "moderator_name", "Uses a moderator's name, or one that looks like it."),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "facts", "code", "worded"), BUILT_IN)
def test_a_moderator_reads_why_a_built_in_rule_decided(mode, facts, code, worded):
    reason = engine.evaluate_rules(draft(), Context(**facts), Policy(Mode(mode))).deciding.reason
    assert (reason.code, reason_text(reason)) == (code, worded)


def test_a_known_author_reads_that_a_trust_rule_requires_more_approvals():
    rule = CompiledRule("rule-1", RuleKind.TRUST, Effect.APPROVE, KINDS[RuleKind.TRUST].compile("3"))
    judgement = engine.evaluate_rules(draft(), Context(approved_comments=2), Policy(Mode.TRUSTED, (rule,)))
    assert judgement.deciding.reason == Reason("author_needs_more", {"found": 2})


def test_every_state_that_holds_a_comment_has_its_own_reason():
    assert set(built_in.FORM_REASONS) == set(FormTokenState) - {FormTokenState.VALID}
    assert set(built_in.PROOF_REASONS) == set(ProofState) - {ProofState.VALID, ProofState.NOT_REQUIRED}
    codes = [*built_in.FORM_REASONS.values(), *built_in.PROOF_REASONS.values()]
    assert len(set(codes)) == len(codes)


def test_every_reason_in_the_code_has_a_template():
    package = Path(commentsvc.__file__).parent
    used = {
        code for file in package.rglob("*.py") for code in re.findall(r'\bReason\(\s*"(\w*)"', file.read_text("utf-8"))
    }
    used |= {*built_in.FORM_REASONS.values(), *built_in.PROOF_REASONS.values(), *UNPROVEN_CODES}
    assert {"too_many_links", "mode_all", "form_reused"} <= used
    assert used <= TEMPLATES.keys()


def placeholders(text):
    return set(re.findall(r"%\((\w+)\)s", text))


def test_both_forms_of_a_plural_have_the_same_arguments():
    for code, template in TEMPLATES.items():
        texts = (template.singular, template.plural) if isinstance(template, Plural) else (template,)
        # The detail of a verdict is what another program says; it ends as that program ends it.
        assert all(text.endswith((".", "%(detail)s")) for text in texts), code
        assert len({frozenset(placeholders(text)) for text in texts}) == 1, code
        if isinstance(template, Plural):
            assert template.number in placeholders(template.singular), code


def test_the_reasons_that_depend_on_what_anybody_can_type_are_unproven():
    email_rules = [
        CompiledRule("1", RuleKind.EMAIL, Effect.HOLD, KINDS[RuleKind.EMAIL].compile("k:digest")),
        CompiledRule("2", RuleKind.EMAIL_DOMAIN, Effect.HOLD, KINDS[RuleKind.EMAIL_DOMAIN].compile("spam.example")),
        CompiledRule("3", RuleKind.DISPOSABLE, Effect.HOLD, lambda _draft, _context: Reason("disposable_email")),
    ]
    context = Context(
        email_digests=frozenset({"k:digest"}),
        email_domain="spam.example",
        has_moderator_email=True,
        form_token=FormTokenState.ABSENT,
    )
    judgement = engine.evaluate_rules(draft(), context, Policy(Mode.ALL, tuple(email_rules)))
    verdicts = (judgement.deciding, *judgement.others)
    assert {verdict.reason.code for verdict in verdicts if verdict.unproven} == UNPROVEN_CODES
    assert {verdict.reason.code for verdict in verdicts if not verdict.unproven} == {"mode_all"}


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("troll@mail.example", "t…@mail.example"),
        ("write to mia@mail.example", "write to m…@mail.example"),
        ("198.51.100.7", "198.51.100.0/24"),
        ("2001:db8::7", "2001:db8::/64"),
        ("@spammer", "@spammer"),
        ("shop.example/buy", "shop.example/buy"),
        ("Casino Royale", "Casino Royale"),
    ],
)
def test_a_reason_does_not_reveal_an_email_or_ip_address_from_a_word_list(entry, shown):
    reason = KINDS[RuleKind.WORDS].compile(entry)(draft(comment=f"Now {entry} now"), Context())
    assert reason == Reason("word_listed", {"word": shown})


def test_a_found_word_is_shown_as_it_is_even_with_placeholders():
    assert reason_text(Reason("word_listed", {"word": "%(found)s {0} %"})) == "Words not allowed: %(found)s {0} %."


@pytest.mark.parametrize("reason", [Reason("from_a_newer_version", {"found": 1}), Reason("too_many_links"), Reason("")])
def test_a_reason_that_cannot_be_worded_is_shown_as_its_code(reason):
    assert reason_text(reason) == reason.code


def test_a_reason_survives_storage_as_json():
    reason = Reason("too_many_links", {"found": 3, "limit": 2})
    assert msgspec.json.decode(msgspec.json.encode(reason), type=Reason) == reason


class German(gettext.NullTranslations):
    """A translation in which the arguments have another order."""

    def gettext(self, message):
        return {"Invalid form token.": "Ungültiges Formular-Token."}[message]

    def ngettext(self, singular, plural, number):
        assert singular == reasons.TEMPLATES["too_many_links"].singular
        return "Höchstens %(limit)s: ein Link." if number == 1 else "Höchstens %(limit)s: %(found)s Links."


def test_a_reason_can_be_translated():
    def german(*reason):
        return Locale("de", German()).translate(word_reason(Reason(*reason)))

    assert german("form_token_invalid") == "Ungültiges Formular-Token."
    assert german("too_many_links", {"found": 1, "limit": 0}) == "Höchstens 0: ein Link."
    assert german("too_many_links", {"found": 1234, "limit": 2}) == "Höchstens 2: 1.234 Links."


def test_a_reason_shows_no_whole_address_whatever_is_written_around_it():
    masked = {
        "(203.0.113.9)": "(203.0.113.0/24)",
        "from 203.0.113.9.": "from 203.0.113.0/24.",
        "ip=203.0.113.9:4711, 203.0.113.10": "ip=203.0.113.0/24:4711, 203.0.113.0/24",
        "203.0.113.9/32": "203.0.113.0/24",
        "[2001:db8:1:2::9]:443": "[2001:db8:1:2::/64]:443",
        "ip:2001:db8:1:2::9.": "ip:2001:db8:1:2::/64.",
        "cafe:2001:db8:1:2:3:4:5:6": "cafe:2001:db8:1:2::/64",
        "::ffff:203.0.113.9; fe80::1%eth0": "203.0.113.0/24; fe80::/64",
        "<mia.s@example.com>": "<m…@example.com>",
    }
    assert {text: reasons.mask_personal_data(text) for text in masked} == masked
    for text in ("10.0.0.0/8", "2001:db8::/32", "std::vector", "at 12:30:45", "1.2.3", "1.2.3.4.5", "::", "999.1.1.1"):
        assert reasons.mask_personal_data(text) == text


def test_the_time_to_mask_a_reason_grows_with_its_length_only():
    def seconds(text):
        started = time.process_time()
        reasons.mask_personal_data(text)
        return time.process_time() - started

    for piece in ("a", "a@", "a.b@", ":", "a:", "1::", "1.1.", "é", "1.2.3.4/"):
        assert seconds(piece * 4000) < 0.05, piece
