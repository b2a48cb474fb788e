"""Cursors: the position in a listing where the next page begins."""

import base64
import binascii
import re

from commentsvc.domain.errors import FieldError, Invalid


def encode_cursor(*parts: str) -> str:
    """Return a cursor for these sort keys, as one URL-safe word."""
    return base64.urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """Return the sort keys in a cursor.

    Raises:
        Invalid: it is not a cursor, or has another number of parts.
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
    """Return the error for a cursor that is malformed or belongs to another request."""
    return Invalid(
        FieldError("cursor", "invalid_cursor", "Invalid cursor. Use next_cursor from a response to the same request.")
    )
