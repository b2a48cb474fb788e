"""Functions that the moderation page's templates call."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from commentsvc.audit.lookup import ActionSummary
from commentsvc.domain import links
from commentsvc.domain.models import ActorKind, RuleKind
from commentsvc.moderation import wording
from commentsvc.moderation.schemas import ModeratorComment, ReasonRecord
from commentsvc.moderation.wording import actor_name, format_count
from commentsvc.rules import domains
from commentsvc.rules.schemas import RuleRecord

LONG_TEXT: Final = 1200  # characters; the rest of a longer text is behind a button
SHOWN_CHARACTERS: Final = 1000
EXCERPT: Final = 50
DECIDERS: Final = frozenset({ActorKind.PERSON, ActorKind.PROGRAM})
# URLs, and what browsers or people take for one. They are shown as text and never linked.
LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:javascript|data|mailto):)[^\s<>\"'`()\[\]]+", re.IGNORECASE
)
BANS: Final = frozenset({RuleKind.EMAIL, RuleKind.EMAIL_DOMAIN, RuleKind.AUTHOR, RuleKind.NETWORK, RuleKind.WEBSITE})
# Reasons that most comments have. A card shows one only if it has no other.
DEFAULT_REASONS: Final = frozenset({"mode_all", "mode_none"})
MINOR_REASONS: Final = DEFAULT_REASONS | {"form_token_missing", "author_new", "author_needs_more"}
TRUST_REASONS: Final = frozenset({"author_approved"})


def describe_action(action: ActionSummary, rule: RuleRecord | None = None, noun: str = "comment") -> str:
    """Return what an action did, as a sentence. ``rule`` is the rule that it added, if any."""
    if action.verb == "undo" and action.undid:
        return f"{_describe_undo(action.undid, action.number)}."
    if rule is not None and rule.kind in BANS:
        return "Browser banned." if rule.kind is RuleKind.AUTHOR else f"Banned {rule.match}."
    return f"{wording.describe_change(action.verb, action.number, noun)}."


def _describe_undo(undid: str, number: int) -> str:
    if undid == "undo":
        return f"Redone: {format_count(number, 'comment')} changed" if number else "Redone"
    change = wording.describe_change(undid, number)
    return f"Undone: {change[0].lower()}{change[1:]}"


def describe_outside_change(card: ModeratorComment) -> str:
    """Return what someone else did to a comment while a moderator was looking at it."""
    if card.deleted:
        return "This comment was deleted."
    actor = card.reasons[0].actor if card.reasons else None
    if actor is not None and actor.kind in DECIDERS:
        logged = wording.VERBS[wording.VERB_OF_STATUS[card.status]].logged
        return f"{actor_name(actor)} {logged.format('this comment')}."
    return f"This comment was changed. Status: {card.status.value}."


def describe_commenter(card: ModeratorComment) -> str:
    """Return how many of a commenter's comments were approved, and how many were spam."""
    if card.email is None:
        return "a moderator" if card.by_moderator else "commenter unknown"
    approved, spam = card.author.approved, card.author.spam
    return f"{approved:,} approved · {spam:,} spam" if approved or spam else "first comment"


def list_chips(card: ModeratorComment) -> Iterator[tuple[str, str]]:
    """Return why a comment has its status: a CSS class and a text for each reason."""
    if card.reports:
        yield "danger", f"Reported by {format_count(card.reports, 'reader')}"
    specific = [reason for reason in card.reasons if reason.code not in DEFAULT_REASONS]
    for reason in specific if specific or card.reports else card.reasons:
        yield _chip_class(reason), _chip_text(reason)


def _chip_class(reason: ReasonRecord) -> str:
    if reason.actor.kind in DECIDERS:
        return "person"
    return "positive" if reason.code in TRUST_REASONS else "muted" if reason.code in MINOR_REASONS else "warning"


def _chip_text(reason: ReasonRecord) -> str:
    if reason.code == "mode_all":
        return "All comments are moderated"
    if reason.actor.kind not in DECIDERS:
        return reason.text or actor_name(reason.actor)
    name = actor_name(reason.actor)
    if reason.code == "undone":
        return f"Undone by {name}"
    return f"{name}: {reason.text}" if reason.text else f"Decided by {name}"


def split_links(text: str) -> list[tuple[bool, str]]:
    """Return a text in parts, each with whether it is a URL."""
    found, at = [], 0
    for match in LINK.finditer(text):
        # A link that readers get ends where theirs does: 参见https://example.com/a。谢谢
        end = min(links.find_end(text, match.start()), match.end())
        found += [(False, text[at : match.start()]), (True, text[match.start() : end])]
        at = end
    return [part for part in [*found, (False, text[at:])] if part[1]]


def split_long_text(text: str) -> tuple[str, str]:
    """Return the part of a text that is shown at once, and the rest."""
    return (text, "") if len(text) <= LONG_TEXT else (text[:SHOWN_CHARACTERS], text[SHOWN_CHARACTERS:])


def excerpt(card: ModeratorComment) -> str:
    """Return a commenter's name and the first words of the comment."""
    if card.deleted:
        return "(deleted comment)"
    text = " ".join(card.comment.split())
    return f"{card.name}: {text[:EXCERPT].rstrip()}{'…' if len(text) > EXCERPT else ''}"


def split_logged(verb: str) -> tuple[str, str]:
    """Return what the audit log writes before and after the thing that changed."""
    before, _, after = (wording.VERBS[verb].logged if verb in wording.VERBS else f"{verb} {{}}").partition("{}")
    return before, after


def rule_kind_label(kind: RuleKind) -> str:
    """Return a kind of rule as a form offers it: ``Links: more than this many``."""
    words = wording.RULE_KINDS[kind]
    if kind is RuleKind.DISPOSABLE and not _has_disposable_domains():
        return f"{words.name} (not available: ask your operator to install commentsvc[disposable])"
    return f"{words.name}: {words.matches}"


@cache
def _has_disposable_domains() -> bool:
    try:
        domains.disposable_domains()
    except ValueError:
        return False
    return True


TEMPLATE_FUNCTIONS: Final[dict[str, Any]] = {
    "relative_time": wording.relative_time,
    "actor_name": actor_name,
    "rule_name": wording.rule_name,
    "effects": wording.EFFECTS,
    "mode_names": wording.MODES,
    "rule_kinds": wording.RULE_KINDS,
    "format_count": format_count,
    "describe_commenter": describe_commenter,
    "describe_outside_change": describe_outside_change,
    "list_chips": list_chips,
    "split_links": split_links,
    "split_long_text": split_long_text,
    "split_logged": split_logged,
    "rule_kind_label": rule_kind_label,
    "excerpt": excerpt,
}
