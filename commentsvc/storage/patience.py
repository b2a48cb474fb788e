"""Limit the time for which a request waits for a database that does not answer.

A server that hangs keeps connections open and says nothing, so only a clock tells. A request has one deadline for all
its units of work: what it tries after the first one has failed, such as loading the parts of an error page, fails at
once. Each answer of the database begins a new deadline, so work in many units may take long.
"""

import time
from contextvars import ContextVar
from typing import Final

ANSWER_SECONDS: Final = 4.0  # a request is answered within 5
# What a statement has even after a long wait for a connection. With less, a slow server would lose one connection after
# the other, and be slower still because of the new ones.
LEAST_SECONDS: Final = 1.0
BACKGROUND_SECONDS: Final = 30.0  # for work that no request waits for, such as deleting what has expired


class Patience:
    """The deadline of one request, or of one unit of work that belongs to none."""

    def __init__(
        self,
        statement_seconds: float | None = ANSWER_SECONDS,
        until: float | None = None,
        *,
        first_seconds: float | None = None,
    ) -> None:
        """Set the limits in seconds: ``first_seconds`` for the first answer, ``statement_seconds`` after it.

        None for ``statement_seconds``: as long as it takes. ``until``: the deadline of the first answer, if it runs.
        """
        self.statement_seconds = statement_seconds
        self._first_seconds = first_seconds
        self._until = until

    def begin(self) -> float:
        """Return until when to wait for an answer, by ``time.monotonic``."""
        if self._until is None:
            self._until = time.monotonic() + (self._first_seconds or ANSWER_SECONDS)
        return self._until

    def end(self) -> None:
        """Note that the database has answered."""
        self._until = None


_REQUEST: Final[ContextVar[Patience | None]] = ContextVar("patience", default=None)


def begin_request() -> Patience:
    """Give the units of the request that begins now a deadline of their own."""
    patience = Patience()
    _REQUEST.set(patience)
    return patience


def present_patience() -> Patience:
    """Return the patience of the present request; outside of requests, a new one."""
    return _REQUEST.get() or Patience(BACKGROUND_SECONDS, first_seconds=BACKGROUND_SECONDS)
