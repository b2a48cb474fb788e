"""Reload and restart the service under load: no request fails, and nothing that was acknowledged is lost."""

import asyncio
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.attacks.command import Figures, run
from tests.operations.test_operating import environment
from tests.processes.running import OPEN, Load, list_ids, service_with_workers, write_settings
from tests.proxies import free_port

CLIENTS = 16  # half of them keep their connection; a third read, the others post
RELOADS = 10  # for each restart


def reload_under_load(folder: Path, number: int, clients: int = CLIENTS) -> Figures:
    """Reload ``number`` times, each time with another setting."""
    file = write_settings(folder)
    with service_with_workers(folder, SETTINGS_FILE=file, ACCESS_LOG="off") as running:
        with Load(running.port, clients) as load:
            load.wait_for(clients)
            for times in range(1, number + 1):
                write_settings(folder, COMMENT_LENGTH=10_000 + times)
                running.process.send_signal(signal.SIGHUP)
                running.read_until("workers are ready", times + 1)
                load.wait_for(clients)
        running.process.terminate()
        running.process.wait(20)
    return figures_of("reload", number, load, folder)


def restart_under_load(folder: Path, number: int, clients: int = CLIENTS, workers: int = 1) -> Figures:
    """Stop the service with SIGTERM and start it again, with a socket that stays open, as with systemd."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as listener,
        _one_after_the_other(folder, listener, WORKERS=str(workers), ACCESS_LOG="off", **OPEN) as restart,
        Load(listener.getsockname()[1], clients) as load,
    ):
        load.wait_for(clients)
        for _ in range(number):
            restart()
            load.wait_for(clients)
    return figures_of("restart", number, load, folder)


def replace_under_load(folder: Path, number: int, clients: int = CLIENTS) -> Figures:
    """Stop the service and start it again on the same port, as a new container. Clients try again until it answers."""
    port = free_port()
    with (
        _one_after_the_other(folder, None, PORT=str(port), ACCESS_LOG="off", **OPEN) as restart,
        Load(port, clients) as load,
    ):
        load.wait_for(clients)
        load.gap = 0.0  # only the first start came before
        for _ in range(number):
            restart()
            load.wait_for(clients)
    lost = set(load.acknowledged) - list_ids(folder)
    return {
        "replacements": number,
        "replacement: comments acknowledged": len(load.acknowledged),
        "replacement: of these lost": len(lost),
        "replacement: longest time without an answer in seconds": round(load.gap, 2),
    }


@contextmanager
def _one_after_the_other(folder, listener, **settings):
    # The shell becomes the service: it keeps its process id.
    passed = f" 3<&{listener.fileno()}" if listener else ""
    command = f'LISTEN_PID=$$ exec "{sys.executable}" -m commentsvc serve{passed}'
    variables = environment(**settings) | ({"LISTEN_FDS": "1"} if listener else {})

    def start():
        with (folder / "log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                ["bash", "-c", command], cwd=folder, env=variables,
                stdout=subprocess.DEVNULL, stderr=log, pass_fds=[listener.fileno()] if listener else [],
            )  # fmt: skip

    process = start()

    def restart():
        nonlocal process
        process.terminate()
        assert process.wait(20) == 0
        process = start()

    try:
        yield restart
    finally:
        process.terminate()
        process.wait(20)


def figures_of(kind: str, number: int, load: Load, folder: Path) -> Figures:
    """Return what the clients saw, and what is stored."""
    return {
        f"{kind}s": number,
        f"{kind}: requests answered": load.answers,
        f"{kind}: requests failed": len(load.failures) + load.refused,
        f"{kind}: comments acknowledged": len(load.acknowledged),
        f"{kind}: of these lost": len(set(load.acknowledged) - list_ids(folder)),
        f"{kind}: longest wait in seconds": round(load.longest, 2),
    }


async def attack(number: int) -> Figures:
    """Reload ``number`` times; restart once for every tenth reload, and replace as often."""

    def run_in_folder(part, times):
        with tempfile.TemporaryDirectory() as folder:
            return part(Path(folder), times)

    restarts = max(1, number // RELOADS)
    parts = ((reload_under_load, number), (restart_under_load, restarts), (replace_under_load, restarts))
    figures = {}
    for part, times in parts:
        figures |= await asyncio.to_thread(run_in_folder, part, times)
    return figures


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return any(figure for name, figure in figures.items() if name.endswith(("failed", "lost")))


if __name__ == "__main__":
    run(attack, number=100, is_broken=is_broken)
