"""Cut the power of the disk again and again while clients post, and start the service on what is left of it.

Every start succeeds, no acknowledged comment is lost, and the key opens every address. Every fourth cut happens at the
first start, on a new file system: it leaves either nothing or a service with its key.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress

from tests.attacks import ledger
from tests.attacks.command import Figures, run
from tests.attacks.disks import Disk, DiskUnavailable, disk
from tests.replicas import ReplicaLoad, Server

KINDS = ("ext4", "xfs")
CUTS_PER_DISK = 4
START_SECONDS = 2.5  # a first start is done by then
PROMISES = (*ledger.PROMISES, "refused starts", "weak key files")


async def attack(number: int, kinds: tuple[str, ...] = KINDS) -> Figures:
    """Cut the power so many times, on each kind of file system in turn."""
    figures = Counter({"cuts": 0, "cuts at the first start": 0} | dict.fromkeys(PROMISES, 0))
    while figures["cuts"] < number:
        kind = kinds[figures["cuts"] // CUTS_PER_DISK % len(kinds)]
        with disk(kind) as mounted:
            await _attack_disk(mounted, min(CUTS_PER_DISK, number - figures["cuts"]), figures, kind)
    return dict(figures)


async def _attack_disk(mounted: Disk, cuts: int, figures: Counter, kind: str) -> None:
    server = Server(mounted.folder, **ledger.SETTINGS)
    server.log = mounted.folder.with_name("log")  # not on the disk that fails
    load = ReplicaLoad(server.url)
    try:
        await _cut_first_start(server, mounted)
        figures.update({"cuts": 1, f"cuts of {kind}": 1, "cuts at the first start": 1})
        for _ in range(cuts - 1):
            if not await _start(server, figures):
                return
            async with load.run(keyed=3, plain=1):
                await load.await_more(random.randrange(5, 40))  # noqa: S311 -- any moment will do
                cut_at = time.time()
                await asyncio.to_thread(mounted.cut_power)
            figures["answers while the power failed"] += _forget(load, cut_at)
            _restore_power(server, mounted)
            figures.update({"cuts": 1, f"cuts of {kind}": 1})
        if await _start(server, figures):
            await server.stop()
            figures.update(await asyncio.to_thread(ledger.compare, mounted.folder, load))
            figures["weak key files"] += (mounted.folder / "data" / "secret.key").stat().st_mode & 0o077 != 0
    finally:
        server.close()


async def _cut_first_start(server: Server, mounted: Disk) -> None:
    server.start()
    await asyncio.sleep(random.uniform(0.1, START_SECONDS))  # noqa: S311 -- any moment will do
    mounted.cut_power()
    _restore_power(server, mounted)


def _forget(load: ReplicaLoad, since: float) -> int:
    """Forget what was acknowledged after the power failed, so that clients send it again; return how much.

    The cut takes some milliseconds, in which a file system may call something synced that it has lost (seen on XFS).
    A computer without power sends no answer.
    """
    late = [name for name, (_, at) in load.acknowledged.items() if at >= since]
    for name in late:
        del load.acknowledged[name]
    return len(late)


def _restore_power(server: Server, mounted: Disk) -> None:
    server.kill()
    mounted.unmount()
    mounted.mount()


async def _start(server: Server, figures: Counter) -> bool:
    server.start()
    with suppress(AssertionError):
        await server.await_start()
        return True
    figures["refused starts"] += 1
    print(server.log.read_text(encoding="utf-8"), file=sys.stderr)  # noqa: T201 -- the reason for a broken promise
    return False


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return any(figures[name] for name in PROMISES)


if __name__ == "__main__":
    try:
        run(attack, number=40, is_broken=is_broken)
    except DiskUnavailable as error:
        sys.exit(f"This attack cannot run: {error}")
