"""An operator reloads a service with workers: nobody notices, and nothing breaks if the new settings are wrong."""

import json
import os
import shutil
import signal

import pytest

from tests.conftest import SECRET, fields_of
from tests.operations import test_operating
from tests.operations.test_listening import get
from tests.operations.test_operating import call, run_main
from tests.processes.running import run_parent, service_with_workers, write_settings

pytestmark = pytest.mark.slow  # each test starts several processes


def reload(running, times=1):
    before = running.workers()
    running.process.send_signal(signal.SIGHUP)
    running.read_until("workers are ready", times + 1)
    running.wait_for_end(before)


def longest_comment(port):
    status, _, body = call(port, "POST", "/v1/comments", fields_of(comment="x" * 200))
    return status, body


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"NESTING": "deep"}, "COMMENTSVC_NESTING must be a whole number"),
        ({"SOCKET_MODE": "600"}, "COMMENTSVC_SOCKET_MODE has changed. Restart the service to use it."),
        ({"SECRET_KEY": "a-key-that-does-not-belong-to-this-database"}, "key"),
    ],
)
def test_a_wrong_setting_changes_nothing(tmp_path, settings, reason):
    file = write_settings(tmp_path)
    with service_with_workers(tmp_path, SETTINGS_FILE=file) as running:
        before = running.workers()
        write_settings(tmp_path, **settings)
        running.process.send_signal(signal.SIGHUP)
        assert reason in running.read_until("reload failed, nothing has changed: the check ended with code 78")
        assert running.workers() == before
        assert call(running.port, "GET", "/readyz")[0] == 200


@pytest.mark.slow
def test_workers_go_on_if_the_new_ones_cannot_start(tmp_path):
    file = write_settings(tmp_path)
    with service_with_workers(tmp_path, SETTINGS_FILE=file) as running:
        before = running.workers()
        for name in ("one", "two"):
            origin = f"https://{name}.example"
            assert run_main(tmp_path, "site", "add", name, "--origin", origin).returncode == 0
        write_settings(tmp_path, SITES="https://*.netlify.app")  # found only at a start
        running.process.send_signal(signal.SIGHUP)
        log = running.read_until("reload failed, the workers of before go on: worker 1 ended with code 78")
        assert "COMMENTSVC_SITES has a wildcard" in log
        assert running.workers() == before
        os.kill(min(before), signal.SIGKILL)
        running.read_until("was killed by signal 9")
        assert call(running.port, "GET", "/readyz")[0] == 200
        write_settings(tmp_path)
        running.process.send_signal(signal.SIGHUP)
        running.read_until("workers are ready", 2)
        running.wait_for_end(before)
        assert len(running.workers()) == 2


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A copy of the program that a test can upgrade; the service runs it."""
    copy = tmp_path / "installed"
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(test_operating.ROOT / "commentsvc", copy / "commentsvc", ignore=hidden)
    shutil.copy(test_operating.ROOT / "schema.sql", copy)
    monkeypatch.setattr(test_operating, "ROOT", copy)
    return copy / "commentsvc"


@pytest.mark.slow
def test_an_operator_upgrades_without_a_restart(tmp_path, installed):
    def version():
        return json.loads(call(running.port, "GET", "/version")[2])["version"]

    with service_with_workers(tmp_path) as running:
        before, process = version(), running.process.pid
        (installed / "__init__.py").write_text('__version__ = "98.76.54"\n', encoding="utf-8")
        reload(running)
        assert (version(), before == "98.76.54", running.process.pid) == ("98.76.54", False, process)
        (installed / "web" / "routes.py").write_text("def broken(:", encoding="utf-8")
        workers = running.workers()
        running.process.send_signal(signal.SIGHUP)
        assert "SyntaxError" in running.read_until("reload failed, nothing has changed: the check ended with code 1")
        assert running.workers() == workers
        assert version() == "98.76.54"


@pytest.mark.slow
def test_a_reload_changes_the_number_of_workers(tmp_path):
    file = write_settings(tmp_path, WORKERS=2)
    with service_with_workers(tmp_path, SETTINGS_FILE=file, WORKERS="") as running:
        for number in (3, 1):
            write_settings(tmp_path, WORKERS=number)
            running.process.send_signal(signal.SIGHUP)
            running.read_until(f"{number} workers are ready")
        running.process.terminate()
        assert running.process.wait(20) == 0


def test_a_socket_file_stays_over_a_reload_and_goes_with_the_service(tmp_path):
    file = tmp_path / "http.sock"
    with service_with_workers(tmp_path, HOST=f"unix:{file}") as running:
        reload(running)
        assert get(file, "/readyz") == 200
        running.process.terminate()
        assert running.process.wait(20) == 0
        assert not file.exists()


def test_settings_that_change_after_the_check_count_at_the_next_reload(tmp_path, installed):
    """The check and the new program read the same settings: nothing that was not checked can stop the service."""
    file = write_settings(tmp_path, COMMENT_LENGTH=150)
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(SECRET, encoding="utf-8")
    # At the end of the check, before the program is replaced.
    module = installed / "processes" / "handover.py"
    code = "    from pathlib import Path\n" + "".join(
        f"    Path({str(name)!r}).write_text({text!r})\n"
        for name, text in ((file, "COMMENTSVC_NESTING=deep"), (key, "another secret, which is long enough to be one"))
    )
    with service_with_workers(tmp_path, SETTINGS_FILE=file, SECRET_KEY_FILE=str(key)) as running:
        module.write_text(module.read_text(encoding="utf-8").replace("    os.pwrite(", f"{code}    os.pwrite("))
        reload(running)
        status, body = longest_comment(running.port)
        assert (status, "200 of 150" in json.loads(body)["errors"][0]["detail"]) == (422, True), body
        before = running.workers()
        running.process.send_signal(signal.SIGHUP)
        running.read_until("reload failed, nothing has changed: the check ended with code 78")
        assert running.workers() == before
        assert call(running.port, "GET", "/readyz")[0] == 200


# A signal arrives after the check, just before the program is replaced.
LATE = """
def run(assignment):
    assignment.report_ready()
    if assignment.number == 2:
        os.kill(os.getppid(), signal.SIGHUP)
    wait_for_parent(assignment)
    return 0

