"""Turns events into questions for the external check."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.delivery.verdict_question import ASKED
from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel
from commentsvc.domain.models import Status
from commentsvc.storage import parcels
from commentsvc.storage.database import Write

VERDICT: Final = "verdict"  # kinds of parcels
TEACH: Final = "teach"


async def ask_about_comments(unit: Write, events: Sequence[Event]) -> None:
    """Add a question for each new or edited comment; with Akismet, also a lesson for each decision."""
    new: dict[tuple[str, str], NewParcel] = {}
    for event in events:
        if event.comment_id is None:
            continue
        if event.kind is EventKind.COMMENT_EDITED or _is_worth_asking(event):
            detail = {name: event.detail[name] for name in ("language",) if name in event.detail}
            new[event.comment_id, VERDICT] = _parcel(event, VERDICT, detail)
        elif event.kind is EventKind.COMMENT_DECIDED and unit.config.verdict_dialect == "akismet":
            new[event.comment_id, TEACH] = _parcel(event, TEACH, {})
    await parcels.add_many(unit, list(new.values()))


def _is_worth_asking(event: Event) -> bool:
    return event.kind is EventKind.COMMENT_CREATED and Status(event.detail["status"]) in ASKED


def _parcel(event: Event, kind: str, detail: Mapping[str, Any]) -> NewParcel:
    return NewParcel(
        channel=Channel.VERDICT,
        kind=kind,
        site_id=event.site_id,
        thread_id=event.thread_id,
        comment_id=event.comment_id,
        detail=msgspec.json.encode(detail).decode(),
    )
