"""The service that every operation takes, and decorators that make a function a unit of work.

``await revoke_key(service, who, key_id)`` runs the function in a unit of its own; ``await revoke_key.within(unit, who,
key_id)`` runs it as part of a unit that is open already.
"""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.meter import METER
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.metrics import UNITS, WRITE_WAIT
from commentsvc.storage import schema
from commentsvc.storage.database import (
    SEARCH_SECONDS,
    Database,
    Environment,
    PrivateRead,
    PublicRead,
    Statements,
    Work,
    Write,
)

LOG: Final = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U", bound=PublicRead)
SNAPSHOT_TOO_SLOW: Final = "Reading the data took too long. Use the command line, or export one site at a time."
Opening = Callable[[Database, Work[T], str], Coroutine[Any, Any, T]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Service(Environment):
    """Database, settings, keys, clock and ids."""

    db: Database


@asynccontextmanager
async def open_snapshot(service: Service, seconds: float | None) -> AsyncIterator[PrivateRead]:
    """Read all data as it is at one moment, while the context lasts. Between statements it may wait for other things.

    Raises:
        Unavailable: it took longer than these seconds, or enough others are reading.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit, service.db.snapshot() as statements:
            yield PrivateRead(statements, service)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Unavailable(SNAPSHOT_TOO_SLOW) from error


class UnitOfWork(Generic[U, P, T]):
    """A function that runs in a unit of work. Its name goes to the log of slow units."""

    def __init__(
        self,
        work: Callable[Concatenate[U, P], Coroutine[Any, Any, T]],
        kind: type[U],
        opening: Opening[T],
        hint: Callable[P, str] = lambda *_args, **_kwargs: "",
    ) -> None:
        """Say how to run it. ``hint`` tells ``opening`` about a call: the queue of a write, or if a read is late."""
        functools.update_wrapper(self, work)
        self.within = work
        self._kind = kind
        self._opening = opening
        self._hint = hint
        self.name = f"{work.__module__.removeprefix('commentsvc.')}.{work.__name__.lstrip('_')}"

    async def __call__(self, service: Service, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a unit of its own; return when it is over, for a write: when it is on disk."""
        meter, caller = METER.get(), threading.get_ident()
        recorder, asked = service.parts.get(Recorder), time.perf_counter()

        async def work(statements: Statements) -> T:
            started, started_work = time.perf_counter(), time.thread_time()
            if recorder is not None and self._kind is Write:
                recorder.observe(WRITE_WAIT, (), started - asked)
            try:
                return await self.within(self._kind(statements, service), *args, **kwargs)
            finally:
                seconds = time.perf_counter() - started
                self._log(service, seconds * 1000)
                if recorder is not None:
                    recorder.observe(UNITS, (self.name,), seconds)
                if meter is not None and self._kind is not Write:  # writes have a rate limit
                    # On SQLite a unit has a thread. On PostgreSQL it has one of few connections for all this time.
                    is_alone = threading.get_ident() != caller
                    meter.seconds += time.thread_time() - started_work if is_alone else seconds

        return await self._opening(service.db, work, self._hint(*args, **kwargs))

    def _log(self, service: Service, milliseconds: float) -> None:
        extra = {"unit": self.name, "milliseconds": round(milliseconds, 1)}
        if milliseconds >= service.config.slow_unit_ms:
            LOG.warning("slow unit of work", extra=extra)
        else:
            LOG.debug("unit of work", extra=extra)


def write(work: Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]) -> UnitOfWork[Write, P, T]:
    """Make a function a unit that changes data. It fails with ``Unavailable`` in a schema newer than this program."""
    return UnitOfWork(work, Write, lambda db, job, _: db.write(_in_known_schema(job)))


def write_in_queue(
    key: Callable[P, str],
) -> Callable[[Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]], UnitOfWork[Write, P, T]]:
    """Make a function a unit that changes data. Those with the same key wait in one queue, not for row locks."""

    def decorate(work: Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]) -> UnitOfWork[Write, P, T]:
        return UnitOfWork(work, Write, lambda db, job, key: db.write(_in_known_schema(job), key), key)

    return decorate


def _in_known_schema(work: Work[T]) -> Work[T]:
    async def check_and_work(statements: Statements) -> T:
        await schema.refuse_newer_schema(statements)
        return await work(statements)

    return check_and_work


def schema_write(work: Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]) -> UnitOfWork[Write, P, T]:
    """Make a function a unit that runs while no other server starts or migrates."""
    return UnitOfWork(work, Write, lambda db, job, _key: db.write_exclusively(job))


def private_read(work: Callable[Concatenate[PrivateRead, P], Coroutine[Any, Any, T]]) -> UnitOfWork[PrivateRead, P, T]:
    """Make a function a unit that reads all data."""
    return UnitOfWork(work, PrivateRead, lambda db, job, _key: db.read_private(job))


def search_read(
    work: Callable[Concatenate[PrivateRead, P], Coroutine[Any, Any, T]], seconds: float = SEARCH_SECONDS
) -> UnitOfWork[PrivateRead, P, T]:
    """Make a function a unit that reads all data and may take long. It fails with ``Unavailable`` after ``seconds``."""
    return UnitOfWork(work, PrivateRead, lambda db, job, _key: db.search(job, seconds))


def public_read(work: Callable[Concatenate[PublicRead, P], Coroutine[Any, Any, T]]) -> UnitOfWork[PublicRead, P, T]:
    """Make a function a unit that reads public data only."""
    return UnitOfWork(work, PublicRead, lambda db, job, _key: db.read(job))


def late_read(work: Callable[Concatenate[PublicRead, P], Coroutine[Any, Any, T]]) -> UnitOfWork[PublicRead, P, T]:
    """Make a function a unit that reads public data, perhaps from a replica: see ``Database.read``.

    A call with an argument ``own=``, the reader's own comment, reads the newest state.
    """

    def own(*_args: P.args, **kwargs: P.kwargs) -> str:
        return str(kwargs.get("own") or "")

    return UnitOfWork(work, PublicRead, lambda db, job, own: db.read(job, late=not own), own)
