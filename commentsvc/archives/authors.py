"""The authors of an archive: each has one id here, and an encrypted email address. Most write many comments."""

import uuid
from functools import lru_cache
from typing import Final

from commentsvc.domain import initials
from commentsvc.domain.email_address import Email
from commentsvc.service import Service

MOST_KEPT: Final = 16_384


class Authors:
    """Finds what belongs to authors, and keeps it for their next comments."""

    def __init__(self, service: Service) -> None:
        self._keyring = service.keyring
        self._new_id = service.new_id
        self.seal = lru_cache(MOST_KEPT)(self._seal)
        self.find_hue = lru_cache(MOST_KEPT)(initials.find_hue)
        self._derive_id = lru_cache(MOST_KEPT)(self._derive)

    def find_id(self, source: str, author: str | None, email: str | None) -> str:
        """Return the same id for the same author. A name alone makes nobody the same."""
        if author:
            return self._derive_id(f"{source}\n{author}")
        return self._derive_id(email.lower()) if email else self._new_id()

    def _seal(self, email: str) -> tuple[str, str]:
        """Return an email address encrypted, and its digest."""
        address = Email(email)
        return self._keyring.seal(address), self._keyring.digest(address)

    def _derive(self, known: str) -> str:
        digest = self._keyring.body_digests(f"imported author\n{known}")[0].rpartition(":")[2]
        # UUIDv8 (RFC 9562, 5.8): from a digest by the secret key, so nobody can guess addresses from it.
        number = int(digest[:32].ljust(32, "0"), 16) & ~(0xF << 76) & ~(0b11 << 62)
        return str(uuid.UUID(int=number | 8 << 76 | 0b10 << 62))
