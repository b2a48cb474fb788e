"""A mail server on loopback that tests send to: it accepts, refuses, hangs or drops connections as it is told.

``async with mail_server() as server`` starts one on a free port; ``server.url`` is the setting, ``server.mails`` what
it has accepted. It has a thread of its own: aiosmtpd offers STARTTLS only on asyncio's own event loop.
"""
# ruff: noqa: N802 -- aiosmtpd finds its methods by these names

import asyncio
import email
import email.policy
import logging
import ssl
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.certificates import make_certificate

logging.getLogger("mail.log").setLevel(logging.CRITICAL)
WAIT_SECONDS = 20


@dataclass(frozen=True)
class Accepted:
    """A mail that the server accepted."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self):
        """The mail as Python's parser reads it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self):
        return self._content("plain")

    @property
    def html(self):
        return self._content("html")

    def _content(self, kind):
        return self.message.get_body((kind,)).get_content().replace("\r\n", "\n")

    @property
    def headers(self):
        """The names of its headers, in order."""
        return list(email.message_from_bytes(self.raw).keys())


@dataclass
class MailServer:
    """The behaviour of the server, and the mails that it has accepted. It can be changed while it runs."""

    has_utf8: bool = True
    users: dict = field(default_factory=dict)  # names with passwords; if there are any, one must log in
    # An answer in place of the usual one, by command (EHLO, AUTH, MAIL, RCPT, DATA) or by recipient.
    answers: dict = field(default_factory=dict)
    hangs: set = field(default_factory=set)  # commands that are never answered
    drops: set = field(default_factory=set)  # commands that end the connection: also "in DATA", "after DATA"
    mails: list = field(default_factory=list)
    connections: int = 0
    open: int = 0
    commands: list = field(default_factory=list)
    port: int = 0
    tls: str = "off"
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self):
        """The address of the server, for COMMENTSVC_SMTP_URL."""
        if self.tls == "off":
            return f"smtp://127.0.0.1:{self.port}?tls=off"
        return f"{'smtp' if self.tls == 'starttls' else 'smtps'}://127.0.0.1:{self.port}"

    async def arrived(self, number=1):
        """Wait until so many mails have arrived; return them."""
        await self.until(lambda: len(self.mails) >= number)
        return self.mails

    async def until(self, is_true):
        """Wait until something is true of this server."""

        def wait():
            with self._changed:
                return self._changed.wait_for(is_true, WAIT_SECONDS)

        assert await asyncio.to_thread(wait), "this never happened on the mail server"

    def note(self, change):
        with self._changed:
            change()
            self._changed.notify_all()


class Connection(SMTP):
    """One connection to a ``MailServer``."""

    def __init__(self, server, context):
        self.owner = server
        authenticator = self.check_login if server.users else None
        super().__init__(
            self,
            hostname="mail.test",
            enable_SMTPUTF8=server.has_utf8,
            tls_context=context if server.tls == "starttls" else None,
            require_starttls=server.tls == "starttls",
            auth_require_tls=False,
            auth_exclude_mechanism=None if server.users else ["LOGIN", "PLAIN"],
            authenticator=authenticator,
        )

    def connection_made(self, transport):
        if not self.session:
            self.owner.note(lambda: setattr(self.owner, "connections", self.owner.connections + 1))
            self.owner.note(lambda: setattr(self.owner, "open", self.owner.open + 1))
        super().connection_made(transport)

    def connection_lost(self, error):
        self.owner.note(lambda: setattr(self.owner, "open", self.owner.open - 1))
        super().connection_lost(error)

    def check_login(self, _server, _session, _envelope, mechanism, data):
        name, password = data.login.decode(), data.password.decode()
        return AuthResult(success=self.owner.users.get(name) == password, handled=False, auth_data=name)

    async def answer_otherwise(self, command, *names):
        """Do what the test asks for in place of the usual. Return whether something was."""
        self.owner.note(lambda: self.owner.commands.append(command))
        if command in self.owner.hangs:
            await asyncio.Event().wait()
        if command in self.owner.drops:
            self.transport.abort()
            return True
        answer = next((self.owner.answers[name] for name in (*names, command) if name in self.owner.answers), None)
        if answer:
            await self.push(answer)
        return answer is not None

    async def smtp_EHLO(self, hostname):
        if not await self.answer_otherwise("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg):
        if not await self.answer_otherwise("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_STARTTLS(self, arg):
        if not await self.answer_otherwise("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_QUIT(self, arg):
        self.owner.note(lambda: self.owner.commands.append("QUIT"))
        await super().smtp_QUIT(arg)

    async def smtp_RSET(self, arg):
        if not await self.answer_otherwise("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_MAIL(self, arg):
        if self.owner.users and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
        elif not await self.answer_otherwise("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        recipient = arg.partition("<")[2].partition(">")[0]
        if not await self.answer_otherwise("RCPT", recipient):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        if await self.answer_otherwise("DATA"):
            return
        if "in DATA" in self.owner.drops:
            await self.push("354 Go on")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)

    async def handle_DATA(self, _server, _session: Session, envelope: Envelope):
        mail = Accepted(envelope.mail_from, *envelope.rcpt_tos, envelope.content)
        if "after DATA" in self.owner.answers:
            return self.owner.answers["after DATA"]
        self.owner.note(lambda: self.owner.mails.append(mail))
        if "after DATA" in self.owner.drops:
            self.transport.abort()
        return "250 2.0.0 Accepted as 4711"


@asynccontextmanager
async def mail_server(*, tls="off", folder: Path | None = None, authority=False, **options):
    """Start a mail server on a free port of 127.0.0.1. ``tls``: off, starttls, or on (from the start).

    With TLS, its certificate and key are made in ``folder``. Clients can verify it by itself if it is an ``authority``.
    """
    server = MailServer(tls=tls, **options)
    context = None
    if tls != "off":
        certificate, key = folder / "mail.pem", folder / "mail.key"
        make_certificate(certificate, key, authority=authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    loop = asyncio.SelectorEventLoop()
    loop.set_exception_handler(lambda *_: None)  # aborted connections
    ready, stop = threading.Event(), asyncio.Event()

    async def serve():
        listener = await loop.create_server(
            lambda: Connection(server, context), "127.0.0.1", 0, ssl=context if tls == "on" else None
        )
        server.port = listener.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def run():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, name="mail server")
    thread.start()
    await asyncio.to_thread(ready.wait)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        await asyncio.to_thread(thread.join)
