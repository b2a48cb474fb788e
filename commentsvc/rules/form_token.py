"""Form tokens: the signed time at which a comment form was opened."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from commentsvc.domain.crypto import Keyring
from commentsvc.domain.ids import time_of

CLOCK_SECONDS: Final = 60  # two servers differ by less


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
    age = now.timestamp() - time_of(form_id)
    if age < -CLOCK_SECONDS:
        return FormTokenState.VALID, f"form:{form_id}"  # the clock was set back since, so the age is not known
    if age > maximum:
        return FormTokenState.EXPIRED, None
    return FormTokenState.TOO_QUICK if max(0.0, age) < minimum else FormTokenState.VALID, f"form:{form_id}"
