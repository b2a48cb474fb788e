"""Rotate the secret key."""

from typing import Final

from commentsvc.audit import log
from commentsvc.service import Service, write
from commentsvc.storage import contacts, installation, rules
from commentsvc.storage import moderators as storage_moderators
from commentsvc.storage.database import Write

RESEAL_BATCH: Final = 500


async def reseal_emails(service: Service) -> int:
    """Seal every address anew with the newest key, so that older ones can go; returns how many.

    It may be stopped and begun again at any moment.
    """
    done, after = 0, ""
    while True:
        count, after = await _reseal_batch(service, after)
        done += count
        if not count:
            break
    return done + await _reseal_others(service)


@write
async def _reseal_batch(unit: Write, after: str) -> tuple[int, str]:
    rows = await contacts.list_sealed_after(unit, after, RESEAL_BATCH)
    for row in rows:
        email = unit.keyring.unseal(row["email_sealed"])
        await contacts.reseal(unit, row["comment_id"], unit.keyring.seal(email), unit.keyring.digest(email))
    return len(rows), rows[-1]["comment_id"] if rows else after


@write
async def _reseal_others(unit: Write) -> int:
    """The addresses of moderators, and those that rules ban."""
    moderators = [row for row in await storage_moderators.list_all(unit) if row["email_sealed"]]
    bans = await rules.list_sealed(unit)
    for rows, keep in ((moderators, storage_moderators.reseal), (bans, rules.reseal)):
        for row in rows:
            email = unit.keyring.unseal(row["email_sealed"])
            await keep(unit, row["id"], unit.keyring.seal(email), unit.keyring.digest(email))
    newest = unit.keyring.fingerprints[0]
    await installation.set_fingerprint(unit, newest, unit.now())
    body = {"fingerprint": newest}
    await log.add_entry(unit, actor=log.OPERATOR, verb="reseal", site_id=None, body=body)
    return len(moderators) + len(bans)
