"""The command ``work``: send mails and call webhooks, beside servers that do not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from commentsvc import app
from commentsvc.cli import DONE
from commentsvc.config.settings import Config
from commentsvc.delivery import outbox
from commentsvc.operations import erasures, key_check, preparation, server_lock, servers
from commentsvc.operations.waiting import wait_for_database
from commentsvc.processes.stop import Stop, stop_on_signals
from commentsvc.service import Service

LOG: Final = logging.getLogger(__name__)


async def run_worker(config: Config) -> int:
    """Deliver until a signal, then finish what is being delivered; return the exit code.

    Raises:
        DatabaseAway: the database does not answer in time.
        ConfigurationError: see ``app.open_service``.
        Unavailable: a command that must be alone is still working.
    """
    await _work(config, stop_on_signals(socket_stays=False))
    return DONE


async def _work(config: Config, stop: Stop) -> None:
    async with AsyncExitStack() as stack:
        opening = wait_for_database(config.database_wait, lambda: stack.enter_async_context(_open_beside(config)))
        service = await stop.unless_asked(opening)
        if service is not None:
            await stack.enter_async_context(servers.announce_server(service))
            delivering = asyncio.create_task(app.deliver(service), name="delivery")
            LOG.info("sending mails and calling webhooks")
            await stop.wait()
            LOG.info("stopping: what is being sent is finished")
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
    LOG.info("stopped")


@asynccontextmanager
async def _open_beside(config: Config) -> AsyncIterator[Service]:
    """Open the service on the database of the servers. As with any command, nothing is created or migrated."""
    preparation.require_file(config)  # before the lock, which is a new file beside it
    async with server_lock.enter_database(config, serving=True) as lock, app.open_service(config) as service:
        await key_check.check_keys(service)  # mails are encrypted with older keys too
        await erasures.apply_journal(service)  # before mail goes to a person whom a restored backup brought back
        if lock.is_alone:
            await outbox.release_all(service)
        await lock.share()
        yield service
