"""The audit log: a hash chain of entries.

An entry holds ids, statuses and versions. Its hash covers these and the hash of the previous entry, so nobody can
change, remove or insert an entry without computing all later ones again. A note is stored beside the chain with a
salt; the chain holds only its salted digest. So a note can be erased without breaking the chain, but not changed.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.models import Actor, ActorKind, Comment
from commentsvc.service import private_read
from commentsvc.storage import audit
from commentsvc.storage.audit import Entry
from commentsvc.storage.database import PrivateRead, Write

OPERATOR: Final = Actor(ActorKind.PERSON, None, "operator")  # the user of the command line
SETTINGS: Final = Actor(ActorKind.SYSTEM, None, "settings")  # changes that the settings make at start
MOST_CHANGES: Final = 250  # in one entry, which limits the size of a page of entries


async def add_entry(
    unit: Write,
    *,
    actor: Actor,
    verb: str,
    site_id: str | None,
    body: Mapping[str, Any],
    note: str | None = None,
    texts: Mapping[str, str | None] | None = None,
) -> None:
    """Append an entry. Do this last in a unit of work: other units that log wait until it ends.

    ``body`` is never erased: ids, verbs, statuses, versions and numbers only. Text goes into ``note``, or into
    ``texts`` (by name) if it is never shown; of these only salted digests are stored. Never put an email
    address there: a guess of it could be checked against the digest.
    """
    all_texts = {**(texts or {}), **({"note": note} if note else {})}
    salt = secrets.token_hex(16) if any(all_texts.values()) else None
    digests = {name: salted_digest(salt, text) if text else None for name, text in all_texts.items()}
    seq, previous = await audit.next_sequence(unit)
    entry = Entry(
        seq=seq,
        created_at=unit.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        verb=verb,
        site_id=site_id,
        body=msgspec.json.encode({**body, **digests}, order="deterministic").decode(),
        previous=previous,
        hash="",
        salt=salt,
        note=note or None,
    )
    await audit.add(unit, msgspec.structs.replace(entry, hash=entry_hash(entry)))


async def add_status_changes(
    unit: Write,
    *,
    actor: Actor,
    verb: str,
    changes: Sequence[tuple[Comment, Comment]],
    action_id: str | None = None,
    why: str | None = None,
) -> None:
    """Append entries for changed comments, given before and after the change. Append none if nothing changed.

    Each site has an entry of its own, and several if there are many comments.
    The body is ``{"action": id, "items": [[comment, from, to, version], …]}``.
    """
    items: dict[str, list[Any]] = {}
    for before, after in changes:
        items.setdefault(before.site_id, []).append(change_item(before, after))
    for site_id, site_items in items.items():
        for start in range(0, len(site_items), MOST_CHANGES):
            body: dict[str, Any] = {"action": action_id} if action_id else {}
            body["items"] = site_items[start : start + MOST_CHANGES]
            await add_entry(unit, actor=actor, verb=verb, site_id=site_id, body=body, note=why)


def change_item(before: Comment, after: Comment) -> list[Any]:
    """Return the change of one comment, as entries store it."""
    return [before.id, before.status, after.status, after.version]


def entry_hash(entry: Entry) -> str:
    """Return the hash of an entry: SHA-256 over its fields and the previous hash.

    Each is encoded as a netstring (https://cr.yp.to/proto/netstrings.txt; None is ``-,``), so no two different entries
    give the same bytes.
    """
    actor = (entry.actor_kind, entry.actor_id, entry.actor_name)
    fields = (str(entry.seq), entry.created_at, *actor, entry.verb, entry.site_id, entry.body, entry.previous)
    return hashlib.sha256(b"".join(map(_netstring, fields))).hexdigest()


def salted_digest(salt: str | None, text: str) -> str:
    """Return the digest that the chain holds of a text."""
    return hashlib.sha256(_netstring(salt) + _netstring(text)).hexdigest()


def _netstring(text: str | None) -> bytes:
    if text is None:
        return b"-,"
    raw = text.encode()
    return b"%d:%b," % (len(raw), raw)


@private_read
async def read_head(unit: PrivateRead) -> tuple[int, str]:
    """Return the number of entries, and the hash of the newest.

    A copy of this hash, stored elsewhere, proves later that the log up to here is unchanged.
    """
    return await audit.get_head(unit)
