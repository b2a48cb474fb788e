"""Check that the mail server answers. No mail is sent, and nobody logs in."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.delivery.smtp_answers import FailedError
from commentsvc.delivery.smtp_connections import SmtpConnections, Times
from commentsvc.operations.doctor.findings import Finding, fault, ok, warning

TIMES: Final = Times(step=5, total=10)


async def check_mail(config: Config) -> AsyncIterator[Finding]:
    """Yield whether the mail server can be reached, and encrypts."""
    server = config.mail_server
    if server is None:
        return
    stranger = dataclasses.replace(server, user="", password="")
    connections = SmtpConnections(stranger, config.mail_sender.email.domain(), TIMES)
    try:
        async with connections.lend():
            pass
    except FailedError as failed:
        yield fault("mail", failed.outcome.error or "The mail server refuses.", "commentsvc mail test ADDRESS")
        return
    except TimeoutError:
        yield fault("mail", f"The mail server {server.host} does not answer.", "Correct COMMENTSVC_SMTP_URL.")
        return
    finally:
        await connections.close()
    if server.encryption == "off" and server.host not in {"localhost", "127.0.0.1", "::1"}:
        yield warning("mail", "Mails go to the mail server unencrypted.", "Remove ?tls=off from COMMENTSVC_SMTP_URL.")
    yield ok("mail", f"The mail server {server.host} answers.")
