"""Encryption and keyed digests of email addresses, and signed tokens.

All of it is derived from the secret keys, which are never stored in the database. Several keys may be listed, newest
first: the newest key encrypts, and every listed key decrypts.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.errors import ConfigurationError

MIN_SECRET_LENGTH: Final = 32
MAC_BYTES: Final = 18
FINGERPRINT_LENGTH: Final = 12
DIGEST_BYTES: Final = 16  # 128 bits: collisions are out of reach, and short keys make an index small

Purpose = Literal[
    "edit",
    "author",
    "receipt",
    "form",
    "csrf",
    "decide",
    "confirm",
    "unsubscribe",
    "own_comments",
    "proof",
    "sign_in",
    "doctor",
]
TEXT_PREFIX: Final = b"text:"  # keeps encrypted texts apart from encrypted addresses
PREFIX: Final[dict[Purpose, str]] = {
    "edit": "ct_", "author": "ca_", "receipt": "cr_", "form": "cf_", "csrf": "cx_",
    # Of links in mails: a decision, a confirmation, subscriptions, one's own comments; and a confirmed address.
    "decide": "cd_", "confirm": "cc_", "unsubscribe": "cu_", "own_comments": "co_", "proof": "cp_",
    "sign_in": "cl_", "doctor": "ce_",
}  # fmt: skip


@dataclass(frozen=True)
class Secret:
    """A secret key. Each purpose uses a key of its own, derived from it."""

    text: str

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def derive_key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose (HMAC-SHA-256, the extract step of RFC 5869)."""
        return self._derived_keys(purpose)

    @cached_property
    def _derived_keys(self) -> Callable[[str], bytes]:
        # A comment needs six keys: this saves 10 µs. They stay in memory with the secret that they are derived from,
        # and no longer.
        return lru_cache(maxsize=64)(
            lambda purpose: hmac.digest(self.text.encode(), f"commentsvc/{purpose}".encode(), "sha256")
        )

    @cached_property
    def fingerprint(self) -> str:
        """Return 12 hex digits that identify this key and reveal nothing about it."""
        return self.derive_key("fingerprint").hex()[:FINGERPRINT_LENGTH]

    @cached_property
    def fernet(self) -> Fernet:
        """Return the cipher for this key: AES-128-CBC with HMAC-SHA-256."""
        return Fernet(base64.urlsafe_b64encode(self.derive_key("seal")))


