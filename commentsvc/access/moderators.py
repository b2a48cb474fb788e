"""Add, list, invite and remove moderators."""

from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import UNSET

from commentsvc.access import names
from commentsvc.access.keys import find_moderator, list_keys, scopes_of
from commentsvc.access.schemas import KeyRecord, MailPreference, ModeratorChange, ModeratorList, ModeratorRecord
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, Invalid, NotFound
from commentsvc.domain.models import Actor, ActorKind, Principal
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.sites.manage import require_all_sites
from commentsvc.storage import decision_links, installation, moderator_mail, moderators
from commentsvc.storage.database import PrivateRead, Write

SIGN_IN_LINK_HOURS: Final = 24


@write
async def add_moderator(unit: Write, name: str, email: Email | None, site_names: list[str]) -> ModeratorRecord:
    """Add a moderator for these sites. An empty list means all sites.

    Raises:
        Conflict: the name is like that of another moderator, present or removed, or of a key.
        Invalid: for the field ``name``: it is reserved; or for ``site``: no site has this name.
    """
    await installation.lock_names(unit)
    await names.require_moderator_name(unit, name)
    directory = await resolve.read_directory.within(unit)
    moderator_id, now = unit.new_id(), unit.now()
    sealed = unit.keyring.seal(email) if email else None
    digest = unit.keyring.digest(email) if email else None
    if not await moderators.add(unit, moderator_id, name, sealed, digest, now):
        raise Conflict("This name is taken. Choose another.")
    for site_name in site_names:
        site = directory.by_name(site_name)
        if site is None:
            raise Invalid(resolve.UNKNOWN_SITE)
        await moderators.add_site(unit, moderator_id, site.id)
    await _log(unit, "moderator_add", moderator_id, sites=await moderators.list_sites(unit, moderator_id))
    return ModeratorRecord(
        id=moderator_id,
        name=name,
        email=email.reveal() if email else None,
        sites=site_names,
        mail=MailPreference(),
        created_at=now,
    )


async def load_principal(unit: PrivateRead, moderator_id: str) -> Principal | None:
    """Return a moderator with all rights, on all of their sites; None if the moderator was removed."""
    name = await moderators.get_name(unit, moderator_id)
    if name is None:
        return None
    site_ids = tuple(await moderators.list_sites(unit, moderator_id))
    actor = Actor(ActorKind.PERSON, moderator_id, name)
    return Principal(actor, frozenset(scopes_of(name)), site_ids or None, moderator_id)


async def has_address(unit: PrivateRead, moderator_id: str) -> bool:
    """Return whether mail can reach a moderator."""
    found = await moderators.get_address(unit, moderator_id)
    return found is not None and found["email_sealed"] is not None


@private_read
async def list_moderators(unit: PrivateRead) -> list[ModeratorRecord]:
    """Return the moderators, oldest first."""
    site_names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    sites = await moderators.list_all_sites(unit)
    return [
        ModeratorRecord(
            id=row["id"],
            name=row["name"],
            email=unit.keyring.unseal(row["email_sealed"]).reveal() if row["email_sealed"] else None,
            sites=[site_names[site_id] for site_id in sites.get(row["id"], [])],
            mail=MailPreference(mode=MailMode(row["mode"]), minutes=row["minutes"]),
            created_at=row["created_at"],
        )
        for row in await moderators.list_all(unit)
    ]


@private_read
async def read_moderators(unit: PrivateRead, who: Principal) -> ModeratorList:
    """Return the moderators, oldest first.

    Raises:
        Forbidden: the principal is limited to some sites.
    """
    require_all_sites(who, "see moderators")
    return ModeratorList(await list_moderators.within(unit))


@write
async def change_moderator(unit: Write, who: Principal, moderator_id: str, change: ModeratorChange) -> ModeratorRecord:
    """Change the email address of a moderator, or which mails they get.

    With the address, the links end that were mailed to it: to sign in, and to decide on comments.

    Raises:
        NotFound: no moderator has this id.
        Forbidden: the principal is limited to some sites.
    """
    require_all_sites(who, "change moderators")
    before = next((one for one in await list_moderators.within(unit) if one.id == moderator_id), None)
    if before is None:
        raise NotFound
    after = msgspec.structs.replace(
        before,
        email=before.email if change.email is UNSET else change.email and change.email.reveal(),
        mail=before.mail if change.mail is UNSET else change.mail,
    )
    changed = [name for name in ("email", "mail") if getattr(before, name) != getattr(after, name)]
    if "email" in changed:
        await _change_email(unit, moderator_id, after.email)
    if "mail" in changed:
        await moderator_mail.save(unit, moderator_id, after.mail.mode, after.mail.minutes)
    if changed:
        body = {"moderator": moderator_id, "changed": changed}
        await log.add_entry(unit, actor=who.actor, verb="moderator_change", site_id=None, body=body)
    return after


async def _change_email(unit: Write, moderator_id: str, email: str | None) -> None:
    sealed, digest = (unit.keyring.seal(Email(email)), unit.keyring.digest(Email(email))) if email else (None, None)
    await moderators.set_email(unit, moderator_id, sealed, digest)
    await moderators.delete_open_invitations(unit, moderator_id)
    await decision_links.delete_of_moderator(unit, moderator_id)


@write
async def remove_moderator(unit: Write, name: str) -> None:
    """Remove a moderator. Their keys, sessions and sign-in links end.

    Raises:
        NotFound: no moderator has this name.
    """
    moderator_id = await find_moderator(unit, name)
    await moderators.remove(unit, moderator_id, unit.now())
    await _log(unit, "moderator_remove", moderator_id)


async def create_sign_in_link(service: Service, name: str) -> str:
    """Create a one-time sign-in link for a moderator. It replaces an earlier unused one.

    Raises:
        NotFound: no moderator has this name.
    """
    token = crypto.new_token()
    await _create_sign_in_link(service, name, token)
    return f"{service.config.own_url}/sign-in/{token}"


@write
async def _create_sign_in_link(unit: Write, name: str, token: str) -> None:
    moderator_id = await find_moderator(unit, name)
    await moderators.delete_open_invitations(unit, moderator_id)
    await moderators.add_invitation(
        unit, crypto.hash_token(token), moderator_id, unit.now(), unit.ahead(hours=SIGN_IN_LINK_HOURS)
    )
    await _log(unit, "moderator_invite", moderator_id)


async def _log(unit: Write, verb: str, moderator_id: str, **details: Any) -> None:
    # Only the command line manages moderators.
    body = {"moderator": moderator_id, **details}
    await log.add_entry(unit, actor=log.OPERATOR, verb=verb, site_id=None, body=body)


async def create_first_sign_in_link(service: Service) -> str | None:
    """Return a sign-in link for the first moderator, who is added if needed.

    Return None if someone has signed in before, or if there is a valid key.
    """
    keys = (await list_keys(service, Principal(log.SETTINGS, frozenset(), None))).keys
    if service.config.admin_key or any(_is_valid(key, service.now()) for key in keys):
        return None
    if await _has_anyone_signed_in(service):
        return None
    with suppress(Conflict):  # another server was faster, or an operator removed them
        await add_moderator(service, names.FIRST_MODERATOR, None, [])
    try:
        return await create_sign_in_link(service, names.FIRST_MODERATOR)
    except NotFound:
        return None


def _is_valid(key: KeyRecord, now: str) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


@private_read
async def _has_anyone_signed_in(unit: PrivateRead) -> bool:
    return await moderators.any_invitation_used(unit)
