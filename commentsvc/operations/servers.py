"""Running servers leave a trace in the database, with the secret keys that they know."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from commentsvc.domain.errors import Refusal, Unavailable
from commentsvc.operations import key_check, server_lock
from commentsvc.service import Service, private_read, write
from commentsvc.storage import servers
from commentsvc.storage.database import PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
BEAT_SECONDS: Final = 30
REMOVE_SECONDS: Final = 1  # a database that hangs must not delay the stop


class ServerRecord(msgspec.Struct, frozen=True):
    """A running server, and the fingerprints of the secret keys that it knows, newest first."""

    id: str
    secret_keys: list[str]
    started_at: str
    seen_at: str


@asynccontextmanager
async def announce_server(service: Service) -> AsyncIterator[None]:
    """Leave a trace of this server in the database as long as it runs.

    Raises:
        ConfigurationError: a key that this server lacks encrypts addresses since it was started.
    """
    server_id, started_at = service.new_id(), service.now()
    await _announce(service, server_id, started_at)
    beating = asyncio.create_task(_beat_forever(service, server_id, started_at), name="heartbeat")
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        with suppress(Refusal, TimeoutError):  # its trace expires
            async with asyncio.timeout(REMOVE_SECONDS):
                await _remove(service, server_id)


@write
async def _announce(unit: Write, server_id: str, started_at: str) -> None:
    # The check comes last: a key rotation that did not see this server has stored the new key by now.
    await servers.save(unit, server_id, unit.keyring.fingerprints, started_at, unit.now())
    await key_check.check_newest_key.within(unit)


async def _beat_forever(service: Service, server_id: str, started_at: str) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            await beat(service, server_id, started_at)
        except Refusal as error:
            LOG.error("this server cannot write to the database: %s", error.detail)  # noqa: TRY400 -- that says it all
        except Exception:
            LOG.exception("the trace of this server could not be renewed")


@write
async def beat(unit: Write, server_id: str, started_at: str) -> None:
    """Renew the trace of a server; delete those of servers that were killed."""
    await servers.save(unit, server_id, unit.keyring.fingerprints, started_at, unit.now())
    await servers.remove_unseen(unit, *_present(unit))


def _present(unit: PrivateRead) -> tuple[str, str]:
    return unit.ago(seconds=servers.SEEN_SECONDS), unit.ahead(seconds=servers.SEEN_SECONDS)


@write
async def _remove(unit: Write, server_id: str) -> None:
    await servers.remove(unit, server_id)


@write
async def forget_killed(unit: Write) -> None:
    """Delete the traces of all servers, where it is known that none runs."""
    await servers.remove_unseen(unit, unit.now(), unit.now())


async def list_running(service: Service) -> list[ServerRecord]:
    """Return the servers that run now. With PostgreSQL, one that was killed counts for two more minutes."""
    if service.config.sqlite_path and not server_lock.is_server_running(service.config):
        return []
    return await _list_running(service)


async def refuse_traces(service: Service) -> None:
    """Check that the database has no trace of a running server. Needed where the lock file was deleted.

    Raises:
        Unavailable: there is one.
    """
    if await _list_running(service):
        raise Unavailable(
            "A server is running on this database. Stop it, then try again. "
            f"A server that was killed counts for {servers.SEEN_SECONDS} seconds."
        )


@private_read
async def _list_running(unit: PrivateRead) -> list[ServerRecord]:
    rows = await servers.list_since(unit, *_present(unit))
    return [ServerRecord(row["id"], row["secret_keys"].split(), row["started_at"], row["seen_at"]) for row in rows]
