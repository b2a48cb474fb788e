"""Who may come in: keys, moderators, and their invitations."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from commentsvc.access.schemas import CreatedKey, KeyList, KeyRecord, NewKey
from commentsvc.audit import log
from commentsvc.domain import crypto, validation
from commentsvc.domain.errors import FieldError, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from commentsvc.domain.models import Actor, ActorKind, ApiKey, Principal, Scope
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import api_keys
from commentsvc.storage import moderators as storage_moderators
from commentsvc.storage.database import PrivateRead, Row, Write

FIRST_MODERATOR: Final = "owner"
RESERVED_NAMES: Final = frozenset({"operator", "COMMENTSVC_ADMIN_KEY"})  # what the log calls others
ADMIN_PRINCIPAL: Final = Principal(Actor(ActorKind.PROGRAM, None, "COMMENTSVC_ADMIN_KEY"), frozenset(Scope), None)


async def authenticate_key(service: Service, key: str | None) -> Principal:
    """Whom a key speaks for.

    Raises:
        Unauthorized: there is none, or it is unknown, old or revoked.
    """
    if not key:
        raise Unauthorized("Send an API key: Authorization: Bearer cs_…")
    if service.config.admin_key and crypto.equal_in_constant_time(key, service.config.admin_key):
        return ADMIN_PRINCIPAL
    found = await _find_principal(service, crypto.hash_token(key), service.now())
    if found is None:
        raise Unauthorized("This key is unknown, has ended, or was revoked.")
    row, who = found
    if row["last_used_at"] is None or row["last_used_at"] < service.ago(minutes=1):
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await _touch_key(service, row["id"])
    return who


async def find_key_holder(unit: PrivateRead, key_hash: str) -> Principal | None:
    """Whom a key speaks for, by what is kept of it; None where it is in force no more."""
    admin = unit.config.admin_key
    if admin and crypto.equal_in_constant_time(crypto.hash_token(admin), key_hash):
        return ADMIN_PRINCIPAL
    found = await _find_principal.within(unit, key_hash, unit.now())
    return found[1] if found else None


@private_read
async def _find_principal(unit: PrivateRead, key_hash: str, now: str) -> tuple[Row, Principal] | None:
    row = await api_keys.find_valid(unit, key_hash, now)
    if row is None:
        return None
    moderator_id = row["moderator_id"]
    reach = [row["site_id"]] if row["site_id"] else []
    if moderator_id and not reach:
        reach = await storage_moderators.list_sites(unit, moderator_id)
    scopes = frozenset(map(Scope, row["scopes"].split()))
    actor = Actor(ActorKind(row["actor_kind"]), moderator_id or row["id"], row["name"])
    return row, Principal(actor, scopes, tuple(reach) or None, moderator_id)


@private_read
async def list_keys(unit: PrivateRead, who: Principal) -> KeyList:
    """Every key on this principal's sites, oldest first."""
    names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    moderators = {row["id"]: row["name"] for row in await storage_moderators.list_all(unit)}
    return KeyList(
        [
            KeyRecord(**_key_fields(row, names, moderators))
            for row in await api_keys.list_all(unit)
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
        "person": row["actor_kind"] == ActorKind.PERSON,
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "last_used_at": row["last_used_at"],
        "revoked_at": row["revoked_at"],
    }


async def create_key(service: Service, who: Principal, new: NewKey) -> CreatedKey:
    """Make an API key. It is shown now and never again.

    Raises:
        Invalid: naming the site or the time it expires.
        Forbidden: it would reach further than its maker's own key.
    """
    return await _create_key(service, who, new, None)


@write
async def create_moderator_key(unit: Write, name: str, new: NewKey) -> CreatedKey:
    """Make a key that belongs to a moderator, reaches their sites and ends when they are removed.

    Raises:
        NotFound: there is no such moderator.
        Invalid: see ``make_key``.
        Forbidden: it would allow more than they may.
    """
    if set(new.scopes) - set(scopes_of(name)):
        raise Forbidden("Of moderators, only the one whom the first start made has scope admin.")
    return await create_own_key(unit, new, await find_moderator(unit, name), log.OPERATOR)


async def create_own_key(unit: Write, new: NewKey, moderator_id: str, actor: Actor) -> CreatedKey:
    """The same, by the moderator's id, for whoever knows that they may have it."""
    name = await storage_moderators.get_name(unit, moderator_id)
    if name is None:
        raise NotFound("This moderator was removed.")
    moderator = {"id": moderator_id, "name": name}
    return await _create_key.within(unit, Principal(actor, frozenset(Scope), None), new, moderator)


def scopes_of(name: str) -> list[Scope]:
    """What a moderator may do."""
    return list(Scope) if name == FIRST_MODERATOR else [Scope.READ, Scope.MODERATE]


@write
async def _create_key(unit: Write, who: Principal, new: NewKey, moderator: Mapping[str, Any] | None) -> CreatedKey:
    if new.name in RESERVED_NAMES:
        raise Invalid(FieldError("name", "name_taken", "The log calls somebody else by this name. Choose another."))
    site = None
    if new.site:
        site = (await resolve.read_directory.within(unit)).by_name(new.site)
        if site is None:
            raise Invalid(FieldError("site", "unknown_site", "There is no site of this name."))
    if who.sites is not None and (site is None or not who.reaches(site.id)):
        raise Forbidden("A key that is bound to a site makes keys for that site alone.")
    key, key_id, now = crypto.new_api_key(), unit.new_id(), unit.now()
    expires_at = validation.parse_time_field("expires_at", new.expires_at)
    if expires_at is not None and expires_at <= now:
        raise Invalid(FieldError("expires_at", "invalid_time", "This time has passed. Choose one to come."))
    scopes = [scope for scope in Scope if scope in new.scopes]
    kept = ApiKey(
        id=key_id,
        name=new.name,
        key_hash=crypto.hash_token(key),
        scopes=" ".join(scopes),
        site_id=site.id if site else None,
        moderator_id=moderator["id"] if moderator else None,
        actor_kind=ActorKind.PERSON if moderator or new.person else ActorKind.PROGRAM,
        created_at=now,
        expires_at=expires_at,
    )
    await api_keys.add(unit, kept)
    body = {"key": key_id, "scopes": scopes, "moderator": kept.moderator_id, "expires_at": expires_at}
    await log.add_entry(unit, actor=who.actor, verb="key_create", site_id=kept.site_id, body=body)
    row = msgspec.structs.asdict(kept) | {"last_used_at": None, "revoked_at": None}
    sites = {site.id: site.name} if site else {}
    return CreatedKey(**_key_fields(row, sites, {moderator["id"]: moderator["name"]} if moderator else {}), key=key)


@write
async def revoke_key(unit: Write, who: Principal, key_id: str) -> None:
    """End a key at once.

    Raises:
        NotFound: there is no such key in force on this principal's sites.
    """
    key = next((row for row in await api_keys.list_all(unit) if row["id"] == key_id), None)
    if key is None or (who.sites is not None and key["site_id"] not in who.sites):
        raise NotFound("There is no such key in force.")
    await revoke_stored_key(unit, who, key)


async def revoke_stored_key(unit: Write, who: Principal, key: Row) -> None:
    """End a key, and keep who did.

    Raises:
        NotFound: it has been ended already.
    """
    if not await api_keys.revoke(unit, key["id"], unit.now()):
        raise NotFound("There is no such key in force.")
    body = {"key": key["id"]}
    await log.add_entry(unit, actor=who.actor, verb="key_revoke", site_id=key["site_id"], body=body)


async def find_moderator(unit: PrivateRead, name: str) -> str:
    """The id of the moderator of this name.

    Raises:
        NotFound: there is none.
    """
    for row in await storage_moderators.list_all(unit):
        if row["name"] == name:
            return str(row["id"])
    raise NotFound("There is no moderator of this name. See: commentsvc moderator list")


@write
async def _touch_key(unit: Write, key_id: str) -> None:
    await api_keys.touch(unit, key_id, unit.now())
