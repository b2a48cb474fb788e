"""An operator starts, stops, configures and manages the service."""

import contextlib
import http.client
import io
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

import pytest

import commentsvc
from commentsvc.cli.main import main
from commentsvc.config import PREFIX
from commentsvc.config.environment import read_config
from commentsvc.domain.errors import ConfigurationError
from tests.conftest import SECRET, fields_of

ROOT = Path(commentsvc.__file__).parent.parent


def environment(**settings):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return clean | {"PYTHONPATH": str(ROOT)} | {f"{PREFIX}{name}": value for name, value in settings.items()}


def run(folder, *arguments, **settings):
    """Run a command as an operator does: in a process of its own."""
    command = [sys.executable, "-m", "commentsvc", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def _logging_restored():
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("aiohttp.access", "aiohttp.server", "aiosqlite", "asyncio"))]
    loggers += map(logging.getLogger, ("commentsvc", "commentsvc.access"))
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def run_main(folder, *arguments, typed="", **settings):
    """Run a command in this process: as ``run``, without the time that Python takes to start."""
    printed, errors = io.StringIO(), io.StringIO()
    umask = os.umask(0o022)
    try:
        with (
            contextlib.chdir(folder),
            mock.patch.dict(os.environ, environment(**settings), clear=True),
            mock.patch("sys.stdin", io.StringIO(typed)),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(errors),
            _logging_restored(),
        ):
            code = main(arguments)
    except SystemExit as left:  # how argparse ends
        code = left.code
    finally:
        os.umask(umask)
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), errors.getvalue())


@contextmanager
def serving(folder, **settings):
    """Start the service as an operator does; yield the process and its first output."""
    log = folder / "log"  # a pipe that is not read would block the service once it is full
    with log.open("w", encoding="utf-8") as written, log.open(encoding="utf-8") as read:
        process = subprocess.Popen(
            [sys.executable, "-m", "commentsvc", "serve"],
            cwd=folder,
            env=environment(PORT="0", **settings),
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        )
        process.stderr = read
        try:
            printed = []
            while not printed or not printed[-1].startswith("Add comments"):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                printed.append(line)
            yield process, "".join(printed)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def port_of(printed):
    return int(re.search(r"http://localhost:(\d+)/", printed)[1])


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def call(port, method, path, body=None, **headers):
    kind = {"Content-Type": "application/json"} if body is not None else {}
    content = urlencode(body) if headers.get("Content-Type") == FORM["Content-Type"] else json.dumps(body)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, content if body is not None else None, kind | headers)
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders()), response.read()


def test_an_operator_starts_with_no_settings_and_reads_the_next_steps(tmp_path):
    with serving(tmp_path) as (process, printed):
        port = port_of(printed)
        assert "Sign in with this link; it works once, within one day: http://localhost" in printed
        assert f'<script async src="http://localhost:{port}/embed.js"></script>' in printed
        status, _, body = call(port, "POST", "/v1/comments", fields_of())
        assert status == 202
        link = re.search(r"/sign-in/\S+", printed)[0]
        ids = [json.loads(body)["id"]]
        browser = {"Sec-Fetch-Site": "same-origin"}
        status, headers, _ = call(port, "POST", link, **browser)
        assert (status, headers["Location"]) == (303, "/moderate")
        browser |= {"Cookie": headers["Set-Cookie"].partition(";")[0]}
        page = call(port, "GET", "/moderate", **browser)[2].decode()
        fields = {
            "csrf": re.search('name="csrf" value="([^"]+)"', page)[1],
            "act": re.search(f'value="(approve {ids[0]}[^"]+)"', page)[1],
        }
        assert call(port, "POST", "/moderate/act", fields, **browser, **FORM)[0] == 303
        listing = json.loads(call(port, "GET", "/v1/comments?thread=/a-page/")[2])
        assert [comment["id"] for comment in listing["comments"]] == ids
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        log = process.stderr.read()
    assert link.rpartition("/")[2] not in log
    secret = tmp_path / "data" / "secret.key"
    for file in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert secret.read_text(encoding="utf-8").encode() not in (tmp_path / "data" / "commentsvc.db").read_bytes()


