"""Names of moderators and keys. No two actors may have names that people take for the same."""

import re
from typing import Final

from commentsvc.domain.confusables import impression, skeleton
from commentsvc.domain.errors import Conflict, FieldError, Invalid
from commentsvc.storage import api_keys, moderators
from commentsvc.storage.database import PrivateRead, Row

FIRST_MODERATOR: Final = "owner"
# Actors that are not moderators, and the first moderator, who may not exist yet.
RESERVED_NAMES: Final = (
    *("operator", "COMMENTSVC_ADMIN_KEY", FIRST_MODERATOR, "commenter", "the commenter", "settings"),
    *("external check", "the external check"),
)
# An import decides under the name of its format, written like the name of a person.
IMPORT_NAMES: Final = (
    *("wxr", "disqus", "twikoo", "waline", "valine", "isso", "remark42", "cusdis", "commento", "staticman"),
    *("wp2hugo", "artrans", "jsonl"),
)
RESERVED: Final = frozenset(map(impression, (*RESERVED_NAMES, *IMPORT_NAMES)))
# How the log writes actors that are not persons: ``API key “backup”``, ``Rule “Links”``, ``The system (settings)``.
LIKE_AN_ACTOR: Final = re.compile(r"(?:api key|rule|the system)\W*[^\w\s]")


def reserved_name() -> Invalid:
    """Return the error for a reserved name."""
    return Invalid(FieldError("name", "name_taken", "This name is reserved. Choose another."))


def _is_reserved(name: str) -> bool:
    return impression(name) in RESERVED or LIKE_AN_ACTOR.match(skeleton(name)) is not None


async def require_key_name(unit: PrivateRead, name: str, moderator_id: str | None, site_id: str | None) -> None:
    """Check that a key's name is not like that of a moderator, a reserved actor, or a valid key for the same comments.

    Moderators may be present or removed. ``moderator_id`` is the owner of the key: all their keys may have their name.
    ``site_id`` is the only site of the key: another key for that site, or for all sites, is in the same log.

    Raises:
        Invalid: for the field ``name``.
    """
    looks = impression(name)
    rows = await moderators.list_names(unit)
    if any(row["id"] == moderator_id and impression(row["name"]) == looks for row in rows):
        return
    if _is_reserved(name):
        raise reserved_name()
    if any(impression(row["name"]) == looks for row in rows):
        raise Invalid(FieldError("name", "name_taken", "This is a moderator's name, or looks like it. Choose another."))
    for key in await _list_valid_keys(unit):
        together = site_id is None or key["site_id"] in {None, site_id}
        same_actor = moderator_id is not None and key["moderator_id"] == moderator_id
        if together and not same_actor and impression(key["name"]) == looks:
            advice = "A key has this name, or one that looks like it. Choose another, or rotate that key."
            raise Invalid(FieldError("name", "name_taken", advice))


async def _list_valid_keys(unit: PrivateRead) -> list[Row]:
    now = unit.now()
    return [
        key
        for key in await api_keys.list_all(unit)
        if key["revoked_at"] is None and (key["expires_at"] is None or key["expires_at"] > now)
    ]


async def require_moderator_name(unit: PrivateRead, name: str) -> None:
    """Check that a new moderator's name is not like that of another moderator, a valid key or a reserved actor.

    Raises:
        Invalid: for the field ``name``: it is reserved.
        Conflict: another moderator has or had it, or a valid key has it, or a name that looks like it.
    """
    looks = impression(name)
    if _is_reserved(name) and name != FIRST_MODERATOR:
        raise reserved_name()
    if any(impression(row["name"]) == looks for row in await moderators.list_names(unit)):
        raise Conflict("This name is taken, or looks like a name that is taken. Choose another.")
    if any(impression(key["name"]) == looks for key in await _list_valid_keys(unit)):
        raise Conflict("An API key has this name, or one that looks like it. Revoke the key, or choose another.")
