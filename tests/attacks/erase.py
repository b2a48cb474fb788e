"""Erase comments by every door: nothing of them is left in any file or answer, also after an old backup is restored."""

import base64
import http.client
import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from commentsvc import app
from commentsvc.config.settings import Config
from commentsvc.domain.email_address import Email
from commentsvc.operations.maintenance import MOST_PAUSE
from commentsvc.privacy.export import export_person
from commentsvc.service import private_read
from commentsvc.storage.contacts import TABLE
from commentsvc.storage.database import PrivateRead, in_list
from tests.attacks.command import Figures, run
from tests.operations.test_operating import environment, port_of, serving
from tests.privacy.person import MAIL, add_mail_rows

# No part of an encoding of something else: it is in every field of every comment that is erased.
CANARY = "qzvkwxjy"
BLOG = "https://blog.example"
SHOP = "https://shop.example"
KEY = secrets.token_urlsafe(32)
ADMIN = {"Authorization": f"Bearer {KEY}"}
SETTINGS = {
    "RATE_LIMIT": "off", "FORM_SECONDS": "off", "MODERATION": "none", "SITES": BLOG, "ADMIN_KEY": KEY,
    "LOG_LEVEL": "debug",
}  # fmt: skip
CLEAN_SECONDS = 2 * MOST_PAUSE  # a slow machine pauses for longer between two cleanups
DOORS = ("withdraw", "erase", "thread", "flood", "terminal", "site", "person", "privacy")
ANSWERS = (
    "/v1/latest?site=blog.example", "/v1/latest.atom?site=blog.example", "/v1/moderation/comments?status=any",
    "/v1/threads", "/v1/audit?limit=200", f"/v1/moderation/comments?status=any&q={CANARY}",
)  # fmt: skip


class Client:
    """Sends requests to the service and keeps every byte of every answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers = bytearray()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> dict[str, object]:
        """Send a request, and return its JSON. A refusal is an ``AssertionError``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, kind | headers)
        response = connection.getresponse()
        content = response.read()
        self.answers += repr(response.getheaders()).encode() + content
        connection.close()
        assert response.status < 300, (method, path, response.status, content)
        return json.loads(content) if content[:1] in {b"{", b"["} else {}

    def post(self, mark: str, origin: str = BLOG, **more: str) -> dict[str, str]:
        """Post a comment with the canary in every field."""
        word = f"{CANARY}{mark}"
        fields = {
            "thread": f"{origin}/{word}-page/", "title": f"{word} title", "name": f"{word} name",
            "email": f"{word}@example.com", "website": f"https://{word}.example/", "comment": f"{word} *text*",
            "submission": f"{word}-submission",
        }  # fmt: skip
        return self.ask("POST", "/v1/comments", fields | more, Origin=origin, **{"User-Agent": word})  # type: ignore[return-value]

    def act(self, verb: str, comment: str) -> None:
        """Decide on a comment, with the canary in the note."""
        action = {"action": verb, "ids": [comment], "note": f"{CANARY} note"}
        self.ask("POST", "/v1/moderation/actions", action, **ADMIN)

    def thread_of(self, mark: str) -> str:
        """Return the id of the thread of a door."""
        found = self.ask("GET", f"/v1/threads?q={CANARY}{mark}", **ADMIN)["threads"]
        return str(found[0]["id"])  # type: ignore[index]


