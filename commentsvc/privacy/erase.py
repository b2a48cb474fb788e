"""Erase everything that is stored about an email address."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.comments.erase import erase_content
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, ExpectationFailed
from commentsvc.domain.messages import translatable_format, translatable_plural
from commentsvc.domain.models import Actor, Decision, Status
from commentsvc.domain.reasons import Reason
from commentsvc.privacy.export import find_moderators
from commentsvc.privacy.schemas import PersonCounts, PersonErasure
from commentsvc.service import Service, private_read, write
from commentsvc.storage import comments, contacts, person_data, search, threads
from commentsvc.storage.database import PrivateRead, Write

PIECE: Final = 100  # rows in one unit of work, so that other writers wait less
COMMENTS: Final = 20  # in one unit: each takes about 25 statements, so 20 take 115 ms (SQLite) or 300 ms (PostgreSQL)


async def erase_person(
    service: Service, email: Email, *, actor: Actor = log.OPERATOR, expect: int | None = None
) -> PersonErasure:
    """Erase everything that is stored about an email address; count it before and afterwards.

    It works in pieces. If it is interrupted, run it again: it goes on. Bans of the address stay, as keyed digests.
    ``expect`` is the number of comments that are erased, if the caller knows it.

    Raises:
        Conflict: a moderator has this address.
        ExpectationFailed: there is another number of comments than ``expect``.
    """
    ids, before = await count_person(service, email)
    if expect is not None and expect != len(ids):
        raise ExpectationFailed(
            translatable_plural(
                "This permanently erases %(num)s comment. Check it, then send the number as expect.",
                "This permanently erases %(num)s comments. Check them, then send the number as expect.",
                len(ids),
            )
        )
    while await _delete_some(service, email):
        pass
    while erased := await _erase_piece(service, email, actor):
        ids = list(dict.fromkeys([*ids, *erased]))
        await note_erasures(service, "comment", erased)
    addresses, bans = await _finish(service, email, actor, len(ids))
    await note_erasures(service, "address", addresses)
    await note_erasures(service, "ban", bans)
    return PersonErasure(
        before=before, after=await _count(service, email, ids), bans_kept=await _count_bans(service, email)
    )


async def count_person(service: Service, email: Email) -> tuple[list[str], PersonCounts]:
    """Return the ids of the comments with an address, and how many rows hold something of the person, by table.

    Raises:
        Conflict: a moderator has this address.
    """
    await _refuse_moderator(service, email)
    ids, after = list[str](), ""
    while piece := await _list_comments(service, email, after):
        ids += piece
        after = piece[-1]
    return ids, await _count(service, email, ids)


@private_read
async def _refuse_moderator(unit: PrivateRead, email: Email) -> None:
    for moderator in await find_moderators(unit, email):
        raise Conflict(
            translatable_format(
                "This is the address of the moderator %(name)s. Remove the moderator or their address first.",
                name=moderator.name,
            )
        )


@private_read
async def _list_comments(unit: PrivateRead, email: Email, after: str, limit: int = PIECE) -> list[str]:
    rows = await contacts.list_of_digests(unit, unit.keyring.digests(email), after, limit)
    return [row["comment_id"] for row in rows]


async def _count(service: Service, email: Email, ids: Sequence[str]) -> PersonCounts:
    counted = Counter(await _count_of_digests(service, email))
    for start in range(0, len(ids), PIECE):
        counted.update(await _count_of_comments(service, ids[start : start + PIECE]))
    return PersonCounts(**counted)


@private_read
async def _count_of_digests(unit: PrivateRead, email: Email) -> dict[str, int]:
    digests = unit.keyring.digests(email)
    return await person_data.count_of_digests(unit, digests) | {
        "contacts": await contacts.count_of_digests(unit, digests)
    }


@private_read
async def _count_of_comments(unit: PrivateRead, ids: Sequence[str]) -> dict[str, int]:
    return await person_data.count_of_comments(unit, ids)


@private_read
async def _count_bans(unit: PrivateRead, email: Email) -> int:
    return len(await person_data.list_bans(unit, unit.keyring.digests(email)))


@write
async def _delete_some(unit: Write, email: Email) -> int:
    return await person_data.delete_some(unit, unit.keyring.digests(email), PIECE)


@write
async def _erase_piece(unit: Write, email: Email, actor: Actor) -> list[str]:
    ids = await _list_comments.within(unit, email, "", COMMENTS)
    await erase_comments(unit, ids, Decision(Status.TRASH, actor, Reason("erased")))
    return ids


async def erase_comments(unit: Write, ids: Sequence[str], decision: Decision, *, is_kept: bool = False) -> None:
    """Erase comments, and what is kept about them for mails. Comments that were erased before are left out.

    ``is_kept``: as in ``erase_content``.
    """
    await threads.lock_of_comments(unit, ids)
    found = [one for one in (await comments.get_many(unit, ids)).values() if not one.erased_at]
    changes = [(one, await erase_content(unit, one, decision, is_kept=is_kept)) for one in found]
    await person_data.delete_of_comments(unit, ids)
    await log.add_status_changes(unit, actor=decision.actor, verb="erase", changes=changes)


@write
async def _finish(unit: Write, email: Email, actor: Actor, number: int) -> tuple[list[str], list[str]]:
    """Delete the address itself; return the ids of the deleted rows, and of the bans whose address was deleted."""
    digests = unit.keyring.digests(email)
    addresses = [row["id"] for row in await person_data.list_addresses(unit, digests)]
    bans = [row["id"] for row in await person_data.list_bans(unit, digests)]
    await person_data.delete_addresses(unit, addresses)
    await person_data.forget_banned(unit, bans)
    await person_data.forget_errors(unit, email)
    await search.note_erasure(unit)  # so that the cleanup of the files also runs if there was no comment
    body = {"comments": number, "addresses": addresses, "bans": bans}
    await log.add_entry(unit, actor=actor, verb="person_erase", site_id=None, body=body)
    return addresses, bans
