"""The service that every operation takes, and decorators that make a function a unit of work.

``await revoke_key(service, who, key_id)`` runs the function in a unit of its own; ``await revoke_key.within(unit, who,
key_id)`` runs it as part of a unit that is open already.
"""

import functools
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from commentsvc.storage import schema
from commentsvc.storage.database import (
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
Opening = Callable[[Database, Work[T]], Coroutine[Any, Any, T]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Service(Environment):
    """Database, settings, keys, clock and ids."""

    db: Database


class UnitOfWork(Generic[U, P, T]):
    """A function that runs in a unit of work. Its name goes to the log of slow units."""

    def __init__(
        self,
        work: Callable[Concatenate[U, P], Coroutine[Any, Any, T]],
        kind: type[U],
        opening: Callable[[Database, Work[T]], Coroutine[Any, Any, T]],
    ) -> None:
        functools.update_wrapper(self, work)
        self.within = work
        self._kind = kind
        self._opening = opening
        self.name = f"{work.__module__.removeprefix('commentsvc.')}.{work.__name__.lstrip('_')}"

    async def __call__(self, service: Service, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a unit of its own; return when it is over, for a write: when it is on disk."""

        async def work(statements: Statements) -> T:
            started = time.perf_counter()
            try:
                return await self.within(self._kind(statements, service), *args, **kwargs)
            finally:
                self._log(service, (time.perf_counter() - started) * 1000)

        return await self._opening(service.db, work)

    def _log(self, service: Service, milliseconds: float) -> None:
        extra = {"unit": self.name, "milliseconds": round(milliseconds, 1)}
        if milliseconds >= service.config.slow_unit_ms:
            LOG.warning("slow unit of work", extra=extra)
        else:
            LOG.debug("unit of work", extra=extra)


def write(work: Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]) -> UnitOfWork[Write, P, T]:
    """Make a function a unit that changes data. It fails with ``Unavailable`` in a schema newer than this program."""
    return UnitOfWork(work, Write, lambda db, job: db.write(_in_known_schema(job)))


def _in_known_schema(work: Work[T]) -> Work[T]:
    async def check_and_work(statements: Statements) -> T:
        await schema.refuse_newer_schema(statements)
        return await work(statements)

    return check_and_work


def schema_write(work: Callable[Concatenate[Write, P], Coroutine[Any, Any, T]]) -> UnitOfWork[Write, P, T]:
    """Make a function a unit that runs while no other server starts or migrates."""
    return UnitOfWork(work, Write, lambda db, job: db.write_exclusively(job))


def private_read(work: Callable[Concatenate[PrivateRead, P], Coroutine[Any, Any, T]]) -> UnitOfWork[PrivateRead, P, T]:
    """Make a function a unit that reads all data."""
    return UnitOfWork(work, PrivateRead, lambda db, job: db.read_private(job))


def public_read(work: Callable[Concatenate[PublicRead, P], Coroutine[Any, Any, T]]) -> UnitOfWork[PublicRead, P, T]:
    """Make a function a unit that reads public data only."""
    return UnitOfWork(work, PublicRead, lambda db, job: db.read(job))
