"""The life of a secret key: its state, its rotation, its loss."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.errors import Conflict
from commentsvc.operations import key_check, secret_file, servers
from commentsvc.operations.key_check import Sealed
from commentsvc.operations.reseal import Resealed, reseal_deliveries
from commentsvc.operations.servers import ServerRecord
from commentsvc.service import Service, private_read, write
from commentsvc.spam.keys import reseal_key
from commentsvc.storage import contacts, installation, moderators, rules, sealed
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.servers import SEEN_SECONDS

RESEAL_BATCH: Final = 100  # addresses in one unit of work, so that other writers wait less
State: TypeAlias = Literal["newest", "listed", "missing", "lost"]
Reseal: TypeAlias = Callable[[Write, str, str, str], Awaitable[None]]


class KeyState(msgspec.Struct, frozen=True):
    """A secret key, by its fingerprint, and what it encrypts."""

    key: str
    state: State
    encrypts: Sealed


class SecretStatus(msgspec.Struct, frozen=True):
    """The secret keys, the number of addresses that none of the listed ones opens, and the running servers."""

    keys: list[KeyState]
    unreadable: int
    servers: list[ServerRecord]


class Lost(msgspec.Struct, frozen=True):
    """The keys that were declared lost, and what they encrypted."""

    keys: list[str]
    encrypts: Sealed
    created: str | None = None  # the file with a new key


async def read_status(service: Service) -> SecretStatus:
    """Return the state of the secret keys. It opens every address, so it takes seconds on a large database."""
    keys, unreadable = await _read_keys(service)
    after = ""
    while batch := await _check_contacts(service, after):
        unreadable, after = unreadable + batch[0], batch[1]
    after = ""
    while batch := await _check_addresses(service, after):
        unreadable, after = unreadable + batch[0], batch[1]
    return SecretStatus(keys, unreadable, await servers.list_running(service))


@private_read
async def _read_keys(unit: PrivateRead) -> tuple[list[KeyState], int]:
    listed, missing = unit.keyring.fingerprints, await key_check.find_missing(unit)
    encrypts, lost = await key_check.count_sealed(unit, []), await installation.list_lost_keys(unit)
    states: dict[str, State] = dict.fromkeys(listed, "listed")
    states[listed[0]] = "newest"
    states.update(dict.fromkeys(missing, "missing"))
    states.update(dict.fromkeys(sorted(lost - set(listed)), "lost"))
    rows = [*await moderators.list_all(unit), *await rules.list_sealed(unit)]
    unreadable = [row for row in rows if row["email_sealed"] and _is_unreadable(unit, row)]
    return [KeyState(key, state, encrypts.get(key, Sealed())) for key, state in states.items()], len(unreadable)


@private_read
async def _check_contacts(unit: PrivateRead, after: str) -> tuple[int, str] | None:
    rows = await contacts.list_sealed_after(unit, after, RESEAL_BATCH)
    return (sum(_is_unreadable(unit, row) for row in rows), rows[-1]["comment_id"]) if rows else None


@private_read
async def _check_addresses(unit: PrivateRead, after: str) -> tuple[int, str] | None:
    rows = await sealed.list_old_addresses(unit, "", after, RESEAL_BATCH)  # those of every key
    return (sum(_is_unreadable(unit, row) for row in rows), rows[-1]["id"]) if rows else None


def _is_unreadable(unit: PrivateRead, row: Row) -> bool:
    return unit.keyring.unseal(row["email_sealed"]) == UNREADABLE


async def rotate_key(service: Service, file: Path) -> tuple[str, Resealed]:
    """Put a new key before those in the file, and encrypt every address with it. No server may be running.

    Return its fingerprint. The older keys stay in the file. If this is interrupted after the file was written,
    ``reseal_emails`` goes on.
    """
    texts = [crypto.new_secret(), *secret_file.read_secrets(service.config)]
    secret_file.write_secrets(file, texts)
    rotated = replace(service, keyring=Keyring(texts))
    return rotated.keyring.fingerprints[0], await reseal_emails(rotated, alone=True)


async def accept_loss(service: Service, *, alone: bool) -> Lost:
    """Declare lost every key that encrypts something and is not listed. No address is deleted.

    If the file with the keys is lost, a new one is created. ``alone`` says that no server runs; otherwise the traces of
    servers tell.

    Raises:
        Conflict: a running server, or the file beside the database, still has one of these keys.
    """
    file, texts = secret_file.secret_file(service.config), secret_file.read_secrets(service.config)
    running = [] if alone else await servers.list_running(service)
    in_use = {key for server in running for key in server.secret_keys}
    if texts or file is None or await key_check.is_new(service):
        return await _accept_loss(service, in_use)
    texts = [crypto.new_secret()]
    secret_file.write_secrets(file, texts)
    try:
        lost = await _accept_loss(replace(service, keyring=Keyring(texts)), in_use)
    except BaseException:
        file.unlink()
        raise
    return msgspec.structs.replace(lost, created=str(file))


@write
async def _accept_loss(unit: Write, in_use: set[str]) -> Lost:
    missing = await key_check.find_missing(unit)
    if in_use & set(missing):
        raise Conflict("A running server still has this key, so it is not lost. Copy it from there.")
    file, unused = secret_file.find_unused_keys(unit.config)
    if set(unused) & set(missing):
        raise Conflict(f"The key is in {file}, so it is not lost. Remove COMMENTSVC_SECRET_KEY, or add the key to it.")
    for key in missing:
        await installation.add_lost_key(unit, key, unit.now())
    if missing:
        newest = unit.keyring.fingerprints[0]
        await installation.set_fingerprint(unit, newest, unit.now())
        body = {"lost": sorted(missing), "fingerprint": newest}
        await log.add_entry(unit, actor=log.OPERATOR, verb="secret_lost", site_id=None, body=body)
    return Lost(sorted(missing), sum(missing.values(), Sealed()))


async def reseal_emails(service: Service, *, alone: bool = False) -> Resealed:
    """Encrypt every email address and every text of a webhook with the newest key. Skip and count what no key opens.

    Afterwards the older keys open nothing that the newest does not. It can be interrupted and run again at any time.
    ``alone`` says that no server runs; otherwise the traces of servers tell.

    Raises:
        Conflict: a running server lacks the newest key. It would encrypt with an older one, and could not read.
    """
    if not alone:
        await _require_key_everywhere(service)
    await _begin_reseal(service)
    if not alone:
        await _require_key_everywhere(service)  # a server that started since the first check has seen the newest key
    done, after = Resealed(), ""
    while True:
        batch, after = await _reseal_contacts(service, after)
        done += batch
        if batch == Resealed():
            break
    done += await _reseal_moderators_and_rules(service)
    return done + await reseal_deliveries(service)  # last: until then, a worker may copy an address to a mail


async def _require_key_everywhere(service: Service) -> None:
    newest = service.keyring.fingerprints[0]
    if any(newest not in server.secret_keys for server in await servers.list_running(service)):
        raise Conflict(
            f"A running server does not have the newest key {newest}. Restart it with this key, then try again. "
            f"A server that was killed counts for {SEEN_SECONDS} seconds."
        )


@write
async def _begin_reseal(unit: Write) -> None:
    """Note the newest key. The key of memory goes with it: nothing counts what is encrypted for memory."""
    await installation.set_fingerprint(unit, unit.keyring.fingerprints[0], unit.now())
    await reseal_key(unit)


@write
async def _reseal_contacts(unit: Write, after: str) -> tuple[Resealed, str]:
    done, rows = Resealed(), await contacts.list_sealed_after(unit, after, RESEAL_BATCH)
    for row in rows:
        done += await _reseal_row(unit, row, row["comment_id"], contacts.reseal)
    return done, rows[-1]["comment_id"] if rows else after


@write
async def _reseal_moderators_and_rules(unit: Write) -> Resealed:
    done = Resealed()
    for row in await moderators.list_all(unit):
        if row["email_sealed"]:
            done += await _reseal_row(unit, row, row["id"], moderators.reseal)
    for row in await rules.list_sealed(unit):
        done += await _reseal_row(unit, row, row["id"], rules.reseal)
    body = {"fingerprint": unit.keyring.fingerprints[0]}
    await log.add_entry(unit, actor=log.OPERATOR, verb="reseal", site_id=None, body=body)
    return done


async def _reseal_row(unit: Write, row: Row, row_id: str, store: Reseal) -> Resealed:
    email = unit.keyring.unseal(row["email_sealed"])
    if email == UNREADABLE:
        return Resealed(unreadable=1)
    await store(unit, row_id, unit.keyring.seal(email), unit.keyring.digest(email))
    return Resealed(resealed=1)