def prepare(client: Client, mark: str) -> dict[str, dict[str, str]]:
    """Post comments, edit, report, decide on and rename what is then erased, once for each door."""
    doors = {}
    for door in DOORS:
        origin = SHOP if door == "site" else BLOG
        hold = {"topic": "filled"} if door == "flood" else {}
        posted = client.post(f"{door}{mark}", origin, **hold)
        doors[door] = posted
        if door == "flood":
            continue
        edit = {"comment": f"{CANARY} edited {door}"}
        client.ask("PATCH", f"/v1/comments/{posted['id']}", edit, Authorization=f"Bearer {posted['edit_token']}")
        client.ask("POST", f"/v1/comments/{posted['id']}/reports", {"reason": f"{CANARY} reason"}, Origin=origin)
        client.ask("GET", f"/v1/comments?thread={quote(f'{origin}/{CANARY}{door}{mark}-page/')}", Origin=origin)
        if door != "withdraw":
            client.act("spam", posted["id"])
            client.act("approve", posted["id"])
        if door in {"person", "privacy"}:
            ban = {"kind": "email", "match": email_of(door, mark), "note": f"{CANARY} ban"}
            client.ask("POST", "/v1/rules", ban, **ADMIN)
        elif door != "withdraw":
            client.ask("PATCH", f"/v1/threads/{client.thread_of(door + mark)}", {"closed": False}, **ADMIN)
    return doors


def email_of(door: str, mark: str) -> str:
    """Return the email address of the person who came by a door."""
    return f"{CANARY}{door}{mark}@example.com"


async def add_mails(folder: Path, number: int) -> list[bytes]:
    """Add what mails and webhooks need, for the persons who are then erased; return every encrypted value of theirs."""
    sealed: list[bytes] = []
    config = Config(database_url=f"sqlite:///{folder}/data/commentsvc.db", **MAIL)
    async with app.open_service(config) as service:
        for mark in range(number):
            for door in ("person", "privacy"):
                email = Email(email_of(door, f"x{mark}x"))
                (posted,) = (await export_person(service, email)).comments
                await add_mail_rows(service, email, posted.id)
                sealed += await list_sealed(service, email)
    return sealed


@private_read
async def list_sealed(unit: PrivateRead, email: Email) -> list[bytes]:
    """Return the encrypted values of an address, in every table that has them."""
    listed, values = in_list("digest", unit.keyring.digests(email))
    found = [
        row["email_sealed"].encode()
        for table in (TABLE, "address", "event", "parcel", "rule")
        for row in await unit.all(f"SELECT email_sealed FROM {table} WHERE email_digest IN {listed}", **values)
    ]
    assert len(found) == 5, "each table has one"
    return found


def erase_all(client: Client, folder: Path, mark: str, doors: dict[str, dict[str, str]]) -> None:
    """Erase the comments of a round, each by its door; those of the site go with it."""
    mine = doors["withdraw"]
    client.ask("DELETE", f"/v1/comments/{mine['id']}", Authorization=f"Bearer {mine['edit_token']}")
    client.act("trash", doors["erase"]["id"])
    client.ask("DELETE", f"/v1/moderation/comments/{doors['erase']['id']}", **ADMIN)
    client.ask("DELETE", f"/v1/threads/{client.thread_of(f'thread{mark}')}?expect=1", **ADMIN)
    removal = {"where": {"q": f"{CANARY}flood{mark}"}, "expect": 1}
    client.ask("POST", "/v1/threads/removals", removal, **ADMIN)
    run_command(folder, "thread", "remove", client.thread_of(f"terminal{mark}"), "--expect", "1")
    run_command(folder, "person", "erase", email_of("person", mark), "--yes")
    request = {"email": email_of("privacy", mark), "action": "erase", "expect": 1}
    done = client.ask("POST", "/v1/privacy", request, **ADMIN)
    assert not any(done["after"].values()), done  # type: ignore[attr-defined]


def run_command(folder: Path, *words: str) -> None:
    """Run a command beside the service. It must succeed."""
    command = [sys.executable, "-m", "commentsvc", *words]
    subprocess.run(command, cwd=folder, env=environment(**SETTINGS), check=True, capture_output=True)


def encodings(word: str) -> Iterator[bytes]:
    """Yield a word as files and answers may hold it: plain, UTF-16, hex, and base64 at each offset."""
    plain = word.encode()
    yield from (plain, plain.upper(), plain[::-1], word.encode("utf-16-le"), plain.hex().encode())
    yield "".join(f"%{byte:02x}" for byte in plain).encode()
    yield "".join(f"&#{byte};" for byte in plain).encode()
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + plain)
        yield padded[4 if offset else 0 : -4]


