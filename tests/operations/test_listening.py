"""An operator chooses where the service listens, and a start survives what is wrong with its output."""

import contextlib
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.web.server.listener import open_listener
from tests.conftest import fields_of
from tests.operations.test_operating import environment, port_of, run_main, serving


def config(host, **more):
    return Config(host=str(host), port=0, **more)


def accepts(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        return client.connect_ex(address) == 0


@pytest.mark.parametrize("host", ["::", "[::]"])
def test_readers_of_both_families_reach_a_service_on_all_addresses(host):
    with open_listener(config(host)) as listener:
        port = listener.getsockname()[1]
        assert accepts(socket.AF_INET, ("127.0.0.1", port))
        assert accepts(socket.AF_INET6, ("::1", port))


@pytest.mark.parametrize(
    ("host", "family", "address", "other"),
    [
        ("0.0.0.0", socket.AF_INET, "127.0.0.1", "::1"),  # noqa: S104 -- the setting under test
        ("127.0.0.1", socket.AF_INET, "127.0.0.1", "::1"),
        ("localhost", socket.AF_INET, "127.0.0.1", "::1"),
        ("::1", socket.AF_INET6, "::1", "127.0.0.1"),
        ("[::1]", socket.AF_INET6, "::1", "127.0.0.1"),
    ],
)
def test_a_service_on_one_address_listens_there_only(host, family, address, other):
    with open_listener(config(host)) as listener:
        port = listener.getsockname()[1]
        assert accepts(family, (address, port))
        assert not accepts(socket.AF_INET if family == socket.AF_INET6 else socket.AF_INET6, (other, port))


def test_a_service_without_ipv6_listens_on_ipv4(monkeypatch, caplog):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with open_listener(config("::")) as listener:
        assert accepts(socket.AF_INET, ("127.0.0.1", listener.getsockname()[1]))
    assert "this computer has no IPv6" in caplog.text


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("banana", "COMMENTSVC_HOST: banana is not an address of this computer. Use 127.0.0.1"),
        ("banana..", "COMMENTSVC_HOST"),
        ("203.0.113.1", "COMMENTSVC_HOST: 203.0.113.1 is not an address of this computer"),
        ("2001:db8::1", "COMMENTSVC_HOST: 2001:db8::1 is not an address of this computer"),
        ("x" * 300, "COMMENTSVC_HOST"),
        ("fe80::1", "Write it after a percent sign: fe80::1%eth0."),
        ("unix:/proc", "/proc is a folder"),
        ("unix:", "needs the full path"),
        ("unix:here.sock", "needs the full path"),
        ("unix:@abstract", "needs the full path"),
        (f"unix:/{'x' * 120}", "the path has more than 107 bytes"),
        ("unix:/nowhere/here/x.sock", "the folder /nowhere/here does not exist"),
        ("unix:/proc/x.sock", "COMMENTSVC_HOST"),
    ],
)
def test_an_operator_reads_why_the_service_cannot_listen_there(host, advice):
    with pytest.raises(ConfigurationError) as refused, open_listener(config(host)):
        pass
    assert advice in str(refused.value)
    assert "Unknown error" not in str(refused.value)


def test_an_operator_who_gives_a_wrong_host_gets_exit_code_78(tmp_path):
    done = run_main(tmp_path, "serve", HOST="banana", PORT="0")
    assert (done.returncode, "COMMENTSVC_HOST: banana" in done.stderr) == (78, True)


def test_an_operator_reads_that_a_port_is_in_use():
    with open_listener(config("127.0.0.1")) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=r"another program uses it.*COMMENTSVC_PORT"),
            open_listener(Config(host="::", port=port)),
        ):
            pass


class FileConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def get(path, route):
    return ask(path, "GET", route, None)


def ask(path, method, route, body, **headers):
    connection = FileConnection(str(path))
    connection.request(method, route, body, headers={"Host": "blog.example"} | headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["660", "0600", "666"])
def test_a_proxy_reaches_the_service_by_a_socket_file_with_these_permissions(tmp_path, mode):
    file = tmp_path / "http.sock"
    with serving(tmp_path, HOST=f"unix:{file}", SOCKET_MODE=mode) as (process, printed):
        assert "Add comments to your page" in printed
        assert stat.S_IMODE(file.stat().st_mode) == int(mode, 8)
        assert get(file, "/readyz") == 200
        assert run_main(tmp_path, "healthcheck", HOST=f"unix:{file}").returncode == 0
        process.terminate()
        assert process.wait(15) == 0
        assert not file.exists()
    assert run_main(tmp_path, "healthcheck", HOST=f"unix:{file}").returncode == 1


