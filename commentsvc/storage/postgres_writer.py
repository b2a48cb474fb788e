"""Group commit: units of work that wait together run one after the other on one connection, and share a COMMIT.

There are a few lanes, each with a queue. A lane runs the statements of one batch at a time, and units with the same key
use the same lane: so units of one server that need the same rows wait in a queue here, not for locks of each other.
More lanes than one keep the event loop busy while PostgreSQL works: with one, it slept in every second statement.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, TypeVar, cast

import asyncpg

from commentsvc.domain.errors import Unavailable
from commentsvc.storage.database import Work, unavailable
from commentsvc.storage.outcomes import settle
from commentsvc.storage.postgres_batch import Batch, Job
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_login import CONNECTION_ERRORS
from commentsvc.storage.postgres_pool import Pool
from commentsvc.storage.postgres_units import roll_back, run_write, with_retries
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")

MAX_QUEUED_UNITS: Final = 1000  # in a lane
MAX_BATCH_SIZE: Final = 16
MAX_LANES: Final = 4
MAX_CONNECTIONS: Final = 2  # of a lane: one runs a batch, the other commits
FINISH_SECONDS: Final = 3.0  # for units that run when the database is closed; a stop takes 12 at most
PATIENCE_SECONDS: Final = 0.02  # after it, a batch does not delay the next one
UNITS_WITH_SAVEPOINT: Final = 32  # after a unit that had to be rolled back
UNIT_ERRORS: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)  # the fault of one unit alone


class PostgresWriter:
    """Runs units that change data."""

    def __init__(self, pool: Pool, writes: WriteRecord) -> None:
        number = min(MAX_LANES, max(1, pool.size // MAX_CONNECTIONS))
        self.lanes = [Lane(pool, writes) for _ in range(number)]

    async def write(self, work: Work[T], key: str) -> T:
        """Run a unit; return when it is committed. Units with the same key wait in one queue.

        Raises:
            Unavailable: the database could not store it, or too many units are waiting.
        """
        lane = self.lanes[hash(key) % len(self.lanes)]  # without a key: the first
        return await lane.write(work)

    async def finish(self) -> None:
        """Wait until every unit has ended, but not for a database that hangs."""
        await asyncio.gather(*(lane.finish() for lane in self.lanes))


class Lane:
    """A queue of units, and the batches that run."""

    def __init__(self, pool: Pool, writes: WriteRecord) -> None:
        self._pool = pool
        self._writes = writes
        self._queue: deque[Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: Turn | None = None
        self._connections = 0
        self._size = MAX_BATCH_SIZE
        self.savepoints = 0  # how many more units get one

    async def write(self, work: Work[T]) -> T:
        """See ``PostgresWriter``."""
        if len(self._queue) >= MAX_QUEUED_UNITS:
            raise Unavailable("Too many comments are arriving at once. Please try again.")
        job = Job(work, asyncio.get_running_loop().create_future())
        job.patience.begin()
        self._queue.append(job)
        self._start()
        return cast(T, await asyncio.shield(job.done))

    async def finish(self) -> None:
        """Wait until every unit has ended, but not for a database that hangs."""
        end = time.monotonic() + FINISH_SECONDS
        while self._tasks and time.monotonic() < end:
            await asyncio.wait(self._tasks, timeout=end - time.monotonic())

    def end_turn(self, turn: "Turn") -> None:
        """Let the next batch run."""
        if self._turn is turn:
            self._turn = None
            self._start()

    def _start(self) -> None:
        if self._queue and self._turn is None and self._connections < MAX_CONNECTIONS:
            self._connections += 1
            self._turn = Turn(self)
            self._spawn(self._run_next(self._turn))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_next(self, turn: "Turn") -> None:
        try:
            if len(self._queue) == 1 or self._size == 1:
                await self._run_alone(self._queue.popleft(), turn)
                self._size = min(MAX_BATCH_SIZE, self._size + 1)
            else:
                await self._run_together(
                    [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))], turn
                )
        finally:
            self._connections -= 1
            turn.end()
            self._start()

    async def _run_alone(self, job: Job, turn: "Turn | None" = None) -> None:
        async def run(connection: Connection) -> tuple[Any, bool]:
            work = run_write(connection, job.work, turn.end if turn else lambda: None)
            return await asyncio.create_task(work, context=job.context)

        with self._writes.waiting():
            try:
                outcome, changed = await with_retries(self._pool, run, job.patience)
            except Exception as error:  # noqa: BLE001 -- its caller gets it
                if isinstance(error, Unavailable | asyncpg.PostgresError) and not isinstance(error, UNIT_ERRORS):
                    self._writes.note(stored=False)
                settle(job.done, error)
            else:
                self._writes.note(stored=changed or None)
                settle(job.done, outcome)

    async def _run_together(self, jobs: list[Job], turn: "Turn") -> None:
        with self._writes.waiting():
            try:
                # The unit that has waited longest decides.
                async with self._pool.acquire(min(job.patience.begin() for job in jobs)) as connection:
                    batch = await self._run_batch(connection, jobs, turn)
            except Exception as error:  # noqa: BLE001 -- the callers get it
                self._writes.note(stored=False)
                for job in jobs:
                    settle(job.done, unavailable(error) if isinstance(error, CONNECTION_ERRORS) else error)
                return
        self._adapt(batch)
        if batch.outcomes:
            self._writes.note(stored=False if batch.lost else bool(batch.changed) or None)
        for job, outcome in batch.outcomes.items():
            if not batch.lost:
                job.patience.end()
            settle(job.done, outcome)
        for job in batch.to_rerun:
            self._spawn(self._run_alone(job))
        self._queue.extendleft(reversed(batch.left))

    async def _run_batch(self, connection: Connection, jobs: list[Job], turn: "Turn") -> Batch:
        batch = Batch(connection, savepoints=self.savepoints > 0)
        try:
            await batch.run(jobs, turn.is_over)
            turn.end()
            await batch.commit()
        except BaseException:
            await roll_back(connection)
            raise
        return batch

    def _adapt(self, batch: Batch) -> None:
        """Choose savepoints and the size of batches for what happens now: refusals, or conflicts with other servers."""
        self.savepoints = UNITS_WITH_SAVEPOINT if batch.rolled_back else max(0, self.savepoints - len(batch.outcomes))
        self._size = max(1, self._size // 2) if batch.met_lock else min(MAX_BATCH_SIZE, self._size + 1)


class Turn:
    """The right to run statements. It ends before COMMIT, or when it has lasted too long."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._over = False
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self.end)

    def is_over(self) -> bool:
        """Return whether another batch may run."""
        return self._over

    def end(self) -> None:
        """Let the next batch run."""
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._lane.end_turn(self)
