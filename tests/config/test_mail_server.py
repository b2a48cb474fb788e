"""An operator names the mail server and the sender; a slip gets an answer that says how to correct it."""

import pytest

from commentsvc.config.environment import read_config
from commentsvc.config.mail_server import MailServer, parse_mail_from, parse_smtp_url
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError

PASSWORD = "hunter2secret"
SETTINGS = {
    "COMMENTSVC_SMTP_URL": "smtp://ada:x@mail.example",
    "COMMENTSVC_MAIL_FROM": "comments@blog.example",
    "COMMENTSVC_PUBLIC_URL": "https://comments.example",
}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "starttls")),
        ("smtps://mail.example/", MailServer("mail.example", 465, "tls")),
        ("smtp://localhost?tls=off", MailServer("localhost", 25, "off")),
        ("smtp://mail.example:2525?tls=off", MailServer("mail.example", 2525, "off")),
        ("smtp://[::1]:2525?tls=off", MailServer("::1", 2525, "off")),
        ("smtp://ada%40blog.example:a%2Fb%3Fc@mail.example",
         MailServer("mail.example", 587, "starttls", "ada@blog.example", "a/b?c")),
        ("smtp://ada:a:b@relay:25?tls=off", MailServer("relay", 25, "off", "ada", "a:b")),
        ("smtps://bücher.example", MailServer("xn--bcher-kva.example", 465, "tls")),
    ],
)  # fmt: skip
def test_an_operator_names_a_mail_server(url, server):
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("mail.example", "must start with smtp:// or smtps://"),
        ("http://mail.example", "must start with smtp:// or smtps://"),
        ("smtp://", "must name the host"),
        (f"smtp://ada:{PASSWORD}@", "must name the host"),
        ("smtp://mail.example 587", "without spaces"),
        (f"smtp://ada:{PASSWORD} x@mail.example", "write a space as %20"),
        (f"smtp://ada@blog.example:{PASSWORD}@mail.example", "Write @ as %40."),
        (f"smtp://ada:{PASSWORD}/x@mail.example", "Write / as %2F."),
        (f"smtp://ada:{PASSWORD}#?@mail.example", "Write # as %23, ? as %3F."),
        (f"smtp://ada:{PASSWORD}%@mail.example", "Write % as %25."),
        (f"smtp://ada:{PASSWORD}%ff@mail.example", "Escape its bytes in UTF-8."),
        (f"smtp://ada:{PASSWORD}%0a@mail.example", "wrong character"),
        ("smtp://ada@mail.example", "must have a user and a password"),
        (f"smtp://:{PASSWORD}@mail.example", "must have a user and a password"),
        ("smtp://mail.example:0", "a port from 1 to 65535"),
        ("smtp://mail.example:70000", "a port from 1 to 65535"),
        ("smtp://mail.example:smtp", "a port from 1 to 65535"),
        ("smtp://-.-", "must have the name of a host"),
        ("smtp://mail.example/inbox", "must name the host"),
        ("smtp://mail.example?tls=no", "can end with ?tls=off"),
        ("smtps://mail.example?tls=off", "Write smtp:// to send without encryption."),
        (f"smtp://ada:{PASSWORD}@mail.example?tls=off", "Remove ?tls=off."),
    ],
)
def test_a_wrong_address_of_a_mail_server_gets_a_cure_that_does_not_repeat_the_password(url, cure):
    with pytest.raises(ConfigurationError) as refused:
        parse_smtp_url(url)
    assert str(refused.value).startswith("COMMENTSVC_SMTP_URL ")
    assert cure in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_nothing_prints_the_password():
    server = parse_smtp_url(f"smtp://ada:{PASSWORD}@mail.example")
    config = read_config(SETTINGS | {"COMMENTSVC_SMTP_URL": f"smtp://ada:{PASSWORD}@mail.example"})
    assert PASSWORD not in f"{server!r} {server} {config!r} {config}"
    assert config.mail_server == server


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("comments@blog.example", "comments@blog.example", ""),
        ("<comments@blog.example>", "comments@blog.example", ""),
        ("Müllers Blog <comments@blog.example>", "comments@blog.example", "Müllers Blog"),
        ('"Blog, comments" <comments@bücher.example>', "comments@bücher.example", "Blog, comments"),
    ],
)
def test_an_operator_names_the_sender(text, address, name):
    sender = parse_mail_from(text)
    assert (sender.email, sender.name) == (Email(address), name)


@pytest.mark.parametrize(
    "text",
    [
        "blog.example", "Comments comments@blog.example", "a@blog.example, b@blog.example", "comments@localhost",
        "A <a@blog.example", 'A "B <a@blog.example>', "jörg@blog.example", "a\x01 <a@blog.example>",
    ],
)  # fmt: skip
def test_a_sender_that_is_not_one_address_is_refused(text):
    with pytest.raises(ConfigurationError, match="COMMENTSVC_MAIL_FROM must "):
        parse_mail_from(text)


@pytest.mark.parametrize("missing", ["COMMENTSVC_MAIL_FROM", "COMMENTSVC_PUBLIC_URL"])
def test_mail_needs_a_sender_and_an_address_for_its_links(missing):
    assert read_config(SETTINGS).mail_sender.email == Email("comments@blog.example")
    with pytest.raises(ConfigurationError, match=f"^{missing} must be set with COMMENTSVC_SMTP_URL"):
        read_config({name: value for name, value in SETTINGS.items() if name != missing})


def test_all_faults_of_the_mail_settings_are_reported_at_once():
    with pytest.raises(ConfigurationError) as refused:
        read_config({"COMMENTSVC_SMTP_URL": "mail.example", "COMMENTSVC_MAIL_FROM": "me"})
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [
        "COMMENTSVC_SMTP_URL", "COMMENTSVC_MAIL_FROM", "COMMENTSVC_PUBLIC_URL"
    ]  # fmt: skip


def test_the_mail_server_can_be_read_from_a_file_that_no_other_user_can_read(tmp_path):
    file = tmp_path / "smtp"
    file.write_text("smtp://ada:x@mail.example\n", encoding="utf-8")
    file.chmod(0o600)
    rest = {name: value for name, value in SETTINGS.items() if name != "COMMENTSVC_SMTP_URL"}
    assert read_config(rest | {"COMMENTSVC_SMTP_URL_FILE": str(file)}).mail_server.user == "ada"
    file.chmod(0o644)
    with pytest.raises(ConfigurationError):
        read_config(rest | {"COMMENTSVC_SMTP_URL_FILE": str(file)})
