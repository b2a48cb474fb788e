"""Compute the digest that is stored with a row. It shows a changed byte: a database checks its pages, not its texts.

It protects against accidents of disks and copies, not against people: who can write a row can write its digest.
"""

from hashlib import blake2b
from typing import Final

SIZE: Final = 8  # bytes; an accident goes unnoticed once in 2^64 rows


def digest_row(*values: str | bytes | None) -> str:
    """Return the digest of the values of a row, in hex. Text and its bytes in UTF-8 have the same digest."""
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    whole = b"".join([b"-" if one is None else b"%d:%b" % (len(one), one) for one in encoded])
    return blake2b(whole, digest_size=SIZE).hexdigest()


def digest_email(comment_id: str, email_sealed: str | None) -> str | None:
    """Return the digest that is stored with an encrypted email address; None without one."""
    return None if email_sealed is None else digest_row(comment_id, email_sealed)
