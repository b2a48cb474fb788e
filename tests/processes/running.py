"""Run the service with workers, as an operator does, and put it under load."""

import http.client
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import fields_of
from tests.operations.test_operating import environment, port_of, serving

POLL_SECONDS = 0.02
OPEN = {"RATE_LIMIT": "off", "FORM_SECONDS": "off", "MODERATION": "none"}


class Running:
    """A service with workers; ``log`` is all that was read of its log."""

    def __init__(self, process, port):
        self.process, self.port, self.log = process, port, ""
        self.pause = threading.Event()  # lets the threads of a load run

    def read_until(self, text, times=1):
        """Read the log until it has a text so many times; return all of it."""
        end = time.monotonic() + 40
        while self.log.count(text) < times:
            line = self.process.stderr.readline()
            self.log += line
            assert time.monotonic() < end, self.log
            if not line:  # it is a file, which tells nobody that it grows
                self.pause.wait(POLL_SECONDS)
        return self.log

    def wait_for_end(self, pids):
        """Wait until none of these processes lives."""
        end = time.monotonic() + 40
        while any(map(lives, pids)):
            assert time.monotonic() < end, self.log
            self.pause.wait(POLL_SECONDS)

    def read_rest(self):
        self.log += self.process.stderr.read()
        return self.log

    def workers(self):
        return children_of(self.process.pid)


def children_of(parent):
    return {pid for pid, stat in list_processes() if stat[1] == str(parent) and stat[0] != "Z"}


def list_processes():
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            yield int(folder.name), stat.rpartition(")")[2].split()


def lives(pid):
    return any(one == pid and stat[0] != "Z" for one, stat in list_processes())


@contextmanager
def service_with_workers(folder, number=2, **settings):
    with serving(folder, **({"WORKERS": str(number)} | OPEN | settings)) as (process, printed):
        running = Running(process, port_of(printed) if "localhost:" in printed else None)
        running.read_until("workers are ready")
        try:
            yield running
        finally:
            process.terminate()
            process.wait(20)


def write_settings(folder, **settings):
    file = folder / "settings"
    file.write_text("".join(f"COMMENTSVC_{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return str(file)


class Load:
    """Clients that post and read without a pause, on kept and on new connections."""

    def __init__(self, port, clients=6):
        self.port, self.stop = port, threading.Event()
        self.acknowledged, self.failures, self.refused, self.answers = [], [], 0, 0
        self.longest = 0.0  # seconds that a client waited for an answer
        self.gap = 0.0  # seconds in which nobody got an answer
        self._answered = time.monotonic()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, answers):
        """Wait for so many more answers."""
        wanted = self.answers + answers
        end = time.monotonic() + 40
        while self.answers < wanted:
            assert time.monotonic() < end, self.failures
            self.stop.wait(0.01)

    def _run(self, client):
        keep, connection, number = client % 2 == 0, None, 0
        while not self.stop.is_set():
            number += 1
            self.stop.wait(0.01)  # the service needs the processor too
            started = time.monotonic()
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                closing = self._ask(connection, client, number)
            except ConnectionRefusedError:
                self.refused += 1
                closing = True
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                closing = True
            self.longest = max(self.longest, time.monotonic() - started)
            if closing or not keep:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _ask(self, connection, client, number):
        text = f"client {client} number {number}"
        if client % 3 == 0:
            connection.request("GET", "/v1/comments?thread=/a-page/&limit=1")
        else:
            body = json.dumps(fields_of(comment=text, thread=f"/page-{client}/"))
            connection.request("POST", "/v1/comments", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        if response.status not in {200, 201}:
            self.failures.append((response.status, body))
        elif response.status == 201:
            self.acknowledged.append(json.loads(body)["id"])
        self.answers += 1
        now = time.monotonic()
        self.gap, self._answered = max(self.gap, now - self._answered), now
        return response.getheader("Connection") == "close"


def list_ids(folder):
    """Return the ids of all comments in the database of a stopped service."""
    connection = sqlite3.connect(folder / "data" / "commentsvc.db")
    try:
        return {id_ for (id_,) in connection.execute("SELECT id FROM comment")}
    finally:
        connection.close()


def workers_in(log, pattern):
    """Return the numbers of the workers that logged a line like this."""
    return {int(number) for number in re.findall(rf"{pattern}.* worker=(\d+)", log)}


# The beginning of a program that serves with two workers. The rest defines what they do, and calls ``serve``.
PARENT = """
import logging, os, signal
from commentsvc.processes import children, parent, systemd

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) before the tests ignores it, and so would the parent

def wait_for_parent(assignment):
    assignment.link.setblocking(True)
    return assignment.link.recv(1)

def serve(run, start_check=None, replace_program=None, previous=()):
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    raise SystemExit(parent.Parent(
        2, run, systemd.Notifier({}), previous=[*previous], start_check=start_check, replace_program=replace_program,
        close_socket=lambda: True,
    ).serve())
"""


def run_parent(rest):
    """Run a program that begins with ``PARENT`` to its end."""
    command = [sys.executable, "-c", PARENT + rest]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
