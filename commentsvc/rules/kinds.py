"""The kinds of rules that moderators can add: the text each kind accepts, its effects, and its check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from commentsvc.domain.errors import RateLimited, Refusal, RejectedByRule, ThreadClosed
from commentsvc.domain.messages import FormattedMessage, Message, translatable
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.rules import combined, sender_checks, text_checks
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.context import Fact
from commentsvc.rules.learned import compile_learned
from commentsvc.rules.word_check import compile_words

BLOCKING_EFFECTS: Final = (Effect.HOLD, Effect.SPAM, Effect.REFUSE, Effect.NOTE)
# The response must not reveal whether an email address is banned, so these kinds neither refuse nor approve.
EMAIL_EFFECTS: Final = (Effect.HOLD, Effect.SPAM, Effect.NOTE)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of rule."""

    label: str  # for lists of kinds
    expected: str  # tells a moderator what to enter
    compile: Callable[[str], RuleCheck]  # raises ValueError if the text is not as expected
    effects: tuple[Effect, ...] = BLOCKING_EFFECTS  # the default first
    needs: frozenset[Fact] = frozenset()
    by_email: bool = False
    expires: bool = False
    default: str = ""  # what an empty text means
    is_sign: bool = True  # a match says something against the comment: see ``weak_signals``
    refusal: Callable[[Message], Refusal] = RejectedByRule


_DOMAIN: Final = translatable("Enter a domain such as example.com.")

