"""Several servers on one database: after a change was acknowledged by one, no reader of another sees the state before.

Answers are kept in memory. Each one is compared with the database at every request, so it is never a stale one.
"""

import asyncio
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from commentsvc.domain.models import Mode
from commentsvc.web.routes import application
from commentsvc.web.server.answering import ANSWERS, Answering
from tests.conftest import a_key, a_service, fields_of

ROOT = Path(__file__).parent.parent.parent.parent
PLACES = ["/one/", "/two/", "/three/"]
# Every answer that may be kept.
PAGES = [
    "/v1/comments?limit=1000&thread={}",
    "/v1/comments?limit=1000&view=flat&order=newest&thread={}",
    "/v1/comments.html?limit=1000&thread={}",
    "/v1/comments.atom?limit=200&thread={}",
    "/v1/latest?limit=200",
    "/v1/latest.atom?limit=200",
    "/v1/counts?thread={}",
    "/t?thread={}",
]
READS = 10_000
SHOWN = 15  # comments of a writer that are public at the same time
HIDDEN = 20  # the last ones, which no answer may show
READS_FOR_A_CHANGE = 20


class Ledger:
    """Hold what was acknowledged: for each word of a comment, its place and whether readers see it."""

    def __init__(self):
        self.seen: dict[tuple[str, str], bool] = {}
        self._posted = Counter()  # by place; acknowledged or not
        self._hidden = Counter()

    def before(self):
        """Return the present state, to judge a request that is sent now."""
        return dict(self.seen), self._hidden.copy()

    def judge(self, before, place, page, text) -> list[str]:
        """Return what is wrong with an answer: it lacks or shows a word, and this was so before the request too."""
        seen_before, hidden_before = before
        settled = [(key, seen) for key, seen in seen_before.items() if self.seen.get(key) is seen]
        if "/v1/counts" in page:
            number = json.loads(text)["counts"][place]
            least = sum(seen for key, seen in settled if key[0] == place)
            most = self._posted[place] - hidden_before[place]
            return [] if least <= number <= most else [f"{page} counts {number}, not {least} to {most}"]
        return [
            f"{page} {'lacks' if seen else 'shows'} {word}"
            for (where, word), seen in settled
            if (where == place or "/latest" in page) and (word in text) is not seen
        ]

    @contextmanager
    def posting(self, key):
        """Note a comment that is sent in this block, and acknowledged at its end."""
        self._posted[key[0]] += 1
        yield
        self.seen[key] = True

    @contextmanager
    def hiding(self, key):
        """Note a comment that is hidden in this block: until it is acknowledged, readers may see either state."""
        del self.seen[key]
        yield
        self._hidden[key[0]] += 1
        self.seen[key] = False
        hidden = [key for key, seen in self.seen.items() if not seen]
        for old in hidden[:-HIDDEN]:
            del self.seen[old]


class Reader:
    """Reads like a browser: it sends the tag of what it has, and takes every second answer uncompressed."""

    def __init__(self, http, ledger):
        self._http, self._ledger = http, ledger
        self._kept: dict[tuple[str, str], tuple[str, str]] = {}
        self._encodings = itertools.cycle(["gzip", "identity"])
        self.wrong: list[str] = []
        self.reads = 0

    async def read(self, page, place):
        """Read a page, and judge it by what was acknowledged before the request."""
        before = self._ledger.before()
        text = await self._get(page.format(place), next(self._encodings))
        self.wrong += self._ledger.judge(before, place, page, text)
        self.reads += 1

    async def _get(self, path, encoding) -> str:
        tag, text = self._kept.get((path, encoding), ("", ""))
        headers = {"Accept-Encoding": encoding} | ({"If-None-Match": tag} if tag else {})
        async with self._http.get(path, headers=headers) as response:
            if response.status == 304:
                return text
            assert response.status == 200
            text = await response.text()
            if "ETag" in response.headers:
                self._kept[path, encoding] = (response.headers["ETag"], text)
            return text


