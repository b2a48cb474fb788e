"""An operator starts, stops and turns the screws."""

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
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

import pytest

import commentsvc
from commentsvc.cli.main import main
from commentsvc.config import PREFIX, Config
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
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def run_main(folder, *arguments, typed="", **settings):
    """Run a command in this process. Takes and returns the same as ``run``, without the start of Python."""
    printed, complained = io.StringIO(), io.StringIO()
    umask = os.umask(0o022)
    try:
        with (
            contextlib.chdir(folder),
            mock.patch.dict(os.environ, environment(**settings), clear=True),
            mock.patch("sys.stdin", io.StringIO(typed)),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(complained),
            _logging_restored(),
        ):
            code = main(arguments)
    except SystemExit as left:  # how argparse ends
        code = left.code
    finally:
        os.umask(umask)
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), complained.getvalue())


@contextmanager
def serving(folder, **settings):
    """The service as an operator starts it; yields the process and what it printed first."""
    log = folder / "log"  # a pipe that nobody empties would stop the service once it is full
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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kind = {"Content-Type": "application/json"} if body is not None else {}
    told = urlencode(body) if headers.get("Content-Type") == FORM["Content-Type"] else json.dumps(body)
    connection.request(method, path, told if body is not None else None, kind | headers)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return answer


def test_with_nothing_set_it_works_and_says_what_to_do_next(tmp_path):
    with serving(tmp_path) as (process, printed):
        port = port_of(printed)
        assert "Sign in with this link; it works once, within one day: http://localhost" in printed
        assert f'<script async src="http://localhost:{port}/embed.js"></script>' in printed
        status, _, body = call(port, "POST", "/v1/comments", fields_of())
        assert status == 202
        link = re.search(r"/sign-in/\S+", printed)[0]
        ids = [json.loads(body)["id"]]
        ours = {"Sec-Fetch-Site": "same-origin"}
        status, headers, _ = call(port, "POST", link, **ours)
        assert (status, headers["Location"]) == (303, "/moderate")
        ours |= {"Cookie": headers["Set-Cookie"].partition(";")[0]}
        page = call(port, "GET", "/moderate", **ours)[2].decode()
        fields = {
            "csrf": re.search('name="csrf" value="([^"]+)"', page)[1],
            "act": re.search(f'value="(approve {ids[0]}[^"]+)"', page)[1],
        }
        assert call(port, "POST", "/moderate/act", fields, **ours, **FORM)[0] == 303
        listing = json.loads(call(port, "GET", "/v1/comments?thread=/a-page/")[2])
        assert [comment["id"] for comment in listing["comments"]] == ids
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        log = process.stderr.read()
    assert link.rpartition("/")[2] not in log
    secret = tmp_path / "data" / "secret.key"
    for kept in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600, kept
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert secret.read_text(encoding="utf-8").encode() not in (tmp_path / "data" / "commentsvc.db").read_bytes()


def test_on_sigterm_it_finishes_what_is_under_way_and_exits_0(tmp_path):
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
    kept = run_main(tmp_path, "key", "create", "x").stdout.strip()
    with serving(tmp_path) as (_, printed):
        auth = f"Bearer {kept}"
        totals = json.loads(call(port_of(printed), "GET", "/v1/moderation/comments", Authorization=auth)[2])["totals"]
    assert totals["pending"] == len(outcomes)


def test_killed_at_once_it_has_lost_nothing_that_it_acknowledged(tmp_path):
    acknowledged = []
    for attempt in range(3):
        with serving(tmp_path, RATE_LIMIT="off") as (process, printed):
            port = port_of(printed)
            killer = threading.Timer(0.4, process.kill)
            killer.start()
            for number in range(10_000):
                text = f"attempt {attempt}: {number}"
                try:
                    status, _, body = call(port, "POST", "/v1/comments", fields_of(comment=text))
                except (OSError, http.client.HTTPException):
                    break
                assert status == 202
                acknowledged.append(json.loads(body)["id"])
            killer.join()
    assert len(acknowledged) > 20
    key = run_main(tmp_path, "key", "create", "x").stdout.strip()
    with serving(tmp_path) as (_, printed):
        headers = {"Authorization": f"Bearer {key}"}
        for comment in acknowledged:
            assert call(port_of(printed), "GET", f"/v1/moderation/comments/{comment}", **headers)[0] == 200


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
def test_a_wrong_setting_is_named_before_anything_runs(tmp_path, settings, named):
    done = run_main(tmp_path, "serve", **settings)

    assert (done.returncode, done.stdout) == (78, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x", "SECRET_KEY": SECRET}, "COMMENTSVC_DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "COMMENTSVC_DATABASE_URL"),
        ({"SECRET_KEY": "short"}, "COMMENTSVC_SECRET_KEY"),
        ({"HOST": "203.0.113.1"}, "COMMENTSVC_HOST"),
    ],
)
def test_a_setting_that_does_not_work_is_named_at_the_start(tmp_path, settings, named):
    done = run(tmp_path, "serve", **{"PORT": "0"} | settings)

    assert (done.returncode, done.stdout, named in done.stderr) == (78, "", True), done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_a_database_that_is_none_is_named_and_left_alone(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 200, encoding="utf-8")
    done = run(tmp_path, "serve", PORT="0", DATABASE_URL=f"sqlite:///{file}")

    assert (done.returncode, "COMMENTSVC_DATABASE_URL" in done.stderr) == (78, True)
    assert file.read_text(encoding="utf-8").startswith("Dear reader")


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ConfigurationError) as refused:
        Config.read({"COMMENTSVC_PORT": "x", "COMMENTSVC_NESTING": "99", "COMMENTSVC_NONSENSE": "1", "OTHER": "x"})
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
def test_for_an_unknown_setting_the_closest_name_is_suggested(variable, advice):
    with pytest.raises(ConfigurationError) as refused:
        Config.read({variable: "1"})
    assert str(refused.value) == f"Unknown setting {variable}. {advice}"


