"""The label of a comment: spam or good, as people and imports decided. Undone decisions do not count."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from commentsvc.domain.models import ActorKind, Status


class Label(StrEnum):
    """The class in which a comment trains the filter."""

    SPAM = "spam"
    GOOD = "good"


class Step(Struct, frozen=True):
    """A decision on a comment. ``undoes`` is the action that it took back."""

    status: Status
    actor_kind: ActorKind
    created_at: str
    action_id: str | None = None
    undoes: str | None = None


class Labelled(Struct, frozen=True):
    """The label of a comment: who decided it and when. ``approved``: a person approved the comment at some time.

    Without a label, only that approval counts.
    """

    label: Label | None
    source: ActorKind
    decided_at: str
    approved: bool


LABELS: Final = {Status.SPAM: Label.SPAM, Status.APPROVED: Label.GOOD}
TEACHERS: Final = frozenset({ActorKind.PERSON, ActorKind.IMPORT})


def find_label(history: Sequence[Step], edited_at: str | None = None) -> Labelled | None:
    """Return the label that a comment's decisions give it, oldest first.

    It has none if no person or import decided last; None if no person ever approved it either. Decisions before
    ``edited_at``, when the author last changed the text, are about another text: they give no label. An undo brings
    back the decision before the action that it undoes, and so does undoing the undo.
    """
    latest: Step | None = None
    approved = False
    before: dict[str, tuple[Step | None, bool]] = {}
    for step in history:
        known = (latest, approved)
        if step.undoes is not None:
            latest, approved = before.get(step.undoes, (None, False))
        else:
            latest = step
            is_approval = step.status is Status.APPROVED and step.actor_kind is ActorKind.PERSON
            approved = approved or (is_approval and step.created_at > (edited_at or ""))
        if step.action_id is not None:
            before.setdefault(step.action_id, known)
    if latest is None:
        return None
    is_old = edited_at is not None and latest.created_at <= edited_at
    label = LABELS.get(latest.status) if latest.actor_kind in TEACHERS and not is_old else None
    return Labelled(label, latest.actor_kind, latest.created_at, approved) if label or approved else None