def test_readers_behind_a_socket_file_have_an_allowance_each(tmp_path):
    file = tmp_path / "http.sock"

    def post(text, *hops):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": ", ".join(hops)}
        return ask(file, "POST", "/v1/comments", json.dumps(fields_of(comment=text)), **headers)

    with serving(tmp_path, HOST=f"unix:{file}", RATE_LIMIT="1/300"):
        assert post("one", "203.0.113.7") == 202
        assert post("two", "198.51.100.7") == 202
        # An address that the reader made up stands before the one that the proxy added.
        assert post("three", "192.0.2.7", "203.0.113.7") == 429


def test_a_socket_file_of_a_killed_service_is_replaced(tmp_path):
    file = tmp_path / "http.sock"
    with serving(tmp_path, HOST=f"unix:{file}") as (process, _):
        process.kill()
        process.wait()
    assert file.exists()
    with serving(tmp_path, HOST=f"unix:{file}") as (_, _):
        assert get(file, "/healthz") == 200


def test_a_second_service_does_not_take_the_socket_file_of_the_first(tmp_path):
    file = tmp_path / "http.sock"
    with open_listener(config(f"unix:{file}")):
        with pytest.raises(ConfigurationError, match="a server uses it"), open_listener(config(f"unix:{file}")):
            pass
        assert accepts(socket.AF_UNIX, str(file))


def test_a_service_that_ends_leaves_the_socket_file_of_another(tmp_path):
    file = tmp_path / "http.sock"
    with open_listener(config(f"unix:{file}")) as first:
        first.close()
        with open_listener(config(f"unix:{file}")):
            assert accepts(socket.AF_UNIX, str(file))
            moved = file.rename(tmp_path / "moved")
        moved.rename(file)
    assert file.exists()


def test_a_service_keeps_a_file_that_is_not_a_socket(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is not a socket"), open_listener(config(f"unix:{file}")):
        pass
    assert file.read_text(encoding="utf-8") == "Dear reader"


@contextmanager
def starting(folder, log, **streams):
    """Start the service without reading its output; yield the process when it listens."""
    with log.open("w", encoding="utf-8") as written, log.open(encoding="utf-8") as read:
        process = subprocess.Popen(
            [sys.executable, "-m", "commentsvc", "serve"],
            cwd=folder,
            env=environment(PORT="0"),
            **({"stderr": written} | streams),
        )
        try:
            lines = ""
            while "listening on port" not in lines or "sign-in link" not in lines:
                assert process.poll() is None, lines
                lines += read.readline()
            port = int(re.search(r"listening on port (\d+)", lines)[1])
            yield process, port, lines
        finally:
            process.kill()
            process.wait()


def works(process, port):
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    process.terminate()
    return process.wait(15)


@pytest.mark.slow
def test_a_closed_standard_output_does_not_stop_the_start(tmp_path):
    with starting(tmp_path, tmp_path / "log", preexec_fn=lambda: os.close(1)) as (process, port, lines):
        assert "Standard output is closed." in lines
        assert "create another sign-in link with: " in lines
        assert "-m commentsvc moderator invite owner\n" in lines
        assert str(Path(f"/proc/{process.pid}/fd/1").readlink()) == "/dev/null"
        assert works(process, port) == 0


@pytest.mark.slow
def test_a_full_standard_output_does_not_stop_the_start(tmp_path):
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        starting(tmp_path, tmp_path / "log", stdout=full) as (process, port, lines),
    ):
        assert "Cannot write to standard output: No space left on device." in lines
        assert works(process, port) == 0


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_does_not_stop_the_start(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with starting(tmp_path, tmp_path / "log", stdout=writing) as (process, port, lines):
        assert "Standard output is full" in lines
        assert works(process, port) == 0
    os.close(reading)
    os.close(writing)


@pytest.mark.slow
def test_a_pipe_whose_reader_has_gone_does_not_stop_the_start(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with starting(tmp_path, tmp_path / "log", stdout=writing) as (process, port, lines):
        assert "Nobody reads standard output." in lines
        assert works(process, port) == 0
    os.close(writing)


@pytest.mark.slow
def test_a_command_whose_output_is_lost_fails(tmp_path):
    command = [sys.executable, "-m", "commentsvc", "openapi"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (
        1,
        "commentsvc: Cannot write to standard output: No space left on device.\n",
    )


def test_the_health_check_finds_a_service_on_all_addresses(tmp_path):
    with serving(tmp_path, HOST="::") as (_, printed):
        assert run_main(tmp_path, "healthcheck", HOST="::", PORT=str(port_of(printed))).returncode == 0
