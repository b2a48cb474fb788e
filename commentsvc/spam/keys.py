"""The keys of comments in memory: hashes of fingerprints, with a random key of this database.

The key is encrypted with the secret keys, so a copy of the database alone does not tell whether it remembers a text.
"""

import hashlib
import logging
import secrets
from typing import Final

from msgspec import Struct

from commentsvc.spam.near_text import Fingerprint
from commentsvc.storage import memory_keys
from commentsvc.storage.database import PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
KEY_BYTES: Final = 32


class KeptKey:
    """The key of the hashes, once it was read."""

    def __init__(self) -> None:
        self.key: bytes | None = None


class Keys(Struct, frozen=True):
    """The hashes of a comment: of its text, of what texts nearly the same share, and of each host."""

    text: int | None  # None: readers see no text
    bands: tuple[int, ...]
    hosts: dict[str, int]

    def list_all(self) -> list[int]:
        """Return every hash, each once."""
        texts = [] if self.text is None else [self.text]
        return list(dict.fromkeys([*texts, *self.bands, *self.hosts.values()]))


NONE: Final = Keys(None, (), {})


async def find_key(unit: PrivateRead) -> bytes | None:
    """Return the key of the hashes; None if it was not made yet, or no secret key opens it."""
    kept = unit.part(KeptKey)
    if kept.key is None:
        sealed = await memory_keys.find_key(unit)
        kept.key = _open(unit, sealed) if sealed else None
    return kept.key


async def prepare_key(unit: Write) -> None:
    """Make the key of the hashes, unless it exists. If the secret key that encrypts it is lost, make another one.

    Memory is then filled again in the background, without comments that were erased for their age.
    """
    sealed = await memory_keys.find_key(unit)
    new = unit.keyring.encrypt_text(secrets.token_hex(KEY_BYTES))
    if sealed is None:
        await memory_keys.add_key(unit, new)
    elif _open(unit, sealed) is None:
        LOG.warning(
            "no secret key opens the key of the memory of decisions: a new one was made. Memory is filled again from "
            "the comments that are still here."
        )
        await memory_keys.start_again(unit, new)


async def reseal_key(unit: Write) -> None:
    """Encrypt the key of the hashes with the newest secret key."""
    sealed = await memory_keys.find_key(unit)
    text = unit.keyring.decrypt_text(sealed) if sealed else None
    if sealed and text is not None:
        await memory_keys.replace_sealed(unit, sealed, unit.keyring.encrypt_text(text))


def _open(unit: PrivateRead, sealed: str) -> bytes | None:
    text = unit.keyring.decrypt_text(sealed)
    return bytes.fromhex(text) if text is not None else None


def hash_fingerprint(key: bytes, site_id: str, found: Fingerprint) -> Keys:
    """Return the hashes of a fingerprint. The same text has other hashes on another site."""
    site = f"{site_id} ".encode()

    def number(kind: bytes, value: bytes) -> int:
        digest = hashlib.blake2b(site + value, digest_size=8, key=key, person=kind).digest()
        return int.from_bytes(digest, signed=True)

    return Keys(
        number(b"text", found.text.encode()) if found.text else None,
        tuple(number(b"band", band) for band in found.bands),
        {host: number(b"host", host.encode()) for host in found.all_hosts},
    )
