"""Composition root: opens the database, and starts the service."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from commentsvc.config.settings import Config
from commentsvc.delivery import outbox, sign_in_mail
from commentsvc.delivery.outbox import FanOut, Outlets, Sender
from commentsvc.delivery.worker import Worker
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import Channel
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.networks import parse_networks
from commentsvc.operations import erasures, key_check, maintenance, preparation, secret_file, server_lock, servers
from commentsvc.operations.metrics import require_library, start_counting
from commentsvc.operations.waiting import wait_for_database
from commentsvc.processes import processor
from commentsvc.processes.stop import Stop
from commentsvc.service import Service
from commentsvc.storage.database import Database
from commentsvc.storage.sqlite import SqliteDatabase
from commentsvc.subscriptions import notifications, own_comments, requests

if TYPE_CHECKING:  # see ``listen``
    from commentsvc.web.server.connections import Deadlines, Runner

LOG: Final = logging.getLogger(__name__)


@asynccontextmanager
async def open_service(config: Config, *, any_key: bool = False) -> AsyncIterator[Service]:
    """Open the service on an existing database, for a command. Nothing is created or migrated.

    With ``any_key``, the secret keys need not belong to the database; if no key exists, a new one is used.

    Raises:
        ConfigurationError: there is no database, it has another schema, or the secret key does not belong to it.
    """
    preparation.require_file(config)
    database = await open_database(config)
    try:
        await preparation.require_schema(database, config)
        texts = secret_file.read_secrets(config) or [crypto.new_secret()]
        service = await preparation.build_service(database, config, texts)
        if not any_key:
            await key_check.check_newest_key(service)
        await preparation.continue_ids(service)
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
        secret_file.read_secrets(config)  # a faulty one is refused before anything is created
        database = await open_database(config)
        try:
            await preparation.refuse_damage(database, config)
            prepared = await preparation.prepare(database, config, lock, check)
            await erasures.apply_journal(prepared[0])  # before anybody reads what a restored backup brought back
            if lock.is_alone:
                await maintenance.rewrite_file(prepared[0])
                await outbox.release_all(prepared[0])
            await lock.share()
            yield prepared
        finally:
            await database.close()


async def open_database(config: Config) -> Database:
    """Open the database in the settings. An SQLite file that does not exist is created."""
    if config.sqlite_path is not None:
        return await SqliteDatabase.open(config.sqlite_path)
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
        database_connections=config.database_connections,
        reader_connections=config.reader_connections,
        replica_url=config.read_database_url,
        replica_lag_ms=config.read_lag_ms,
    )


@dataclass(frozen=True)
class Role:
    """The part of one process in the service. The default is the only one, which opens its own socket."""

    listener: socket.socket | None = None  # listens already: it is the parent's, or from systemd
    is_leading: bool = True  # does what only one process of a service does
    is_alone: bool = True  # no other process of the service runs
    recorder: Recorder | None = None  # counts in the memory of all workers
    report_ready: Callable[[], None] = lambda: None
    report_stop: Callable[[], None] = lambda: None


@asynccontextmanager
async def listen(
    service: Service,
    deadlines: "Deadlines | None",
    listener: socket.socket,
    stop: Stop | None = None,
    role: Role = Role(),
) -> AsyncIterator["Runner"]:
    """Serve HTTP on a socket. On exit, requests in progress are finished."""
    # Imported here: without aiohttp the other commands start three times as fast.
    from aiohttp import web  # noqa: PLC0415

    from commentsvc.web.routes import application  # noqa: PLC0415
    from commentsvc.web.server.connections import Deadlines, Runner  # noqa: PLC0415
    from commentsvc.web.server.listener import BACKLOG  # noqa: PLC0415
    from commentsvc.web.server.metrics import listen_for_metrics  # noqa: PLC0415

    start_counting(service, role.recorder)
    runner = Runner(application(service), deadlines or Deadlines())
    await runner.setup()
    is_alone = role.is_alone and service.config.sqlite_path is not None  # PostgreSQL may have other servers
    work = maintenance.run_forever(service, is_leading=role.is_leading, is_alone=is_alone)
    tasks = [asyncio.create_task(work, name="maintenance")]
    if role.is_leading and service.config.delivery == "on":
        tasks.append(asyncio.create_task(deliver(service), name="delivery"))
    try:
        async with listen_for_metrics(service) if role.is_leading else nullcontext():
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
            yield runner
    finally:
        for task in tasks:
            task.cancel()
        await runner.drain(socket_stays=stop is not None and stop.socket_stays)
        await asyncio.gather(*tasks, return_exceptions=True)


async def deliver(service: Service) -> None:
    """Send mails and call webhooks until cancelled; what is being sent then is finished."""
    try:
        await Worker(service, join_outlets(service.config)).run()
    except Exception:
        LOG.exception("nothing is sent any more; restart the service")
        raise


def join_outlets(config: Config) -> Outlets:
    """Return what a worker needs: who is told about an event, how mails are written, and the ways out."""
    from commentsvc.delivery.moderator_mail import mail_moderators  # noqa: PLC0415 -- see ``listen``
    from commentsvc.delivery.outbound import Outbound  # noqa: PLC0415 -- see ``listen``
    from commentsvc.delivery.webhook_events import tell_webhooks  # noqa: PLC0415 -- see ``listen``
    from commentsvc.delivery.webhook_sender import WebhookSender  # noqa: PLC0415 -- see ``listen``

    fan_outs: list[FanOut] = [tell_webhooks]
    senders: dict[Channel, Sender] = {Channel.WEBHOOK: WebhookSender(Outbound(parse_networks(config.outbound_allow)))}
    if config.verdict_url:
        from commentsvc.delivery.verdict_events import ask_about_comments  # noqa: PLC0415 -- see ``listen``
        from commentsvc.delivery.verdict_sender import VerdictSender  # noqa: PLC0415 -- see ``listen``

        fan_outs.append(ask_about_comments)
        senders[Channel.VERDICT] = VerdictSender(config)
    if config.smtp_url:
        from commentsvc.delivery.smtp import MailSender  # noqa: PLC0415 -- see ``listen``
        from commentsvc.web.mail.renderers import RENDERERS  # noqa: PLC0415 -- see ``listen``

        fan_outs += [mail_moderators, sign_in_mail.plan_mails, own_comments.mail_links]
        fan_outs += [requests.add_subscriptions, notifications.notify_subscribers]
        senders[Channel.MAIL] = MailSender(RENDERERS, config)
    return Outlets(fan_outs=fan_outs, senders=senders)


async def serve(
    config: Config,
    stop: Stop,
    announce: Callable[[Service], Awaitable[None]],
    role: Role = Role(),
) -> None:
    """Serve until the process is asked to stop, then finish the requests in progress.

    ``announce`` is awaited once, when the service accepts connections.

    Raises:
        DatabaseAway: the database does not answer in time.
        ConfigurationError, Unavailable: see ``open_ready_service``; or the service cannot listen on the port.
    """
    from commentsvc.web.server import listener as listeners  # noqa: PLC0415 -- see ``listen``

    def check_listener() -> None:
        if role.listener is None:
            with listeners.open_listener(config):
                pass

    async with AsyncExitStack() as stack:
        ready = wait_for_database(
            config.database_wait, lambda: stack.enter_async_context(open_ready_service(config, check_listener))
        )
        prepared = await stop.unless_asked(ready)
        if prepared is not None:
            # Last: without a database nobody can connect.
            listener = role.listener or stack.enter_context(listeners.open_listener(config))
            service = replace(prepared, config=listeners.describe_listener(config, listener))
            await stack.enter_async_context(servers.announce_server(service))
            await stack.enter_async_context(listen(service, None, listener, stop, role))
            LOG.info("listening on %s", listeners.name_place(service.config))
            await announce(service)
            processor.share_processor()
            role.report_ready()
            await stop.wait()
            role.report_stop()
            LOG.info("stopping: no new connections are accepted")
    LOG.info("stopped")


def load_program(config: Config) -> None:
    """Import what a server needs, before workers are forked: they share this memory."""
    from commentsvc.web.routes import application  # noqa: F401, PLC0415 -- see ``listen``
    from commentsvc.web.server import connections  # noqa: F401, PLC0415 -- see ``listen``

    require_library(config)
    if config.sqlite_path is None:
        with suppress(ImportError):  # opening the database names the cure
            from commentsvc.storage import postgres  # noqa: F401, PLC0415 -- an optional extra
    gc.freeze()  # the collector of a worker would write to the shared pages: https://docs.python.org/3/library/gc.html
