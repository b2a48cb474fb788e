"""Composition root: opens the database, and starts the service."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import maintenance, startup
from commentsvc.service import Service
from commentsvc.storage import schema
from commentsvc.storage.database import Database
from commentsvc.storage.sqlite import SqliteDatabase

if TYPE_CHECKING:  # see ``listen``
    from commentsvc.web.server.connections import Deadlines, Runner

LOG: Final = logging.getLogger(__name__)


@asynccontextmanager
async def open_service(config: Config) -> AsyncIterator[Service]:
    """Open the service without its web server, and without migrating the database.

    Raises:
        ConfigurationError: the database cannot be opened, or there is no secret key for it.
    """
    database = await _database(config)
    try:
        yield Service(db=database, config=config, keyring=Keyring(_secrets(config)))
    finally:
        await database.close()


@asynccontextmanager
async def open_ready_service(config: Config) -> AsyncIterator[Service]:
    """Open the service, migrate its database, and create the sites in the settings.

    Raises:
        ConfigurationError: see ``open_service`` and ``startup.prepare_database``.
    """
    async with open_service(config) as service:
        await schema.migrate(service.db, service.now())
        await startup.prepare_database(service)
        yield service


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
    return await PostgresDatabase.open(config.database_url)


def _secrets(config: Config) -> list[str]:
    """Return the secret keys. For SQLite the default is a file beside the database, created if it is missing."""
    path = config.sqlite_path
    if config.secret_key or path is None:
        return config.secret_key.split()
    return _secret_file(path.with_name("secret.key")).split()


def _secret_file(file: Path) -> str:
    try:
        if not file.exists():
            # Written elsewhere, then linked: if two processes start at once, both use the key of the first.
            new_file = file.with_name(f"secret.{os.getpid()}.new")
            new_file.touch(mode=0o600)
            new_file.write_text(crypto.new_secret(), encoding="utf-8")
            with suppress(FileExistsError):
                os.link(new_file, file)
            new_file.unlink()
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read or create the secret key {file}: {os.strerror(error.errno or 0)}. "
            "Make its folder writable, or set COMMENTSVC_SECRET_KEY."
        ) from None


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
    """Serve until SIGTERM or SIGINT, then finish the requests in progress.

    ``announce`` is awaited once, when the service accepts connections.

    Raises:
        ConfigurationError: see ``open_ready_service``; or the service cannot listen on the port.
    """
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_ready_service(config) as prepared:
        listener = _listener(config)  # last: a service that cannot work accepts no connections
        port = listener.getsockname()[1]
        service = replace(prepared, config=msgspec.structs.replace(config, port=port))  # 0 asks for any free port
        async with listen(service, None, listener):
            LOG.info("listening on port %s", port)
            await announce(service)
            await stop.wait()
            LOG.info("stopping: no new connections are accepted")
    LOG.info("stopped")


def _listener(config: Config) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.create_server((config.host, config.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {config.host} port {config.port}: {os.strerror(error.errno or 0)}. "
            "Change COMMENTSVC_HOST or COMMENTSVC_PORT."
        ) from None
    listener.setblocking(False)
    return listener
