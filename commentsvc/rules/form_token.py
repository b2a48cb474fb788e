"""The signed time at which a form was opened."""

import uuid
from datetime import datetime
from enum import StrEnum

from commentsvc.domain.crypto import Keyring


class FormTokenState(StrEnum):
    """What a form shows of when it was opened."""

    ABSENT = "absent"
    FORGED = "forged"
    QUICK = "quick"
    OLD = "old"
    USED = "used"
    WELL = "well"


def read_form_token(
    keyring: Keyring, token: str | None, now: datetime, seconds: tuple[int, int] | None
) -> tuple[FormTokenState, str | None]:
    """What a form's token shows, and the name to be used up by sending it.

    ``seconds`` are the quickest and the oldest that a form may be sent; None asks nothing.
    """
    if seconds is None:
        return FormTokenState.WELL, None
    if not token:
        return FormTokenState.ABSENT, None
    form_id = keyring.subject("form", token, now)
    if form_id is None:
        return FormTokenState.FORGED, None
    quickest, oldest = seconds
    age = now.timestamp() - _made_at(form_id)
    if age > oldest:
        return FormTokenState.OLD, None
    return FormTokenState.QUICK if age < quickest else FormTokenState.WELL, f"form:{form_id}"


def _made_at(form_id: str) -> float:
    """When a UUIDv7 was made: its first 48 bits are milliseconds (RFC 9562, 5.7)."""
    return (uuid.UUID(form_id).int >> 80) / 1000