def test_the_service_finishes_open_requests_on_sigterm_and_exits_with_0(tmp_path):
    with serving(tmp_path, RATE_LIMIT="off") as (process, printed):
        port = port_of(printed)
        outcomes, stop = [], threading.Event()

        def write(writer):
            number = 0
            while not stop.is_set():
                number += 1
                body = fields_of(comment=f"{writer}: {number}", submission=f"form-{writer}-{number}")
                try:
                    status, headers, answer = call(port, "POST", "/v1/comments", body)
                except ConnectionError:
                    return  # nothing was acknowledged
                outcomes.append((status, headers, json.loads(answer)))

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        while len(outcomes) < 40:
            stop.wait(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        stop.set()
        for writer in writers:
            writer.join()
    assert {status for status, _, _ in outcomes} == {202}
    assert outcomes[-1][1]["Connection"] == "close"
    key = run_main(tmp_path, "key", "create", "x").stdout.strip()
    with serving(tmp_path) as (_, printed):
        auth = f"Bearer {key}"
        totals = json.loads(call(port_of(printed), "GET", "/v1/moderation/comments", Authorization=auth)[2])["totals"]
    assert totals["pending"] == len(outcomes)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "http"}, "COMMENTSVC_PORT must be a whole number from 0 to 65535"),
        ({"PORT": "65536"}, "COMMENTSVC_PORT"),
        ({"MODERATION": "some"}, "COMMENTSVC_MODERATION must be one of: all, trusted, none"),
        ({"RATE_LIMIT": "fast"}, "COMMENTSVC_RATE_LIMIT must be off, or number/seconds"),
        ({"SITES": "blog.example"}, "COMMENTSVC_SITES contains an invalid origin"),
        ({"SITES": "https://blog.example/path"}, "COMMENTSVC_SITES"),
        ({"PUBLIC_URL": "comments"}, "COMMENTSVC_PUBLIC_URL"),
        ({"TRUSTED_PROXIES": "proxy"}, "COMMENTSVC_TRUSTED_PROXIES"),
        ({"DATABASE_URL": "mysql://x"}, "COMMENTSVC_DATABASE_URL"),
        ({"SECRET_KEY_FILE": "/nowhere/key"}, "COMMENTSVC_SECRET_KEY_FILE names a file that cannot be read"),
        ({"SECRET_KEY": SECRET, "SECRET_KEY_FILE": "/x"}, "are both set"),
        ({"ADMIN_KEY": "short"}, "COMMENTSVC_ADMIN_KEY"),
        ({"MODERATON": "all"}, "Unknown setting COMMENTSVC_MODERATON. Did you mean COMMENTSVC_MODERATION?"),
    ],
)
def test_an_operator_reads_the_name_of_a_wrong_setting_before_the_start(tmp_path, settings, named):
    done = run_main(tmp_path, "serve", **settings)

    assert (done.returncode, done.stdout) == (78, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "COMMENTSVC_DATABASE_URL"),
        ({"SECRET_KEY": "short"}, "COMMENTSVC_SECRET_KEY"),
        ({"HOST": "203.0.113.1"}, "COMMENTSVC_HOST"),
    ],
)
def test_an_operator_reads_the_name_of_a_setting_that_fails_at_the_start(tmp_path, settings, named):
    done = run(tmp_path, "serve", **{"PORT": "0"} | settings)

    assert (done.returncode, done.stdout, named in done.stderr) == (78, "", True), done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_the_service_refuses_and_keeps_a_file_that_is_not_a_database(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 200, encoding="utf-8")
    done = run(tmp_path, "serve", PORT="0", DATABASE_URL=f"sqlite:///{file}")

    assert (done.returncode, "COMMENTSVC_DATABASE_URL" in done.stderr) == (78, True)
    assert file.read_text(encoding="utf-8").startswith("Dear reader")


