"""Findings of checks: how bad each is, and the line that mends it."""

import re
from enum import StrEnum

import msgspec

from commentsvc.domain.errors import Refusal


class Level(StrEnum):
    """The level of a finding. Only a fault makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(msgspec.Struct, frozen=True):
    """The result of one check: one sentence, and what to do: a command, a setting, or a line of a configuration."""

    check: str
    level: Level
    says: str
    cure: str = ""


def ok(check: str, says: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, cure: str = "") -> Finding:
    """Return what an operator should know."""
    return Finding(check, Level.WARNING, says, cure)


def fault(check: str, says: str, cure: str) -> Finding:
    """Return what must be mended."""
    return Finding(check, Level.FAULT, says, cure)


def from_error(check: str, error: Exception) -> Finding:
    """Return the fault that an error describes: its first sentence says what is wrong, the others the cure."""
    text = error.detail if isinstance(error, Refusal) else str(error)
    says, _, cure = re.sub(r"\s+", " ", text).partition(". ")
    return fault(check, f"{says.rstrip('.')}.", cure or "See the log of the service.")
