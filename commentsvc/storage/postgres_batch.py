"""Several units of work in one PostgreSQL transaction."""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from commentsvc.domain.errors import OutcomeUnknown
from commentsvc.storage.database import Work, outcome_unknown, unavailable
from commentsvc.storage.patience import Patience, present_patience
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_login import CONNECTION_ERRORS
from commentsvc.storage.postgres_units import (
    BEGIN_BATCH,
    RETRYABLE_ERRORS,
    PostgresTransaction,
    begin_write,
    commit,
    roll_back,
    run_unit,
)

CONFLICTS: Final = (*RETRYABLE_ERRORS, asyncpg.LockNotAvailableError)


@dataclass(eq=False)
class Job:
    """A unit of work with a copy of its caller's context, so that its log lines carry the request id."""

    work: Work[Any]
    done: asyncio.Future[Any]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    patience: Patience = field(default_factory=present_patience)


class Batch:
    """Run units one after the other, and commit them together. A unit that fails does not affect the others.

    Most units that fail have changed nothing, so nothing is rolled back. For the others there are two ways: savepoints,
    which cost each unit a round trip; or, without them, a rollback of the batch: then its units run again alone.
    """

    def __init__(self, connection: Connection, *, savepoints: bool) -> None:
        self.outcomes: dict[Job, Any] = {}  # each unit's result or exception
        self.to_rerun: list[Job] = []  # each in a transaction of its own
        self.left: list[Job] = []  # units that did not begin
        self.changed: set[Job] = set()  # units that have changed something
        self.lost = False  # whether the outcome of the commit is unknown
        self.rolled_back = False  # whether a unit had to be rolled back
        self.met_lock = False
        self._connection = connection
        self._savepoints = savepoints

    async def run(self, jobs: Sequence[Job], is_late: Callable[[], bool]) -> None:
        """Run the units, until ``is_late`` or until one has waited too long for a lock."""
        try:
            checked = await begin_write(self._connection, BEGIN_BATCH)
            for index, job in enumerate(jobs):
                if self.met_lock or (index and is_late()):
                    self.left = [*jobs[index:]]
                    return
                if not await self._run_unit(job, schema_checked=checked):
                    self.left = [*jobs[index + 1 :]]
                    return
        except CONNECTION_ERRORS:
            self._undo(jobs)

    async def commit(self) -> None:
        """Commit the units that succeeded. Nobody knows the outcome if the connection is lost now."""
        if not self.outcomes:
            await roll_back(self._connection)
            return
        try:
            await commit(self._connection)
        except OutcomeUnknown as error:
            cause = error.__cause__ or error
            # A refusal may follow from a change of another unit, which may not have been saved.
            self.outcomes = {
                job: outcome_unknown(cause) if job in self.changed else unavailable(cause) for job in self.outcomes
            }
            self.changed, self.lost = set(), True
        except asyncpg.PostgresError:  # it has refused, and rolled back
            self._undo([*self.outcomes])

    async def _run_unit(self, job: Job, *, schema_checked: bool) -> bool:
        """Run a unit; return False if the batch had to be rolled back."""
        if self._savepoints:
            await self._connection.execute("SAVEPOINT unit")
        transaction = PostgresTransaction(self._connection, schema_checked=schema_checked)
        error: BaseException | None = None
        try:
            outcome = await asyncio.create_task(run_unit(job.work, transaction), context=job.context)
        except Exception as raised:  # noqa: BLE001 -- its caller gets it
            outcome = error = raised
        if not transaction.failed and (error is None or not transaction.changed):
            self.changed |= {job} if transaction.changed else set()
            self._settle(job, outcome)
            return True
        self.rolled_back = True
        self.met_lock = isinstance(error, CONFLICTS)
        if not self._savepoints or self._connection.is_lost():
            self._undo([*self.outcomes, job])
            return False
        await self._connection.execute("ROLLBACK TO SAVEPOINT unit")
        if transaction.failed:
            self.to_rerun.append(job)
        else:
            self._settle(job, outcome)
        return True

    def _settle(self, job: Job, outcome: Any) -> None:
        if isinstance(outcome, RETRYABLE_ERRORS):
            self.to_rerun.append(job)
        else:
            self.outcomes[job] = outcome

    def _undo(self, jobs: Sequence[Job]) -> None:
        self.to_rerun += [job for job in jobs if job not in self.to_rerun]
        self.outcomes, self.left, self.changed = {}, [], set()
