"""Rotation of the secret key."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from commentsvc.audit import log
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.service import Service, write
from commentsvc.storage import contacts, installation, moderators, rules
from commentsvc.storage.database import Row, Write

RESEAL_BATCH: Final = 500
Reseal: TypeAlias = Callable[[Write, str, str, str], Awaitable[None]]


class Resealed(msgspec.Struct, frozen=True):
    """Numbers of email addresses: encrypted again, and left as they are because no listed key opens them."""

    resealed: int = 0
    unreadable: int = 0

    def __add__(self, other: "Resealed") -> "Resealed":
        return Resealed(self.resealed + other.resealed, self.unreadable + other.unreadable)


async def reseal_emails(service: Service) -> Resealed:
    """Encrypt every email address with the newest key. Skip and count those that no listed key opens.

    Afterwards the older keys open nothing that the newest does not. It can be interrupted and run again at any time.
    """
    done, after = Resealed(), ""
    while True:
        batch, after = await _reseal_contacts(service, after)
        done += batch
        if batch == Resealed():
            break
    return done + await _reseal_moderators_and_rules(service)


@write
async def _reseal_contacts(unit: Write, after: str) -> tuple[Resealed, str]:
    done, rows = Resealed(), await contacts.list_sealed_after(unit, after, RESEAL_BATCH)
    for row in rows:
        done += await _reseal_row(unit, row, row["comment_id"], contacts.reseal)
    return done, rows[-1]["comment_id"] if rows else after


@write
async def _reseal_moderators_and_rules(unit: Write) -> Resealed:
    done = Resealed()
    for row in await moderators.list_all(unit):
        if row["email_sealed"]:
            done += await _reseal_row(unit, row, row["id"], moderators.reseal)
    for row in await rules.list_sealed(unit):
        done += await _reseal_row(unit, row, row["id"], rules.reseal)
    newest = unit.keyring.fingerprints[0]
    await installation.set_fingerprint(unit, newest, unit.now())
    await log.add_entry(unit, actor=log.OPERATOR, verb="reseal", site_id=None, body={"fingerprint": newest})
    return done


async def _reseal_row(unit: Write, row: Row, row_id: str, store: Reseal) -> Resealed:
    email = unit.keyring.unseal(row["email_sealed"])
    if email == UNREADABLE:
        return Resealed(unreadable=1)
    await store(unit, row_id, unit.keyring.seal(email), unit.keyring.digest(email))
    return Resealed(resealed=1)
