"""Kill the service again and again (kill -9) while clients post and repeat what was not acknowledged.

Nothing that was acknowledged is lost, and nothing that was repeated is stored twice.
"""

import asyncio
import random
import tempfile
from pathlib import Path

from tests.attacks import ledger
from tests.attacks.command import Figures, run
from tests.replicas import ReplicaLoad, Server

MOST_SECONDS = 0.05  # between an acknowledgement and the kill: in any part of some later request


async def attack(number: int) -> Figures:
    """Kill the service so many times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder, **ledger.SETTINGS)
        try:
            await server.start().await_start()
            load = ReplicaLoad(server.url)
            async with load.run(keyed=4, plain=2):
                for _ in range(number):
                    await load.await_more(random.randrange(5, 40))  # noqa: S311 -- any moment will do
                    await asyncio.sleep(random.uniform(0, MOST_SECONDS))  # noqa: S311 -- any moment will do
                    server.kill()
                    await server.start().await_start()
                await load.await_more(10)
            await server.stop()
        finally:
            server.close()
        return {"kills": number, **await asyncio.to_thread(ledger.compare, folder, load)}


if __name__ == "__main__":
    run(attack, number=100, is_broken=ledger.is_broken)