checks, real = [], signal.pthread_sigmask

def start_check(workers):
    checks.append(1)
    return children.run_program(["/bin/true"], {{}})

def sigmask(how, names):
    if how == signal.SIG_BLOCK and checks and not replaced and len(checks) == 1:
        os.kill(os.getpid(), signal.{name})
    return real(how, names)

replaced = []

def replace_program(workers):
    replaced.append(1)
    print("replaced after checks:", len(checks), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

signal.pthread_sigmask = sigmask
serve(run, start_check, replace_program)
"""


@pytest.mark.parametrize(
    ("name", "printed"),
    [("SIGHUP", "replaced after checks: 2\n"), ("SIGTERM", ""), ("SIGCHLD", "replaced after checks: 1\n")],
)
def test_no_signal_gets_lost_while_the_program_is_replaced(name, printed):
    ended = run_parent(LATE.format(name=name))
    assert (ended.returncode, ended.stdout) == (0, printed), ended.stderr


@pytest.mark.parametrize(("settings", "code"), [({}, 0), ({"SECRET_KEY": SECRET}, 78), ({"NESTING": "deep"}, 78)])
def test_an_operator_checks_the_settings_beside_a_running_service(tmp_path, settings, code):
    assert run_main(tmp_path, "migrate").returncode == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    done = run_main(tmp_path, "serve", "--check", **settings)
    assert (done.returncode, done.stdout) == (code, "")
    after = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    assert {name for name in before if before[name] != after.get(name)} == set()


def test_checking_the_settings_creates_no_database(tmp_path):
    done = run_main(tmp_path, "serve", "--check")
    assert (done.returncode, done.stdout) == (78, "")
    assert [*tmp_path.iterdir()] == []
