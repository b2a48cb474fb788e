"""Composition root: opens the database, and starts the service."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import key_check, maintenance, preparation, secret_file, server_lock, servers
from commentsvc.operations.waiting import wait_for_database
from commentsvc.service import Service
from commentsvc.storage.database import Database
from commentsvc.storage.sqlite import SqliteDatabase

if TYPE_CHECKING:  # see ``listen``
    from commentsvc.web.server.connections import Deadlines, Runner

LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")


@asynccontextmanager
async def open_service(config: Config, *, any_key: bool = False) -> AsyncIterator[Service]:
    """Open the service on an existing database, for a command. Nothing is created or migrated.

    With ``any_key``, the secret keys need not belong to the database; if no key exists, a made-up one is used.

    Raises:
        ConfigurationError: there is no database, it has another schema, or the secret key does not belong to it.
    """
    preparation.require_file(config)
    database = await _database(config)
    try:
        await preparation.require_schema(database, config)
        texts = secret_file.read_secrets(config) or [crypto.new_secret()]
        service = await preparation.build_service(database, config, texts)
        if not any_key:
            await key_check.check_newest_key(service)
        yield service
    finally:
        await database.close()


@asynccontextmanager
async def open_service_alone(config: Config, *, any_key: bool = False) -> AsyncIterator[Service]:
    """Open the service for a change that a running server would not see. With PostgreSQL, servers may run.

    Raises:
        ConfigurationError: see ``open_service``.
        Unavailable: a server runs on the SQLite file.
    """
    preparation.require_file(config)
    async with server_lock.enter_database(config) as lock:
        await lock.require_alone()
        async with open_service(config, any_key=any_key) as service:
            if config.sqlite_path and not lock.was_used():
                await servers.refuse_traces(service)
            yield service


@asynccontextmanager
async def open_ready_service(config: Config, check: Callable[[], None] | None = None) -> AsyncIterator[Service]:
    """Open the service; create or migrate its database, and create the sites in the settings.

    ``check`` is called before anything is stored in a new database.

    Raises:
        ConfigurationError: the database cannot be opened or migrated, or the secret key does not belong to it.
        Unavailable: it must be migrated, but another server runs on it.
    """
    async with _open_migrated(config, check, serving=True) as (service, _):
        yield service


async def migrate(config: Config) -> int:
    """Create the database or bring it up to date; return the number of steps that were applied.

    Raises:
        ConfigurationError, Unavailable: see ``open_ready_service``.
    """
    async with _open_migrated(config) as (_, steps):
        return steps


@asynccontextmanager
async def _open_migrated(
    config: Config, check: Callable[[], None] | None = None, *, serving: bool = False
) -> AsyncIterator[tuple[Service, int]]:
    async with server_lock.enter_database(config, serving=serving) as lock:
        preparation.refuse_lost_database(config, lock)
        database = await _database(config)
        try:
            prepared = await preparation.prepare(database, config, lock, check)
            await lock.share()
            yield prepared
        finally:
            await database.close()


async def _database(config: Config) -> Database:
    path = config.sqlite_path
    if path is not None:
        return await SqliteDatabase.open(path)
    try:
        from commentsvc.storage.postgres import PostgresDatabase  # noqa: PLC0415 -- an optional extra
    except ImportError:
        raise ConfigurationError(
            "COMMENTSVC_DATABASE_URL is a PostgreSQL database, but the driver is not installed. "
            "Install it with: pip install 'commentsvc[postgres]'"
        ) from None
    return await PostgresDatabase.open(
        config.database_url,
        Keyring(secret_file.read_secrets(config)),
        reader_url=config.reader_database_url,
        prepared_statements=config.prepared_statements,
    )


@asynccontextmanager
async def listen(service: Service, deadlines: "Deadlines | None", listener: socket.socket) -> AsyncIterator["Runner"]:
    """Serve HTTP on a socket. On exit, requests in progress are finished."""
    # Imported here: without aiohttp the other commands start three times as fast.
    from aiohttp import web  # noqa: PLC0415

    from commentsvc.web.routes import application  # noqa: PLC0415
    from commentsvc.web.server.connections import Deadlines, Runner  # noqa: PLC0415

    runner = Runner(application(service), deadlines or Deadlines())
    await runner.setup()
    maintaining = asyncio.create_task(maintenance.run_forever(service), name="maintenance")
    try:
        await web.SockSite(runner, listener, backlog=1024).start()
        yield runner
    finally:
        maintaining.cancel()
        await runner.drain()


async def serve(config: Config, announce: Callable[[Service], Awaitable[None]]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then finish the requests in progress.

    ``announce`` is awaited once, when the service accepts connections.

    Raises:
        DatabaseAway: the database does not answer in time.
        ConfigurationError, Unavailable: see ``open_ready_service``; or the service cannot listen on the port.
    """
    from commentsvc.web.server.listener import open_listener  # noqa: PLC0415 -- see ``listen``

    def check_listener() -> None:
        with open_listener(config):
            pass

    stop = _stop_on_signals()
    async with AsyncExitStack() as stack:
        ready = wait_for_database(
            config.database_wait, lambda: stack.enter_async_context(open_ready_service(config, check_listener))
        )
        prepared = await _unless_stopped(stop, ready)
        if prepared is not None:
            listener = stack.enter_context(open_listener(config))  # last: without a database nobody can connect
            service = replace(prepared, config=_with_port(config, listener))
            await stack.enter_async_context(servers.announce_server(service))
            await stack.enter_async_context(listen(service, None, listener))
            LOG.info("listening on %s", config.host if config.socket_path else f"port {service.config.port}")
            await announce(service)
            await stop.wait()
            LOG.info("stopping: no new connections are accepted")
    LOG.info("stopped")


def _stop_on_signals() -> asyncio.Event:
    """Return an event that the first signal sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1)
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    return stop


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of the work; None if the event came first."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if working.done():
        return working.result()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return None


def _with_port(config: Config, listener: socket.socket) -> Config:
    """Return the settings with the port that the socket has: 0 asks for any free one."""
    return config if config.socket_path else msgspec.structs.replace(config, port=listener.getsockname()[1])
