"""Names of moderators and keys. No two actors may have names that people take for the same."""

from typing import Final

from commentsvc.domain.confusables import impression
from commentsvc.domain.errors import Conflict, FieldError, Invalid
from commentsvc.storage import api_keys, moderators
from commentsvc.storage.database import PrivateRead

FIRST_MODERATOR: Final = "owner"
# Actors that are not moderators, and the first moderator, who may not exist yet.
RESERVED_NAMES: Final = ("operator", "COMMENTSVC_ADMIN_KEY", FIRST_MODERATOR)
RESERVED: Final = frozenset(map(impression, RESERVED_NAMES))


def reserved_name() -> Invalid:
    """Return the error for a reserved name."""
    return Invalid(FieldError("name", "name_taken", "This name is reserved. Choose another."))


async def require_key_name(unit: PrivateRead, name: str, moderator_id: str | None) -> None:
    """Check that a key's name is not like that of a moderator, present or removed, or of a reserved actor.

    ``moderator_id`` is the owner of the key: it may have the owner's name.

    Raises:
        Invalid: for the field ``name``.
    """
    looks = impression(name)
    rows = await moderators.list_names(unit)
    if any(row["id"] == moderator_id and impression(row["name"]) == looks for row in rows):
        return
    if looks in RESERVED:
        raise reserved_name()
    if any(impression(row["name"]) == looks for row in rows):
        raise Invalid(FieldError("name", "name_taken", "This is a moderator's name, or looks like it. Choose another."))


async def require_moderator_name(unit: PrivateRead, name: str) -> None:
    """Check that a new moderator's name is not like that of another moderator, a valid key or a reserved actor.

    Raises:
        Invalid: for the field ``name``: it is reserved.
        Conflict: another moderator has or had it, or a valid key has it, or a name that looks like it.
    """
    looks = impression(name)
    if looks in RESERVED and name != FIRST_MODERATOR:
        raise reserved_name()
    if any(impression(row["name"]) == looks for row in await moderators.list_names(unit)):
        raise Conflict("This name is taken, or looks like a name that is taken. Choose another.")
    now = unit.now()
    for key in await api_keys.list_all(unit):
        valid = key["revoked_at"] is None and (key["expires_at"] is None or key["expires_at"] > now)
        if valid and impression(key["name"]) == looks:
            raise Conflict("An API key has this name, or one that looks like it. Revoke the key, or choose another.")
