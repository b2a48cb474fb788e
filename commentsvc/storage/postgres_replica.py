"""Public reads from a streaming replica of PostgreSQL.

A replica shows an older state than the primary. It is used only if a check in the last ``max_lag`` seconds has shown
that it had everything the primary had then. The check must also be newer than the last write of this process, so that
people see at once what they change here. Otherwise the primary answers.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import asyncpg

from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_login import CONNECTION_ERRORS
from commentsvc.storage.postgres_pool import Pool
from commentsvc.storage.postgres_reader import PUBLIC, RIGHTS, TABLES, Rights
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)

MAX_SECONDS: Final = 2.0  # for an answer of the replica, or of a check
MAX_PAUSE_SECONDS: Final = 0.1  # between two checks
RETRY_SECONDS: Final = 1.0  # after a check that found a problem
# A replica of the old primary may be ahead of a new one, and then has what nobody else has. Its timeline tells.
PRIMARY: Final = """
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS written, system_identifier AS system,
        ('x' || SUBSTR(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline
    FROM pg_control_system()
"""
REPLICA: Final = """
    SELECT pg_is_in_recovery() AS standby, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS replayed,
        system_identifier AS system, GREATEST(timeline_id, min_recovery_end_timeline) AS timeline
    FROM pg_control_system(), pg_control_checkpoint(), pg_control_recovery()
"""
FAILURES: Final = (asyncpg.PostgresError, ConfigurationError, *CONNECTION_ERRORS)


class ReplicaFailed(Exception):  # noqa: N818 -- not an error: the primary answers
    """The replica did not answer."""


class Replica:
    """A server that answers public reads while it is current."""

    def __init__(self, pool: Pool, primary: Pool, writes: WriteRecord, max_lag: float) -> None:
        self._pool = pool
        self._primary = primary
        self._writes = writes
        self._max_lag = max_lag
        self._current_at = -math.inf  # the replica has everything that was committed before this time
        self._seen_at = math.inf  # when a check first found no problem
        self._next_check = -math.inf
        self._checking: asyncio.Task[None] | None = None
        self._checked_at = -math.inf
        self._problem: str | None = ""  # what the log says already; None: that it is used
        self._may_read = False

    def is_current(self) -> bool:
        """Return whether the replica may answer. Start the next check if it is due."""
        now = self._writes.clock()
        if now >= self._next_check and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self.check())
        return self._current_at >= max(now - self._max_lag, self._writes.stored_at)

    async def read(self, run: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Call a function with a connection to the replica.

        Raises:
            ReplicaFailed: it did not answer in time, or not as the primary would.
        """
        try:
            async with asyncio.timeout(MAX_SECONDS), self._pool.acquire() as connection:
                return await run(connection)
        except FAILURES as error:
            self._report(f"did not answer a query ({type(error).__name__})")
            raise ReplicaFailed from error

    async def check(self) -> None:
        """Find out whether the replica has what the primary has now."""
        started = self._writes.clock()
        try:
            async with asyncio.timeout(MAX_SECONDS):
                problem = await self._find_problem(started)
        except FAILURES as error:
            problem = f"does not answer ({type(error).__name__})"
        if started < self._checked_at:  # a later check was faster
            return
        self._checked_at = started
        if problem is not None:
            self._report(problem)
            return
        self._next_check = started + min(MAX_PAUSE_SECONDS, self._max_lag / 4)
        self._seen_at = min(self._seen_at, started)
        if self._current_at >= started - self._max_lag:
            self._say(None)
        elif self._seen_at < started - self._max_lag:
            self._say(f"is more than {self._max_lag:g} seconds behind")

    async def measure_lag(self) -> float:
        """Return for how many seconds the replica has not had everything; infinite if it never had."""
        await self.check()
        return max(0.0, self._writes.clock() - self._current_at)

    async def close(self) -> None:
        """Stop checking, and close the connections."""
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError):
                await self._checking
        await self._pool.close()

    async def _find_problem(self, started: float) -> str | None:
        try:
            async with asyncio.timeout(MAX_SECONDS / 2), self._primary.acquire() as connection:
                here = await connection.fetchrow(PRIMARY)
        except FAILURES:
            return "cannot be compared with the primary"
        async with self._pool.acquire() as connection:
            there = await connection.fetchrow(REPLICA)
            if not self._may_read:
                rights = Rights(**await connection.fetchrow(RIGHTS, TABLES, PUBLIC))
                if rights.problem:
                    return f"cannot be read safely: {rights.problem.rstrip('.')}"
                self._may_read = True
        if there["system"] != here["system"]:
            return "is not a replica of this database"
        if not there["standby"]:
            return "was promoted: it accepts writes of its own"
        if there["timeline"] != here["timeline"]:
            return f"follows another primary (timeline {there['timeline']} instead of {here['timeline']})"
        if there["replayed"] is not None and there["replayed"] >= here["written"]:
            self._current_at = started
        return None

    def _report(self, problem: str) -> None:
        self._current_at, self._seen_at = -math.inf, math.inf
        self._next_check = self._writes.clock() + RETRY_SECONDS
        self._say(problem)

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        place = self._pool.login.address.place
        if problem is None:
            LOG.info("The read replica at %s is used.", place)
        else:
            LOG.warning("The read replica at %s is not used: it %s. The primary answers.", place, problem)
