"""Emails sealed and looked up without being read; tokens that prove something and name nobody.

Everything here comes from the secret keys, which never stand in the database. Several may be listed,
newest first: the newest seals, all of them open.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError

SHORTEST_SECRET: Final = 32
MAC_BYTES: Final = 18

Purpose = Literal["edit", "author", "receipt", "form", "csrf"]
PREFIX: Final[dict[Purpose, str]] = {"edit": "ct_", "author": "ca_", "receipt": "cr_", "form": "cf_", "csrf": "cx_"}


@dataclass(frozen=True)
class Secret:
    """One secret key and what is derived from it, each purpose apart from the others."""

    text: str

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def derived(self, purpose: str) -> bytes:
        """32 bytes for this purpose alone (HMAC-SHA-256 as the extract step of RFC 5869)."""
        return hmac.digest(self.text.encode(), f"commentsvc/{purpose}".encode(), "sha256")

    @cached_property
    def fingerprint(self) -> str:
        """Tells keys apart without telling anything of them."""
        return self.derived("fingerprint").hex()[:12]

    @cached_property
    def fernet(self) -> Fernet:
        """Authenticated encryption: AES-128-CBC with HMAC-SHA-256."""
        return Fernet(base64.urlsafe_b64encode(self.derived("seal")))


class Keyring:
    """The secret keys in use, newest first."""

    def __init__(self, texts: list[str]) -> None:
        """Take the operator's keys.

        Raises:
            Misconfigured: there is none, or one is too short to be secret.
        """
        if not texts or any(len(text) < SHORTEST_SECRET for text in texts):
            raise ConfigurationError(
                f"COMMENTSVC_SECRET_KEY must hold at least {SHORTEST_SECRET} characters in each key "
                "(several are separated by spaces, newest first). Make one with: openssl rand -base64 48"
            )
        self._secrets = [Secret(text) for text in texts]
        self._opener = MultiFernet([secret.fernet for secret in self._secrets])

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.fingerprints)})"

    @property
    def fingerprints(self) -> list[str]:
        """Of each key, newest first."""
        return [secret.fingerprint for secret in self._secrets]

    def seal(self, email: Email) -> str:
        """Encrypt an address with the newest key."""
        return self._opener.encrypt(email.reveal().encode()).decode()

    def unseal(self, sealed: str) -> Email:
        """Read a sealed address.

        Raises:
            ValueError: none of the keys sealed it.
        """
        try:
            return Email(self._opener.decrypt(sealed.encode()).decode())
        except InvalidToken:
            raise ValueError("sealed with a key that is not listed") from None

    def veil(self, text: str) -> str:
        """A text that may travel in an address: nobody but the service reads it."""
        return self._opener.encrypt(b"veil:" + text.encode()).decode()

    def unveil(self, veiled: str) -> str | None:
        """The text, or None if it was not veiled here."""
        try:
            plain = self._opener.decrypt(veiled.encode())
        except InvalidToken:
            return None
        return plain.removeprefix(b"veil:").decode() if plain.startswith(b"veil:") else None

    def digest(self, email: Email) -> str:
        """By which the address is found without being read; carries its key's fingerprint."""
        return self.digests(email)[0]

    def digests(self, email: Email) -> list[str]:
        """The same by every key, newest first: rows sealed before a rotation are found too."""
        return [_digest(secret, "email", email.folded()) for secret in self._secrets]

    def body_digests(self, text: str) -> list[str]:
        """What stands for a body that is compared later and may hold an address: by every key, newest first."""
        return [_digest(secret, "body", text) for secret in self._secrets]

    def network_digest(self, address: str, period: int) -> str:
        """Recognises an IP address within one retention period, and never beyond it."""
        return _digest(self._secrets[-1], f"network/{period}", address)

    @property
    def work_keys(self) -> list[tuple[str, str]]:
        """What signs a challenge, and what signs its solution; from every key, newest first. Text, for libraries."""
        return [
            (secret.derived("work/challenge").hex(), secret.derived("work/solution").hex()) for secret in self._secrets
        ]

    def token(self, purpose: Purpose, subject: str, until: datetime | None = None) -> str:
        """A token for the holder of ``subject`` (a UUID). Derived: the same question gives the same token."""
        body = uuid.UUID(subject).bytes + _seconds(until)
        return PREFIX[purpose] + _encoded(body + _mac(self._secrets[0], purpose, body))

    def subject(self, purpose: Purpose, token: str, now: datetime) -> str | None:
        """Whose token this is, or None if it is not one of ours, of another purpose, or too old."""
        raw = _decoded(token.removeprefix(PREFIX[purpose])) if token.startswith(PREFIX[purpose]) else b""
        body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        genuine = [hmac.compare_digest(mac, _mac(secret, purpose, body)) for secret in self._secrets]
        if len(body) not in {16, 24} or not any(genuine) or token != PREFIX[purpose] + _encoded(raw):
            return None  # the last: one token has one spelling
        if body[16:] and int.from_bytes(body[16:]) < now.timestamp():
            return None
        return str(uuid.UUID(bytes=body[:16]))


def new_secret() -> str:
    """A fresh secret key."""
    return secrets.token_urlsafe(48)


def new_api_key() -> str:
    """A fresh API key; ``cs_`` lets scanners of leaked secrets know it."""
    return f"cs_{secrets.token_urlsafe(32)}"


def new_token() -> str:
    """The secret part of a one-time sign-in link; or what a browser keeps while somebody is signed in."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """How a random token is kept. It has 256 bits of its own, so one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def text_digest(*parts: str) -> str:
    """What stands for public words, so that the same ones are found again."""
    framed = b"".join(len(part).to_bytes(4) + part.encode() for part in parts)
    return hashlib.blake2b(framed, digest_size=16).hexdigest()


def equal_in_constant_time(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape"))


def _digest(secret: Secret, purpose: str, text: str) -> str:
    return f"{secret.fingerprint}:{hmac.digest(secret.derived(purpose), text.encode(), 'sha256').hex()}"


def _mac(secret: Secret, purpose: str, body: bytes) -> bytes:
    return hmac.digest(secret.derived(f"token/{purpose}"), body, "sha256")[:MAC_BYTES]


def _seconds(until: datetime | None) -> bytes:
    return b"" if until is None else int(until.astimezone(UTC).timestamp()).to_bytes(8)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
