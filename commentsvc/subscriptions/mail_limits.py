"""Limits of mails that somebody else than the owner of the address may have asked for."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.storage.addresses import Address
from commentsvc.storage.database import Write

UNCONFIRMED: Final = (1, 86_400)  # mails of any kind, and seconds
# To all addresses that are not confirmed and differ by what follows a plus: most providers have one mailbox for them.
MAILBOX: Final = (3, 86_400)
LINKS: Final = (5, 86_400)  # to a confirmed address: links to its comments


async def take_unconfirmed(unit: Write, address: Address) -> bool:
    """Count a mail to an address that is not confirmed: its owner may not know of it. Return False if it got one today.

    False too if its mailbox got ``MAILBOX`` of them today. A confirmed address always gets it.
    """
    if address.confirmed_at:
        return True
    if not await rate_limit.take(unit, f"mail to {address.id}", UNCONFIRMED):
        return False
    local, _, domain = unit.keyring.unseal(address.email_sealed).casefolded().rpartition("@")
    return await rate_limit.take(unit, f"mailbox {local.partition('+')[0] or local}@{domain}", MAILBOX)


async def take_link(unit: Write, address: Address) -> bool:
    """Count a mail with a link to the comments of an address; return False if it got too many of them today."""
    if not address.confirmed_at:
        return await take_unconfirmed(unit, address)
    return await rate_limit.take(unit, f"own comments of {address.id}", LINKS)
