"""Mails reach a real mail server, whatever it does; a failure says what to do, and names nobody."""

import asyncio
import contextlib
import socket
from datetime import timedelta

import pytest

from commentsvc.config.settings import Config
from commentsvc.delivery import outbox
from commentsvc.delivery.mail import Mail
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.smtp import MailSender
from commentsvc.delivery.smtp_answers import clean_answer
from commentsvc.delivery.smtp_connections import CONNECTIONS, MAILS_ON_ONE, TIMES, Times
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel, NewParcel, ParcelState
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.timestamps import parse_time
from commentsvc.service import private_read, write
from commentsvc.storage import parcels
from tests.conftest import a_service
from tests.delivery.smtp_server import mail_server

QUICK = Times(step=0.3, content=0.3, total=0.6, idle=60)
SENT_AT = parse_time("2026-11-22T16:02:11.000Z")


def a_mail(to="mia@example.com"):
    return Mail(to=Email(to), subject="A reply", text="Hello.\n", html="<p>Hello.</p>\n", language="en")


def settings(url, mail_from="Comments <comments@blog.example>"):
    return {"smtp_url": url, "mail_from": mail_from, "public_url": "https://comments.example"}


@contextlib.asynccontextmanager
async def sending(url, times=TIMES, **more):
    sender = MailSender({}, Config(**settings(url, **more)), times)
    try:
        yield sender
    finally:
        await sender.close()


async def send(sender, to="mia@example.com", message_id="0190"):
    return await sender.send(a_mail(to), message_id, SENT_AT)


async def send_once(server, to="mia@example.com", times=TIMES):
    async with sending(server.url, times) as sender:
        return await send(sender, to)


async def test_a_mail_arrives_with_both_its_texts():
    async with mail_server() as server:
        outcome = await send_once(server)
    (mail,) = server.mails
    assert (outcome.state, outcome.response) == (ParcelState.DELIVERED, "250 2.0.0 Accepted as 4711")
    assert (mail.sender, mail.recipient) == ("comments@blog.example", "mia@example.com")
    assert (mail.text, mail.html) == ("Hello.\n", "<p>Hello.</p>\n")
    assert mail.message["Message-ID"] == "<0190@blog.example>"
    assert mail.message["Date"] == "Sun, 22 Nov 2026 16:02:11 +0000"


async def test_mails_share_a_connection_that_is_closed_when_nobody_needs_it():
    async with mail_server() as server:
        async with sending(server.url, Times(idle=0.05)) as sender:
            for number in range(3):
                await send(sender, message_id=f"{number}")
            assert (server.connections, len(server.mails)) == (1, 3)
            await server.until(lambda: server.open == 0)
            await send(sender)
            assert server.connections == 2
        await server.until(lambda: server.open == 0)


async def test_mails_at_once_share_few_connections():
    async with mail_server() as server:
        async with sending(server.url) as sender:
            outcomes = await asyncio.gather(*(send(sender, message_id=f"{number}") for number in range(12)))
        assert {outcome.state for outcome in outcomes} == {ParcelState.DELIVERED}
        assert server.connections <= 4
        await server.until(lambda: server.open == 0)


async def test_one_connection_gets_a_limited_number_of_mails():
    async with mail_server() as server, sending(server.url) as sender:
        for number in range(MAILS_ON_ONE + 1):
            await send(sender, message_id=f"{number}")
        assert server.connections == 2


