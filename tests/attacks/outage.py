"""Take away what the service needs: room on the disk, its files, the database server, the right time.

Reads go on, a comment that cannot be kept is answered with 503, /readyz says so, and nothing that was acknowledged is
lost. The service goes on by itself when the fault is over, unless its files are gone.
"""

import asyncio
import ctypes.util
import errno
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from tests.attacks import ledger
from tests.attacks.command import Figures, run
from tests.attacks.disks import DiskUnavailable, disk
from tests.conftest import fields_of
from tests.operations.test_operating import call
from tests.operations.test_operating import run as run_command
from tests.postgres import as_owner, find_tools, owned_folder, run_as_owner
from tests.replicas import Server

PATIENCE = 20  # seconds until a fault shows, or is over
POSTS = 3  # that must fail, or succeed, one after the other
LONG = "It does not fit. " * 500
KEPT, REFUSED = 201, 503


class Watch:
    """Posts, reads and asks whether the service is ready; counts answers that are not the right ones."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.wrong = server, Counter()
        self.acknowledged: list[str] = []
        self._name = name
        self._numbers = count()

    def expect(self, what: str, found: object, *expected: object) -> None:
        """Count a fault if something is not among what is expected."""
        if found not in expected:
            self.wrong[f"{self._name}: {what} {found}"] += 1

    def post(self, *, padding: str = "", **fields: str) -> int:
        """Post a comment; return the status. Other answers than kept and refused are wrong."""
        text = f"Number {next(self._numbers)}. {padding}"
        try:
            status, _, body = call(self.server.port, "POST", "/v1/comments", fields_of(comment=text, **fields))
        except (OSError, http.client.HTTPException) as error:
            self.wrong[f"{self._name}: post {type(error).__name__}"] += 1
            return 0
        self.expect("post", status, KEPT, REFUSED)
        if status == KEPT:
            self.acknowledged.append(json.loads(body)["id"])
        return status

    def post_until(self, expected: int, padding: str = "") -> None:
        """Post until the service answers with this status, and expect it to stay so."""
        end = time.monotonic() + PATIENCE
        while self.post(padding=padding) != expected:
            if time.monotonic() > end:
                self.wrong[f"{self._name}: no {expected}"] += 1
                return
        for _ in range(POSTS):
            self.expect("then post", self.post(padding=padding), expected)

    def check_outage(self) -> None:
        """Expect that the service is not ready, and that readers notice nothing."""
        self.expect("ready", call(self.server.port, "GET", "/readyz")[0], REFUSED)
        self.read()

    def read(self) -> None:
        """Expect that readers get the comments."""
        for path in ("/v1/comments?thread=/a-page/", "/v1/counts?thread=/a-page/", "/t?thread=/a-page/"):
            self.expect("read", call(self.server.port, "GET", path)[0], 200)

    def check_recovery(self) -> None:
        """Expect that comments are kept again, without a restart, and that none is lost."""
        self.post_until(KEPT)
        end = time.monotonic() + PATIENCE
        while call(self.server.port, "GET", "/readyz")[0] != 200 and time.monotonic() < end:
            time.sleep(0.1)
        self.expect("ready again", call(self.server.port, "GET", "/readyz")[0], 200)
        self.check_kept()

    def check_kept(self) -> None:
        """Expect all acknowledged comments in the list."""
        shown, cursor = set(), ""
        while cursor is not None:
            body = call(self.server.port, "GET", f"/v1/comments?thread=/a-page/&limit=1000{cursor}")[2]
            page = json.loads(body)
            shown |= {one["id"] for one in page["comments"]}
            cursor = page.get("next_cursor") and f"&cursor={page['next_cursor']}"
        self.expect("lost", len(set(self.acknowledged) - shown), 0)


@contextmanager
def watched(folder: Path, name: str, *, environment: dict[str, str] | None = None, **settings: str) -> Iterator[Watch]:
    """Start a service in a folder."""
    server = Server(folder, **ledger.SETTINGS | settings)
    server.log = Path(tempfile.gettempdir(), f"commentsvc-outage-{server.port}.log")
    server._environment |= environment or {}
    try:
        asyncio.run(server.start().await_start())
        watch = Watch(server, name)
        watch.post_until(KEPT)
        yield watch
    finally:
        server.close()
        server.log.unlink(missing_ok=True)


@contextmanager
def on_disk(name: str) -> Iterator[tuple[Watch, Path]]:
    """Start a service on a disk of its own."""
    with disk("ext4") as mounted, watched(mounted.folder, name) as watch:
        yield watch, mounted.folder


def fill_disk() -> Watch:
    """Leave no byte on the disk, then make room."""
    with on_disk("full disk") as (watch, folder):
        filler = folder / "filler"
        _fill(filler)
        watch.post_until(REFUSED, LONG)
        watch.check_outage()
        filler.unlink()
        watch.check_recovery()
        return watch


def start_on_full_disk() -> Watch:
    """Start on a full disk, and make room while the service waits for it."""
    with on_disk("start on a full disk") as (watch, folder):
        asyncio.run(watch.server.stop())
        filler = folder / "filler"
        _fill(filler)
        watch.server.start()
        end = time.monotonic() + PATIENCE
        while "waiting for the database" not in watch.server.log.read_text(encoding="utf-8"):
            watch.expect("start", watch.server.process.poll(), None)
            if time.monotonic() > end or watch.wrong:
                return watch
            time.sleep(0.1)
        filler.unlink()
        asyncio.run(watch.server.await_start())
        watch.check_recovery()
        return watch


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as written:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    written.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def make_disk_read_only() -> Watch:
    """Let the kernel remount the disk read-only, as it does after errors; only a restart can help then."""
    with on_disk("read-only disk") as (watch, folder):
        device = Path(subprocess.check_output(["findmnt", "-no", "SOURCE", str(folder)], text=True).strip()).name
        subprocess.run(["mount", "-o", "remount,errors=remount-ro", str(folder)], check=True)
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1", encoding="utf-8")
        watch.post_until(REFUSED, LONG)
        watch.check_outage()
        return watch


def lock_database() -> Watch:
    """Let another program lock the database for longer than the service waits."""
    with tempfile.TemporaryDirectory() as folder, watched(Path(folder), "locked database") as watch:
        with closing(sqlite3.connect(Path(folder) / ledger.DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            watch.expect("post", watch.post(), REFUSED)
            watch.check_outage()
            other.execute("ROLLBACK")
        watch.check_recovery()
        return watch


def fail_calls(calls: str, error: str) -> Watch:
    """Let every call of this kind fail, in the running process."""
    if shutil.which("strace") is None:
        raise DiskUnavailable("strace is missing. Install it with: apt-get install strace")
    with tempfile.TemporaryDirectory() as folder, watched(Path(folder), f"{error} of {calls}") as watch:
        inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, "-p", str(watch.server.process.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            watch.post_until(REFUSED, LONG)
            watch.check_outage()
        finally:
            tracer.terminate()
            tracer.communicate()
        watch.check_recovery()
        return watch


def delete_database(suffix: str) -> Watch:
    """Delete a file of the database. The service must not go on as if nothing had happened, nor start with another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with watched(folder, f"deleted {suffix or 'database'}") as watch:
            Path(f"{folder / ledger.DATABASE}{suffix}").unlink()
            for _ in range(POSTS):
                watch.expect("post", watch.post(), REFUSED)
            watch.check_outage()
            log = watch.server.log.read_text(encoding="utf-8")
            watch.expect("log", "was moved, replaced or deleted" in log, True)
            watch.server.kill()
            if not suffix:
                done = run_command(folder, "migrate")
                watch.expect("start", (done.returncode, "but it was in use before" in done.stderr), (78, True))
        return watch


