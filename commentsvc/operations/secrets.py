"""Rotation of the secret key."""

from typing import Final

from commentsvc.audit import log
from commentsvc.service import Service, write
from commentsvc.storage import contacts, installation, moderators, rules
from commentsvc.storage.database import Write

RESEAL_BATCH: Final = 500


async def reseal_emails(service: Service) -> int:
    """Encrypt every email address with the newest key; return how many there were.

    Afterwards the older keys are not needed. It can be interrupted and run again at any time.
    """
    done, after = 0, ""
    while True:
        count, after = await _reseal_contacts(service, after)
        done += count
        if not count:
            break
    return done + await _reseal_moderators_and_rules(service)


@write
async def _reseal_contacts(unit: Write, after: str) -> tuple[int, str]:
    rows = await contacts.list_sealed_after(unit, after, RESEAL_BATCH)
    for row in rows:
        email = unit.keyring.unseal(row["email_sealed"])
        await contacts.reseal(unit, row["comment_id"], unit.keyring.seal(email), unit.keyring.digest(email))
    return len(rows), rows[-1]["comment_id"] if rows else after


@write
async def _reseal_moderators_and_rules(unit: Write) -> int:
    owners = [row for row in await moderators.list_all(unit) if row["email_sealed"]]
    bans = await rules.list_sealed(unit)
    for rows, reseal in ((owners, moderators.reseal), (bans, rules.reseal)):
        for row in rows:
            email = unit.keyring.unseal(row["email_sealed"])
            await reseal(unit, row["id"], unit.keyring.seal(email), unit.keyring.digest(email))
    newest = unit.keyring.fingerprints[0]
    await installation.set_fingerprint(unit, newest, unit.now())
    body = {"fingerprint": newest}
    await log.add_entry(unit, actor=log.OPERATOR, verb="reseal", site_id=None, body=body)
    return len(owners) + len(bans)
