"""Measure the processor time that a client's request takes, on the event loop and in threads."""

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from time import thread_time
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Meter:
    """The processor time of one request, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


METER: Final[ContextVar[Meter | None]] = ContextVar("meter", default=None)  # of the request that is handled


def metered(work: Callable[[], T]) -> Callable[[], T]:
    """Return work for a thread that adds its processor time to the meter of the present request."""
    meter = METER.get()
    if meter is None:
        return work

    def work_and_count() -> T:
        started = thread_time()
        try:
            return work()
        finally:
            meter.seconds += thread_time() - started

    return work_and_count


@types.coroutine
def meter_steps(work: Coroutine[Any, Any, T], meter: Meter) -> Generator[Any, Any, T]:
    """Await a coroutine, and add the processor time of its steps on the event loop to a meter."""
    step, value = work.send, None
    while True:
        started = thread_time()
        try:
            awaited = step(value)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            meter.seconds += thread_time() - started
        try:
            step, value = work.send, (yield awaited)
        except BaseException as error:  # noqa: BLE001 -- for the coroutine: also that it is cancelled
            step, value = work.throw, error