class Writer:
    """Posts comments, which are public at once, and hides older ones, through each server in turn."""

    def __init__(self, servers, key, ledger, name):
        self._servers = itertools.cycle(servers)
        self._key, self._ledger = key, ledger
        self._name, self._numbers = name, itertools.count(1)
        self._shown: list[tuple[tuple[str, str], str]] = []

    async def change(self, place):
        """Post a comment; if many are public, hide the oldest one instead."""
        if len(self._shown) >= SHOWN:
            await self.hide()
        else:
            await self.post(place)

    async def post(self, place):
        key = (place, f"{self._name}{next(self._numbers):06d}")
        body = fields_of(thread=place, comment=f"A comment with {key[1]} in it. " + "And more words. " * 20)
        with self._ledger.posting(key):
            async with next(self._servers).post("/v1/comments", json=body) as response:
                assert response.status == 201, await response.text()
                self._shown.append((key, (await response.json())["id"]))

    async def hide(self):
        key, comment = self._shown.pop(0)
        body = {"action": "trash", "ids": [comment]}  # spam would hold the next ones, which are much alike
        with self._ledger.hiding(key):
            async with next(self._servers).post("/v1/moderation/actions", json=body, headers=self._key) as response:
                assert response.status == 200, await response.text()


@pytest.fixture
async def two(database_url, clock, aiohttp_client):
    """Two servers on one database, and the headers of a moderator."""
    async with (
        a_service(database_url, clock, moderation=Mode.NONE) as one,
        a_service(database_url, clock, moderation=Mode.NONE) as other,
    ):
        servers = [await aiohttp_client(application(service)) for service in (one, other)]
        yield *servers, await a_key(one)


async def read_between_changes(one, other, key) -> list[Reader]:
    """Change comments through one server; after each change, let two readers read everything from the other one."""
    ledger = Ledger()
    writer, readers = Writer([one], key, ledger, "word"), [Reader(other, ledger) for _ in range(2)]

    async def read_everything():
        for reader, page in itertools.product(readers, PAGES):
            await reader.read(page, "/one/")

    await read_everything()
    for change in (lambda: writer.post("/one/"), writer.hide) * 12:
        await change()
        await read_everything()
    return readers


async def test_readers_of_another_server_see_each_change_at_once(two):
    readers = await read_between_changes(*two)
    assert [fault for reader in readers for fault in reader.wrong] == []
    assert sum(reader.reads for reader in readers) == 25 * 2 * len(PAGES)


async def test_readers_would_see_old_answers_if_the_check_did_nothing(two, monkeypatch):
    async def check_nothing(_answering, _answer):
        return True

    monkeypatch.setattr(Answering, "_is_current", check_nothing)
    readers = await read_between_changes(*two)
    wrong = " ".join(fault for reader in readers for fault in reader.wrong)
    assert {page for page in PAGES if page not in wrong} == set()


class Operator:
    """Makes every kind of change that readers may see, through one server."""

    def __init__(self, client, key, clock):
        self._client, self._key, self._clock = client, key, clock

    async def call(self, method, path, body=None, headers=None):
        async with self._client.request(method, path, json=body, headers=headers or self._key) as response:
            text = await response.text()
            assert response.status < 300, text
            return json.loads(text) if text else None

    async def post(self, text, **more):
        return await self.call("POST", "/v1/comments", fields_of(thread="/one/", comment=text, **more), {"X": "x"})

    async def changes(self):
        """Yield a name after each change."""
        first = await self.post("The first one.")
        yield "a comment"
        reply = await self.post("A reply.", parent=first["id"])
        yield "a reply"
        own = {"Authorization": f"Bearer {reply['edit_token']}"}
        await self.call("PATCH", f"/v1/comments/{reply['id']}", {"comment": "An edited reply."}, own)
        yield "an edit by its commenter"
        for change in ({"comment": "Rewritten."}, {"name": "Somebody"}, {"status": "pending"}, {"status": "approved"}):
            await self.call("PATCH", f"/v1/moderation/comments/{first['id']}", change, self._key | {"If-Match": "*"})
            yield f"a moderator's change: {change}"
        await self.call("DELETE", f"/v1/comments/{reply['id']}", headers=own)
        yield "a withdrawn comment"
        async for name in self._change_thread():
            yield name
        async for name in self._change_site():
            yield name
        await self.call("POST", "/v1/moderation/actions", {"action": "trash", "ids": [first["id"]]})
        yield "a comment in the trash"
        await self.call("DELETE", f"/v1/moderation/comments/{first['id']}")
        yield "an erased comment"

    async def _change_thread(self):
        thread = (await self.call("GET", "/v1/threads"))["threads"][0]["id"]
        for change in ({"title": "A title"}, {"closed": True}, {"closed": False}, {"alias": "/other/"}):
            await self.call("PATCH", f"/v1/threads/{thread}", change)
            yield f"a change of the thread: {change}"

    async def _change_site(self):
        site = (await self.call("GET", "/v1/sites"))["sites"][0]["id"]
        form = {"email_required": False, "privacy_url": "https://a.example/p", "website_field": True}
        for change in (form, {"name": "garden"}, {"origins": ["https://blog.example"]}):
            await self.call("PATCH", f"/v1/sites/{site}", change)
            yield f"a change of the site: {change}"
        await self.call("POST", "/v1/sites", {"name": "shop", "origins": ["https://shop.example"]})
        yield "a second site"
        rule = {"kind": "closing_age", "match": "1", "effect": "refuse", "site": "garden"}
        rule = (await self.call("POST", "/v1/rules", rule))["id"]
        yield "a rule that closes old threads"
        self._clock.move(days=2)
        yield "a thread that is old"
        await self.call("DELETE", f"/v1/rules/{rule}")
        yield "the end of the rule"


