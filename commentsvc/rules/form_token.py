"""Form tokens: the signed time at which a comment form was opened."""

import uuid
from datetime import datetime
from enum import StrEnum

from commentsvc.domain.crypto import Keyring


class FormTokenState(StrEnum):
    """The result of checking a form token."""

    ABSENT = "absent"
    INVALID = "invalid"
    TOO_QUICK = "too_quick"
    EXPIRED = "expired"
    USED = "used"
    VALID = "valid"


def read_form_token(
    keyring: Keyring, token: str | None, now: datetime, seconds: tuple[int, int] | None
) -> tuple[FormTokenState, str | None]:
    """Return the state of a form token, and the name under which to record its use.

    ``seconds`` holds the minimum and the maximum age; with None, every token is valid. The name is None if the token
    cannot be used, now or later.
    """
    if seconds is None:
        return FormTokenState.VALID, None
    if not token:
        return FormTokenState.ABSENT, None
    form_id = keyring.subject("form", token, now)
    if form_id is None:
        return FormTokenState.INVALID, None
    minimum, maximum = seconds
    age = max(0.0, now.timestamp() - _created_at(form_id))  # clocks of two servers differ by milliseconds
    if age > maximum:
        return FormTokenState.EXPIRED, None
    return FormTokenState.TOO_QUICK if age < minimum else FormTokenState.VALID, f"form:{form_id}"


def _created_at(form_id: str) -> float:
    """Return the time of a UUIDv7 in Unix seconds: its first 48 bits are milliseconds (RFC 9562, 5.7)."""
    return (uuid.UUID(form_id).int >> 80) / 1000
