"""Several workers serve on one port, and one that dies is replaced."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.conftest import SECRET, fields_of
from tests.operations.test_operating import call, environment, port_of, run_main, serving
from tests.processes.running import PARENT, Load, Running, list_ids, run_parent, service_with_workers, workers_in

OTHER_SECRET = "another-secret-of-the-tests-long-enough-to-be-one"


def test_an_operator_starts_two_workers_and_reads_the_first_steps_once(tmp_path):
    with serving(tmp_path, WORKERS="2") as (process, printed):
        assert printed.count("Sign in with this link") == 1
        log = Running(process, None).read_until("2 workers are ready")
        process.terminate()
        assert process.wait(20) == 0
        log += process.stderr.read()
        assert process.stdout.read() == ""
    assert workers_in(log, "listening on port") == {1, 2}
    assert workers_in(log, "audit log: ") == {1}, "one worker does the maintenance"
    assert log.count("stopped worker=") == 2


def connected_to(running, worker):
    """Return connections that this worker accepted, since the others could not."""
    others = running.workers() - {worker}
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        readers = [http.client.HTTPConnection("127.0.0.1", running.port, timeout=10) for _ in range(4)]
        for reader in readers:
            reader.request("GET", "/healthz")
            assert reader.getresponse().read()
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    return readers


@pytest.mark.slow
def test_a_commenter_finds_their_comment_in_every_worker(tmp_path, database_url):
    with service_with_workers(tmp_path, DATABASE_URL=database_url, SECRET_KEY=SECRET) as running:
        readers = [reader for worker in sorted(running.workers()) for reader in connected_to(running, worker)]
        for number in range(12):
            status, _, body = call(running.port, "POST", "/v1/comments", fields_of(comment=f"number {number}"))
            assert status == 201
            posted = json.loads(body)["id"]
            for reader in readers:
                reader.request("GET", "/v1/comments?thread=/a-page/")
                listing = json.loads(reader.getresponse().read())
                assert posted in {comment["id"] for comment in listing["comments"]}
        for reader in readers:
            reader.close()
        running.process.terminate()
        assert running.process.wait(20) == 0
        log = running.read_rest()
    assert workers_in(log, "GET /v1/comments 200") == {1, 2}, "both workers were asked"


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_no_comment_is_lost(tmp_path):
    with service_with_workers(tmp_path) as running:
        with Load(running.port) as load:
            load.wait_for(50)
            before = running.workers()
            for number in range(1, 4):
                os.kill(min(running.workers()), signal.SIGKILL)
                running.read_until("was killed by signal 9", number)
                running.read_until("listening on port", 2 + number)
                load.wait_for(30)
            assert load.refused == 0
        assert len(running.workers()) == 2
        assert len(running.workers() & before) <= 1
        running.process.terminate()
        assert running.process.wait(20) == 0
    assert set(load.acknowledged) <= list_ids(tmp_path)
    assert len(load.failures) <= 3 * len(load.threads), "only requests of the killed worker fail"


def test_the_service_finishes_the_requests_of_all_workers_on_sigterm(tmp_path):
    with service_with_workers(tmp_path) as running:
        with Load(running.port) as load:
            load.wait_for(100)
            running.process.terminate()
            assert running.process.wait(20) == 0
        assert load.failures == []
    assert set(load.acknowledged) <= list_ids(tmp_path)


@pytest.mark.parametrize("number", ["1", pytest.param("2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_stops_the_service_in_order(tmp_path, name, number):
    """Simulate Ctrl-C in a terminal, and systemd without KillMode=mixed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "commentsvc", "serve"],
        cwd=tmp_path,
        env=environment(PORT="0", WORKERS=number),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not process.stdout.readline().startswith("Add comments"):
        assert process.poll() is None
    os.killpg(process.pid, name)
    _, log = process.communicate(timeout=20)
    assert (process.returncode, "stopped" in log) == (0, True), log


@pytest.mark.slow
@pytest.mark.parametrize("number", ["1", "2"])
def test_an_impatient_operator_ends_the_service_with_a_second_signal(tmp_path, number):
    with serving(tmp_path, WORKERS=number) as (process, printed):
        port = int(re.search(r"localhost:(\d+)/", printed)[1])
        slow = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        slow.putrequest("POST", "/v1/comments")
        slow.putheader("Content-Type", "application/json")
        slow.putheader("Content-Length", "1000")
        slow.endheaders(b"{")  # the rest never comes
        call(port, "GET", "/healthz")
        process.terminate()
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 1
        slow.close()


@pytest.mark.slow
def test_several_workers_end_when_their_terminal_closes(tmp_path):
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "commentsvc", "serve"],
        cwd=tmp_path,
        env=environment(PORT="0", WORKERS="2"),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    while "workers are ready" not in process.stderr.readline():
        assert process.poll() is None
    os.close(ours)
    _, log = process.communicate(timeout=20)
    assert (process.returncode, "reloading" in log) == (0, False), log


