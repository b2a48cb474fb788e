"""The process that works on one import: ``python -m commentsvc.cli.import_process ID``. Only a server starts it.

It reads the settings of the server from its standard input, and ends when that is closed: with the server.
"""

import asyncio
import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import Final

import uvloop

from commentsvc import app
from commentsvc.archives.job_run import run_job
from commentsvc.cli import DONE, REFUSED, log_format
from commentsvc.config.settings import Config
from commentsvc.operations import erasures
from commentsvc.operations.imports import decode_settings

NICENESS: Final = 10  # answers come first
BUSY_SECONDS: Final = 1.0
END_SECONDS: Final = 15.0  # longer than a unit of work takes


def main() -> int:
    """Work on the import; return the exit code."""
    os.umask(0o077)
    os.nice(NICENESS)
    config = decode_settings(sys.stdin.buffer.readline())
    log_format.configure_logging(config)
    threading.Thread(target=_end_late, daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run_with_server(config, sys.argv[1]))


def _end_late() -> None:
    """End some seconds after the server, also if something hangs: this process must not keep the database open."""
    # Nothing follows the settings: it can be read once it is closed. uvloop makes it non-blocking, so a read may fail.
    select.select([sys.stdin.fileno()], [], [])
    time.sleep(END_SECONDS)
    os._exit(REFUSED)


async def _run_with_server(config: Config, job_id: str) -> int:
    work = asyncio.create_task(_run(config, job_id))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if work.done():
        return work.result()
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    return REFUSED


async def _run(config: Config, job_id: str) -> int:
    from commentsvc.archives.importer import import_archive  # noqa: PLC0415 -- large

    async with app.open_service(config) as service:
        if not await run_job(service, job_id, import_archive):
            await asyncio.sleep(BUSY_SECONDS)  # the server before this one is still stopping its process
        await erasures.apply_journal(service)  # what was erased may be in the archive
    return DONE


if __name__ == "__main__":
    sys.exit(main())
