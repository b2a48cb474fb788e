"""Run imports by upload in a process of their own, one at a time, so that reading an archive slows no answer."""

import asyncio
import logging
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import msgspec

from commentsvc.archives import job_run
from commentsvc.archives.uploads import UploadFolder
from commentsvc.config.settings import Config
from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 5.0  # after a process that failed
STOP_SECONDS: Final = 4.0  # within the time that a server has to stop
MOST_ATTEMPTS: Final = 3
PROGRAM: Final = ("-m", "commentsvc.cli.import_process")


async def run_forever(service: Service) -> None:
    """Look for imports that wait, and work on them, until cancelled."""
    runner = ImportRunner(service)
    try:
        while True:
            try:
                await runner.look()
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:
                LOG.exception("imports cannot be run; next attempt in %s s", PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await runner.stop()


class ImportRunner:
    """The process that works on an import, if there is one."""

    def __init__(self, service: Service) -> None:
        """Start nothing yet."""
        self._service = service
        self._child: subprocess.Popen[bytes] | None = None
        self._job_id = ""
        self._failures: Counter[str] = Counter()

    async def look(self) -> None:
        """Start a process if an import waits; stop one whose import was cancelled."""
        folder = UploadFolder.find(self._service.config)
        if folder is None:  # nobody has ever uploaded anything
            return
        job = await job_run.find_next(self._service, folder.id)
        if self._child is not None:
            code = self._child.poll()
            if code is not None:
                await self._note_end(code)
            elif job is None or job.id != self._job_id:
                await self.stop()
        elif job is not None:
            self._start(job.id)

    def _start(self, job_id: str) -> None:
        # The settings of this server, through a pipe: its environment may be older, and secrets must not be arguments.
        words = [sys.executable, *PROGRAM, job_id]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, process_group=0)  # noqa: S603 -- our own
        self._child, self._job_id = child, job_id
        if child.stdin is not None:
            with suppress(OSError):  # it has ended already
                child.stdin.write(encode_settings(self._service.config) + b"\n")
                child.stdin.flush()

    async def _note_end(self, code: int) -> None:
        job_id = self._job_id
        self._forget()
        if code == 0:
            self._failures.pop(job_id, None)
            return
        self._failures[job_id] += 1
        LOG.warning("the process of import %s ended with code %d", job_id, code)
        if self._failures[job_id] >= MOST_ATTEMPTS:
            del self._failures[job_id]
            await job_run.fail(self._service, job_id, "interrupted")
        else:
            await asyncio.sleep(PAUSE_SECONDS)

    async def stop(self) -> None:
        """Stop the process; the import goes on at the next start, unless it was cancelled."""
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            await asyncio.to_thread(child.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._forget()

    def _forget(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.close()
        self._child = None


def encode_settings(config: Config) -> bytes:
    """Return the settings that differ from their defaults, for a process."""
    default = Config()
    given: dict[str, Any] = {
        name: getattr(config, name)
        for name in Config.__struct_fields__
        if getattr(config, name) != getattr(default, name)
    }
    return msgspec.json.encode(given)


def decode_settings(line: bytes) -> Config:
    """Return the settings that ``encode_settings`` has written."""
    return msgspec.json.decode(line, type=Config)
