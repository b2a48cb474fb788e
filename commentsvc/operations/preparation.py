"""Create, check and migrate the database before the service uses it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Refusal
from commentsvc.domain.ids import Ids
from commentsvc.operations import key_check, secret_file, servers, startup
from commentsvc.operations.server_lock import ServerLock
from commentsvc.service import Service, private_read
from commentsvc.storage import comments, schema, sqlite_copy
from commentsvc.storage.clock import DatabaseClock
from commentsvc.storage.database import Database, PrivateRead
from commentsvc.storage.file_lock import DatabaseLock

LOG: Final = logging.getLogger(__name__)


def require_file(config: Config) -> None:
    """Check that there is an SQLite file. Opening one that is missing would create it.

    Raises:
        ConfigurationError: it is missing or empty; the message has its full path.
    """
    path = config.sqlite_path
    if path is not None and not _has_content(path):
        raise _no_database(config)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # opening it names the reason


def _no_database(config: Config) -> ConfigurationError:
    path = config.sqlite_path
    place = f"at {path.absolute()}" if path else "of commentsvc at COMMENTSVC_DATABASE_URL"
    elsewhere = "Run this in the folder of your service, or set" if path and not path.is_absolute() else "Set"
    return ConfigurationError(
        f"There is no database {place}. {elsewhere} COMMENTSVC_DATABASE_URL to the database of your service. "
        "To create a new one: commentsvc migrate"
    )


async def require_schema(database: Database, config: Config) -> None:
    """Check that the database has the schema of this version.

    Raises:
        ConfigurationError: it has no schema, or an older or newer one, or one of an unreleased version.
    """
    number = await schema.read_number(database)
    if not number:
        raise _no_database(config)
    schema.check_number(number)
    await schema.check_tables(database)


def refuse_lost_database(config: Config, lock: ServerLock) -> None:
    """Check that the SQLite file of an earlier start is still there. An unfinished first start may go on.

    Raises:
        ConfigurationError: it was ready for use once, and is missing or empty now.
    """
    path = config.sqlite_path
    if path is not None and lock.was_used() and not _has_content(path):
        raise ConfigurationError(
            f"The database {path.absolute()} is missing, but it was in use before. Restore it from a backup. "
            f"To start with an empty database, delete {DatabaseLock.file_of(path)} first."
        )


async def refuse_damage(database: Database, config: Config) -> None:
    """Check the file of the database, if the setting says so. It reads the whole file.

    Raises:
        ConfigurationError: it is damaged.
    """
    if config.database_check == "on" and (damage := await database.find_damage()):
        raise ConfigurationError(
            f"COMMENTSVC_DATABASE_URL: the database is damaged ({damage}). Restore it from a backup."
        )


async def build_service(database: Database, config: Config, texts: list[str]) -> Service:
    """Return the service with these secret keys and the clock of the database.

    Raises:
        Unavailable: the database does not answer.
    """
    clock = DatabaseClock(database)
    await clock.adjust()
    return Service(db=database, config=config, keyring=Keyring(texts), clock=clock, new_id=Ids(clock.milliseconds))


async def continue_ids(service: Service) -> None:
    """Make the ids of new comments greater than those that are stored, so that they stay the latest.

    An id begins with a time, and the clock may have been ahead when one was made.
    """
    latest = await _get_latest_id(service)
    if latest and isinstance(service.new_id, Ids):
        service.new_id.follow(latest)


@private_read
async def _get_latest_id(unit: PrivateRead) -> str | None:
    return await comments.get_greatest_id(unit)


async def prepare(
    database: Database, config: Config, lock: ServerLock, check: Callable[[], None] | None = None
) -> tuple[Service, int]:
    """Create or migrate the schema, the secret key and the sites. Return the service and the number of steps.

    ``check`` is called before anything is stored in a new database. If the preparation fails, it leaves no new secret
    key. If it is killed, the next one continues with the same key.

    Raises:
        ConfigurationError: the schema is newer than this program, the copy before a migration cannot be kept, or the
            secret key does not belong to the database.
        Unavailable: the schema must change, but a server runs on this SQLite file.
    """
    texts = secret_file.read_secrets(config)
    new_key = None if texts else crypto.new_secret()  # fits a new database only: ``check_keys`` refuses any other
    service = await build_service(database, config, texts or [new_key or ""])
    number = await schema.read_number(database)
    if number and not await key_check.is_new(service):
        steps = await _migrate_used(service, number, lock)
        await startup.prepare_database(service)
    else:
        if check:
            check()
        await lock.require_alone()
        steps = await schema.migrate(database, service.now())
        await _prepare_new(service, new_key)
    if lock.is_alone and lock.was_used():  # a new lock does not know of servers that run with a deleted one
        await servers.forget_killed(service)
    lock.mark_used()
    await continue_ids(service)
    return service, steps


async def _migrate_used(service: Service, number: int, lock: ServerLock) -> int:
    if number >= schema.newest_step():
        return await schema.migrate(service.db, service.now())  # refuses a newer schema
    await key_check.check_keys(service)  # a refused start changes nothing
    await lock.require_alone()
    path = service.config.sqlite_path
    if path is not None:
        if not lock.was_used():
            await servers.refuse_traces(service)
        copy = path.absolute().with_name(f"{path.name}.before-schema-{schema.newest_step()}")
        await asyncio.to_thread(sqlite_copy.copy_database, path, copy)
        LOG.warning("a copy of the database before the migration is kept at %s; delete it when all is well", copy)
    return await schema.migrate(service.db, service.now())


async def _prepare_new(service: Service, new_key: str | None) -> None:
    file = secret_file.secret_file(service.config)
    if new_key and file:
        secret_file.write_secrets(file, [new_key])  # before the first address is encrypted with it
    try:
        await startup.prepare_database(service)
    except BaseException:
        if new_key and file and await _is_still_new(service):
            file.unlink()
        raise


async def _is_still_new(service: Service) -> bool:
    try:
        return await key_check.is_new(service)
    except Refusal:
        return False  # it may be in use: keep the key