async def test_a_connection_that_the_server_closed_is_replaced():
    async with mail_server() as server, sending(server.url) as sender:
        await send(sender)
        server.drops = {"RSET"}
        assert (await send(sender)).state is ParcelState.DELIVERED
        assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("refused", "to", "state"),
    [
        ({"RCPT": "550 5.1.1 mia@example.com: no such user"}, "mia@example.com", "dead"),
        ({"RCPT": "550 no such user <MIA@EXAMPLE.COM>"}, "mia@example.com", "dead"),
        ({"RCPT": "452 4.2.2 mailbox of mia full"}, "mia@example.com", "waiting"),
        ({"RCPT": "554 5.7.1 <mia@example.com>: Relay access denied"}, "mia@example.com", "waiting"),
        ({"RCPT": "530 log in first"}, "mia@example.com", "waiting"),
        ({"DATA": "554 5.6.0 bad"}, "mia@example.com", "dead"),
        ({"after DATA": "550 5.7.1 mia=40example.com does not want this"}, "mia@example.com", "dead"),
        ({"after DATA": "451 4.3.0 later"}, "mia@example.com", "waiting"),
    ],
)
async def test_a_refused_recipient_is_given_up_only_if_a_retry_cannot_help(refused, to, state):
    async with mail_server(answers=refused) as server, sending(server.url) as sender:
        outcome = await send(sender, to)
        assert (outcome.state, outcome.channel_failed) == (state, False)
        assert outcome.status_code == int(next(iter(refused.values()))[:3])
        assert "mia" not in outcome.error.lower()
        assert "@" not in outcome.error
        server.answers = {}
        assert (await send(sender, "ben@example.com")).state is ParcelState.DELIVERED
        assert server.connections == 1, "the connection still works"


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ({"MAIL": "550 5.7.1 comments@blog.example is not yours"}, "Check COMMENTSVC_MAIL_FROM"),
        ({"MAIL": "451 4.3.0 later"}, "refused the sender: 451 4.3.0 later"),
        ({"MAIL": "530 5.7.0 Authentication required"}, "Add user and password"),
        ({"MAIL": "421 4.3.2 going down"}, "not available: 421 4.3.2 going down"),
        ({"MAIL": "550 5.4.5 Daily limit exceeded"}, "no more mails for some time: 550 5.4.5 Daily limit exceeded"),
        ({"RCPT": "550 5.4.5 Daily limit exceeded"}, "no more mails for some time: 550 5.4.5 Daily limit exceeded"),
        ({"after DATA": "550 5.4.5 Limit of mia@example.com"}, "no more mails for some time: 550 5.4.5 Limit of …"),
        ({"RCPT": "421 4.3.2 going down"}, "not available: 421 4.3.2 going down"),
        ({"DATA": "421 4.3.2 going down"}, "not available: 421 4.3.2 going down"),
        ({"EHLO": "554 5.7.1 go away"}, "did not accept the connection: 554 5.7.1 go away"),
    ],
)
async def test_a_server_that_sends_nothing_now_makes_all_mails_wait(refused, said):
    async with mail_server(answers=refused) as server:
        outcome = await send_once(server)
    assert (outcome.state, outcome.channel_failed) == (ParcelState.WAITING, True)
    assert said in outcome.error
    assert "@" not in outcome.error
    assert server.mails == []


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_does_not_answer_in_time_is_left(command):
    async with mail_server(hangs={command}) as server:
        outcome = await send_once(server, times=QUICK)
        assert (outcome.state, outcome.channel_failed) == (ParcelState.WAITING, True)
        assert "in time" in outcome.error
        await server.until(lambda: server.open == 0)


async def test_a_mail_that_takes_too_long_in_all_leaves_no_half_used_connection():
    async with mail_server() as server, sending(server.url, Times(step=60, content=60, total=0.5)) as sender:
        assert (await send(sender)).state is ParcelState.DELIVERED
        server.hangs = {"RCPT"}
        assert (await send(sender)).channel_failed
        server.hangs = set()
        assert (await send(sender)).state is ParcelState.DELIVERED
        assert server.connections == 2


async def test_a_mail_that_waited_for_a_connection_has_as_much_time_as_others():
    async with mail_server(hangs={"RCPT"}) as server, sending(server.url, Times(total=0.25)) as sender:
        mails = [asyncio.create_task(send(sender, message_id=f"{number}")) for number in range(CONNECTIONS + 1)]
        await server.until(lambda: server.commands.count("RCPT") == CONNECTIONS)
        server.hangs = set()
        outcomes = await asyncio.gather(*mails)
    assert [outcome.state for outcome in outcomes].count(ParcelState.DELIVERED) == 1
    assert len(server.mails) == 1


async def test_a_mail_for_which_no_connection_is_free_in_time_was_not_tried(database_url, clock):
    async def render(_service, _parcel):
        return a_mail()

    async with (
        mail_server(hangs={"RCPT"}) as server,
        a_service(database_url, clock, **settings(server.url)) as service,
    ):
        sender = MailSender({"test": render}, service.config, Times(step=0.3, wait=0.05))
        stuck = [asyncio.create_task(send(sender)) for _ in range(CONNECTIONS)]
        await server.until(lambda: server.commands.count("RCPT") == CONNECTIONS)
        await add_parcel(service)
        [parcel] = await outbox.claim(service, Channel.MAIL, 1)
        with pytest.raises(Unavailable):
            await sender.deliver(service, parcel)
        await asyncio.gather(*stuck)
        await sender.close()


async def test_a_server_that_accepts_connections_but_says_nothing_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with sending(f"smtp://127.0.0.1:{silent.getsockname()[1]}?tls=off", QUICK) as sender:
            outcome = await send(sender)
    assert outcome.channel_failed
    assert "no answer in time" in outcome.error


@pytest.mark.parametrize("moment", ["EHLO", "MAIL", "RCPT", "DATA", "in DATA"])
async def test_a_mail_waits_if_the_connection_breaks(moment):
    async with mail_server(drops={moment}) as server, sending(server.url) as sender:
        outcome = await send(sender)
        assert (outcome.state, outcome.channel_failed) == (ParcelState.WAITING, True)
        assert "closed the connection" in outcome.error
        server.drops = set()
        assert (await send(sender)).state is ParcelState.DELIVERED
        assert len(server.mails) == 1


