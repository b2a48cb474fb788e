"""The command ``serve``: one process, or a parent with workers (docs/decisions/0054-parent-and-workers.md)."""

import argparse
import asyncio
import functools
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

import uvloop

from commentsvc import app
from commentsvc.cli import DONE, REFUSED, log_format, workers
from commentsvc.cli.first_steps import announce_start
from commentsvc.cli.terminal import Terminal
from commentsvc.config.environment import read_config, resolve_files
from commentsvc.config.settings import Config
from commentsvc.domain.errors import DatabaseAway
from commentsvc.operations import server_lock
from commentsvc.processes import handover as handovers
from commentsvc.processes import systemd
from commentsvc.processes.handover import Handover
from commentsvc.processes.stop import stop_on_signals

CHECK_SECONDS: Final = 30
T = TypeVar("T")


def run_server(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Serve until a signal; return the exit code."""
    handover = handovers.read_handover(environment)
    given = environment
    if handover:
        given = resolve_files(environment) if arguments.check else handovers.read_settings(handover, environment)
    config = read_config(given)
    log_format.configure_logging(config)
    if arguments.check:
        _check_program(config, handover)
        if handover:
            handovers.write_settings(handover, given)
        return DONE
    if handover or config.workers > 1:
        return workers.run_parent(config, handover, environment, terminal)
    try:
        with server_lock.service_lock(config):
            _run_async(_serve_alone(config, environment, terminal))
    except asyncio.CancelledError:  # a second signal, and not always Ctrl+C
        return REFUSED
    return DONE


def _run_async(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _check_program(config: Config, handover: Handover | None) -> None:
    """Try what a start needs, beside a running service. Nothing is created or migrated."""
    if handover:
        handovers.refuse_changes(handover, config)
    app.load_program(config)

    async def check() -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS), app.open_service(config):
                pass
        except TimeoutError:
            raise DatabaseAway(f"The database did not answer in {CHECK_SECONDS} seconds.") from None

    _run_async(check())


async def _serve_alone(config: Config, environment: Mapping[str, str], terminal: Terminal) -> None:
    notifier, listener = systemd.Notifier(environment), systemd.take_socket(environment)
    stop = stop_on_signals(socket_stays=listener is not None)
    role = app.Role(listener=listener, report_ready=notifier.ready, report_stop=notifier.stopping)
    watching = asyncio.create_task(_report_alive(notifier), name="watchdog")
    await app.serve(config, stop, functools.partial(announce_start, terminal), role)
    watching.cancel()


async def _report_alive(notifier: systemd.Notifier) -> None:
    while notifier.watchdog_seconds:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog_seconds)
