"""Encrypt with the newest secret key what is kept for mails and for webhooks."""

from typing import Final

import msgspec

from commentsvc.domain.email_address import UNREADABLE
from commentsvc.service import Service, write
from commentsvc.storage import sealed
from commentsvc.storage.database import Write

BATCH: Final = 100  # rows in one unit of work, so that other writers wait less


class Resealed(msgspec.Struct, frozen=True):
    """Numbers of email addresses and texts: encrypted again, and left as they are because no listed key opens them."""

    resealed: int = 0
    unreadable: int = 0

    def __add__(self, other: "Resealed") -> "Resealed":
        return Resealed(self.resealed + other.resealed, self.unreadable + other.unreadable)


async def reseal_deliveries(service: Service) -> Resealed:
    """Encrypt again what an older key encrypts: addresses that asked for mail, events, mails, and texts of webhooks.

    Mails come after what a worker copies their addresses from.
    """
    done = Resealed()
    after: str | None = ""
    while after is not None:
        batch, after = await _reseal_addresses(service, after)
        done += batch
    for table in sealed.OF_MAILS:
        position: str | int | None = 0 if table == "event" else ""
        while position is not None:
            batch, position = await _reseal_mails(service, table, position)
            done += batch
    for table, column in sealed.TEXTS:
        after = ""
        while after is not None:
            batch, after = await _reseal_texts(service, table, column, after)
            done += batch
    return done


@write
async def _reseal_addresses(unit: Write, after: str) -> tuple[Resealed, str | None]:
    done, keyring = Resealed(), unit.keyring
    rows = await sealed.list_old_addresses(unit, keyring.fingerprints[0], after, BATCH)
    for row in rows:
        email = keyring.unseal(row["email_sealed"])
        if email != UNREADABLE:
            await sealed.replace_address(unit, row, keyring.seal(email), keyring.digest(email))
        done += _count(opened=email != UNREADABLE)
    return done, rows[-1]["id"] if rows else None


@write
async def _reseal_mails(unit: Write, table: str, after: str | int) -> tuple[Resealed, str | int | None]:
    done, keyring = Resealed(), unit.keyring
    rows = await sealed.list_old_mails(unit, table, keyring.fingerprints[0], after, BATCH)
    for row in rows:
        email = keyring.unseal(row["email_sealed"])
        if email != UNREADABLE:
            await sealed.replace_mail(unit, table, row, keyring.seal(email), keyring.digest(email))
        done += _count(opened=email != UNREADABLE)
    return done, rows[-1]["id"] if rows else None


@write
async def _reseal_texts(unit: Write, table: str, column: str, after: str) -> tuple[Resealed, str | None]:
    done, keyring = Resealed(), unit.keyring
    rows = await sealed.list_old_texts(unit, table, column, keyring.fingerprints[0], after, BATCH)
    for row in rows:
        text = keyring.decrypt_text(row["text"])
        if text is not None:
            await sealed.replace_text(unit, table, column, row, keyring.encrypt_text(text))
        done += _count(opened=text is not None)
    return done, rows[-1]["id"] if rows else None


def _count(*, opened: bool) -> Resealed:
    return Resealed(int(opened), int(not opened))