def move_clock() -> Watch:
    """Move the clock of the process by a year, forward and back and the other way round."""
    library = ctypes.util.find_library("faketime") or next(
        map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None
    )
    if library is None:
        raise DiskUnavailable("libfaketime is missing. Install it with: apt-get install faketime")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = folder / "clock"
        shown.write_text("+0", encoding="utf-8")
        environment = {
            "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(shown), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        settings = {"FORM_SECONDS": "1-3600", "RATE_LIMIT": "1000/3600"}
        with watched(folder, "clock", environment=environment, **settings) as watch:
            first = fields_of(comment="Sent before, and once more.", submission="0123456789abcdef")
            sent = call(watch.server.port, "POST", "/v1/comments", first)
            for jump in ("+365d", "+0", "-365d", "+0"):
                shown.write_text(jump, encoding="utf-8")
                form = json.loads(call(watch.server.port, "GET", "/v1/form")[2])["started"]
                time.sleep(1.2)  # the form must not be too quick, and is not held then
                watch.expect(f"post at {jump}", watch.post(started=form), KEPT)
                watch.read()
            again = call(watch.server.port, "POST", "/v1/comments", first)
            watch.expect("retry", json.loads(again[2])["id"], json.loads(sent[2])["id"])
            watch.check_recovery()
            watch.expect("audit log", run_command(folder, "audit", "verify").returncode, 0)
            return watch


def stop_postgres() -> Watch:
    """Stop PostgreSQL at once, as a crash does, and start it again."""
    tools = find_tools()
    if tools is None:
        raise DiskUnavailable("PostgreSQL is missing. Install it with: apt-get install postgresql")
    with owned_folder() as folder, tempfile.TemporaryDirectory() as ours:
        control = [tools / "pg_ctl", "-D", "data", "-w", "-l", "log"]
        start = [*control, "-o", f"-c listen_addresses='' -k {folder}", "start"]
        run_as_owner(folder, tools / "initdb", "-D", "data", "-A", "trust", "-U", "postgres", "--no-sync")
        run_as_owner(folder, *start)
        url = f"postgresql://postgres@/postgres?host={folder}"
        try:
            with watched(
                Path(ours), "PostgreSQL", DATABASE_URL=url, SECRET_KEY=os.urandom(32).hex(), READER_CONNECTIONS="2"
            ) as watch:
                run_as_owner(folder, *control, "-m", "immediate", "stop")
                watch.expect("post", watch.post(), REFUSED)
                watch.expect("ready", call(watch.server.port, "GET", "/readyz")[0], REFUSED)
                run_as_owner(folder, *start)
                watch.check_recovery()
                return watch
        finally:
            subprocess.run(as_owner(*control, "-m", "immediate", "stop"), cwd=folder, capture_output=True, check=False)


OUTAGES: dict[str, Callable[[], Watch]] = {
    "full disk": fill_disk,
    "start on a full disk": start_on_full_disk,
    "read-only disk": make_disk_read_only,
    "locked database": lock_database,
    "EIO of fdatasync": lambda: fail_calls("fdatasync", "EIO"),
    "EIO of pwrite64": lambda: fail_calls("pwrite64", "EIO"),
    "ENOSPC of pwrite64": lambda: fail_calls("pwrite64", "ENOSPC"),
    "deleted database": lambda: delete_database(""),
    "deleted log": lambda: delete_database("-wal"),
    "clock": move_clock,
    "PostgreSQL": stop_postgres,
}


async def attack(number: int) -> Figures:
    """Go through every outage so many times."""
    figures, wrong, impossible = Counter(), Counter(), dict[str, str]()
    for _ in range(number):
        for name, outage in OUTAGES.items():
            try:
                watch = await asyncio.to_thread(outage)
            except DiskUnavailable as error:
                impossible[name] = str(error)
                continue
            figures.update({"outages": 1, "acknowledged": len(watch.acknowledged)})
            wrong.update(watch.wrong)
    return (
        dict(figures) | {"wrong answers": dict(wrong)} | {f"not run: {name}": why for name, why in impossible.items()}
    )


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return bool(figures["wrong answers"] or not figures.get("outages"))


if __name__ == "__main__":
    run(attack, number=3, is_broken=is_broken)
