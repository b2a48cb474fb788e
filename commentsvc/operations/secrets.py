"""Rotate the secret key."""

from typing import Final

from commentsvc.audit import log
from commentsvc.service import Service
from commentsvc.storage import contacts, installation, rules
from commentsvc.storage import moderators as storage_moderators
from commentsvc.storage.database import Transaction

RESEAL_BATCH: Final = 500


async def reseal_emails(service: Service) -> int:
    """Seal every address anew with the newest key, so that older ones can go; returns how many.

    It may be stopped and begun again at any moment.
    """
    done, after = 0, ""
    while True:
        count, after = await service.db.write(_reseal_batch, service, after)
        done += count
        if not count:
            break
    return done + await service.db.write(_reseal_others, service)


async def _reseal_batch(tx: Transaction, service: Service, after: str) -> tuple[int, str]:
    rows = await contacts.list_sealed_after(tx, after, RESEAL_BATCH)
    for row in rows:
        email = service.keyring.unseal(row["email_sealed"])
        await contacts.reseal(tx, row["comment_id"], service.keyring.seal(email), service.keyring.digest(email))
    return len(rows), rows[-1]["comment_id"] if rows else after


async def _reseal_others(tx: Transaction, service: Service) -> int:
    """The addresses of moderators, and those that rules ban."""
    moderators = [row for row in await storage_moderators.list_all(tx) if row["email_sealed"]]
    bans = await rules.list_sealed(tx)
    for rows, keep in ((moderators, storage_moderators.reseal), (bans, rules.reseal)):
        for row in rows:
            email = service.keyring.unseal(row["email_sealed"])
            await keep(tx, row["id"], service.keyring.seal(email), service.keyring.digest(email))
    newest = service.keyring.fingerprints[0]
    await installation.set_fingerprint(tx, newest, service.now())
    body = {"fingerprint": newest}
    await log.add_entry(tx, service, who=log.OPERATOR, verb="reseal", site_id=None, body=body)
    return len(moderators) + len(bans)
