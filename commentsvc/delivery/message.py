"""A mail as the bytes that a mail server gets (RFC 5322, RFC 2045)."""

import re
from base64 import encodebytes
from binascii import b2a_qp
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime
from secrets import token_hex
from typing import Final

from commentsvc.config.mail_server import MailFrom
from commentsvc.delivery.headers import FOLD, encode_name, encode_subject
from commentsvc.delivery.mail import Mail
from commentsvc.domain.email_address import Email
from commentsvc.domain.text import escape_surrogates

BODY_HEADERS: Final = ("MIME-Version", "Content-Type")
MOST_ASCII: Final = 126
_SAFE_ADDRESS: Final = re.compile(r"(?!.*=\?)[^\s\x00-\x20\x7f-\x9f<>(),;:\\\"]{1,254}")
_OWN_LINK: Final = re.compile(r"https?://[!-;=?-~]{1,900}")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9-]{2,20}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class UnsafeMailError(Exception):
    """A mail that cannot be written without a risk. It is a fault of this program."""


def build_message(mail: Mail, sender: MailFrom, message_id: str, written_at: datetime) -> bytes:
    """Return a mail as bytes with CRLF, in ASCII but for an address that is not.

    ``message_id`` is the same at every attempt, so that a second copy can be recognised.

    Raises:
        UnsafeMailError: an address or a link has characters that it must not have, or there is an unexpected header.
    """
    headers = _list_headers(mail, sender, message_id, written_at)
    block = "".join(f"{name}: {value}\r\n" for name, value in headers)
    raw = block.encode() + _write_body(mail)
    _require_headers(raw, [name for name, _ in headers])
    return raw


def write_address(email: Email) -> str:
    """Return an address with its domain in ASCII.

    Raises:
        UnsafeMailError: it has characters that could end it.
    """
    local, _, _ = email.reveal().rpartition("@")
    address = f"{local}@{email.domain()}"
    if not _SAFE_ADDRESS.fullmatch(address) or "@" in local:
        raise UnsafeMailError("an address has a character that is not allowed")
    return address


def _list_headers(mail: Mail, sender: MailFrom, message_id: str, written_at: datetime) -> list[tuple[str, str]]:
    own = write_address(sender.email)
    name = encode_name(mail.sender_name or sender.name)
    if not _LANGUAGE.fullmatch(mail.language):
        raise UnsafeMailError("this is not a language")
    headers = [
        ("Date", format_datetime(written_at)),
        ("From", f"{name}{FOLD}<{own}>" if name else own),
        ("To", write_address(mail.to)),
        ("Subject", encode_subject(mail.subject)),
        ("Message-ID", f"<{message_id}@{sender.email.domain()}>"),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: no out-of-office notes
        ("X-Auto-Response-Suppress", "All"),  # the same for Exchange, which does not know the one above
        ("Content-Language", mail.language),
    ]
    if mail.unsubscribe_url:
        if not _OWN_LINK.fullmatch(mail.unsubscribe_url):
            raise UnsafeMailError("this is not a link")
        headers.append(("List-Unsubscribe", f"<{mail.unsubscribe_url}>"))
        if mail.one_click:
            headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058, 3.1
    return headers


def _write_body(mail: Mail) -> bytes:
    """Return the headers and the parts of the body: the plain text, then HTML. Programs show the last one they can."""
    boundary = f"=_{token_hex(12)}"  # in neither encoding, "=" comes before "_"
    parts = [_write_part(boundary, "plain", mail.text), _write_part(boundary, "html", mail.html)]
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'
    return f"{head}{''.join(parts)}--{boundary}--\r\n".encode()


def _write_part(boundary: str, kind: str, text: str) -> str:
    text = _clean_body(text)
    encoding, body = _encode_body(text if text.endswith("\n") else f"{text}\n")
    return (
        f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
    )


def _clean_body(text: str) -> str:
    return _CONTROL.sub("", escape_surrogates(text.replace("\r\n", "\n").replace("\r", "\n")))


def _encode_body(text: str) -> tuple[str, str]:
    """Return the shorter of the two encodings that pass every server, by its name. Both have lines of 76 characters."""
    raw = text.encode()
    if 3 * sum(byte > MOST_ASCII for byte in raw) < len(raw):
        return "quoted-printable", b2a_qp(raw).decode().replace("\n", "\r\n")
    return "base64", encodebytes(raw.replace(b"\n", b"\r\n")).decode().replace("\n", "\r\n")


def _require_headers(raw: bytes, names: list[str]) -> None:
    """Refuse a message that a program could read with other headers than ours."""
    found = BytesHeaderParser().parsebytes(raw)
    if found.keys() != [*names, *BODY_HEADERS] or found.defects:
        raise UnsafeMailError("the message has unexpected headers")
