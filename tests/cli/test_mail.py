"""An operator tests the mail server, and reads what people get."""

import asyncio
import json

import pytest

from commentsvc.web.mail.samples import SAMPLES
from tests.delivery.smtp_server import mail_server
from tests.operations.test_operating import run_main

SENDER = {"MAIL_FROM": "comments@example.com", "PUBLIC_URL": "https://comments.example"}


@pytest.fixture
def server():
    """A mail server beside tests that are not asynchronous: each command has an event loop of its own."""
    with asyncio.Runner() as runner:
        started = mail_server()
        yield runner.run(started.__aenter__())
        runner.run(started.__aexit__(None, None, None))


def run(folder, server, *words, typed=""):
    return run_main(folder, *words, typed=typed, SMTP_URL=server.url, **SENDER)


def test_an_operator_sends_a_test_mail_without_a_database(tmp_path, server):
    done = run(tmp_path, server, "mail", "test", "ada@example.com", "--language", "de")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "The mail server accepted the mail: 250 2.0.0 Accepted as 4711\n"
        "If it does not arrive, look for it among spam.\n"
    )
    (mail,) = server.mails
    assert (mail.recipient, mail.message["Content-Language"]) == ("ada@example.com", "de")
    assert "https://comments.example" in mail.text
    assert server.commands[-1] == "QUIT"
    assert list(tmp_path.iterdir()) == []


def test_an_operator_types_the_address_on_standard_input(tmp_path, server):
    done = run(tmp_path, server, "--json", "mail", "test", "-", typed="ada@example.com\n")
    assert json.loads(done.stdout) == {"accepted": True, "answer": "250 2.0.0 Accepted as 4711"}
    assert server.mails[0].recipient == "ada@example.com"


def test_an_operator_reads_why_the_mail_server_refused_the_mail(tmp_path, server):
    server.answers = {"RCPT": "550 5.1.1 ada@example.com unknown"}
    done = run(tmp_path, server, "mail", "test", "ada@example.com")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "commentsvc: The mail server refused the recipient: 550 5.1.1 … unknown\n"
    server.answers = {"MAIL": "553 5.7.1 not yours"}
    done = run(tmp_path, server, "--json", "mail", "test", "ada@example.com")
    assert json.loads(done.stderr)["detail"].endswith("553 5.7.1 not yours. Check COMMENTSVC_MAIL_FROM.")


def test_a_test_mail_needs_the_settings_and_an_address(tmp_path):
    done = run_main(tmp_path, "mail", "test", "ada@example.com")
    assert (done.returncode, done.stderr) == (
        78,
        "commentsvc: COMMENTSVC_SMTP_URL is not set. Set it to the address of your mail server.\n",
    )
    done = run_main(tmp_path, "mail", "test", "ada@")
    assert done.returncode == 1
    assert done.stderr.startswith("commentsvc: address: Enter a valid email address")


def test_an_operator_lists_and_reads_every_mail(tmp_path):
    listed = run_main(tmp_path, "mail", "preview")
    assert listed.stdout.split() == sorted(SAMPLES)
    for name in SAMPLES:
        text = run_main(tmp_path, "mail", "preview", name)
        assert text.returncode == 0
        assert text.stdout.startswith("Subject: ")
        assert "\n-- \n" in text.stdout
        html = run_main(tmp_path, "mail", "preview", name, "--html", "--language", "fa")
        assert html.stdout.startswith('<!doctype html>\n<html lang="fa" dir="rtl">')
        shown = json.loads(run_main(tmp_path, "--json", "mail", "preview", name).stdout)
        assert shown.keys() == {"name", "subject", "text", "html"}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["letter"], "name: Choose one of: "), (["test", "--language", "tlh"], "language: Choose one of: ")],
)
def test_an_operator_learns_which_names_and_languages_there_are(tmp_path, words, said):
    done = run_main(tmp_path, "mail", "preview", *words)
    assert done.returncode == 1
    assert said in done.stderr
