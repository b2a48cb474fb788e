"""The request to stop: from a signal, or from the parent process."""

import asyncio
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Stop:
    """A request to stop. Once it is there, it stays."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.socket_stays = False  # the listening socket outlives this process: others accept what waits there

    @property
    def is_asked(self) -> bool:
        """Tell whether the process should stop."""
        return self._asked.is_set()

    def ask(self, *, socket_stays: bool) -> None:
        """Ask the process to stop. The first request counts."""
        if not self.is_asked:
            self.socket_stays = socket_stays
            self._asked.set()

    async def wait(self) -> None:
        """Wait for the request."""
        await self._asked.wait()

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of the work; None if the request came first."""
        working, stopped = asyncio.create_task(work), asyncio.create_task(self.wait())
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if working.done():
            return working.result()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return None


def stop_on_signals(*, socket_stays: bool) -> Stop:
    """Return the request that SIGTERM, SIGINT or SIGHUP makes. A second one cancels the task that called this."""
    stop, loop, task = Stop(), asyncio.get_running_loop(), asyncio.current_task()

    def ask() -> None:
        if stop.is_asked and task:
            task.cancel()
        stop.ask(socket_stays=socket_stays)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ask)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1)
        loop.add_signal_handler(signal.SIGHUP, ask)
    return stop


def stop_with_parent(link: socket.socket) -> Stop:
    """Return the request that SIGTERM makes, or the parent: by a byte on the link, or by its end.

    SIGTERM may come twice: from the parent, and from a program that stops the whole group. The parent ends workers that
    take too long.
    """
    stop, loop = Stop(), asyncio.get_running_loop()

    def read() -> None:
        loop.remove_reader(link)
        stop.ask(socket_stays=True)

    loop.add_signal_handler(signal.SIGTERM, lambda: stop.ask(socket_stays=False))
    loop.add_reader(link, read)
    return stop
