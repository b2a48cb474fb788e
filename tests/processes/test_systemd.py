"""systemd opens the socket, starts the service, and is told how it is."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from tests.operations.test_listening import FileConnection
from tests.operations.test_operating import environment

pytestmark = pytest.mark.slow  # each test starts several processes

UNITS = Path(__file__).parent.parent.parent / "deploy" / "systemd"


class Systemd:
    """Stands for systemd: passes a socket as descriptor 3, and reads the notices of the service."""

    def __init__(self, folder, listener):
        self.folder, self.listener = folder, listener
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(folder / "notify"))
        self.notices.settimeout(40)

    def start(self, *listeners, **settings):
        listeners = listeners or (self.listener,)
        variables = {"LISTEN_FDS": str(len(listeners)), "NOTIFY_SOCKET": str(self.folder / "notify")}
        variables |= {"WATCHDOG_USEC": "400000"}
        # The shell becomes the service: it keeps its process id.
        opened = " ".join(f"{3 + number}<&{one.fileno()}" for number, one in enumerate(listeners))
        command = f'LISTEN_PID=$$ exec "{sys.executable}" -m commentsvc serve {opened}'
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=environment(**settings) | variables,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[one.fileno() for one in listeners],
            )

    def wait_for(self, state):
        """Wait for a notice; return all notices up to it."""
        seen = []
        while not seen or state not in seen[-1]:
            seen.append(self.notices.recv(4096).decode())
        return seen

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8")


@contextmanager
def systemd(folder, listener=None):
    with listener or socket.create_server(("127.0.0.1", 0)) as opened:
        watching = Systemd(folder, opened)
        try:
            yield watching
        finally:
            watching.notices.close()


def ask(port, path="/readyz"):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.parametrize("number", ["1", "2"])
def test_connections_wait_while_the_service_restarts(tmp_path, number):
    with systemd(tmp_path) as watching:
        port = watching.listener.getsockname()[1]
        for _ in range(2):
            early = [HTTPConnection("127.0.0.1", port, timeout=40) for _ in range(5)]
            for connection in early:
                connection.request("GET", "/readyz")
            process = watching.start(WORKERS=number)
            assert [connection.getresponse().status for connection in early] == [200] * 5
            watching.wait_for("READY=1")
            watching.wait_for("WATCHDOG=1")
            assert ask(port) == 200
            process.terminate()
            watching.wait_for("STOPPING=1")
            assert process.wait(20) == 0
            for connection in early:
                connection.close()
    assert f"listening on port {port}" in watching.log()


def test_systemd_is_told_of_a_reload(tmp_path):
    with systemd(tmp_path) as watching:
        process = watching.start(WORKERS="2")
        watching.wait_for("READY=1")
        process.send_signal(signal.SIGHUP)
        assert re.search(r"^MONOTONIC_USEC=\d+$", watching.wait_for("RELOADING=1")[-1], re.MULTILINE)
        watching.wait_for("READY=1")
        assert ask(watching.listener.getsockname()[1]) == 200
        process.terminate()
        assert process.wait(20) == 0
    assert watching.log().count("2 workers are ready") == 2


def test_readers_behind_a_socket_file_of_systemd_have_an_allowance_each(tmp_path):
    file = str(tmp_path / "http.sock")
    opened = socket.socket(socket.AF_UNIX)
    opened.bind(file)
    opened.listen()
    with systemd(tmp_path, opened) as watching:
        process = watching.start(RATE_LIMIT="1/300", WORKERS="2")
        watching.wait_for("READY=1")
        statuses = []
        for address in ("203.0.113.7", "198.51.100.7", "203.0.113.7"):
            connection = FileConnection(file)
            body = f"thread=/a-page/&name=Mia&email=mia@example.com&comment=from+{address}+{len(statuses)}"
            kind = {"Content-Type": "application/x-www-form-urlencoded", "Host": "blog.example"}
            headers = kind | {"X-Forwarded-For": address, "Accept": "application/json"}
            connection.request("POST", "/v1/comments", body, headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        assert statuses == [202, 202, 429]
        process.terminate()
        assert process.wait(20) == 0
    assert Path(file).exists(), "it belongs to systemd"
    assert f"listening on unix:{file}" in watching.log()


def test_an_operator_reads_that_the_service_uses_one_socket(tmp_path):
    with systemd(tmp_path) as watching, socket.create_server(("127.0.0.1", 0)) as second:
        assert watching.start(watching.listener, second).wait(20) == 78
    assert "systemd passed several sockets. Keep one ListenStream= line in the socket unit." in watching.log()


def test_an_operator_reads_that_the_socket_does_not_listen(tmp_path):
    with systemd(tmp_path, socket.socket()) as watching:
        assert watching.start().wait(20) == 78
    assert "systemd passed a socket that does not listen. Use ListenStream= and Accept=no" in watching.log()


def test_a_socket_for_another_process_is_not_taken(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "commentsvc", "serve"],
        cwd=tmp_path,
        env=environment(HOST="unix:/nowhere/http.sock") | {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "the folder /nowhere does not exist" in done.stderr) == (78, True)


def test_the_units_are_valid_and_use_settings_that_exist(tmp_path):
    service = (UNITS / "commentsvc.service").read_text(encoding="utf-8")
    known = {PREFIX + field.upper() for field in Config.__struct_fields__}
    assert set(re.findall(rf"^Environment=({PREFIX}\w+)=", service, re.MULTILINE)) <= known
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    program = tmp_path / "commentsvc"
    program.symlink_to(sys.executable)
    text = service.replace("/opt/commentsvc/bin/commentsvc", str(program))
    (tmp_path / "commentsvc.service").write_text(text, encoding="utf-8")
    shutil.copy(UNITS / "commentsvc.socket", tmp_path)
    for unit in ("commentsvc.service", "commentsvc.socket"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / unit], capture_output=True, text=True, check=False
        )
        ours = [line for line in done.stderr.splitlines() if "commentsvc" in line]
        assert (done.returncode, ours) == (0, []), done.stderr
