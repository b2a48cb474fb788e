"""The command ``serve`` with several workers: what their parent opens, forks and hands over."""

import asyncio
import functools
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop

from commentsvc import app
from commentsvc.cli import DONE, log_format
from commentsvc.cli.failures import report_errors
from commentsvc.cli.first_steps import announce_start
from commentsvc.cli.terminal import Terminal
from commentsvc.config.settings import Config
from commentsvc.domain.metric_memory import MetricMemory
from commentsvc.operations import server_lock
from commentsvc.processes import systemd
from commentsvc.processes.children import Assignment, Worker, run_program
from commentsvc.processes.handover import (
    Handover,
    KeptWorker,
    environment_of_check,
    environment_with,
    list_fixed,
    open_settings,
)
from commentsvc.processes.parent import Parent
from commentsvc.processes.stop import stop_with_parent
from commentsvc.service import Service
from commentsvc.storage.file_lock import ServiceLock


def run_parent(config: Config, handover: Handover | None, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Run the parent of the workers until a signal; return the exit code.

    After a reload, ``handover`` has the open socket, the lock and the workers of before.

    Raises:
        ConfigurationError, Unavailable: the service cannot listen, or another one runs on its database.
    """
    notifier = systemd.Notifier(environment)
    kept = handover.workers if handover else []
    with _take_over(config, handover) if handover else _open(config, environment) as held:
        service = _Forked(config, environment, terminal, held)
        app.load_program(config)
        return Parent(
            config.workers,
            service.run_worker,
            notifier,
            previous=[Worker(one.number, one.pid, socket.socket(fileno=one.link), is_ready=True) for one in kept],
            start_check=service.start_check,
            replace_program=service.replace_program,
            close_socket=service.close_socket,
        ).serve()


@dataclass(frozen=True)
class _Held:
    """Resources of the service that outlive each of its processes."""

    listener: socket.socket
    from_systemd: bool
    lock: ServiceLock | None


@contextmanager
def _open(config: Config, environment: Mapping[str, str]) -> Iterator[_Held]:
    from commentsvc.web.server.listener import open_listener  # noqa: PLC0415 -- other commands need no web

    with server_lock.service_lock(config) as lock:
        passed = systemd.take_socket(environment)
        if passed:
            passed.setblocking(False)
            yield _Held(passed, from_systemd=True, lock=lock)
        else:
            with open_listener(config) as listener:  # until a worker is ready, connections wait
                yield _Held(listener, from_systemd=False, lock=lock)


@contextmanager
def _take_over(config: Config, handover: Handover) -> Iterator[_Held]:
    from commentsvc.web.server.listener import keep_listener  # noqa: PLC0415 -- see ``_open``

    for descriptor in handover.descriptors():
        os.set_inheritable(descriptor, False)
    lock = None if handover.lock is None else ServiceLock(handover.lock)
    listener = socket.socket(fileno=handover.listener)
    if handover.from_systemd:
        yield _Held(listener, from_systemd=True, lock=lock)
    else:
        with keep_listener(config, listener):
            yield _Held(listener, from_systemd=False, lock=lock)


class _Forked:
    """A service whose workers are forked from this process."""

    def __init__(self, config: Config, environment: Mapping[str, str], terminal: Terminal, held: _Held) -> None:
        self._config, self._environment, self._terminal, self._held = config, environment, terminal, held
        self._metrics = MetricMemory(config.workers) if config.measures else None
        self._settings = -1  # descriptor of the settings that the last check read; -1: there was none

    def run_worker(self, assignment: Assignment) -> int:
        """Serve in a forked process; return its exit code."""
        log_format.name_worker(assignment.number)
        return report_errors(self._terminal, lambda: self._run(assignment))

    def _run(self, assignment: Assignment) -> int:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(assignment))
        return DONE

    async def _serve(self, assignment: Assignment) -> None:
        stop = stop_with_parent(assignment.link)
        announce = functools.partial(announce_start, self._terminal) if assignment.is_first else _announce_nothing
        role = app.Role(
            listener=self._held.listener,
            is_leading=assignment.number == 1,
            is_alone=assignment.is_first,
            recorder=self._metrics.recorder(assignment.number) if self._metrics else None,
            report_ready=assignment.report_ready,
        )
        await app.serve(self._config, stop, announce, role)

    def close_socket(self) -> bool:
        """Close the socket of this process; return whether systemd keeps it open."""
        self._held.listener.close()
        return self._held.from_systemd

    def start_check(self, workers: list[Worker]) -> int:
        """Start a process that tries the program and the settings as they are now; return its id."""
        if self._settings >= 0:
            os.close(self._settings)
        self._settings = open_settings()
        environment = environment_of_check(self._hand_over(workers), self._environment)
        os.set_inheritable(self._settings, True)
        try:
            return run_program([*_command(), "--check"], environment)
        finally:
            os.set_inheritable(self._settings, False)

    def replace_program(self, workers: list[Worker]) -> None:
        """Start the program again in this process, with the settings that were checked. Success does not return.

        Raises:
            OSError: the program cannot be started; all is as before.
        """
        handover = self._hand_over(workers)
        for handler in logging.getLogger().handlers:
            handler.flush()
        try:
            for descriptor in (*handover.descriptors(), self._settings):
                os.set_inheritable(descriptor, True)
            os.execve(sys.executable, _command(), environment_with(handover, self._environment))  # noqa: S606 -- our own
        finally:
            for descriptor in (*handover.descriptors(), self._settings):
                os.set_inheritable(descriptor, False)

    def _hand_over(self, workers: list[Worker]) -> Handover:
        lock = self._held.lock
        return Handover(
            parent=os.getpid(),
            listener=self._held.listener.fileno(),
            from_systemd=self._held.from_systemd,
            lock=lock.descriptor if lock else None,
            fixed=list_fixed(self._config),
            workers=[KeptWorker(worker.number, worker.pid, worker.link.fileno()) for worker in workers],
            settings=self._settings,
        )


def _command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]


async def _announce_nothing(_service: Service) -> None:
    """Print nothing: the operator has read it at the first start."""
