"""How the moderation page says what it shows."""

import re
from collections.abc import Iterator
from typing import Any, Final

from commentsvc.audit.lookup import ActionSummary
from commentsvc.domain.models import Status
from commentsvc.moderation import wording
from commentsvc.moderation.schemas import ModeratorComment, Reason
from commentsvc.moderation.wording import DONE

LONG: Final = 1200  # characters; of a longer text the rest is behind a button
SHOWN: Final = 1000
EXCERPT: Final = 50
UNDONE: Final = "Undone."  # the reason of what an undo decided
# Addresses, and what browsers or people take for some. They are shown, and lead nowhere.
LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:javascript|data|mailto):)[^\s<>\"'`()\[\]]+", re.IGNORECASE
)
OTHERWISE: Final = {
    "reply": "The reply is shown.",
    "rule_add": "The rule is kept.",
    "rule_change": "The rule was changed.",
    "rule_remove": "The rule is gone.",
    "thread_change": "The thread was changed.",
    "thread_merge": "The threads are one now.",
    "site_change": "The site was changed.",
}
# What somebody did, as the log says it after their name.
DID: Final = {
    "approve": "approved",
    "hold": "put back among those that wait",
    "spam": "marked as spam",
    "trash": "moved to the trash",
    "restore": "restored",
    "amend": "changed",
    "reply": "replied",
    "erase": "erased for good",
    "undo": "took back",
    "edit": "edited",
    "withdraw": "withdrew",
    "report": "held, for readers reported it",
    "rule_add": "added",
    "rule_change": "changed",
    "rule_remove": "removed",
    "thread_change": "changed",
    "thread_merge": "merged",
    "site_add": "added a site",
    "site_change": "changed who is held on the site",
    "key_create": "made a key",
    "key_revoke": "ended a key",
    "moderator_add": "added a moderator",
    "moderator_invite": "invited a moderator",
    "moderator_remove": "removed a moderator",
    "sign_in": "signed in",
    "sign_out": "signed out",
    "reseal": "sealed every address anew",
}
STANDS: Final = {
    Status.PENDING: "put it back to those that wait",
    Status.APPROVED: "approved it",
    Status.SPAM: "called it spam",
    Status.TRASH: "moved it to the trash",
}


def done(deed: ActionSummary) -> str:
    """What an action did, in a sentence."""
    if deed.verb == "undo" and deed.undid in OTHERWISE:
        return f"Taken back: {OTHERWISE[deed.undid].removesuffix('.').lower()}."
    verb = deed.undid if deed.verb == "undo" and deed.undid else deed.verb
    if verb in OTHERWISE:
        return OTHERWISE[verb]
    said = f"{counted(deed.number, 'comment')} {DONE.get(verb, verb)}."
    return f"Taken back: {said}" if deed.verb == "undo" and deed.undid else said


def counted(number: int, one: str, many: str = "") -> str:
    """So many of something: ``1 comment``, ``1,000 comments``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def meanwhile(card: ModeratorComment) -> str:
    """Who decided on a comment while somebody else looked at it, and how it stands."""
    if card.deleted:
        return "It was erased meanwhile."
    made_by = card.reasons[0].rule if card.reasons else ""
    if made_by.startswith("key:") and card.status is not Status.PENDING:
        return f"{wording.actor_name(made_by)} {STANDS[card.status]} meanwhile."
    return f"It was changed meanwhile, and stands among {card.status.value}."


def record(card: ModeratorComment) -> str:
    """What became of a writer's comments so far."""
    if card.email is None:
        return "a moderator" if card.by_moderator else "nothing known of its writer"
    approved, spam = card.author.approved, card.author.spam
    return f"{approved:,} approved · {spam:,} spam" if approved or spam else "first comment"


def chips(card: ModeratorComment) -> Iterator[tuple[str, str]]:
    """Why a comment stands where it stands: a kind, and words. That everybody is held goes without saying."""
    if card.reports:
        yield "grave", f"Reported by {counted(card.reports, 'reader')}"
    telling = [reason for reason in card.reasons if reason.rule not in {"rule:mode", "rule:none"}]
    for reason in telling if telling or card.reports else card.reasons:
        yield _kind(reason), _why(reason)


def _kind(reason: Reason) -> str:
    if reason.rule.startswith("key:"):
        return "person"
    quiet = {"rule:mode", "rule:none", "rule:form_token", "rule:new_author"}
    return (
        "known" if reason.rule in {"rule:known_author", "rule:trust"} else "quiet" if reason.rule in quiet else "rule"
    )


def _why(reason: Reason) -> str:
    if reason.rule.startswith("key:") and reason.reason == UNDONE:
        return f"Put back by {wording.actor_name(reason.rule)}"
    if reason.rule == "rule:mode":
        return "Everybody is held here"
    if not reason.rule.startswith("key:"):
        return reason.reason or reason.rule.partition(":")[2]
    return (
        f"{wording.actor_name(reason.rule)}: {reason.reason}"
        if reason.reason
        else f"By {wording.actor_name(reason.rule)}"
    )


def parts(text: str) -> list[tuple[bool, str]]:
    """A text in parts, each with whether it is an address."""
    found, at = [], 0
    for match in LINK.finditer(text):
        found += [(False, text[at : match.start()]), (True, match[0])]
        at = match.end()
    return [part for part in [*found, (False, text[at:])] if part[1]]


def cut(text: str) -> tuple[str, str]:
    """What is shown of a text at once, and the rest."""
    return (text, "") if len(text) <= LONG else (text[:SHOWN], text[SHOWN:])


def begins(card: ModeratorComment) -> str:
    """By what a comment is known again: its writer's name, and how it begins."""
    if card.deleted:
        return "an erased comment"
    text = " ".join(card.comment.split())
    return f"{card.name}: {text[:EXCERPT].rstrip()}{'…' if len(text) > EXCERPT else ''}"


# What templates call.
WORDS: Final[dict[str, Any]] = {
    "ago": wording.relative_time,
    "person": wording.actor_name,
    "counted": counted,
    "record": record,
    "chips": chips,
    "parts": parts,
    "cut": cut,
    "meanwhile": meanwhile,
    "begins": begins,
    "did": DID,
}
