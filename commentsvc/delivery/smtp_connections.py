"""Connections to the mail server: a few stay open between mails."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from commentsvc.config.mail_server import MailServer
from commentsvc.delivery import smtp_answers
from commentsvc.delivery.smtp_answers import FailedError
from commentsvc.domain.errors import Unavailable

CONNECTIONS: Final = 4  # relays often allow ten of one client
MAILS_ON_ONE: Final = 100  # after these a new connection is made: relays limit the mails of one
QUIT_SECONDS: Final = 2


@dataclass(frozen=True)
class Times:
    """The limits of time, in seconds."""

    step: float = 20  # one command and its answer
    content: float = 40  # the answer after the mail itself, which a relay may look through for spam
    wait: float = 20  # until another mail leaves its connection
    total: float = 60  # then one mail; with the wait: below outbox.LEASE_SECONDS
    idle: float = 20  # then an unused connection is closed


TIMES: Final = Times()


class SmtpConnections:
    """The connections to one mail server, for one event loop."""

    def __init__(self, server: MailServer, hello: str, times: Times) -> None:
        """Prepare. ``hello``: our name in EHLO, a domain."""
        self._server = server
        self._hello = hello
        self._times = times
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._unused: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}
        self._mails: dict[aiosmtplib.SMTP, int] = {}  # of every open connection: how many mails it has had
        self._closing: set[asyncio.Task[None]] = set()
        self._context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection for one mail. It is kept unless it broke, or the mail was interrupted.

        Raises:
            FailedError: there is no connection, or ``FailedError`` was raised while it was lent.
            TimeoutError: everything together took too long.
            Unavailable: other mails keep every connection busy.
        """
        async with self._slot(), asyncio.timeout(self._times.total):
            connection = await self._find_unused() or await self._open()
            try:
                yield connection
            except FailedError:
                self._keep(connection)
                raise
            except BaseException:
                self._forget(connection)  # an answer may still come, and would be taken for that of the next mail
                raise
            self._keep(connection)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Wait for one of the connections.

        The wait takes nothing from the time of the mail: a slow server may accept a mail at the moment when we leave,
        and would get it again and again.
        """
        try:
            async with asyncio.timeout(self._times.wait):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable("The mail server is slow: other mails keep every connection busy.") from None
        try:
            yield
        finally:
            self._slots.release()

    async def _find_unused(self) -> aiosmtplib.SMTP | None:
        """Return a connection that still works; the server may have closed those that wait."""
        while self._unused:
            connection, timer = self._unused.popitem()
            timer.cancel()
            try:
                await connection.rset()
            except (aiosmtplib.SMTPException, OSError):
                self._forget(connection)
            except BaseException:
                self._forget(connection)
                raise
            else:
                return connection
        return None

    async def _open(self) -> aiosmtplib.SMTP:
        server = self._server
        if self._context is None and server.encryption != "off":
            self._context = await asyncio.to_thread(ssl.create_default_context)  # reads files
        connection = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._hello,
            timeout=self._times.step,
            use_tls=server.encryption == "tls",
            start_tls=False,
            tls_context=self._context,
        )
        try:
            await self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._mails[connection] = 0
        return connection

    async def _prepare(self, connection: aiosmtplib.SMTP) -> None:
        """Connect, encrypt and log in."""
        server = self._server
        try:
            await connection.connect()
            await connection.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise FailedError(smtp_answers.unreachable(server, error)) from None
        if server.encryption == "starttls":
            try:
                await connection.starttls()
                await connection.ehlo()
            except (aiosmtplib.SMTPException, OSError) as error:
                raise FailedError(smtp_answers.broken_tls(server, error)) from None
        if server.user:
            try:
                await self._log_in(connection)
            except (ConnectionError, TimeoutError) as error:
                raise FailedError(smtp_answers.unreachable(server, error)) from None
            except aiosmtplib.SMTPException as error:
                raise FailedError(smtp_answers.refused_login(server, error)) from None

    async def _log_in(self, connection: aiosmtplib.SMTP) -> None:
        """Log in with one method: a wrong password must not be tried with each, or the server locks the account."""
        user, password = self._server.user, self._server.password
        offered = connection.supported_auth_methods
        if "plain" in offered:
            await connection.auth_plain(user, password)
        elif "login" in offered:
            await connection.auth_login(user, password)
        elif "cram-md5" in offered:
            await connection.auth_crammd5(user, password)
        else:
            raise aiosmtplib.SMTPException("no method")

    def _keep(self, connection: aiosmtplib.SMTP) -> None:
        self._mails[connection] += 1
        if not connection.is_connected:
            self._forget(connection)
        elif self._mails[connection] >= MAILS_ON_ONE:
            self._leave(connection)
        else:
            loop = asyncio.get_running_loop()
            self._unused[connection] = loop.call_later(self._times.idle, self._expire, connection)

    def _expire(self, connection: aiosmtplib.SMTP) -> None:
        if self._unused.pop(connection, None):
            self._leave(connection)

    def _forget(self, connection: aiosmtplib.SMTP) -> None:
        self._mails.pop(connection, None)
        connection.close()

    def _leave(self, connection: aiosmtplib.SMTP) -> None:
        task = asyncio.create_task(self._quit(connection), name="end of a connection to the mail server")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _quit(self, connection: aiosmtplib.SMTP) -> None:
        try:
            with suppress(aiosmtplib.SMTPException, OSError):
                await connection.quit(timeout=QUIT_SECONDS)
        finally:
            self._forget(connection)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._unused:
            connection, timer = self._unused.popitem()
            timer.cancel()
            self._leave(connection)
        await asyncio.gather(*self._closing)
