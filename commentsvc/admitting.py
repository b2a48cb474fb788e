"""Who may come in: keys, moderators, and the links by which they sign in."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from commentsvc import auditing, forms, places, sealing
from commentsvc.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from commentsvc.fields import Email
from commentsvc.model import ApiKey, Principal, Scope
from commentsvc.service import Service
from commentsvc.shapes import KeyRecord, Keys, MadeKey, ModeratorRecord, NewKey
from commentsvc.store import Transaction, access

INVITATION_HOURS: Final = 24
FIRST_MODERATOR: Final = "owner"


async def recognise(service: Service, key: str | None) -> Principal:
    """Whom a key speaks for.

    Raises:
        Unauthorized: there is none, or it is unknown, old or revoked.
    """
    if not key:
        raise Unauthorized("Send an API key: Authorization: Bearer cs_…")
    if service.config.admin_key and sealing.same(key, service.config.admin_key):
        return Principal("key:COMMENTSVC_ADMIN_KEY", frozenset(Scope), None)
    found = await service.db.read_private(_recognise, sealing.hashed(key), service.now())
    if found is None:
        raise Unauthorized("This key is unknown, has ended, or was revoked.")
    row, reach = found
    if row["last_used_at"] is None or row["last_used_at"] < service.ago(minutes=1):
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await service.db.write(access.note_use, row["id"], service.now())
    return Principal(f"key:{row['name']}", frozenset(map(Scope, row["scopes"].split())), reach, row["moderator_id"])


async def _recognise(
    tx: Transaction, key_hash: str, now: str
) -> tuple[Mapping[str, Any], tuple[str, ...] | None] | None:
    row = await access.valid_key(tx, key_hash, now)
    if row is None:
        return None
    if row["site_id"]:
        return row, (row["site_id"],)
    reach = await access.moderator_sites(tx, row["moderator_id"]) if row["moderator_id"] else []
    return row, tuple(reach) or None


def allow(who: Principal, scope: Scope) -> Principal:
    """Let whoever has the scope pass.

    Raises:
        Forbidden: they have not.
    """
    if not who.may(scope):
        raise Forbidden(f"This needs a key with scope {scope.value}.")
    return who


async def list_keys(service: Service, who: Principal) -> Keys:
    """Every key on this principal's sites, oldest first."""
    return await service.db.read_private(_list_keys, service, who)


async def _list_keys(tx: Transaction, service: Service, who: Principal) -> Keys:
    names = {site.id: site.name for site in (await places.directory(tx, service)).sites}
    moderators = {row["id"]: row["name"] for row in await access.moderators(tx)}
    return Keys(
        [
            KeyRecord(**_key_fields(row, names, moderators))
            for row in await access.keys(tx)
            if who.sites is None or row["site_id"] in who.sites
        ]
    )


def _key_fields(row: Mapping[str, Any], names: Mapping[str, str], moderators: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "scopes": [Scope(scope) for scope in row["scopes"].split()],
        "site": names.get(row["site_id"]),
        "moderator": moderators.get(row["moderator_id"]),
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "last_used_at": row["last_used_at"],
        "revoked_at": row["revoked_at"],
    }


async def make_key(service: Service, who: Principal, new: NewKey) -> MadeKey:
    """Make an API key. It is shown now and never again.

    Raises:
        Invalid: naming the site or the time it expires.
        Forbidden: it would reach further than its maker's own key.
    """
    return await service.db.write(_make_key, service, who, new, None)


async def _make_key(
    tx: Transaction, service: Service, who: Principal, new: NewKey, moderator: Mapping[str, Any] | None
) -> MadeKey:
    site = None
    if new.site:
        site = (await places.directory(tx, service)).by_name(new.site)
        if site is None:
            raise Invalid(Fault("site", "unknown_site", "There is no site of this name."))
    if who.sites is not None and (site is None or not who.reaches(site.id)):
        raise Forbidden("A key that is bound to a site makes keys for that site alone.")
    key, key_id, now = sealing.new_api_key(), service.new_id(), service.now()
    expires_at = forms.moment("expires_at", new.expires_at)
    if expires_at is not None and expires_at <= now:
        raise Invalid(Fault("expires_at", "invalid_time", "This time has passed. Choose one to come."))
    scopes = [scope for scope in Scope if scope in new.scopes]
    kept = ApiKey(
        id=key_id,
        name=new.name,
        key_hash=sealing.hashed(key),
        scopes=" ".join(scopes),
        site_id=site.id if site else None,
        moderator_id=moderator["id"] if moderator else None,
        created_at=now,
        expires_at=expires_at,
    )
    await access.add_key(tx, kept)
    body = {"key": key_id, "scopes": scopes, "moderator": kept.moderator_id, "expires_at": expires_at}
    await auditing.note(tx, service, who=who.name, verb="key_create", site_id=kept.site_id, body=body)
    row = msgspec.structs.asdict(kept) | {"last_used_at": None, "revoked_at": None}
    sites = {site.id: site.name} if site else {}
    return MadeKey(**_key_fields(row, sites, {moderator["id"]: moderator["name"]} if moderator else {}), key=key)


async def revoke_key(service: Service, who: Principal, key_id: str) -> None:
    """End a key at once.

    Raises:
        NotFound: there is no such key in force on this principal's sites.
    """
    await service.db.write(_revoke_key, service, who, key_id)


