"""Reasons for a comment's status, as codes and arguments; they are worded when they are shown."""

from msgspec import Struct


class Reason(Struct, frozen=True):
    """Why a comment has its status."""

    code: str
    args: dict[str, str | int] = {}


def reason_text(reason: Reason) -> str:
    """Return the English text of a reason."""
    return reason.code
