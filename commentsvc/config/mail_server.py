"""Read the settings of mail: the address of the mail server, and the sender."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from commentsvc.config import PREFIX
from commentsvc.config.postgres_url import ESCAPES
from commentsvc.domain import urls
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError, InvalidValue
from commentsvc.domain.fields import Limits, parse_email
from commentsvc.domain.text import clean_line

Encryption: TypeAlias = Literal["starttls", "tls", "off"]

VARIABLE: Final = f"{PREFIX}SMTP_URL"
SENDER: Final = f"{PREFIX}MAIL_FROM"
EXAMPLE: Final = "smtp://user:password@mail.example:587"
PORTS: Final[dict[Encryption, int]] = {"starttls": 587, "tls": 465, "off": 25}  # RFC 8314, 7
MAX_PORT: Final = 65_535
# In a user name or password, these must be escaped; an @ too, or nobody knows where the host begins.
_UNESCAPED: Final = re.compile(r"[@/?#\[\] ]|%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@]+)(?::(?P<port>[^:]*))?")
_SENDER: Final = re.compile(r"""(?P<name>[^<>"]*|"[^<>"]*"\s*)<(?P<address>[^<>]+)>|(?P<bare>[^<>\s]+)""")


@dataclass(frozen=True)
class MailServer:
    """The mail server that sends our mails, and the user who logs in. Its text does not show the password."""

    host: str
    port: int
    encryption: Encryption
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class MailFrom:
    """The sender of all mails."""

    email: Email
    name: str = ""


def parse_smtp_url(text: str) -> MailServer:
    """Return the mail server that a URL names.

    Raises:
        ConfigurationError: the URL is wrong. The message never has a part that could be the password.
    """
    try:
        return _parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{VARIABLE} {error}") from None


def _parse(text: str) -> MailServer:
    scheme = re.match(r"(smtps?)://", text)
    if not scheme:
        raise ValueError(f"must start with smtp:// or smtps://, such as {EXAMPLE}")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("must be one address, without spaces. In a password, write a space as %20.")
    login, at, rest = text[scheme.end() :].rpartition("@")
    if found := sorted(set(_UNESCAPED.findall(login))):
        cures = ", ".join(f"{one} as {ESCAPES[one]}" for one in found)
        raise ValueError(f"has {' and '.join(found)} in its user name or password. Write {cures}.")
    place, _, query = rest.partition("?")
    user, colon, password = login.partition(":")
    if at and not (user and password):
        raise ValueError(f"must have a user and a password before the @, or neither: {EXAMPLE}")
    encryption = _read_encryption(scheme[1], query)
    host, port = _read_place(place.removesuffix("/"), encryption)
    server = MailServer(host, port, encryption, _unescape(user), _unescape(password) if colon else "")
    if user and encryption == "off" and not _is_near(host):
        raise ValueError("would send the password without encryption. Remove ?tls=off.")
    return server


def _read_encryption(scheme: str, query: str) -> Encryption:
    if query not in {"", "tls=off"}:
        raise ValueError("can end with ?tls=off, and with nothing else after its host and port.")
    if scheme == "smtps":
        if query:
            raise ValueError("has ?tls=off, but smtps:// means TLS. Write smtp:// to send without encryption.")
        return "tls"
    return "off" if query else "starttls"


def _read_place(place: str, encryption: Encryption) -> tuple[str, int]:
    found = _HOST.fullmatch(place)
    if not found:
        raise ValueError(f"must name the host of the mail server, such as {EXAMPLE}")
    port = found["port"]
    if port is not None and not (re.fullmatch("[1-9][0-9]{0,4}", port) and int(port) <= MAX_PORT):
        raise ValueError(f"must have a port from 1 to {MAX_PORT} after the host, or none.")
    try:
        host = urls.normalise_host(found["name"].strip("[]")).strip("[]")
    except ValueError:
        raise ValueError(f"must have the name of a host, such as {EXAMPLE}") from None
    return host, int(port) if port else PORTS[encryption]


def _unescape(text: str) -> str:
    decoded = unquote(text, errors="replace")
    if re.search(r"[\x00-\x1f\x7f\ufffd]", decoded):
        raise ValueError("has a wrong character in its user name or password. Escape its bytes in UTF-8.")
    return decoded


def _is_near(host: str) -> bool:
    """Return whether a host is on this computer or in a private network, such as a container's."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return urls.is_local(host) or "." not in host


def parse_mail_from(text: str) -> MailFrom:
    """Return the sender of all mails, given as an address or as ``Name <address>``.

    Raises:
        ConfigurationError: it is something else.
    """
    found = _SENDER.fullmatch(text.strip())
    try:
        email = parse_email(found["address"] or found["bare"], Limits()) if found else None
        name = clean_line((found["name"] or "").strip().strip('"')) if found else ""
    except InvalidValue:
        email = None
    if email is None:
        raise ConfigurationError(
            f"{SENDER} must be an email address, such as comments@example.com, or: Comments <comments@example.com>"
        )
    if not email.reveal().rpartition("@")[0].isascii():
        raise ConfigurationError(f"{SENDER} must have only ASCII letters before the @: few servers send from others.")
    return MailFrom(email, name)
