"""An operator keeps the moderators, and invites them."""

from contextlib import suppress
from typing import Any, Final

from commentsvc.access.keys import FIRST_MODERATOR, find_moderator, list_keys
from commentsvc.access.schemas import KeyRecord, ModeratorRecord
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from commentsvc.domain.models import Principal
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import moderators
from commentsvc.storage.database import Transaction

SIGN_IN_LINK_HOURS: Final = 24


async def add_moderator(service: Service, name: str, email: Email | None, site_names: list[str]) -> ModeratorRecord:
    """Let somebody moderate: on these sites, or on all.

    Raises:
        Conflict: the name is taken.
        Invalid: naming a site that is not.
    """
    return await service.db.write(_add_moderator, service, name, email, site_names)


async def _add_moderator(
    tx: Transaction, service: Service, name: str, email: Email | None, site_names: list[str]
) -> ModeratorRecord:
    everything = await resolve.load_directory(tx, service)
    moderator_id, now = service.new_id(), service.now()
    sealed = service.keyring.seal(email) if email else None
    digest = service.keyring.digest(email) if email else None
    if not await moderators.add(tx, moderator_id, name, sealed, digest, now):
        raise Conflict("There is, or was, a moderator of this name. Choose another.")
    for site_name in site_names:
        site = everything.by_name(site_name)
        if site is None:
            raise Invalid(FieldError("site", "unknown_site", "There is no site of this name."))
        await moderators.add_site(tx, moderator_id, site.id)
    await _log(tx, service, "moderator_add", moderator_id, sites=await moderators.list_sites(tx, moderator_id))
    return ModeratorRecord(
        id=moderator_id, name=name, email=email.reveal() if email else None, sites=site_names, created_at=now
    )


async def list_moderators(service: Service) -> list[ModeratorRecord]:
    """Every moderator, oldest first."""
    return await service.db.read_private(_list_moderators, service)


async def _list_moderators(tx: Transaction, service: Service) -> list[ModeratorRecord]:
    names = {site.id: site.name for site in (await resolve.load_directory(tx, service)).sites}
    return [
        ModeratorRecord(
            id=row["id"],
            name=row["name"],
            email=service.keyring.unseal(row["email_sealed"]).reveal() if row["email_sealed"] else None,
            sites=[names[site_id] for site_id in await moderators.list_sites(tx, row["id"])],
            created_at=row["created_at"],
        )
        for row in await moderators.list_all(tx)
    ]


async def remove_moderator(service: Service, name: str) -> None:
    """Take away somebody's rights: keys and invitations end at once.

    Raises:
        NotFound: there is no such moderator.
    """
    await service.db.write(_remove_moderator, service, name)


async def _remove_moderator(tx: Transaction, service: Service, name: str) -> None:
    moderator_id = await find_moderator(tx, name)
    await moderators.remove(tx, moderator_id, service.now())
    await _log(tx, service, "moderator_remove", moderator_id)


async def create_sign_in_link(service: Service, name: str) -> str:
    """Make a one-time sign-in link for a moderator; an earlier one that was not used ends.

    Raises:
        NotFound: there is no such moderator.
    """
    token = crypto.new_token()
    await service.db.write(_create_sign_in_link, service, name, token)
    return f"{service.config.own_origin}/sign-in/{token}"


async def _create_sign_in_link(tx: Transaction, service: Service, name: str, token: str) -> None:
    moderator_id = await find_moderator(tx, name)
    await moderators.add_invitation(
        tx, crypto.hash_token(token), moderator_id, service.now(), service.ahead(hours=SIGN_IN_LINK_HOURS)
    )
    await _log(tx, service, "moderator_invite", moderator_id)


async def _log(tx: Transaction, service: Service, verb: str, moderator_id: str, **more: Any) -> None:
    """Only whoever has the shell keeps moderators."""
    body = {"moderator": moderator_id, **more}
    await log.add_entry(tx, service, who=log.OPERATOR, verb=verb, site_id=None, body=body)


async def create_first_sign_in_link(service: Service) -> str | None:
    """A sign-in link for whoever starts the service, while nobody has come in yet or has a key in force; else None."""
    keys = (await list_keys(service, Principal("start", frozenset(), None))).keys
    if service.config.admin_key or any(_is_valid(key, service.now()) for key in keys):
        return None
    if await service.db.read_private(moderators.any_invitation_used):
        return None
    with suppress(Conflict):  # another server made them meanwhile, or an operator removed them
        await add_moderator(service, FIRST_MODERATOR, None, [])
    try:
        return await create_sign_in_link(service, FIRST_MODERATOR)
    except NotFound:
        return None


def _is_valid(key: KeyRecord, now: str) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