def test_an_operator_reads_all_wrong_settings_at_once():
    with pytest.raises(ConfigurationError) as refused:
        read_config({"COMMENTSVC_PORT": "x", "COMMENTSVC_NESTING": "99", "COMMENTSVC_NONSENSE": "1", "OTHER": "x"})
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("COMMENTSVC_PROT", "Did you mean COMMENTSVC_PORT?"),
        ("COMMENTSVC_port", "Did you mean COMMENTSVC_PORT?"),
        ("COMMENTSVC_SECRET_KEYFILE", "Did you mean COMMENTSVC_SECRET_KEY_FILE?"),
        ("COMMENTSVC_ZZZ", "See docs/settings.md."),
        ("COMMENTSVC_", "See docs/settings.md."),
    ],
)
def test_an_operator_who_mistypes_a_setting_reads_the_closest_name(variable, advice):
    with pytest.raises(ConfigurationError) as refused:
        read_config({variable: "1"})
    assert str(refused.value) == f"Unknown setting {variable}. {advice}"


def test_an_operator_can_store_a_secret_in_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    file.chmod(0o600)
    assert read_config({"COMMENTSVC_SECRET_KEY_FILE": str(file)}).secret_key == SECRET


def test_an_operator_must_set_a_secret_key_with_postgresql(tmp_path, postgres):
    done = run_main(tmp_path, "migrate", DATABASE_URL=postgres.format("postgres"))
    assert (done.returncode, "COMMENTSVC_SECRET_KEY must be set with PostgreSQL" in done.stderr) == (78, True)


def test_the_service_checks_all_settings_before_it_opens_the_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for wrong, named in (
            ({"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "COMMENTSVC_DATABASE_URL"),
            ({"SECRET_KEY": "short"}, "COMMENTSVC_SECRET_KEY"),
        ):
            done = run(tmp_path, "serve", PORT=port, **wrong)
            assert (done.returncode, named in done.stderr, "COMMENTSVC_PORT" in done.stderr) == (78, True, False)


def test_an_operator_reads_that_the_port_is_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "serve", PORT=str(taken.getsockname()[1]))
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr) == (78, True)


def test_the_service_refuses_a_wrong_secret_key(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    assert run_main(tmp_path, "site", "list").returncode == 0
    done = run_main(tmp_path, "site", "list", SECRET_KEY=SECRET)
    assert (done.returncode, "COMMENTSVC_SECRET_KEY" in done.stderr) == (78, True)


def test_the_health_check_reports_whether_the_service_answers(tmp_path):
    with serving(tmp_path) as (_, printed):
        assert run(tmp_path, "healthcheck", PORT=str(port_of(printed))).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = str(unused.getsockname()[1])
    done = run_main(tmp_path, "healthcheck", PORT=port)
    assert (done.returncode, done.stderr) == (1, f"commentsvc: commentsvc is not running at 127.0.0.1:{port}.\n")
    done = run_main(tmp_path, "healthcheck", "--json", PORT=port)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (1, "not_running")


def test_a_health_check_with_an_invalid_port_names_the_setting(tmp_path):
    done = run_main(tmp_path, "healthcheck", PORT="http")
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr, "Traceback" in done.stderr) == (78, True, False)


def test_the_health_check_imports_no_large_library():
    script = "import sys; from commentsvc.cli.main import main; print(main(['healthcheck']), *sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=environment(PORT="1")
    )
    code, *loaded = done.stdout.split()
    assert code == "1"
    assert "commentsvc.cli.main" in loaded
    assert not {"aiohttp", "msgspec", "jinja2", "uvloop", "commentsvc.cli.commands"} & set(loaded)


