"""The parent of the workers: start them, watch them, restart dead ones, reload and stop all.

It serves nothing, so that little can go wrong in it. It has no event loop and no threads, since it forks.
"""

import logging
import os
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from commentsvc.processes.children import SIGNALS, Run, Worker, fork_worker
from commentsvc.processes.exit_codes import FAILED, MISCONFIGURED
from commentsvc.processes.systemd import Notifier

LOG: Final = logging.getLogger(__name__)
STOP_SECONDS: Final = 12  # a worker needs eight; compose and the unit file kill after 15
STABLE_SECONDS: Final = 30  # a worker that lived so long has started well
PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # before a restart, by the number of failures in a row
IDLE_SECONDS: Final = 60.0


class Parent:
    """The state of the parent. ``workers`` serve, ``previous`` serve until these are ready, ``leaving`` finish."""

    def __init__(
        self,
        number: int,
        run: Run,
        notifier: Notifier,
        *,
        previous: list[Worker],
        start_check: Callable[[list[Worker]], int],
        replace_program: Callable[[list[Worker]], None],
        close_socket: Callable[[], bool],
    ) -> None:
        """Take the number of workers, and what reload and stop need.

        ``start_check`` starts a process that tries the new program, and returns its id. ``replace_program`` does not
        return if it succeeds. ``close_socket`` returns whether the socket stays open in another process.
        """
        self._number, self._run, self._notifier = number, run, notifier
        self._start_check, self._replace_program = start_check, replace_program
        self._close_socket = close_socket
        self._workers: dict[int, Worker] = {}
        self._previous = {worker.number: worker for worker in previous}
        self._leaving: list[Worker] = []
        self._is_reload = bool(previous)
        self._failures: Counter[int] = Counter()  # of workers by number
        self._due: dict[int, float] = {}  # when to restart workers
        self._lost: list[int] = []  # workers of before that died during a reload
        self._is_up = self._is_stopping = self._is_told = self._is_reload_asked = False
        self._can_misconfigure = True  # whether a wrong setting ends the service
        self._check: int | None = None  # process that tries the new program
        self._code = 0
        self._has_terminal = os.isatty(0)
        self._is_checked = False  # whether the new program and its settings have just been found right

    def serve(self) -> int:
        """Serve until a signal stops the service; return its exit code."""
        with _signal_pipe() as signals:
            self._fork_all([1])  # alone: it creates what is missing, and finds wrong settings
            while self._all() or self._due:
                readable = self._wait(signals)
                for worker in [one for one in self._workers.values() if one.link in readable]:
                    self._note_ready(worker)
                if signals in readable:
                    self._handle(signals.recv(256))
                self._reap()
                self._replace_if_checked(signals)
                self._do_what_is_due()
        return self._code

    def _all(self) -> list[Worker]:
        return [*self._workers.values(), *self._previous.values(), *self._leaving]

    def _wait(self, signals: socket.socket) -> list[socket.socket]:
        """Return the sockets that have something to read, at the latest when something is due."""
        now = time.monotonic()
        times = [now + (self._notifier.watchdog_seconds or IDLE_SECONDS), *self._due.values()]
        times += [worker.deadline for worker in self._all() if worker.deadline is not None]
        waiting = [worker.link for worker in self._workers.values() if not worker.is_ready]
        poll = select.poll()  # select.select fails above 1,024 open files
        sockets = {one.fileno(): one for one in (signals, *waiting)}
        for number in sockets:
            poll.register(number, select.POLLIN)
        ready = poll.poll(max(0.0, min(times) - now) * 1000)
        return [sockets[number] for number, _ in ready]

    def _fork(self, number: int) -> None:
        is_first = not (self._is_up or self._is_reload) and number == 1
        self._workers[number] = fork_worker(number, self._run, is_first=is_first, others=self._all())

    def _fork_all(self, numbers: Iterable[int]) -> bool:
        """Start workers; return False if the system has no more processes, and the start was given up."""
        for number in numbers:
            try:
                self._fork(number)
            except OSError as error:
                LOG.error("worker %d cannot be started (%s)", number, error.strerror)  # noqa: TRY400 -- its place says nothing
                self._give_up(f"worker {number} was not started", FAILED)
                return False
        return True

    def _note_ready(self, worker: Worker) -> None:
        if not worker.read_ready() or self._is_up or self._is_stopping:
            return
        if worker.number == 1 and not self._fork_all(range(2, self._number + 1)):
            return
        if len(self._workers) == self._number and all(one.is_ready for one in self._workers.values()):
            self._is_up = True
            LOG.info("%d workers are ready", self._number)
            self._notifier.ready()
            for one in self._previous.values():
                one.retire(time.monotonic() + STOP_SECONDS)
            self._leaving += self._previous.values()
            self._previous = {}

    def _handle(self, numbers: bytes) -> None:
        for number in numbers:
            if number in (signal.SIGTERM, signal.SIGINT):
                if self._is_told:
                    self._end_at_once()
                self._is_told = True
                self._stop()
            elif number == signal.SIGHUP:
                self._hang_up()

    def _hang_up(self) -> None:
        is_closed = self._has_terminal and not os.isatty(0)
        if is_closed:  # a terminal that closes sends several
            self._stop()
        self._is_reload_asked = not is_closed

    def _end_at_once(self) -> None:
        LOG.warning("stopping at once: requests in progress are lost")
        self._code = self._code or FAILED
        for worker in self._all():
            worker.signal(signal.SIGKILL)

    def _stop(self) -> None:
        if self._is_stopping:
            return
        LOG.info("stopping: the workers finish their requests")
        self._is_stopping, self._due = True, {}
        self._notifier.stopping()
        if self._check:
            os.kill(self._check, signal.SIGKILL)
        socket_stays = self._close_socket()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._all():
            if socket_stays and worker.is_ready:
                worker.retire(deadline)
            else:
                worker.signal(signal.SIGTERM, deadline)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)  # as process 1 of a container, also orphans of others
                if pid == 0:
                    return
                self._note_end(pid, os.waitstatus_to_exitcode(status))

    def _note_end(self, pid: int, code: int) -> None:
        if pid == self._check:
            self._check = None
            self._finish_check(code)
            return
        for worker in self._all():
            if worker.pid == pid:
                if self._workers.get(worker.number) is worker:
                    self._note_ready(worker)  # it may have said so just before its end
                worker.link.close()
                self._leaving = [one for one in self._leaving if one is not worker]
                if self._previous.get(worker.number) is worker:
                    self._lost.append(self._previous.pop(worker.number).number)
                if self._workers.get(worker.number) is worker:
                    del self._workers[worker.number]
                    self._note_failure(worker, code)

    def _note_failure(self, worker: Worker, code: int) -> None:
        """Decide what follows from the end of a worker that should serve."""
        if self._is_stopping:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if not (self._is_up or self._previous) and code == -signal.SIGTERM:
            self._stop()  # sent to the whole group, and read here later than by a worker that was just forked
        elif not self._is_up:
            self._give_up(f"worker {worker.number} {how} at its start", code)
        elif code == MISCONFIGURED and self._can_misconfigure:
            LOG.error("worker %d %s: the service ends", worker.number, how)
            self._code = code
            self._stop()
        else:
            has_lasted = worker.is_ready and time.monotonic() - worker.started >= STABLE_SECONDS
            failures = self._failures[worker.number] = 0 if has_lasted else self._failures[worker.number] + 1
            pause = PAUSES[min(max(failures - 1, 0), len(PAUSES) - 1)]
            level = logging.ERROR if failures > 1 else logging.WARNING
            often = f", {failures} times in a row soon after its start" if failures > 1 else ""
            LOG.log(level, "worker %d %s%s; the next one starts in %g s", worker.number, how, often, pause)
            self._due[worker.number] = time.monotonic() + pause

    def _give_up(self, reason: str, code: int) -> None:
        """End a start that failed: of the service, or of new workers beside those of before."""
        if not self._previous:
            self._code = code if code > 0 else FAILED
            if self._all():
                self._stop()
            return
        LOG.error("reload failed, the workers of before go on: %s", reason)
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM, deadline)
        self._leaving += self._workers.values()
        self._workers, self._previous = self._previous, {}
        self._is_up, self._can_misconfigure = True, False
        self._due = dict.fromkeys(self._lost, time.monotonic())
        self._notifier.ready()

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            try:
                self._fork(number)
            except OSError as error:
                LOG.error("worker %d cannot be started (%s); next attempt in %g s", number, error.strerror, PAUSES[-1])  # noqa: TRY400 -- its place says nothing
                self._due[number] = now + PAUSES[-1]
        for worker in [one for one in self._all() if one.deadline is not None and one.deadline <= now]:
            LOG.warning("worker %d did not end in %d seconds; killing it", worker.number, STOP_SECONDS)
            self._code = self._code or (FAILED if self._is_stopping else 0)
            worker.signal(signal.SIGKILL)
        if self._is_reload_asked and self._is_up and not (self._is_stopping or self._check):
            self._is_reload_asked = False
            LOG.info("reloading: checking the settings and the program")
            self._notifier.reloading()
            try:
                self._check = self._start_check(list(self._workers.values()))
            except OSError as error:
                self._note_failed_reload(f"the check cannot be started ({error.strerror})")
        if self._notifier.watchdog_seconds:
            self._notifier.alive()

    def _finish_check(self, code: int) -> None:
        if code == 0:
            self._is_checked = True
        elif not self._is_stopping:
            self._note_failed_reload(f"the check ended with code {code}, see the line above")

    def _replace_if_checked(self, signals: socket.socket) -> None:
        """Start the new program, unless somebody has asked for something else since the check."""
        is_checked, self._is_checked = self._is_checked, False
        if not is_checked or self._has_new_orders():
            return  # asked again during the check: the settings may be other ones now
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the new program handles them
        try:
            with suppress(BlockingIOError):
                # What came before would be lost with this socket.
                self._handle(signals.recv(256))
            if not self._has_new_orders():
                self._replace_program(list(self._workers.values()))
        except OSError as error:
            self._note_failed_reload(f"the program cannot be started ({error.strerror})")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _has_new_orders(self) -> bool:
        return self._is_stopping or self._is_reload_asked

    def _note_failed_reload(self, reason: str) -> None:
        LOG.error("reload failed, nothing has changed: %s", reason)
        self._notifier.ready()


@contextmanager
def _signal_pipe() -> Iterator[socket.socket]:
    """Yield a socket that receives the number of each signal as a byte."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    for name in SIGNALS:
        if name != signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:  # nohup(1)
            signal.signal(name, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked while the program was replaced
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(-1)
        ours.close()
        theirs.close()
