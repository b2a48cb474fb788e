"""Kill the service again and again (kill -9) while clients post: each acknowledged comment is mailed.

A mail comes twice only if the kill came between the mail server's acceptance and our commit, then with the same
Message-ID.
"""

import asyncio
import random
import re
import sqlite3
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.ids import Ids
from tests.attacks import ledger
from tests.attacks.command import Figures, run
from tests.conftest import SECRET
from tests.delivery.smtp_server import mail_server
from tests.replicas import ReplicaLoad, Server

MOST_SECONDS = 0.5  # between an acknowledgement and the kill: in any part of a delivery
READER = Email("reader@example.org")
LONG_AGO = "2026-01-01T00:00:00.000Z"


def subscribe_reader(folder: Path) -> None:
    """Subscribe a reader to every comment of the site. The service has stopped."""
    keyring, new_id = Keyring([SECRET]), Ids()
    address, subscription = new_id(), new_id()
    with closing(sqlite3.connect(folder / ledger.DATABASE)) as database, database:
        (site,) = database.execute("SELECT id FROM site").fetchone()
        database.execute(
            "INSERT INTO address (id, email_sealed, email_digest, created_at, confirmed_at) VALUES (?, ?, ?, ?, ?)",
            (address, keyring.seal(READER), keyring.digest(READER), LONG_AGO, LONG_AGO),
        )
        database.execute(
            "INSERT INTO subscription (id, address_id, site_id, scope, language, created_at, confirmed_at) "
            "VALUES (?, ?, ?, 'site', 'en', ?, ?)",
            (subscription, address, site, LONG_AGO, LONG_AGO),
        )


def count_left(folder: Path) -> int:
    """Return the number of events and mails that still wait."""
    with closing(sqlite3.connect(f"file:{folder / ledger.DATABASE}?mode=ro", uri=True)) as database:
        (number,) = database.execute(
            "SELECT (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM parcel WHERE state = 'waiting')"
        ).fetchone()
    return int(number)


async def attack(number: int) -> Figures:
    """Kill the service so many times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with mail_server() as receiver:
            mail = {"SMTP_URL": receiver.url, "MAIL_FROM": "c@blog.example", "PUBLIC_URL": "http://localhost:8080"}
            settings = ledger.SETTINGS | {"SECRET_KEY": SECRET} | mail
            server = Server(folder, **settings)
            try:
                await server.start().await_start()
                await server.stop()
                subscribe_reader(folder)
                await server.start().await_start()
                load = ReplicaLoad(server.url)
                async with load.run(keyed=2):
                    for _ in range(number):
                        await load.await_more(random.randrange(5, 20))  # noqa: S311 -- any moment will do
                        await asyncio.sleep(random.uniform(0, MOST_SECONDS))  # noqa: S311 -- any moment will do
                        server.kill()
                        await server.start().await_start()
                    await load.await_more(5)
                await receiver.until(lambda: not count_left(folder))
                await server.stop()
            finally:
                server.close()
            return {"kills": number, **compare(load, receiver.mails)}


def compare(load: ReplicaLoad, mails) -> Figures:
    """Return which mails are missing, and which came twice."""
    arrived = defaultdict(list)
    for mail in mails:
        found = re.search(r"From ((?:keyed|plain)-\d+-\d+)\.", mail.text)
        arrived[found[1] if found else "?"].append(mail.message["Message-ID"])
    twice = [ids for ids in arrived.values() if len(ids) > 1]
    return {
        "acknowledged": len(load.acknowledged),
        "mails": len(mails),
        "lost": len(set(load.acknowledged) - set(arrived)),
        "twice": len(twice),
        "twice with another Message-ID": sum(len(set(ids)) > 1 for ids in twice),
        "about nothing": len(arrived["?"]),
    }


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return bool(figures["lost"] or figures["twice with another Message-ID"] or figures["about nothing"])


if __name__ == "__main__":
    run(attack, number=50, is_broken=is_broken)