KINDS: Final[dict[RuleKind, Kind]] = {
    RuleKind.EMAIL: Kind(
        label="Email address", expected=translatable("Enter an email address such as name@example.com."),
        compile=sender_checks.compile_email, effects=EMAIL_EFFECTS, by_email=True, expires=True,
    ),
    RuleKind.EMAIL_DOMAIN: Kind(
        label="Email domain: addresses at this domain or its subdomains", expected=_DOMAIN,
        compile=sender_checks.compile_email_domain, effects=EMAIL_EFFECTS, by_email=True, expires=True,
    ),
    RuleKind.DISPOSABLE: Kind(
        label="Disposable email addresses",
        expected=translatable("Leave this empty. The operator must install commentsvc[disposable]."),
        compile=sender_checks.compile_disposable, effects=EMAIL_EFFECTS, by_email=True,
    ),
    RuleKind.AUTHOR: Kind(
        label="Commenter", expected=translatable("Enter the ID of one of their comments."),
        compile=sender_checks.compile_author, expires=True,
    ),
    RuleKind.NETWORK: Kind(
        label="Network or IP address",
        expected=translatable("Enter an IP address or a network such as 198.51.100.0/24 or 2001:db8::/32."),
        compile=sender_checks.compile_network, expires=True,
    ),
    RuleKind.WEBSITE: Kind(
        label="Website: at this domain or its subdomains", expected=_DOMAIN,
        compile=sender_checks.compile_website, expires=True,
    ),
    # Word lists are often wrong, so alone they only hold.
    RuleKind.WORDS: Kind(
        label="Words: any word or phrase on this list", expected=translatable("Enter words or phrases, one a line."),
        compile=compile_words, effects=(Effect.HOLD, Effect.NOTE), expires=True,
    ),
    RuleKind.LINKS: Kind(
        label="Links: more than this many",
        expected=translatable("Enter a whole number of links, 0 or more."), compile=text_checks.compile_links,
    ),
    RuleKind.LENGTH: Kind(
        label="Length: fewer or more characters than this",
        expected=translatable("Enter a range of characters such as 20.. or 2..5000."),
        compile=text_checks.compile_length,
    ),
    RuleKind.SCRIPT: Kind(
        label="Script: mostly letters of other scripts than these",
        expected=translatable("Enter languages or scripts, such as en or Latin Greek."),
        compile=text_checks.compile_script, effects=(Effect.HOLD, Effect.SPAM, Effect.NOTE),
    ),
    RuleKind.SAME_TEXT: Kind(
        label="Repeated text: in this many other comments or more",
        expected=translatable("Enter a whole number of other comments, 1 to 1,000."),
        compile=text_checks.compile_same_text, needs=frozenset({Fact.SAME_TEXT}),
    ),
    RuleKind.TOO_FAST: Kind(
        label="Pace: fewer seconds than this since the network's last comment",
        expected=translatable("Enter a whole number of seconds, 1 to 86,400."),
        compile=sender_checks.compile_too_fast, needs=frozenset({Fact.PACE}),
        refusal=lambda _reason: RateLimited(60, by_rule=True),
    ),
    RuleKind.TOO_MANY: Kind(
        label="Pace: more than this many comments from one network in an hour",
        expected=translatable("Enter a whole number of comments an hour, 1 to 10,000."),
        compile=sender_checks.compile_too_many, needs=frozenset({Fact.PACE}),
        refusal=lambda _reason: RateLimited(3600, by_rule=True),
    ),
    RuleKind.CLOSING_AGE: Kind(
        label="Old threads: more than this many days old",
        expected=translatable("Enter a whole number of days, 1 to 36,500."),
        compile=text_checks.compile_closing_age, effects=(Effect.HOLD, Effect.REFUSE, Effect.NOTE),
        refusal=ThreadClosed,
        is_sign=False,  # it holds every comment of the thread
    ),
    RuleKind.NEWCOMER: Kind(
        label="New commenters: with fewer approved comments than this",
        expected=translatable("Enter a whole number of approved comments, 1 to 1,000, or nothing for 1."),
        compile=sender_checks.compile_newcomer, default="1",
        is_sign=False,  # everybody writes a first comment
    ),
    RuleKind.ALL: Kind(
        label="Combined: all of several conditions",
        expected=translatable("Enter at least two conditions, one a line, such as links: 0 and newcomer."),
        compile=lambda text: _compile_all(text), expires=True,  # noqa: PLW0108 -- defined below
    ),
    RuleKind.TRUST: Kind(
        label="Trust: commenters with at least this many approved comments",
        expected=translatable("Enter a whole number of approved comments, 1 to 1,000."),
        compile=sender_checks.compile_trust, effects=(Effect.APPROVE,),
    ),
    # A filter errs, so it only shows its score until somebody chooses more.
    RuleKind.LEARNED: Kind(
        label="Learned filter: spam, with this percentage of good comments kept",
        expected=translatable("Enter the percentage of good comments to keep, 90 to 100, such as 99.5."),
        compile=compile_learned, effects=(Effect.NOTE, Effect.HOLD, Effect.SPAM),
    ),
}  # fmt: skip


def _compile_all(text: str) -> RuleCheck:
    by_email = frozenset(kind for kind, one in KINDS.items() if one.by_email)
    return combined.compile_conditions(text, _compile_condition, by_email)


def _compile_condition(kind: RuleKind, text: str) -> RuleCheck:
    """Compile one condition of a combined rule.

    Raises:
        ValueError: The text is not what the kind expects. The message is for the moderator.
    """
    try:
        return KINDS[kind].compile(text or KINDS[kind].default)
    except ValueError as error:
        advice = error.args[0] if kind is RuleKind.WORDS and error.args else FormattedMessage(KINDS[kind].expected, {})
        raise ValueError(advice) from None


def allowed_effects(kind: RuleKind, check: RuleCheck | None) -> tuple[Effect, ...]:
    """Return the effects that a rule can have, the default first. A combined rule refuses only what each part may.

    Only the check of a combined rule is looked at.
    """
    effects = KINDS[kind].effects
    kinds = check.kinds if isinstance(check, combined.CombinedCheck) else frozenset({kind})
    may_refuse = all(Effect.REFUSE in KINDS[one].effects for one in kinds)
    return tuple(effect for effect in effects if may_refuse or effect is not Effect.REFUSE)
