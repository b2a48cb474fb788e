"""The words moderators read on the page, in the terminal and in the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Effect, Mode, RuleKind, Status
from commentsvc.domain.timestamps import parse_time

AGES: Final = ((365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute"))


@dataclass(frozen=True)
class Wording:
    """Every form of one verb."""

    done: str  # after its subject: "3 comments approved", "Rule saved"
    logged: str  # after an actor's name; {} is what changed: "marked {} as spam"
    subject: str = ""  # what changed; empty: a number of comments


# Every verb that the audit log holds. Adding a verb takes one line here.
VERBS: Final = {
    "approve": Wording("approved", "approved {}"),
    "hold": Wording("held", "moved {} back to pending"),
    "spam": Wording("marked as spam", "marked {} as spam"),
    "trash": Wording("moved to the trash", "moved {} to the trash"),
    "restore": Wording("restored", "restored {}"),
    "amend": Wording("changed", "changed {}"),
    "erase": Wording("permanently deleted", "permanently deleted {}"),
    "undo": Wording("undone", "undid a change to {}"),
    "edit": Wording("edited", "edited their comment"),
    "withdraw": Wording("deleted by the commenter", "deleted their comment"),
    "report": Wording("held", "held {} because readers reported it"),
    "reply": Wording("posted", "replied", "Reply"),
    "rule_add": Wording("saved", "added {}", "Rule"),
    "rule_change": Wording("changed", "changed {}", "Rule"),
    "rule_remove": Wording("deleted", "deleted {}", "Rule"),
    "thread_change": Wording("changed", "changed {}", "Thread"),
    "thread_merge": Wording("merged", "merged {}", "Threads"),
    "site_add": Wording("added", "added a site", "Site"),
    "site_change": Wording("changed", "changed the settings of a site", "Site"),
    "site_origins": Wording("changed", "changed the origins of a site", "Site"),
    "site_remove": Wording("removed", "removed a site with its comments", "Site"),
    "key_create": Wording("created", "created an API key", "API key"),
    "key_rotate": Wording("rotated", "rotated an API key", "API key"),
    "key_revoke": Wording("revoked", "revoked an API key", "API key"),
    "moderator_add": Wording("added", "added a moderator", "Moderator"),
    "moderator_invite": Wording("created", "created a sign-in link for a moderator", "Sign-in link"),
    "moderator_change": Wording("changed", "changed the email address of a moderator", "Moderator"),
    "moderator_remove": Wording("removed", "removed a moderator", "Moderator"),
    "sign_in": Wording("started", "signed in", "Session"),
    "sign_out": Wording("ended", "signed out", "Session"),
    "reseal": Wording("re-encrypted", "re-encrypted all email addresses", "Email addresses"),
    "secret_lost": Wording("accepted", "went on without a lost secret key", "Secret key"),
}
DONE: Final = {verb: wording.done for verb, wording in VERBS.items()}

# The verb that gives a comment a status.
VERB_OF_STATUS: Final = {
    Status.PENDING: ActionVerb.HOLD,
    Status.APPROVED: ActionVerb.APPROVE,
    Status.SPAM: ActionVerb.SPAM,
    Status.TRASH: ActionVerb.TRASH,
}
EFFECTS: Final = {
    Effect.HOLD: "Hold for review",
    Effect.SPAM: "Mark as spam",
    Effect.REFUSE: "Reject with a message",
    Effect.APPROVE: "Approve",
}
MODES: Final = {
    Mode.ALL: "all comments",
    Mode.TRUSTED: "new commenters only",
    Mode.NONE: "only what a rule catches",
}


@dataclass(frozen=True)
class RuleWording:
    """One kind of rule: its name, when it matches, and an example of what to enter."""

    name: str
    matches: str
    example: str = ""


RULE_KINDS: Final = {
    RuleKind.EMAIL: RuleWording("Email address", "exactly this one", "mia@example.com"),
    RuleKind.EMAIL_DOMAIN: RuleWording("Email domain", "all addresses at this domain", "example.com"),
    RuleKind.DISPOSABLE: RuleWording("Disposable email addresses", "all known services"),
    RuleKind.AUTHOR: RuleWording("Browser", "the one that sent this comment"),
    RuleKind.NETWORK: RuleWording("Network", "this IP address or network", "198.51.100.0/24 or 2001:db8::/32"),
    RuleKind.WEBSITE: RuleWording("Website", "all at this domain", "example.com"),
    RuleKind.WORDS: RuleWording("Words", "any of these, one per line"),
    RuleKind.LINKS: RuleWording("Links", "more than this many", "2"),
    RuleKind.LENGTH: RuleWording("Length", "outside this range", "20..5000, or 20.. for no maximum"),
    RuleKind.SCRIPT: RuleWording("Language", "mostly other than these", "en, or Latin Greek"),
    RuleKind.SAME_TEXT: RuleWording("Repeated text", "in at least this many others", "3"),
    RuleKind.TOO_FAST: RuleWording("Too fast", "within this many seconds", "10"),
    RuleKind.TOO_MANY: RuleWording("Too many", "more than this many an hour", "20"),
    RuleKind.CLOSING_AGE: RuleWording("Old threads", "older than this many days", "90"),
    RuleKind.TRUST: RuleWording("Trusted commenters", "this many approved comments", "3"),
}
# Rules that always exist, by the name in decisions.
BUILT_IN_RULES: Final = {
    "mode": "moderate everything",
    "new_author": "moderate new commenters",
    "known_author": "trusted commenter",
    "none": "no rule matched",
    "form_token": "form check",
    "honeypot": "honeypot",
    "proof_of_work": "proof of work",
    "impersonation": "moderator impersonation",
    "reports": "reader reports",
}


def relative_time(time: str, now: datetime) -> str:
    """Return how long ago a time was, in the largest unit that fits."""
    seconds = int((now - parse_time(time)).total_seconds())
    for length, unit in AGES:
        if seconds >= length:
            return f"{seconds // length} {unit}{'' if seconds < 2 * length else 's'} ago"
    return "just now"


def format_count(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun: ``1 comment``, ``1,000 comments``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def describe_change(verb: str, number: int, noun: str = "comment") -> str:
    """Return what an action changed: ``3 comments approved``, ``Rule saved``."""
    wording = VERBS[verb]
    return f"{wording.subject or format_count(number, noun)} {wording.done}"


def rule_name(rule: str) -> str:
    """Return the name of a rule, by its id without the prefix ``rule:``."""
    if rule in BUILT_IN_RULES:
        return BUILT_IN_RULES[rule]
    return RULE_KINDS[RuleKind(rule)].name if rule in RULE_KINDS else rule.replace("_", " ")


def actor_name(actor: Actor) -> str:
    """Return the name of an actor, to start a sentence with. A program is told apart from a person of the same name."""
    match actor.kind:
        case ActorKind.AUTHOR:
            return "The commenter"
        case ActorKind.RULE:
            return f"Rule “{rule_name(actor.name)}”"
        case ActorKind.PROGRAM:
            return f"API key “{actor.name}”"
        case ActorKind.SYSTEM:
            return f"The system ({actor.name})"
        case _:
            return actor.name
