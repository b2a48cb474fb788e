"""The signed time at which a form was opened."""

import uuid
from datetime import datetime
from enum import StrEnum

from commentsvc.domain.crypto import Keyring


class Form(StrEnum):
    """What a form shows of when it was opened."""

    ABSENT = "absent"
    FORGED = "forged"
    QUICK = "quick"
    OLD = "old"
    USED = "used"
    WELL = "well"


def read_started(
    keyring: Keyring, token: str | None, now: datetime, seconds: tuple[int, int] | None
) -> tuple[Form, str | None]:
    """What a form's token shows, and the name to be used up by sending it.

    ``seconds`` are the quickest and the oldest that a form may be sent; None asks nothing.
    """
    if seconds is None:
        return Form.WELL, None
    if not token:
        return Form.ABSENT, None
    form_id = keyring.subject("form", token, now)
    if form_id is None:
        return Form.FORGED, None
    quickest, oldest = seconds
    age = now.timestamp() - _made_at(form_id)
    if age > oldest:
        return Form.OLD, None
    return Form.QUICK if age < quickest else Form.WELL, f"form:{form_id}"


def _made_at(form_id: str) -> float:
    """When a UUIDv7 was made: its first 48 bits are milliseconds (RFC 9562, 5.7)."""
    return (uuid.UUID(form_id).int >> 80) / 1000
