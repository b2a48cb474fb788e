"""Where the next page of a listing begins, as one word."""

import base64
import binascii
import re

from commentsvc.domain.errors import FieldError, Invalid


def encode_cursor(*parts: str) -> str:
    """Where the next page begins, as one word."""
    return base64.urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """What a cursor was made of.

    Raises:
        Invalid: it is none of ours.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = raw.decode("ascii").split(" ")
    except (binascii.Error, ValueError):
        raise invalid_cursor() from None
    if len(found) != parts or not all(re.fullmatch(r"[0-9a-z-]+", part) for part in found):
        raise invalid_cursor()
    return found


def invalid_cursor() -> Invalid:
    """That a cursor belongs to another question."""
    return Invalid(FieldError("cursor", "invalid_cursor", "Take the cursor from next_cursor of the same question."))
