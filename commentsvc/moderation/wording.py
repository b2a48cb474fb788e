"""How things are said to moderators, at a terminal and on a page alike."""

from datetime import datetime
from typing import Final

from commentsvc.domain.timestamps import parse_time

AGES: Final = ((365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute"))

# What became of comments, or of other things, by the verb of the action.
DONE: Final = {
    "approve": "approved",
    "hold": "held",
    "spam": "marked as spam",
    "trash": "moved to the trash",
    "restore": "restored",
    "amend": "changed",
    "erase": "erased for good",
    "undo": "taken back",
}


def relative_time(time: str, now: datetime) -> str:
    """How long ago that was, in the largest unit that fits."""
    seconds = int((now - parse_time(time)).total_seconds())
    for length, unit in AGES:
        if seconds >= length:
            return f"{seconds // length} {unit}{'' if seconds < 2 * length else 's'} ago"
    return "just now"


def actor_name(made_by: str) -> str:
    """Whoever decided, by name."""
    kind, _, name = made_by.partition(":")
    return name if kind == "key" else {"author": "Its writer", "invitation": "An invitation"}.get(kind, "A rule")
