"""Authenticate, create and revoke API keys."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from commentsvc.access import names
from commentsvc.access.schemas import CreatedKey, KeyList, KeyRecord, KeyRotation, NewKey
from commentsvc.audit import log
from commentsvc.domain import crypto, validation
from commentsvc.domain.errors import FieldError, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from commentsvc.domain.models import Actor, ActorKind, Principal, Scope
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import api_keys, installation, moderators
from commentsvc.storage.database import PrivateRead, Row, Write

ADMIN_PRINCIPAL: Final = Principal(Actor(ActorKind.PROGRAM, None, "COMMENTSVC_ADMIN_KEY"), frozenset(Scope), None)


async def authenticate_key(service: Service, key: str | None) -> Principal:
    """Return the principal of a key.

    Raises:
        Unauthorized: the key is missing, unknown, expired or revoked.
    """
    if not key:
        raise Unauthorized("Send an API key: Authorization: Bearer cs_…")
    if service.config.admin_key and crypto.equal_in_constant_time(key, service.config.admin_key):
        return ADMIN_PRINCIPAL
    match = await _find_principal(service, crypto.hash_token(key), service.now())
    if match is None:
        raise Unauthorized("This key is not valid.")
    row, who = match
    if row["last_used_at"] is None or row["last_used_at"] < service.ago(minutes=1):
        with suppress(Unavailable):  # reading must work on a full disk
            await _touch_key(service, row["id"])
    return who


async def find_key_holder(unit: PrivateRead, key_hash: str) -> Principal | None:
    """Return the principal of a valid key, by its hash."""
    admin = unit.config.admin_key
    if admin and crypto.equal_in_constant_time(crypto.hash_token(admin), key_hash):
        return ADMIN_PRINCIPAL
    match = await _find_principal.within(unit, key_hash, unit.now())
    return match[1] if match else None


@private_read
async def _find_principal(unit: PrivateRead, key_hash: str, now: str) -> tuple[Row, Principal] | None:
    row = await api_keys.find_valid(unit, key_hash, now)
    if row is None:
        return None
    moderator_id = row["moderator_id"]
    site_ids = [row["site_id"]] if row["site_id"] else []
    if moderator_id and not site_ids:
        site_ids = await moderators.list_sites(unit, moderator_id)
    scopes = frozenset(map(Scope, row["scopes"].split()))
    actor = Actor(ActorKind(row["actor_kind"]), moderator_id or row["id"], row["name"])
    return row, Principal(actor, scopes, tuple(site_ids) or None, moderator_id)


@private_read
async def list_keys(unit: PrivateRead, who: Principal) -> KeyList:
    """Return the keys of this principal's sites, oldest first."""
    site_names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    moderator_names = {row["id"]: row["name"] for row in await moderators.list_all(unit)}
    return KeyList(
        [
            KeyRecord(**_key_fields(row, site_names, moderator_names))
            for row in await api_keys.list_all(unit)
            if who.sites is None or row["site_id"] in who.sites
        ]
    )


def _key_fields(
    row: Mapping[str, Any], site_names: Mapping[str, str], moderator_names: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "scopes": [Scope(scope) for scope in row["scopes"].split()],
        "site": site_names.get(row["site_id"]),
        "moderator": moderator_names.get(row["moderator_id"]),
        "person": row["actor_kind"] == ActorKind.PERSON,
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "last_used_at": row["last_used_at"],
        "revoked_at": row["revoked_at"],
        "old_key_until": row["old_until"],
    }


async def create_key(service: Service, who: Principal, new: NewKey) -> CreatedKey:
    """Create an API key. The key itself is in this result and nowhere else.

    Raises:
        Invalid: for the field ``name``, ``site`` or ``expires_at``.
        Forbidden: the new key would have access to more sites than the principal.
    """
    return await _create_key(service, who, new, None)


@write
async def create_moderator_key(unit: Write, name: str, new: NewKey) -> CreatedKey:
    """Create a key that belongs to a moderator. It has access to their sites, and ends when they are removed.

    Raises:
        NotFound: no moderator has this name.
        Invalid: see ``create_key``.
        Forbidden: the key would have a scope that the moderator does not have.
    """
    if set(new.scopes) - set(scopes_of(name)):
        raise Forbidden("Only the first moderator can have a key with scope admin.")
    return await create_own_key(unit, new, await find_moderator(unit, name), log.OPERATOR)


async def create_own_key(unit: Write, new: NewKey, moderator_id: str, actor: Actor) -> CreatedKey:
    """Create a key for a moderator, by their id. The caller must have checked the scopes.

    Raises:
        NotFound: the moderator was removed.
        Invalid: see ``create_key``.
    """
    name = await moderators.get_name(unit, moderator_id)
    if name is None:
        raise NotFound("This moderator was removed.")
    moderator = {"id": moderator_id, "name": name}
    return await _create_key.within(unit, Principal(actor, frozenset(Scope), None), new, moderator)


