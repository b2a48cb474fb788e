"""Child processes of the parent: fork a worker, or run a program."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

from commentsvc.processes.exit_codes import FAILED

LOG: Final = logging.getLogger(__name__)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
READY: Final = b"r"  # from a worker: it accepts connections
RETIRE: Final = b"q"  # from the parent: stop, others accept on the same socket


@dataclass(frozen=True)
class Assignment:
    """The task of a worker. ``link`` ends when the parent ends."""

    number: int
    is_first: bool  # nobody served before it
    link: socket.socket

    def report_ready(self) -> None:
        """Tell the parent that this worker accepts connections."""
        with suppress(OSError):  # the parent was killed
            self.link.send(READY)


Run = Callable[[Assignment], int]


@dataclass
class Worker:
    """A worker, as its parent sees it. ``link`` is the parent's end."""

    number: int
    pid: int
    link: socket.socket
    started: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    deadline: float | None = None  # set when it was asked to end

    def read_ready(self) -> bool:
        """Return whether the worker says now that it accepts connections."""
        try:
            said = self.link.recv(1) == READY
        except BlockingIOError:
            return False
        except OSError:
            said = False
        self.is_ready = self.is_ready or said
        return said

    def retire(self, deadline: float) -> None:
        """Ask the worker to finish its requests, while others accept new connections."""
        self.deadline = deadline
        with suppress(OSError):
            self.link.send(RETIRE)

    def signal(self, name: signal.Signals, deadline: float | None = None) -> None:
        """Send a signal. The worker is our child and not reaped yet, so the process id is still its own."""
        self.deadline = deadline
        os.kill(self.pid, name)


def fork_worker(number: int, run: Run, *, is_first: bool, others: Iterable[Worker]) -> Worker:
    """Start a worker. In the child, call ``run`` and end with its exit code.

    The parent has no thread, event loop or database connection that the child would inherit.

    Raises:
        OSError: the system has no more processes or memory.
    """
    ours, theirs = socket.socketpair()
    # A handler of the parent must not run in the child, nor a signal get lost between the two.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        _reset_signals()
        for other in others:
            other.link.close()  # the end of the parent must end these links, although we live on
        ours.close()
        theirs.setblocking(False)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _run_and_exit(lambda: run(Assignment(number, is_first, theirs)))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    theirs.close()
    ours.setblocking(False)
    return Worker(number, pid, ours)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for name in SIGNALS:
        signal.signal(name, signal.SIG_DFL)
    # A terminal sends these to all processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _run_and_exit(work: Callable[[], int]) -> NoReturn:
    code = FAILED
    try:
        code = work()
    except BaseException:  # below us is the code of the parent, which must not run here
        LOG.exception("the worker failed")
    finally:
        logging.shutdown()
        os._exit(code)


def run_program(command: list[str], environment: Mapping[str, str]) -> int:
    """Start a program that inherits no open files but the standard ones; return its process id."""
    quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    return os.posix_spawn(
        command[0], command, environment, file_actions=[quiet], setsigmask=[], setsigdef=[signal.SIGTERM, signal.SIGINT]
    )