def test_a_secret_may_stand_in_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    assert Config.read({"COMMENTSVC_SECRET_KEY_FILE": str(file)}).secret_key == SECRET


def test_postgresql_needs_a_secret_key_of_its_own(tmp_path, postgres):
    done = run_main(tmp_path, "migrate", DATABASE_URL=postgres.format("postgres"))
    assert (done.returncode, "COMMENTSVC_SECRET_KEY must be set with PostgreSQL" in done.stderr) == (78, True)


def test_the_port_is_opened_last(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for wrong, named in (
            ({"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "COMMENTSVC_DATABASE_URL"),
            ({"SECRET_KEY": "short"}, "COMMENTSVC_SECRET_KEY"),
        ):
            done = run(tmp_path, "serve", PORT=port, **wrong)
            assert (done.returncode, named in done.stderr, "COMMENTSVC_PORT" in done.stderr) == (78, True, False)


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "serve", PORT=str(taken.getsockname()[1]))
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr) == (78, True)


def test_the_wrong_secret_key_is_noticed(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    assert run_main(tmp_path, "site", "list").returncode == 0
    done = run_main(tmp_path, "site", "list", SECRET_KEY=SECRET)
    assert (done.returncode, "COMMENTSVC_SECRET_KEY" in done.stderr) == (78, True)


def test_the_service_asks_itself_whether_it_is_well(tmp_path):
    with serving(tmp_path) as (_, printed):
        assert run(tmp_path, "healthcheck", PORT=str(port_of(printed))).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
    assert run_main(tmp_path, "healthcheck", PORT=port).returncode == 1
    assert run_main(tmp_path, "healthcheck", "--json", PORT=port).returncode == 1


def test_a_health_check_with_a_wrong_port_says_so(tmp_path):
    done = run_main(tmp_path, "healthcheck", PORT="http")
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr, "Traceback" in done.stderr) == (78, True, False)


def test_the_health_check_loads_nothing_heavy():
    script = "import sys; from commentsvc.cli.main import main; print(main(['healthcheck']), *sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=environment(PORT="1")
    )
    code, *loaded = done.stdout.split()
    assert code == "1"
    assert "commentsvc.cli.main" in loaded
    assert not {"aiohttp", "msgspec", "jinja2", "uvloop", "commentsvc.cli.commands"} & set(loaded)


def test_sites_moderators_and_keys_are_kept_from_the_command_line(tmp_path):
    def said(*arguments):
        done = run_main(tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.strip()

    assert said("site", "list") == "blog  localhost only"
    assert json.loads(said("site", "add", "b", "--origin", "https://b.example", "--json"))["origins"] == [
        "https://b.example"
    ]
    assert said("moderator", "add", "noa", "--email", "noa@example.com", "--site", "b") == (
        "Added moderator noa. Create a sign-in link with: commentsvc moderator invite noa"
    )
    assert said("moderator", "invite", "noa").startswith("http://localhost:8080/sign-in/")
    assert said("moderator", "list") == "noa  b"
    made = json.loads(
        said("key", "create", "script", "--scope", "read", "--scope", "moderate", "--site", "b", "--json")
    )
    assert (made["scopes"], made["person"]) == (["read", "moderate"], False)
    assert json.loads(said("key", "create", "Ada", "--person", "--json"))["person"] is True
    assert said("key", "create", "x").startswith("cs_")
    assert "active  script" in said("key", "list")
    assert said("key", "revoke", made["id"]) == "Key revoked."
    assert "revoked" in said("key", "list")
    assert said("moderator", "remove", "noa") == "Removed moderator noa."
    assert said("moderator", "list") == "No moderators yet."
    assert "Re-encrypted 0 emails" in said("reseal")
    assert json.loads(said("migrate", "--json")) == {"steps": 0, "schema": 1}
    assert json.loads(said("openapi"))["openapi"] == "3.1.0"
    assert said("--version") == f"commentsvc {commentsvc.__version__}"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
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
        ((), 2, "required"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_cure(tmp_path, arguments, code, said):
    done = run_main(tmp_path, *arguments)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_the_log_is_json_where_asked_and_names_nobody(tmp_path):
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


def test_every_line_that_a_request_writes_has_its_id_once(tmp_path):
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
    assert all(f" request_id={request_id} unit=comments." in line for line in slow), slow