def test_an_operator_manages_sites_moderators_and_keys_from_the_command_line(tmp_path):
    def output_of(*arguments):
        done = run_main(tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.strip()

    assert output_of("migrate") == "Database schema: 1. Migrations applied: 1."
    assert output_of("site", "list") == "blog  localhost only"
    assert json.loads(output_of("site", "add", "b", "--origin", "https://b.example", "--json"))["origins"] == [
        "https://b.example"
    ]
    assert output_of("moderator", "add", "noa", "--email", "noa@example.com", "--site", "b") == (
        "Added moderator noa. Create a sign-in link with: commentsvc moderator invite noa"
    )
    assert output_of("moderator", "invite", "noa").startswith("http://localhost:8080/sign-in/")
    assert output_of("moderator", "list") == "noa  b"
    made = json.loads(
        output_of("key", "create", "script", "--scope", "read", "--scope", "moderate", "--site", "b", "--json")
    )
    assert (made["scopes"], made["person"]) == (["read", "moderate"], False)
    assert json.loads(output_of("key", "create", "Ada", "--person", "--json"))["person"] is True
    assert output_of("key", "create", "x").startswith("cs_")
    assert "active  script" in output_of("key", "list")
    assert output_of("key", "revoke", made["id"]) == "Key revoked."
    assert "revoked" in output_of("key", "list")
    assert output_of("moderator", "remove", "noa") == "Removed moderator noa."
    assert output_of("moderator", "list") == "No moderators yet."
    assert "Re-encrypted 0 emails" in output_of("reseal")
    assert json.loads(output_of("migrate", "--json")) == {"steps": 0, "schema": 1}
    assert json.loads(output_of("openapi"))["openapi"] == "3.1.0"
    assert output_of("--version") == f"commentsvc {commentsvc.__version__}"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("moderator", "invite", "nobody"), 1, "commentsvc moderator list"),
        (("moderator", "add", "noa", "--email", "nonsense"), 1, "commentsvc: email: "),
        (("moderator", "add", "operator"), 1, "commentsvc: name: This name is reserved. Choose another."),
        (("key", "revoke", "nothing"), 1, "key"),
        (("key", "create", "x", "--expires", "tomorrow"), 1, "commentsvc: expires_at: "),
        (("key", "create", "x", "--site", "nowhere"), 1, "commentsvc: site: "),
        (("site", "add", "x", "--origin", "nonsense"), 1, "commentsvc: origins: "),
        (("key", "create"), 2, "required"),
        (("nonsense",), 2, "invalid choice"),
        (("modrate",), 2, "Did you mean moderate?"),
        (("queue", "--stat", "any"), 2, "usage: commentsvc queue"),
        (("queue", "--satus", "any"), 2, "Did you mean --status?"),
    ],
)
def test_a_refused_command_names_the_error_and_how_to_fix_it(tmp_path, arguments, code, message):
    run_main(tmp_path, "migrate")
    done = run_main(tmp_path, *arguments)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_the_json_log_contains_no_personal_data(tmp_path):
    with serving(tmp_path, LOG_FORMAT="json") as (process, printed):
        port = port_of(printed)
        call(port, "POST", "/v1/comments?x=canary@example.com", fields_of(email="canary@example.com", name="Canary"))
        call(port, "POST", "/v1/comments", fields_of(comment="canary"))
        _, headers, _ = call(port, "GET", "/canary@example.com")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log = process.stderr.read()
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["logger"] == "commentsvc.access"]
    assert [line["message"] for line in requests][1:] == ["POST /v1/comments 202", "GET (unknown) 404"]
    assert requests[-1]["request_id"] == headers["X-Request-ID"]
    assert "anary" not in log
    assert "127.0.0.1" not in log


def test_every_log_line_of_a_request_has_the_request_id_once(tmp_path):
    with serving(tmp_path, SLOW_UNIT_MS="1") as (process, printed):
        _, headers, _ = call(port_of(printed), "POST", "/v1/comments", fields_of())
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log = process.stderr.read()
    request_id = headers["X-Request-ID"]
    lines = [line for line in log.splitlines() if request_id in line]
    assert any(f" POST /v1/comments 202 request_id={request_id} milliseconds=" in line for line in lines)
    assert all(line.count(request_id) == 1 for line in lines)
    slow = [line for line in lines if "slow unit of work" in line]
    assert all(f" request_id={request_id} unit=" in line for line in slow), slow
    assert any(" unit=comments.post.post_comment " in line for line in slow), slow