async def read_all(client, site):
    """Return every page that may be kept, without what is new each time. A site keeps its earlier names."""
    found = {}
    for page in PAGES:
        path = page.format("/one/") + ("&" if "?" in page else "?") + f"site={site}"
        for origin in ({}, {"Origin": "https://blog.example"}):
            async with client.get(path, headers=origin) as response:
                text = re.sub(r'name="(started|submission)" value="[^"]*"', "", await response.text())
                shown = {name: response.headers.get(name) for name in ("ETag", "Vary", "Access-Control-Allow-Origin")}
                found[path, bool(origin)] = response.status, text, shown
    return found


async def test_readers_of_another_server_see_every_kind_of_change_at_once(two, database_url, clock, aiohttp_client):
    one, other, key = two
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        forgetful = await aiohttp_client(application(service))
        operator, changed = Operator(one, key, clock), set()
        site = (await operator.call("GET", "/v1/sites"))["sites"][0]["name"]
        await read_all(other, site)
        before = await read_all(forgetful, site)
        async for change in operator.changes():
            forgetful.server.app[ANSWERS].__init__()
            service.parts.clear()
            now = await read_all(forgetful, site)
            assert await read_all(other, site) == now, change
            changed |= {path for path, page in now.items() if page != before[path]}
            before = now
        assert changed == set(now)  # no page was the same all the time


@contextmanager
def processes(url, number):
    """Start servers on one database, each in a process of its own; yield their addresses."""
    command = [sys.executable, "-m", "tests.web.server.one_server", url]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    try:
        yield [f"http://127.0.0.1:{int(process.stdout.readline())}" for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_ten_thousand_readers_of_two_processes_see_no_stale_answer(database_url, clock):
    async with a_service(database_url, clock) as service:
        key = await a_key(service)
    ledger = Ledger()
    with processes(database_url, 2) as addresses:
        async with (
            aiohttp.ClientSession(addresses[0]) as one,
            aiohttp.ClientSession(addresses[1]) as other,
        ):
            writers = [
                Writer(servers, key, ledger, name) for name, servers in (("a", (one, other)), ("b", (other, one)))
            ]
            readers = [Reader(http, ledger) for http in (one, other) * 3]

            turns = asyncio.Semaphore(0)

            async def read_in_turn(reader):
                for number, (place, page) in enumerate(itertools.cycle(itertools.product(PLACES, PAGES))):
                    if number >= READS / len(readers):
                        return
                    if number % READS_FOR_A_CHANGE == 0:
                        turns.release()
                    await reader.read(page, place)

            async def write_beside(writer):
                for place in itertools.cycle(PLACES):
                    await turns.acquire()
                    await writer.change(place)

            writing = [asyncio.create_task(write_beside(writer)) for writer in writers]
            await asyncio.gather(*map(read_in_turn, readers))
            for task in writing:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    assert [fault for reader in readers for fault in reader.wrong] == []
    assert sum(reader.reads for reader in readers) >= READS
    assert len(ledger.seen) > SHOWN