def scopes_of(name: str) -> list[Scope]:
    """Return the scopes of a moderator, by name."""
    return list(Scope) if name == names.FIRST_MODERATOR else [Scope.READ, Scope.MODERATE]


@write
async def _create_key(unit: Write, who: Principal, new: NewKey, moderator: Mapping[str, Any] | None) -> CreatedKey:
    await installation.lock_names(unit)
    site = await resolve.find_named_site(unit, new.site)
    if who.sites is not None and (site is None or not who.reaches(site.id)):
        raise Forbidden("A key for some sites can create keys for these sites only. Name one with site.")
    await names.require_key_name(unit, new.name, moderator["id"] if moderator else None, site.id if site else None)
    key, key_id, now = crypto.new_api_key(), unit.new_id(), unit.now()
    expires_at = validation.parse_time_field("expires_at", new.expires_at)
    if expires_at is not None and expires_at <= now:
        raise Invalid(FieldError("expires_at", "invalid_time", "This time is in the past. Choose a later one."))
    scopes = [scope for scope in Scope if scope in new.scopes]
    stored = api_keys.ApiKey(
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
    await api_keys.add(unit, stored)
    body = {"key": key_id, "scopes": scopes, "moderator": stored.moderator_id, "expires_at": expires_at}
    await log.add_entry(unit, actor=who.actor, verb="key_create", site_id=stored.site_id, body=body)
    row = msgspec.structs.asdict(stored) | {"last_used_at": None, "revoked_at": None, "old_until": None}
    sites = {site.id: site.name} if site else {}
    return CreatedKey(**_key_fields(row, sites, {moderator["id"]: moderator["name"]} if moderator else {}), key=key)


@write
async def revoke_key(unit: Write, who: Principal, key_id: str) -> None:
    """Revoke a key.

    Raises:
        NotFound: the principal's sites have no valid key with this id.
    """
    await revoke_stored_key(unit, who, await _load_key(unit, who, key_id))


async def _load_key(unit: PrivateRead, who: Principal, key_id: str) -> Row:
    key = next((row for row in await api_keys.list_all(unit) if row["id"] == key_id), None)
    if key is None or (who.sites is not None and key["site_id"] not in who.sites):
        raise NotFound("There is no valid key with this id.")
    return key


@write
async def rotate_key(
    unit: Write, who: Principal, key_id: str, rotation: KeyRotation, *, even_of_moderators: bool = False
) -> CreatedKey:
    """Replace a key by a new one with the same id, name and rights. The old one works until the end of the grace time.

    Sessions that were started with the old key end with it. One old key at most is valid. Only the operator may set
    ``even_of_moderators``: the new key can act in the name of another person.

    Raises:
        NotFound: the principal's sites have no valid key with this id.
        Forbidden: the key belongs to another moderator.
    """
    found = await _load_key(unit, who, key_id)
    if found["moderator_id"] not in {None, who.moderator_id} and not even_of_moderators:
        raise Forbidden("This key belongs to a moderator. Rotate it with: commentsvc key rotate")
    key, grace = crypto.new_api_key(), rotation.grace_minutes
    until = unit.ahead(minutes=grace) if grace else None
    if not await api_keys.rotate(unit, key_id, crypto.hash_token(key), until, unit.now()):
        raise NotFound("There is no valid key with this id.")
    body = {"key": key_id, "old_key_until": until}
    await log.add_entry(unit, actor=who.actor, verb="key_rotate", site_id=found["site_id"], body=body)
    listed = await list_keys.within(unit, Principal(who.actor, who.scopes, None))
    record = next(one for one in listed.keys if one.id == key_id)
    return CreatedKey(**msgspec.structs.asdict(record), key=key)


async def revoke_stored_key(unit: Write, who: Principal, key: Row) -> None:
    """Revoke a key, and log who did it.

    Raises:
        NotFound: the key was already revoked.
    """
    if not await api_keys.revoke(unit, key["id"], unit.now()):
        raise NotFound("There is no valid key with this id.")
    body = {"key": key["id"]}
    await log.add_entry(unit, actor=who.actor, verb="key_revoke", site_id=key["site_id"], body=body)


async def find_moderator(unit: PrivateRead, name: str) -> str:
    """Return the id of the moderator with this name.

    Raises:
        NotFound: no moderator has this name.
    """
    for row in await moderators.list_all(unit):
        if row["name"] == name:
            return str(row["id"])
    raise NotFound("There is no moderator with this name. See: commentsvc moderator list")


@write
async def _touch_key(unit: Write, key_id: str) -> None:
    await api_keys.touch(unit, key_id, unit.now())
