"""The words moderators read on the page, in the terminal and in the audit log. The page translates them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from commentsvc.domain.messages import (
    FormattedMessage,
    Message,
    Plural,
    translatable,
    translatable_format,
    translatable_plural,
)
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Effect, Mode, RuleKind, Status
from commentsvc.domain.timestamps import parse_time

AGES: Final = (
    (365 * 86_400, Plural("%(num)s year ago", "%(num)s years ago")),
    (86_400, Plural("%(num)s day ago", "%(num)s days ago")),
    (3600, Plural("%(num)s hour ago", "%(num)s hours ago")),
    (60, Plural("%(num)s minute ago", "%(num)s minutes ago")),
)


# The verb that gives a comment a status.
VERB_OF_STATUS: Final = {
    Status.PENDING: ActionVerb.HOLD,
    Status.APPROVED: ActionVerb.APPROVE,
    Status.SPAM: ActionVerb.SPAM,
    Status.TRASH: ActionVerb.TRASH,
}
# What someone else did to a comment while a moderator was looking at it.
OUTSIDE_CHANGES: Final = {
    Status.PENDING: translatable("%(name)s moved this comment back to pending."),
    Status.APPROVED: translatable("%(name)s approved this comment."),
    Status.SPAM: translatable("%(name)s marked this comment as spam."),
    Status.TRASH: translatable("%(name)s moved this comment to the trash."),
}
# The fields of threads, rules and sites that a change sets.
CHANGED_FIELDS: Final = {
    "key": translatable("Address"), "url": translatable("Page"), "title": translatable("Title"),
    "closed_at": translatable("Closed"), "open_until": translatable("Open until"), "mode": translatable("Moderate"),
    "matching": translatable("Matches"), "effect": translatable("Action"), "note": translatable("Note"),
    "expires_at": translatable("Until"), "removed_at": translatable("Deleted"), "name": translatable("Name"),
    "email_required": translatable("Email address"), "website_field": translatable("Website field"),
    "privacy_url": translatable("Privacy page"), "consent_required": translatable("Consent box"),
    "time_zone": translatable("Time zone"),
}  # fmt: skip
EFFECTS: Final = {
    Effect.HOLD: translatable("Hold for review"),
    Effect.SPAM: translatable("Mark as spam"),
    Effect.REFUSE: translatable("Reject with a message"),
    Effect.APPROVE: translatable("Approve"),
    Effect.NOTE: translatable("Note only: show it, hold nothing"),
}
# The same in one word, as chips show it.
SHORT_EFFECTS: Final = {
    Effect.HOLD: translatable("hold"),
    Effect.SPAM: translatable("spam"),
    Effect.REFUSE: translatable("refuse"),
    Effect.APPROVE: translatable("approve"),
    Effect.NOTE: translatable("note"),
}
STATUSES: Final = {
    Status.PENDING: translatable("pending"),
    Status.APPROVED: translatable("approved"),
    Status.SPAM: translatable("spam"),
    Status.TRASH: translatable("trash"),
}
MODES: Final = {
    Mode.ALL: translatable("all comments"),
    Mode.TRUSTED: translatable("new commenters only"),
    Mode.NONE: translatable("only what a rule catches"),
}


@dataclass(frozen=True)
class RuleWording:
    """One kind of rule: its name, when it matches, and an example of what to enter."""

    name: str
    matches: str
    example: str = ""


RULE_KINDS: Final = {
    RuleKind.EMAIL: RuleWording(translatable("Email address"), translatable("exactly this one"), "mia@example.com"),
    RuleKind.EMAIL_DOMAIN: RuleWording(
        translatable("Email domain"), translatable("all addresses at this domain"), "example.com"
    ),
    RuleKind.DISPOSABLE: RuleWording(translatable("Disposable email addresses"), translatable("all known services")),
    RuleKind.AUTHOR: RuleWording(translatable("Browser"), translatable("the one that sent this comment")),
    RuleKind.NETWORK: RuleWording(
        translatable("Network"),
        translatable("this IP address or network"),
        translatable("198.51.100.0/24 or 2001:db8::/32"),
    ),
    RuleKind.WEBSITE: RuleWording(translatable("Website"), translatable("all at this domain"), "example.com"),
    RuleKind.WORDS: RuleWording(translatable("Words"), translatable("any of these, one per line")),
    RuleKind.LINKS: RuleWording(translatable("Links"), translatable("more than this many"), "2"),
    RuleKind.LENGTH: RuleWording(
        translatable("Length"), translatable("outside this range"), translatable("20..5000, or 20.. for no maximum")
    ),
    RuleKind.SCRIPT: RuleWording(
        translatable("Language"), translatable("mostly other than these"), translatable("en, or Latin Greek")
    ),
    RuleKind.SAME_TEXT: RuleWording(translatable("Repeated text"), translatable("in at least this many others"), "3"),
    RuleKind.TOO_FAST: RuleWording(translatable("Too fast"), translatable("within this many seconds"), "10"),
    RuleKind.TOO_MANY: RuleWording(translatable("Too many"), translatable("more than this many an hour"), "20"),
    RuleKind.CLOSING_AGE: RuleWording(translatable("Old threads"), translatable("older than this many days"), "90"),
    RuleKind.NEWCOMER: RuleWording(
        translatable("New commenters"), translatable("fewer approved comments than this"), "1"
    ),
    RuleKind.ALL: RuleWording(translatable("Combined"), translatable("all of these conditions, one per line")),
    RuleKind.TRUST: RuleWording(translatable("Trusted commenters"), translatable("this many approved comments"), "3"),
    RuleKind.LEARNED: RuleWording(
        translatable("Learned filter"), translatable("spam, with this percentage of good comments kept"), "99.5"
    ),
}
# Rules that always exist, by the name in decisions.
BUILT_IN_RULES: Final = {
    "mode": translatable("moderate everything"),
    "new_author": translatable("moderate new commenters"),
    "known_author": translatable("trusted commenter"),
    "none": translatable("no rule matched"),
    "form_token": translatable("form check"),
    "honeypot": translatable("honeypot"),
    "proof_of_work": translatable("proof of work"),
    "repeat": translatable("marked as spam before"),
    "impersonation": translatable("moderator impersonation"),
    "reports": translatable("reader reports"),
}


def relative_time(time: str, now: datetime) -> Message:
    """Return how long ago a time was, in the largest unit that fits."""
    seconds = int((now - parse_time(time)).total_seconds())
    for length, unit in AGES:
        if seconds >= length:
            return unit.about(seconds // length)
    return translatable("just now")


def format_count(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun in English: ``1 comment``, ``1,000 comments``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def describe_mismatch(number: int, most: int, expected: int) -> Message:
    """Return that another number of things matches than was expected. More than ``most`` are not counted."""
    if number > most:
        return translatable_format(
            "More than %(most)s match now, not %(expected)s. Check them, then send the new number.",
            most=most,
            expected=expected,
        )
    return translatable_plural(
        "%(num)s match now, not %(expected)s. Check it, then send the new number.",
        "%(num)s match now, not %(expected)s. Check them, then send the new number.",
        number,
        expected=expected,
    )


def rule_name(rule: str) -> Message:
    """Return the name of a rule, by its id without the prefix ``rule:``."""
    if rule in BUILT_IN_RULES:
        return BUILT_IN_RULES[rule]
    return RULE_KINDS[RuleKind(rule)].name if rule in RULE_KINDS else rule.replace("_", " ")


def actor_name(actor: Actor) -> Message:
    """Return the name of an actor, to start a sentence with. A program is told apart from a person of the same name."""
    match actor.kind:
        case ActorKind.AUTHOR:
            return translatable("The commenter")
        case ActorKind.RULE:
            return translatable_format("Rule “%(rule)s”", rule=FormattedMessage(str(rule_name(actor.name)), {}))
        case ActorKind.PROGRAM:
            return translatable_format("API key “%(name)s”", name=actor.name)
        case ActorKind.HOOK:
            return translatable("The external check")
        case ActorKind.SYSTEM:
            return translatable_format("The system (%(part)s)", part=actor.name)
        case _:
            return FormattedMessage("%(name)s", {"name": actor.name})  # a person's name is never translated