def test_an_operator_reads_a_wrong_setting_once_and_the_service_ends(tmp_path):
    assert run_main(tmp_path, "migrate", SECRET_KEY=SECRET).returncode == 0
    done = run_main(tmp_path, "migrate", SECRET_KEY=OTHER_SECRET)
    several = subprocess.run(
        [sys.executable, "-m", "commentsvc", "serve"],
        cwd=tmp_path,
        env=environment(PORT="0", WORKERS="3", SECRET_KEY=OTHER_SECRET),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (several.returncode, several.stdout) == (78, "")
    assert several.stderr.replace(f"{sys.executable} -m commentsvc", "commentsvc") == done.stderr


def test_an_operator_reads_that_the_port_is_in_use_before_anything_is_created(tmp_path):
    with serving(tmp_path) as (_, printed):
        port = re.search(r"localhost:(\d+)/", printed)[1]
        other = tmp_path / "other"
        other.mkdir()
        done = run_main(other, "serve", PORT=port, WORKERS="2")
    assert (done.returncode, "another program uses it" in done.stderr) == (78, True)
    assert not (other / "data" / "commentsvc.db").exists()


@pytest.mark.slow
def test_the_workers_of_a_killed_parent_finish_and_end(tmp_path):
    with service_with_workers(tmp_path) as running:
        workers = running.workers()
        assert len(workers) == 2
        running.process.kill()
        running.process.wait()
        running.read_until("stopped worker=", 2)
        running.wait_for_end(workers)
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", running.port)) != 0, "nobody holds the port"
        with serving(tmp_path) as (_, printed):
            assert call(port_of(printed), "GET", "/readyz")[0] == 200, "nobody holds the database"


CRASHES = """
def run(assignment):
    assignment.report_ready()
    if assignment.number == 2 and not assignment.is_first:
        return {code}
    return 0 if wait_for_parent(assignment) == b"q" else 1

parent.PAUSES = (0.0, 0.01, 0.02, 0.04)
serve(run)
"""


def test_a_worker_that_dies_again_and_again_is_restarted_more_and_more_slowly():
    command = [sys.executable, "-c", PARENT + CRASHES.format(code=3)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    lines = []
    while len(lines) < 6:
        line = process.stderr.readline()
        assert line, lines
        lines += [line] if "worker 2" in line else []
    process.terminate()
    assert process.wait(20) == 0
    process.stderr.close()
    assert lines[0] == "WARNING worker 2 ended with code 3; the next one starts in 0 s\n"
    assert lines[1].startswith("ERROR worker 2 ended with code 3, 2 times in a row soon after its start; the next one")
    pauses = [float(re.search(r"starts in (\S+) s", line)[1]) for line in lines]
    assert pauses == [0.0, 0.01, 0.02, 0.04, 0.04, 0.04]


def test_a_wrong_setting_that_a_later_worker_finds_ends_the_service():
    ended = run_parent(CRASHES.format(code=78))
    assert (ended.returncode, "worker 2 ended with code 78" in ended.stderr) == (78, True)


# Worker 2 dies of the signal before its parent reads that it got the signal too.
EARLY = """
def run(assignment):
    if assignment.number == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    assignment.report_ready()
    wait_for_parent(assignment)
    os.kill(os.getppid(), signal.SIGTERM)
    return 0

serve(run)
"""


def test_a_signal_to_the_whole_group_stops_in_order_also_at_the_start():
    ended = run_parent(EARLY)
    assert (ended.returncode, "at once" in ended.stderr) == (0, False), ended.stderr


# The system has no more processes: neither for the check of a reload, nor for worker 2 after its end.
NO_PROCESSES = """
def run(assignment):
    assignment.report_ready()
    if assignment.number == 2:
        return 3
    wait_for_parent(assignment)
    return 0

def fail(*_):
    raise BlockingIOError(11, "Resource temporarily unavailable")

real, forks, checks = os.fork, [], []

def fork():
    forks.append(1)
    if len(forks) == 3:
        os.kill(os.getpid(), signal.SIGHUP)
        fail()
    if len(forks) >= 5 and checks:
        os.kill(os.getpid(), signal.SIGTERM)
    return real()

def check(*_):
    checks.append(1)
    fail()

children.os.fork = fork
parent.PAUSES = (0.0, 0.01)
serve(run, start_check=check)
"""


def test_the_service_goes_on_if_the_system_has_no_more_processes():
    ended = run_parent(NO_PROCESSES)
    assert ended.returncode == 0, ended.stderr
    assert "worker 2 cannot be started (Resource temporarily unavailable); next attempt in 0.01 s" in ended.stderr
    assert "reload failed, nothing has changed: the check cannot be started (Resource temp" in ended.stderr


# The system has no process left for a worker of a start, beside a worker of before or not.
NO_START = """
def run(assignment):
    assignment.report_ready()
    wait_for_parent(assignment)
    return 0

real, forks = os.fork, []

def fork():
    forks.append(1)
    if len(forks) == {failing}:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return real()

previous = [children.fork_worker(1, run, is_first=True, others=[]) for _ in range({before})]
for worker in previous:
    worker.is_ready = True
children.os.fork = fork
systemd.Notifier.ready = lambda _: os.kill(os.getpid(), signal.SIGTERM)
serve(run, previous=previous)
"""


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("before", [0, 1])
def test_a_start_without_processes_ends_and_a_reload_leaves_the_workers_of_before(before, failing):
    ended = run_parent(NO_START.format(before=before, failing=failing))
    assert f"worker {failing} cannot be started (Resource temporarily unavailable)" in ended.stderr
    kept = f"reload failed, the workers of before go on: worker {failing} was not started" in ended.stderr
    assert (ended.returncode, kept, "Traceback" in ended.stderr) == ((0, True, False) if before else (1, False, False))
