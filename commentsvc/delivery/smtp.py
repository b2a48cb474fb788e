"""Sends mail by SMTP (RFC 5321), to the mail server of the settings."""

from collections.abc import Mapping
from datetime import datetime

import aiosmtplib

from commentsvc.config.settings import Config
from commentsvc.delivery import smtp_answers
from commentsvc.delivery.mail import Mail, Renderer
from commentsvc.delivery.message import build_message, write_address
from commentsvc.delivery.smtp_answers import TRANSIENT, FailedError
from commentsvc.delivery.smtp_connections import TIMES, SmtpConnections, Times
from commentsvc.domain.deliveries import Outcome, Parcel, ParcelState
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.timestamps import parse_time
from commentsvc.service import Service

NO_SMTPUTF8 = "The address has letters that the mail server cannot send to (it does not offer SMTPUTF8)."


class MailSender:
    """Delivers mails to the mail server of the settings. It belongs to one event loop."""

    def __init__(self, renderers: Mapping[str, Renderer], config: Config, times: Times = TIMES) -> None:
        """Prepare; the first mail connects.

        Raises:
            ConfigurationError: no mail server is set, or no sender.
        """
        server = config.mail_server
        if server is None:
            raise ConfigurationError("COMMENTSVC_SMTP_URL is not set. Set it to the address of your mail server.")
        self._renderers = renderers
        self._sender = config.mail_sender
        self._server = server
        self._times = times
        self._connections = SmtpConnections(server, self._sender.email.domain(), times)

    async def deliver(self, service: Service, parcel: Parcel) -> Outcome:
        """Render the mail of a parcel and send it. Each attempt has the same ``Message-ID``.

        ``Date`` is that of the attempt, as its text is: a digest is planned up to a day before it is written, and spam
        filters distrust mails from yesterday.

        Raises:
            Unavailable: nothing was sent: the database is away, or other mails keep every connection busy.
        """
        mail = await self._renderers[parcel.kind](service, parcel)
        if mail is None:
            return Outcome(state=ParcelState.DELIVERED, was_sent=False)
        return await self.send(mail, parcel.id, parse_time(parcel.tried_at or parcel.created_at))

    async def send(self, mail: Mail, message_id: str, written_at: datetime) -> Outcome:
        """Send a mail. The outcome's ``response`` is what the server said.

        Raises:
            UnsafeMailError: see ``build_message``.
            Unavailable: other mails keep every connection busy.
        """
        if mail.to == UNREADABLE:
            return smtp_answers.given_up("The address cannot be read: its secret key is not in COMMENTSVC_SECRET_KEY.")
        raw = build_message(mail, self._sender, message_id, written_at)
        try:
            async with self._connections.lend() as connection:
                return await self._transfer(connection, mail, raw)
        except FailedError as failed:
            return failed.outcome
        except (aiosmtplib.SMTPException, OSError) as error:  # a TimeoutError is an OSError
            return smtp_answers.lost(self._server, error)

    async def _transfer(self, connection: aiosmtplib.SMTP, mail: Mail, raw: bytes) -> Outcome:
        recipient = write_address(mail.to)
        options: list[bytes] = []
        if not recipient.isascii():
            if not connection.supports_extension("smtputf8"):
                raise FailedError(smtp_answers.given_up(NO_SMTPUTF8))
            options = [b"BODY=8BITMIME", b"SMTPUTF8"]  # RFC 6531, 3.1
        sender = write_address(self._sender.email)
        code, answer = await connection.execute_command(b"MAIL", f"FROM:<{sender}>".encode(), *options)
        if code >= TRANSIENT.start:
            raise FailedError(smtp_answers.refused_sender(code, answer))
        code, answer = await connection.execute_command(b"RCPT", f"TO:<{recipient}>".encode())
        if code >= TRANSIENT.start:
            raise FailedError(smtp_answers.refused_recipient(code, answer, mail.to))
        try:
            code, answer = await connection.data(raw, timeout=self._times.content)
        except aiosmtplib.SMTPDataError as error:
            raise FailedError(smtp_answers.refused_content(error.code, error.message, mail.to)) from None
        return Outcome(
            state=ParcelState.DELIVERED, status_code=code, response=smtp_answers.clean_answer(code, answer, mail.to)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()
