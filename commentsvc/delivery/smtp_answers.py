"""Answers of mail servers, and of the network, in words for operators and moderators.

No text here has an email address: servers like to repeat the recipient's in an answer.
"""

import re
import ssl
from typing import Final

import aiosmtplib

from commentsvc.config.mail_server import MailServer
from commentsvc.delivery.headers import clean_text
from commentsvc.domain.deliveries import Outcome, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.domain.text import shorten

MOST_ANSWER: Final = 200  # characters
UNAVAILABLE: Final = 421
NO_LOGIN: Final = 530
TRANSIENT: Final = range(400, 500)
PERMANENT: Final = range(500, 600)
# Anything with an at sign, also in the forms of forwarded addresses and of HTML.
_ADDRESS: Final = re.compile(
    r"\S*(?:[@\uff20\ufe6b]|=40|%40|&#0*64;|&#x0*40;|&commat;|\(at\)|\[at\])\S*", re.IGNORECASE
)
# Enhanced status codes (RFC 3463, 3.8) about security and policy: the settings or the relay are wrong, not the address.
_POLICY: Final = re.compile(r"[45]\.7\.\d+\b")
_POLICY_CODES: Final = frozenset({NO_LOGIN, 534, 535, 538})
# About the address or the mailbox of the recipient (RFC 3463, 3.2 and 3.3), such as one that is full.
_MAILBOX: Final = re.compile(r"[45]\.[12]\.\d+\b")
# Too much was sent (RFC 3463, 3.5). Providers refuse each mail with a permanent code then, until the next day.
_QUOTA: Final = re.compile(r"[45]\.4\.5\b")


class FailedError(Exception):
    """An attempt to send a mail failed; ``outcome`` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


def clean_answer(code: int, answer: str, recipient: Email | None = None) -> str:
    """Return the code and the words of a server on one short line, without addresses."""
    text = _ADDRESS.sub("…", clean_text(answer, 8 * MOST_ANSWER))
    if recipient:
        local = re.escape(recipient.reveal().rpartition("@")[0])
        text = re.sub(rf"(?<!\w){local}(?!\w)", "…", text, flags=re.IGNORECASE)
    return shorten(f"{code} {text}".strip(), MOST_ANSWER)


def unreachable(server: MailServer, error: BaseException) -> Outcome:
    """Return the outcome if no connection could be made."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return broken_tls(server, cause)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return channel_failed(
            f"The mail server {server.place} did not accept the connection: {clean_answer(error.code, error.message)}",
            error.code,
        )
    if isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(cause, OSError) and not isinstance(cause, aiosmtplib.SMTPException):
        reason = clean_text(cause.strerror or "the connection failed", MOST_ANSWER).lower()
    else:
        reason = "it closed the connection"
    return channel_failed(
        f"The mail server {server.place} cannot be reached: {reason}. "
        "Check host and port in COMMENTSVC_SMTP_URL, and the firewall."
    )


def broken_tls(server: MailServer, error: BaseException) -> Outcome:
    """Return the outcome if the connection could not be encrypted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = clean_text(error.verify_message or "unknown", MOST_ANSWER).rstrip(".")
        return channel_failed(
            f"The certificate of the mail server {server.place} is not valid: {reason}. "
            "Use the name that the certificate has. SSL_CERT_FILE can name a file of certificates to trust."
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        answer = clean_answer(error.code, error.message)
        return channel_failed(f"The mail server {server.place} refused to start TLS: {answer}", error.code)
    if isinstance(error, ssl.SSLError) and server.encryption == "tls":
        return channel_failed(
            f"The mail server {server.place} does not use TLS from the start. "
            "For port 587 or 25, write smtp:// in COMMENTSVC_SMTP_URL."
        )
    if isinstance(error, OSError):  # the connection broke, or was too slow
        return channel_failed(f"The mail server {server.place} failed to start TLS.")
    return channel_failed(
        f"The mail server {server.place} offers no encryption (STARTTLS). For port 465, write smtps:// in "
        "COMMENTSVC_SMTP_URL. For a server on your own computer or network, add ?tls=off."
    )


def refused_login(server: MailServer, error: aiosmtplib.SMTPException) -> Outcome:
    """Return the outcome if the server did not let us log in."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        answer = clean_answer(error.code, error.message).rstrip(".")
        advice = "" if error.code in TRANSIENT else " Check user and password in COMMENTSVC_SMTP_URL."
        return channel_failed(f"The mail server {server.place} refused the login: {answer}.{advice}", error.code)
    return channel_failed(
        f"The mail server {server.place} offers no login. Remove user and password from COMMENTSVC_SMTP_URL."
    )


def lost(server: MailServer, error: BaseException) -> Outcome:
    """Return the outcome if the connection broke, or was too slow, while a mail was sent."""
    reason = "did not answer in time" if isinstance(error, TimeoutError) else "closed the connection"
    return channel_failed(f"The mail server {server.place} {reason} while a mail was sent.")


def refused_sender(code: int, answer: str) -> Outcome:
    """Return the outcome if the server does not send mails of our sender, or of somebody who has not logged in."""
    if code == NO_LOGIN:
        return channel_failed(
            f"The mail server wants a login: {clean_answer(code, answer)}. "
            "Add user and password to COMMENTSVC_SMTP_URL.",
            code,
        )
    if nothing_now := _nothing_now(code, answer):
        return nothing_now
    error = f"The mail server refused the sender: {clean_answer(code, answer).rstrip('.')}."
    return channel_failed(f"{error} Check COMMENTSVC_MAIL_FROM." if code in PERMANENT else error, code)


def refused_recipient(code: int, answer: str, recipient: Email) -> Outcome:
    """Return the outcome if the server did not accept the recipient: given up if the address is to blame."""
    is_policy = code in _POLICY_CODES or _POLICY.match(answer) is not None
    state = ParcelState.DEAD if code in PERMANENT and not is_policy else ParcelState.WAITING
    error = f"The mail server refused the recipient: {clean_answer(code, answer, recipient)}"
    is_theirs = _MAILBOX.match(answer) is not None
    outcome = Outcome(state=state, of_recipient=is_theirs, status_code=code, error=error)
    return _nothing_now(code, answer, recipient) or outcome


def refused_content(code: int, answer: str, recipient: Email) -> Outcome:
    """Return the outcome if the server did not accept the mail itself."""
    state = ParcelState.DEAD if code in PERMANENT else ParcelState.WAITING
    error = f"The mail server refused the mail: {clean_answer(code, answer, recipient)}"
    return _nothing_now(code, answer, recipient) or Outcome(state=state, status_code=code, error=error)


def _nothing_now(code: int, answer: str, recipient: Email | None = None) -> Outcome | None:
    """Return the outcome if the server accepts no mail from us for some time; None if it refused only this one."""
    if code == UNAVAILABLE:
        return channel_failed(f"The mail server is not available: {clean_answer(code, answer, recipient)}", code)
    if _QUOTA.match(answer):
        return channel_failed(
            f"The mail server accepts no more mails for some time: {clean_answer(code, answer, recipient)}", code
        )
    return None


def given_up(error: str) -> Outcome:
    """Return the outcome of a mail that cannot be sent to its recipient at all."""
    return Outcome(state=ParcelState.DEAD, error=error)


def channel_failed(error: str, code: int | None = None) -> Outcome:
    """Return the outcome if no mail can be sent now."""
    return Outcome(state=ParcelState.WAITING, channel_failed=True, status_code=code, error=error)