async def _revoke_key(tx: Transaction, service: Service, who: Principal, key_id: str) -> None:
    known = {row["id"]: row["site_id"] for row in await access.keys(tx)}
    reached = key_id in known and (who.sites is None or known[key_id] in who.sites)
    if not reached or not await access.revoke_key(tx, key_id, service.now()):
        raise NotFound("There is no such key in force.")
    body = {"key": key_id}
    await auditing.note(tx, service, who=who.name, verb="key_revoke", site_id=known[key_id], body=body)


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
    everything = await places.directory(tx, service)
    moderator_id, now = service.new_id(), service.now()
    sealed = service.keyring.seal(email) if email else None
    digest = service.keyring.digest(email) if email else None
    if not await access.add_moderator(tx, moderator_id, name, sealed, digest, now):
        raise Conflict("There is, or was, a moderator of this name. Choose another.")
    for site_name in site_names:
        site = everything.by_name(site_name)
        if site is None:
            raise Invalid(Fault("site", "unknown_site", "There is no site of this name."))
        await access.give_site(tx, moderator_id, site.id)
    await _note(tx, service, "moderator_add", moderator_id, sites=await access.moderator_sites(tx, moderator_id))
    return ModeratorRecord(
        id=moderator_id, name=name, email=email.reveal() if email else None, sites=site_names, created_at=now
    )


async def list_moderators(service: Service) -> list[ModeratorRecord]:
    """Every moderator, oldest first."""
    return await service.db.read_private(_list_moderators, service)


async def _list_moderators(tx: Transaction, service: Service) -> list[ModeratorRecord]:
    names = {site.id: site.name for site in (await places.directory(tx, service)).sites}
    return [
        ModeratorRecord(
            id=row["id"],
            name=row["name"],
            email=service.keyring.unseal(row["email_sealed"]).reveal() if row["email_sealed"] else None,
            sites=[names[site_id] for site_id in await access.moderator_sites(tx, row["id"])],
            created_at=row["created_at"],
        )
        for row in await access.moderators(tx)
    ]


async def remove_moderator(service: Service, name: str) -> None:
    """Take away somebody's rights: keys and invitations end at once.

    Raises:
        NotFound: there is no such moderator.
    """
    await service.db.write(_remove_moderator, service, name)


async def _remove_moderator(tx: Transaction, service: Service, name: str) -> None:
    moderator_id = await _moderator_id(tx, name)
    await access.remove_moderator(tx, moderator_id, service.now())
    await _note(tx, service, "moderator_remove", moderator_id)


async def invite(service: Service, name: str) -> str:
    """Make a one-time sign-in link for a moderator; an earlier one that was not used ends.

    Raises:
        NotFound: there is no such moderator.
    """
    token = sealing.new_invitation()
    await service.db.write(_invite, service, name, token)
    return f"{service.config.own_origin}/sign-in/{token}"


async def _invite(tx: Transaction, service: Service, name: str, token: str) -> None:
    moderator_id = await _moderator_id(tx, name)
    await access.invite(tx, sealing.hashed(token), moderator_id, service.now(), service.ahead(hours=INVITATION_HOURS))
    await _note(tx, service, "moderator_invite", moderator_id)


async def _note(tx: Transaction, service: Service, verb: str, moderator_id: str, **more: Any) -> None:
    """Only whoever has the shell keeps moderators."""
    body = {"moderator": moderator_id, **more}
    await auditing.note(tx, service, who=auditing.OPERATOR, verb=verb, site_id=None, body=body)


async def invite_first(service: Service) -> str | None:
    """A sign-in link for whoever starts the service, while nobody has a key in force; else None."""
    keys = (await list_keys(service, Principal("start", frozenset(), None))).keys
    if service.config.admin_key or any(_in_force(key, service.now()) for key in keys):
        return None
    with suppress(Conflict):  # another server made them meanwhile, or an operator removed them
        await add_moderator(service, FIRST_MODERATOR, None, [])
    try:
        return await invite(service, FIRST_MODERATOR)
    except NotFound:
        return None


def _in_force(key: KeyRecord, now: str) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


async def _moderator_id(tx: Transaction, name: str) -> str:
    for row in await access.moderators(tx):
        if row["name"] == name:
            return str(row["id"])
    raise NotFound("There is no moderator of this name. See: commentsvc moderator list")


async def invited(service: Service, token: str) -> str | None:
    """Whom an open invitation names; looking changes nothing."""
    row = await service.db.read_private(access.invited, sealing.hashed(token), service.now())
    return str(row["name"]) if row else None


async def sign_in(service: Service, token: str) -> MadeKey:
    """Use an invitation up: its moderator gets a key.

    Raises:
        NotFound: it was used, has ended, or never was.
    """
    return await service.db.write(_sign_in, service, token)


async def _sign_in(tx: Transaction, service: Service, token: str) -> MadeKey:
    token_hash, now = sealing.hashed(token), service.now()
    moderator = await access.invited(tx, token_hash, now)
    if moderator is None or not await access.use_invitation(tx, token_hash, now):
        raise NotFound(
            "This sign-in link was used already, or is too old. Ask for another: commentsvc moderator invite"
        )
    scopes = list(Scope) if moderator["name"] == FIRST_MODERATOR else [Scope.READ, Scope.MODERATE]
    new = NewKey(name=moderator["name"], scopes=scopes)
    return await _make_key(tx, service, Principal("invitation", frozenset(Scope), None), new, moderator)
