"""Somebody asks who did what: the log is kept, read, and checked.

An entry says in ids, statuses and versions what changed, never in words. Its hash covers all of that and the
hash of the entry before, so none can be altered, taken away or slipped in unless all later ones are made anew.
Words, a note, stand beside the chain with a salt; inside it stands their digest alone. So they can be erased
and the chain stays whole; but they cannot be altered.
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

OPERATOR: Final = Actor(ActorKind.PERSON, None, "operator")  # who uses the command line
SETTINGS: Final = Actor(ActorKind.SYSTEM, None, "settings")  # what the settings say at start
MOST_CHANGES: Final = 250  # in one entry, so that a page of entries has an end


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
    """Append an entry. Do it last in a unit of work: from here on nobody else gets any further than here.

    ``body`` holds ids, verbs, statuses, versions, numbers: what may stay for ever. Words go into ``note``, or, where
    nobody needs to read them again, into ``texts``, by name: of these only salted digests are kept. Never put an
    address there: whoever guesses it can check the guess.
    """
    words = {**(texts or {}), **({"note": note} if note else {})}
    salt = secrets.token_hex(16) if any(words.values()) else None
    told = {**body, **{name: salted_digest(salt, text) if text else None for name, text in words.items()}}
    seq, previous = await audit.next_sequence(unit)
    entry = Entry(
        seq=seq,
        created_at=unit.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        verb=verb,
        site_id=site_id,
        body=msgspec.json.encode(told, order="deterministic").decode(),
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
    """Append what became of comments, each before and after: an entry a site, and of many comments several.

    ``{"action": id, "items": [[comment, from, to, version], …]}``. Where nothing changed there is nothing to say.
    """
    items: dict[str, list[Any]] = {}
    for before, after in changes:
        items.setdefault(before.site_id, []).append(change_item(before, after))
    for site_id, all_of_it in items.items():
        for start in range(0, len(all_of_it), MOST_CHANGES):
            body: dict[str, Any] = {"action": action_id} if action_id else {}
            body["items"] = all_of_it[start : start + MOST_CHANGES]
            await add_entry(unit, actor=actor, verb=verb, site_id=site_id, body=body, note=why)


def change_item(before: Comment, after: Comment) -> list[Any]:
    """What became of one comment, as an entry tells it."""
    return [before.id, before.status, after.status, after.version]


def entry_hash(entry: Entry) -> str:
    """What seals an entry: SHA-256 over its facts and the hash before it, each as a netstring.

    So no two entries come to the same bytes. (https://cr.yp.to/proto/netstrings.txt; what is not there is ``-,``.)
    """
    actor = (entry.actor_kind, entry.actor_id, entry.actor_name)
    facts = (str(entry.seq), entry.created_at, *actor, entry.verb, entry.site_id, entry.body, entry.previous)
    return hashlib.sha256(b"".join(map(_netstring, facts))).hexdigest()


def salted_digest(salt: str | None, text: str) -> str:
    """What stands in the chain for words that stand beside it."""
    return hashlib.sha256(_netstring(salt) + _netstring(text)).hexdigest()


def _netstring(text: str | None) -> bytes:
    if text is None:
        return b"-,"
    raw = text.encode()
    return b"%d:%b," % (len(raw), raw)


@private_read
async def read_head(unit: PrivateRead) -> tuple[int, str]:
    """How many entries there are, and the hash of the newest: who notes it elsewhere can prove the log up to here."""
    return await audit.get_head(unit)