class Keyring:
    """The secret keys in use, newest first."""

    def __init__(self, texts: list[str]) -> None:
        """Create a keyring from the configured keys.

        Raises:
            ConfigurationError: there is no key, or a key is too short.
        """
        if not texts or any(len(text) < MIN_SECRET_LENGTH for text in texts):
            raise ConfigurationError(
                f"COMMENTSVC_SECRET_KEY must hold at least {MIN_SECRET_LENGTH} characters per key. "
                "Separate several keys by spaces, newest first. Generate a key with: openssl rand -base64 48"
            )
        self._secrets = [Secret(text) for text in texts]
        self._cipher = MultiFernet([secret.fernet for secret in self._secrets])

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.fingerprints)})"

    @property
    def fingerprints(self) -> list[str]:
        """Return the fingerprint of each key, newest first."""
        return [secret.fingerprint for secret in self._secrets]

    def seal(self, email: Email) -> str:
        """Encrypt an address with the newest key."""
        return self._cipher.encrypt(email.reveal().encode()).decode()

    def unseal(self, sealed: str) -> Email:
        """Decrypt an address. Return ``UNREADABLE`` if it is damaged, or if its key is not listed."""
        try:
            return Email(self._cipher.decrypt(sealed.encode()).decode())
        except (InvalidToken, ValueError):
            return UNREADABLE

    def encrypt_text(self, text: str) -> str:
        """Encrypt a text so that it can be part of a URL; only ``decrypt_text`` reads it.

        It begins with the fingerprint of the newest key, so that SQL finds what each key encrypts.
        """
        return f"{self.fingerprints[0]}.{self._cipher.encrypt(TEXT_PREFIX + text.encode()).decode()}"

    def decrypt_text(self, encrypted: str) -> str | None:
        """Return the text, or None if ``encrypt_text`` did not make this value with a listed key."""
        try:
            plain = self._cipher.decrypt(encrypted[FINGERPRINT_LENGTH + 1 :].encode())
        except InvalidToken:
            return None
        return plain.removeprefix(TEXT_PREFIX).decode() if plain.startswith(TEXT_PREFIX) else None

    def digest(self, email: Email) -> str:
        """Return the keyed digest by which an address is looked up: ``fingerprint:hex``."""
        return self.digests(email)[0]

    def digests(self, email: Email) -> list[str]:
        """Return an address's digest by every key, newest first, so that rows from before a key rotation are found."""
        return [_digest(secret, "email", email.casefolded()) for secret in self._secrets]

    def body_digests(self, text: str) -> list[str]:
        """Return the keyed digests of a request body, which may hold an address, by every key, newest first."""
        return [_digest(secret, "body", text) for secret in self._secrets]

    def network_digest(self, address: str, period: int) -> str:
        """Return a digest of an IP address that is the same within one retention period only."""
        return _digest(self._secrets[-1], f"network/{period}", address)

    @property
    def work_keys(self) -> list[tuple[str, str]]:
        """Return (challenge key, solution key) as hex for the proof of work, by every secret key, newest first."""
        return [
            (secret.derive_key("work/challenge").hex(), secret.derive_key("work/solution").hex())
            for secret in self._secrets
        ]

    @property
    def reader_login(self) -> tuple[str, str]:
        """Return name and password of the PostgreSQL role for readers. Each secret key has a role of its own."""
        newest = self._secrets[0]
        return f"commentsvc_public_{newest.fingerprint}", newest.derive_key("postgres/reader").hex()

    def token(self, purpose: Purpose, subject: str, until: datetime | None = None, *, site_id: str = "") -> str:
        """Return a token for ``subject`` (a UUID), valid on one site if given.

        The same arguments always give the same token.
        """
        body = uuid.UUID(subject).bytes + _encode_expiry(until)
        return PREFIX[purpose] + _encode_base64url(body + _mac(self._secrets[0], purpose, body, site_id))

    def subject(self, purpose: Purpose, token: str, now: datetime, *, site_id: str = "") -> str | None:
        """Return the subject of a token; None if it is forged, expired, or for another purpose or site."""
        raw = _decode_base64url(token.removeprefix(PREFIX[purpose])) if token.startswith(PREFIX[purpose]) else b""
        body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        valid = [hmac.compare_digest(mac, _mac(secret, purpose, body, site_id)) for secret in self._secrets]
        # The last condition rejects other Base64 spellings of the same bytes.
        if len(body) not in {16, 24} or not any(valid) or token != PREFIX[purpose] + _encode_base64url(raw):
            return None
        if body[16:] and int.from_bytes(body[16:]) < now.timestamp():
            return None
        return str(uuid.UUID(bytes=body[:16]))


def new_secret() -> str:
    """Return a new secret key."""
    return secrets.token_urlsafe(48)


def new_api_key() -> str:
    """Return a new API key. Scanners of leaked secrets recognise the prefix ``cs_``."""
    return f"cs_{secrets.token_urlsafe(32)}"


def new_token() -> str:
    """Return a new random token for a sign-in link or a session cookie."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the hash under which a random token is stored. It has 256 random bits, so one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def text_digest(*parts: str) -> str:
    """Return a digest of public text, to find the same text again. Without a key: not for private data."""
    framed = b"".join(len(part).to_bytes(4) + part.encode() for part in parts)
    return hashlib.blake2b(framed, digest_size=16).hexdigest()


def equal_in_constant_time(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape"))


def _digest(secret: Secret, purpose: str, text: str) -> str:
    digest = hmac.digest(secret.derive_key(purpose), text.encode(), "sha256")[:DIGEST_BYTES]
    return f"{secret.fingerprint}:{digest.hex()}"


def _mac(secret: Secret, purpose: str, body: bytes, site_id: str) -> bytes:
    return hmac.digest(secret.derive_key(f"token/{purpose}"), body + site_id.encode(), "sha256")[:MAC_BYTES]


def _encode_expiry(until: datetime | None) -> bytes:
    return b"" if until is None else int(until.astimezone(UTC).timestamp()).to_bytes(8)


def _encode_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
