"""Print the failure of a command, and choose its exit code."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.cli import AWAY, INTERRUPTED, MISCONFIGURED, REFUSED
from commentsvc.cli.terminal import Terminal, to_json
from commentsvc.config.program import with_real_commands
from commentsvc.domain.errors import ConfigurationError, DatabaseAway, FieldError, Invalid, Refusal, Unavailable


@dataclass(frozen=True)
class Failure:
    """Why a command failed. ``code`` is for programs: that of the API where both refuse the same."""

    exit_code: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    def to_json(self) -> str:
        """Return one line of JSON with the fields of the API's errors. Commands in it work as they are printed."""
        errors = [
            {"field": one.field, "code": one.code, "detail": with_real_commands(one.detail)} for one in self.errors
        ]
        detail = with_real_commands(self.detail)
        return to_json({"code": self.code, "detail": detail, "errors": errors, "exit_code": self.exit_code})


def report_errors(terminal: Terminal, work: Callable[[], int], *, as_json: bool = False) -> int:
    """Do the work and return its exit code; if it fails, print why to standard error."""
    try:
        return work()
    except (ConfigurationError, Refusal, UnreadableArchive, KeyboardInterrupt, asyncio.CancelledError) as error:
        failure = _describe_failure(error)
    if as_json:
        terminal.print_error(failure.to_json())
    elif failure.exit_code != INTERRUPTED:
        terminal.print_error(failure.detail)
    return failure.exit_code


def _describe_failure(error: BaseException) -> Failure:
    if isinstance(error, ConfigurationError):
        away = isinstance(error, DatabaseAway)
        return Failure(AWAY if away else MISCONFIGURED, "database_away" if away else "misconfigured", str(error))
    if isinstance(error, Invalid):
        faults = tuple(error.faults)
        return Failure(REFUSED, error.code, "\n".join(map(_describe_field_error, faults)), faults)
    if isinstance(error, Unavailable):
        return Failure(AWAY if error.__cause__ else REFUSED, error.code, error.detail)
    if isinstance(error, Refusal):
        return Failure(REFUSED, error.code, _describe_damage(error) or error.detail)
    if isinstance(error, UnreadableArchive):
        return Failure(REFUSED, "unreadable_archive", str(error))
    return Failure(INTERRUPTED, "interrupted", "Interrupted with Ctrl+C.")


def _describe_damage(error: Refusal) -> str | None:
    from commentsvc.storage.sqlite_faults import describe_damage  # noqa: PLC0415 -- only after a failure

    damage = describe_damage(error.__cause__)
    return (
        f"The database file is damaged ({damage}). Restart the service. If that fails, restore a backup."
        if damage
        else None
    )


def _describe_field_error(error: FieldError) -> str:
    return f"{error.field}: {error.detail}" if error.field else error.detail