def count_hits(content: bytes) -> int:
    """Count the canary in every encoding; plain, in upper and lower case."""
    lower = content.lower()
    return (
        sum(content.count(one) for one in encodings(CANARY))
        + lower.count(CANARY.encode())
        - content.count(CANARY.encode())
    )


def files_of(folder: Path) -> list[Path]:
    """Return the files of the service: database, write-ahead log, shared memory, journal, locks, log."""
    return [one for one in folder.rglob("*") if one.is_file() and one.name != "backup.db"]


def wait_until_clean(folder: Path, sealed: Sequence[bytes]) -> tuple[int, float]:
    """Wait until no file has a hit or an encrypted address, for a while; return the hits, and the seconds."""
    started = time.monotonic()
    while True:
        contents = [one.read_bytes() for one in files_of(folder)]
        hits = sum(count_hits(content) + sum(content.count(one) for one in sealed) for content in contents)
        took = time.monotonic() - started
        if not hits or took > CLEAN_SECONDS:
            return hits, round(took, 1)
        time.sleep(0.2)


def ask_everything(port: int, doors: list[dict[str, dict[str, str]]]) -> int:
    """Return how often the canary is in answers that no longer may have it."""
    client = Client(port)
    for path in ANSWERS:
        client.ask("GET", path, **ADMIN)
    for round_ in doors:
        for posted in round_.values():
            for path in (f"/v1/comments/{posted['id']}", f"/v1/moderation/comments/{posted['id']}"):
                with suppress(AssertionError):  # it is gone
                    client.ask("GET", path, **ADMIN)
    return count_hits(bytes(client.answers).replace(f"q={CANARY}".encode(), b""))


async def attack(number: int) -> Figures:
    """Post and erase so many comments by each door; restore the backup from before, and start again."""
    with tempfile.TemporaryDirectory() as name:
        return await _attack(Path(name), number)


async def _attack(folder: Path, number: int) -> Figures:
    database, backup = folder / "data" / "commentsvc.db", folder / "backup.db"
    with serving(folder, **SETTINGS) as (process, printed):
        client = Client(port_of(printed))
        shop = client.ask("POST", "/v1/sites", {"name": "shop", "origins": [SHOP]}, **ADMIN)
        doors = [prepare(client, f"x{one}x") for one in range(number)]
        sealed = await add_mails(folder, number)
        connection = sqlite3.connect(database)
        connection.execute("VACUUM INTO ?", [str(backup)])
        connection.close()
        before = count_hits(database.read_bytes() + database.with_name("commentsvc.db-wal").read_bytes())
        for mark, round_ in enumerate(doors):
            erase_all(client, folder, f"x{mark}x", round_)
        client.ask("DELETE", f"/v1/sites/{shop['id']}?expect={number}", **ADMIN)
        erased, seconds = wait_until_clean(folder, sealed)
        answers = ask_everything(client.port, doors)
        process.terminate()
        process.wait(20)
    for name in ("-wal", "-shm"):
        database.with_name(database.name + name).unlink(missing_ok=True)
    shutil.copyfile(backup, database)
    with serving(folder, **SETTINGS) as (_, printed):
        answers_again = ask_everything(port_of(printed), doors)
        again, seconds_again = wait_until_clean(folder, sealed)
    return {
        "comments erased": len(DOORS) * number,
        "encrypted addresses": len(sealed),
        "canaries before": before,
        "canaries in files": erased,
        "canaries in answers": answers,
        "seconds until the files were clean": seconds,
        "canaries in answers after a restore": answers_again,
        "canaries in files after a restore": again,
        "seconds after a restore": seconds_again,
    }


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return not figures["canaries before"] or any(figures[name] for name in figures if name.startswith("canaries in"))


if __name__ == "__main__":
    run(attack, number=20, is_broken=is_broken)