async def test_a_second_copy_has_the_same_id_if_the_connection_breaks_after_the_mail_was_accepted():
    async with mail_server(drops={"after DATA"}) as server, sending(server.url) as sender:
        assert (await send(sender)).state is ParcelState.WAITING
        server.drops = set()
        assert (await send(sender)).state is ParcelState.DELIVERED
        first, second = (mail.message["Message-ID"] for mail in server.mails)
        assert first == second == "<0190@blog.example>"


async def test_an_operator_learns_that_nothing_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with sending(f"smtp://127.0.0.1:{port}?tls=off") as sender:
        outcome = await send(sender)
    assert outcome.channel_failed
    assert f"127.0.0.1:{port} cannot be reached: connection refused." in outcome.error
    assert "COMMENTSVC_SMTP_URL" in outcome.error


async def test_an_operator_learns_that_a_host_does_not_exist():
    async with sending("smtp://mail.invalid:25?tls=off") as sender:
        outcome = await send(sender)
    assert outcome.channel_failed
    assert "mail.invalid:25 cannot be reached: " in outcome.error


@pytest.mark.parametrize("tls", ["starttls", "on"])
async def test_mails_are_encrypted_if_the_certificate_is_trusted(tls, tmp_path, monkeypatch):
    async with mail_server(tls=tls, folder=tmp_path, authority=True) as server:
        outcome = await send_once(server)
        assert outcome.channel_failed
        assert "The certificate of the mail server" in outcome.error
        assert "self-signed" in outcome.error.replace("self signed", "self-signed")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))
        assert (await send_once(server)).state is ParcelState.DELIVERED


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"answers": {"STARTTLS": "454 4.7.0 no TLS now"}}, "refused to start TLS: 454 4.7.0 no TLS now"),
        ({"drops": {"STARTTLS"}}, "failed to start TLS."),
        ({"hangs": {"STARTTLS"}}, "failed to start TLS."),
    ],
)
async def test_a_server_that_cannot_encrypt_now_is_not_said_to_offer_no_encryption(tmp_path, fault, said):
    async with mail_server(tls="starttls", folder=tmp_path, **fault) as server:
        outcome = await send_once(server, times=QUICK)
    assert outcome.channel_failed
    assert outcome.error.endswith(said)


async def test_nothing_is_sent_to_a_server_without_encryption_unless_the_operator_wants_it():
    async with mail_server() as server:
        async with sending(f"smtp://127.0.0.1:{server.port}") as sender:
            outcome = await send(sender)
        assert outcome.channel_failed
        assert "?tls=off" in outcome.error
        assert server.commands == ["EHLO"]
        async with sending(f"smtps://127.0.0.1:{server.port}") as sender:
            outcome = await send(sender)
        assert "does not use TLS from the start" in outcome.error


async def test_a_user_logs_in(tmp_path, monkeypatch):
    async with mail_server(tls="starttls", folder=tmp_path, authority=True, users={"ada@x": "se cret"}) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))
        place = f"127.0.0.1:{server.port}"
        async with sending(f"smtp://ada%40x:se%20cret@{place}") as sender:
            assert (await send(sender)).state is ParcelState.DELIVERED
        async with sending(f"smtp://ada%40x:wrong@{place}") as sender:
            outcome = await send(sender)
        assert outcome.channel_failed
        assert "refused the login: 535" in outcome.error
        assert server.commands.count("AUTH") == 2, "one attempt each: others would lock the account"
        assert not {"wrong", "cret", "ada"} & set(outcome.error.replace(":", " ").split())
        server.answers = {"AUTH": "454 4.7.0 Temporary failure"}
        async with sending(f"smtp://ada%40x:se%20cret@{place}") as sender:
            outcome = await send(sender)
        assert outcome.error.endswith("refused the login: 454 4.7.0 Temporary failure."), "the password may be right"


async def test_a_server_without_logins_is_named():
    async with mail_server() as server, sending(f"smtp://ada:x@127.0.0.1:{server.port}?tls=off") as sender:
        outcome = await send(sender)
    assert "offers no login. Remove user and password" in outcome.error


async def test_an_international_address_gets_mail_if_the_server_can_send_to_it():
    async with mail_server() as server:
        assert (await send_once(server, "jörg@bücher.example")).state is ParcelState.DELIVERED
        (mail,) = server.mails
        assert mail.recipient == "jörg@xn--bcher-kva.example"
    async with mail_server(has_utf8=False) as server, sending(server.url) as sender:
        outcome = await send(sender, "jörg@bücher.example")
        assert (outcome.state, outcome.channel_failed) == (ParcelState.DEAD, False)
        assert "SMTPUTF8" in outcome.error
        assert (await send(sender, "joerg@bücher.example")).state is ParcelState.DELIVERED
        assert server.mails[0].recipient == "joerg@xn--bcher-kva.example"
        assert server.mails[0].raw.isascii()


