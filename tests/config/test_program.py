"""Every command that the service prints works as it is printed."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from commentsvc.cli.failures import Failure
from commentsvc.config import program
from commentsvc.config.program import Start, command_line, with_real_commands
from tests.replicas import ROOT


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(program, "_known", program._Known())


def start(**changed):
    here = {"python": sys.executable, "parent": 900, "host": "4f1c", "user": "blog", "folder": "/srv/blog"}
    program.remember_start(Start(**{"argv0": ".venv/bin/commentsvc", "environment": {}} | here | changed))


@pytest.mark.parametrize(
    ("started", "printed"),
    [
        ({}, ".venv/bin/commentsvc"),
        ({"argv0": "/a b/commentsvc"}, "'/a b/commentsvc'"),
        (
            {"argv0": "/x/commentsvc/__main__.py", "python": "/x y/python"},
            "'/x y/python' -m commentsvc",
        ),
        (
            {"environment": {"COMMENTSVC_PORT": " 9000", "COMMENTSVC_DATABASE_URL": "sqlite:///a b.db"}},
            "COMMENTSVC_DATABASE_URL='sqlite:///a b.db' COMMENTSVC_PORT=9000 .venv/bin/commentsvc",
        ),
        (
            {"environment": {"COMMENTSVC_DATABASE_URL": "postgresql://u:secret@h/db", "COMMENTSVC_SECRET_KEY": "x"}},
            ".venv/bin/commentsvc",
        ),
        (
            {"container": "docker", "parent": 0, "environment": {"COMMENTSVC_PORT": "9000"}},
            "docker exec 4f1c .venv/bin/commentsvc",
        ),
        ({"container": "podman", "parent": 17}, ".venv/bin/commentsvc"),
        (
            {"container": "docker", "parent": 1, "environment": {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}},
            "kubectl exec 4f1c -- .venv/bin/commentsvc",
        ),
        (
            {
                "argv0": "/opt/bin/commentsvc",
                "parent": 1,
                "environment": {"INVOCATION_ID": "f", "COMMENTSVC_SETTINGS_FILE": "/etc/settings"},
            },
            "sudo -u blog env --chdir=/srv/blog COMMENTSVC_SETTINGS_FILE=/etc/settings /opt/bin/commentsvc",
        ),
    ],
)
def test_an_operator_gets_a_command_that_fits_how_the_service_was_started(started, printed):
    start(**started)
    assert command_line("moderator", "invite", "Ana Lee", link=True) == f"{printed} moderator invite 'Ana Lee'"


def test_a_program_that_the_shell_finds_is_called_by_its_name(tmp_path):
    file = tmp_path / "commentsvc"
    file.touch(mode=0o700)
    start(argv0=str(file), environment={"PATH": str(tmp_path)})
    assert command_line("undo", "x") == "commentsvc undo x"


def test_commands_in_errors_are_complete_and_other_words_stay():
    start(environment={"COMMENTSVC_DATABASE_URL": "sqlite:///x.db", "COMMENTSVC_PORT": "9000"})
    assert with_real_commands("Not commentsvc itself. Run: commentsvc migrate") == (
        "Not commentsvc itself. Run: COMMENTSVC_DATABASE_URL=sqlite:///x.db .venv/bin/commentsvc migrate"
    )
    assert with_real_commands("Ask: commentsvc moderator invite").endswith(
        "COMMENTSVC_PORT=9000 .venv/bin/commentsvc moderator invite"
    )


def test_an_error_in_json_is_json_whatever_the_path_of_the_database():
    start(environment={"COMMENTSVC_DATABASE_URL": 'sqlite:///a "b"\\.db'})
    failure = Failure(1, "not_found", "See: commentsvc site list")
    assert json.loads(failure.to_json())["detail"].endswith(
        """='sqlite:///a "b"\\.db' .venv/bin/commentsvc site list"""
    )


@pytest.mark.slow
def test_a_printed_command_works_as_it_is_printed_from_another_terminal(tmp_path):
    """The settings of the first command are not in the second terminal."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("COMMENTSVC_")}
    theirs |= {"PYTHONPATH": str(ROOT)}
    ours = theirs | {
        "COMMENTSVC_DATABASE_URL": f"sqlite:///{tmp_path}/a b.db",
        "COMMENTSVC_PUBLIC_URL": "http://localhost:9000/comments",
    }

    def run(command, environment):
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    python = shlex.quote(sys.executable)
    run(f"{python} -m commentsvc migrate", ours)
    added = run(f"{python} -m commentsvc moderator add Noa", ours)
    link = run(added.partition("Create a sign-in link with: ")[2], theirs)
    assert re.fullmatch(r"http://localhost:9000/comments/sign-in/\S+", link)