async def test_an_address_that_no_key_opens_is_given_up():
    async with mail_server() as server, sending(server.url) as sender:
        outcome = await sender.send(Mail(to=UNREADABLE, subject="x", text="x", html="x", language="en"), "1", SENT_AT)
    assert outcome.state is ParcelState.DEAD
    assert server.connections == 0


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("5.1.1 <mia.b@example.com>: unknown", "550 5.1.1 … unknown"),
        ("user mia.b unknown", "550 user … unknown"),
        ("mia.b=40example.com, MIA.B&#64;example.com and mia.b(at)example.com", "550 … … and …"),
        ("a\nb\x1b[31m\u202ec\x00\ud800", "550 a b [31mc \\ud800"),
        ("word " * 100, "550 " + "word " * 37 + "word…"),
    ],
)
def test_answers_that_are_kept_are_short_and_name_nobody(answer, shown):
    assert clean_answer(550, answer, Email("mia.b@example.com")) == shown


@write
async def add_parcel(unit, kind="test"):
    sealed = unit.keyring.seal(Email("mia@example.com"))
    return await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind=kind, email_sealed=sealed))


@private_read
async def read_state(unit):
    row = await parcels.get_record(unit, Channel.MAIL)
    waiting = await unit.all("SELECT state, error FROM parcel")
    return dict(row) if row else None, [(one["state"], one["error"]) for one in waiting]


async def work_once(service, sender):
    worker = Worker(service, Outlets(senders={Channel.MAIL: sender}))
    while await worker.work_once() or worker._running[Channel.MAIL]:
        await asyncio.gather(*worker._running[Channel.MAIL])


async def test_a_mail_in_the_outbox_is_sent_again_with_the_same_id_and_the_page_learns_of_the_error(
    database_url, clock
):
    async def render(_service, _parcel):
        return a_mail()

    async with (
        mail_server(answers={"RCPT": "451 4.7.1 greylisted mia@example.com"}) as server,
        a_service(database_url, clock, **settings(server.url)) as service,
    ):
        sender = MailSender({"test": render}, service.config)
        parcel = await add_parcel(service)
        await work_once(service, sender)
        record, states = await read_state(service)
        assert states == [("waiting", "The mail server refused the recipient: 451 4.7.1 greylisted …")]
        assert record == {"delivered_at": None, "failed_at": service.now(), "error": states[0][1]}
        failed_at = service.now()
        server.drops, server.answers = {"after DATA"}, {}
        clock.move(minutes=5)
        await work_once(service, sender)
        server.drops = set()
        clock.move(minutes=30)
        await work_once(service, sender)
        assert [mail.message["Message-ID"] for mail in server.mails] == [f"<{parcel}@blog.example>"] * 2
        first, second = (mail.message["Date"].datetime for mail in server.mails)
        assert (first, second) == (clock() - timedelta(minutes=30), clock()), "spam filters distrust an old date"
        record, states = await read_state(service)
        assert states == []
        assert record["delivered_at"] == service.now() > record["failed_at"] > failed_at
        await sender.close()


async def test_a_mail_that_is_not_needed_any_more_counts_neither_as_delivered_nor_as_failed(database_url, clock):
    async def render(_service, _parcel):
        return None

    async with mail_server() as server, a_service(database_url, clock, **settings(server.url)) as service:
        await add_parcel(service)
        await work_once(service, sender := MailSender({"test": render}, service.config))
        assert await read_state(service) == (None, [])
        assert server.connections == 0
        await sender.close()


@pytest.mark.parametrize(("answer", "state"), [("550 5.1.1 unknown", "dead"), ("452 4.2.2 full", "waiting")])
async def test_one_wrong_address_is_no_error_of_the_mail_server(database_url, clock, answer, state):
    async def render(_service, _parcel):
        return a_mail()

    async with (
        mail_server(answers={"RCPT": answer}) as server,
        a_service(database_url, clock, **settings(server.url)) as service,
    ):
        await add_parcel(service)
        await work_once(service, sender := MailSender({"test": render}, service.config))
        record, states = await read_state(service)
        assert record is None
        assert states == [(state, f"The mail server refused the recipient: {answer}")]
        await sender.close()


def test_an_attempt_ends_before_another_worker_may_claim_the_mail():
    assert TIMES.step < TIMES.content < TIMES.total < 0.75 * outbox.LEASE_SECONDS
    assert TIMES.wait + TIMES.total < 0.9 * outbox.LEASE_SECONDS
