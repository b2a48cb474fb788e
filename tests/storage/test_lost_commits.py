"""The answer to a commit is lost: nobody is told that nothing was saved, and a second attempt is safe."""

import asyncio
import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from commentsvc.domain.errors import OutcomeUnknown, Unavailable
from commentsvc.service import write
from commentsvc.storage import patience, postgres_writer
from commentsvc.web.routes import application
from tests.conftest import a_service_at, fields_of
from tests.operations.test_operating import call, port_of, serving

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # https://www.postgresql.org/docs/current/protocol-message-formats.html
COMMITTED = b"COMMIT\x00"


class Cut:
    """Passes bytes on to a server. When it is armed, the answer to the next COMMIT gets lost."""

    def __init__(self, server):
        self.server, self.armed, self.hangs = server, False, False

    async def handle(self, reader, writer):
        answers, questions = await asyncio.open_unix_connection(self.server)
        back = asyncio.create_task(self._pass_on(answers, writer))
        try:
            while data := await reader.read(65536):
                questions.write(data)
                if self.armed and data.endswith(COMMIT):
                    self.armed = False
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    await answers.readuntil(COMMITTED)  # it is on disk
                    while self.hangs and await reader.read(65536):
                        pass
                    break
        finally:
            back.cancel()
            questions.transport.abort()
            writer.transport.abort()

    async def _pass_on(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.transport.abort()


@asynccontextmanager
async def cut_before(url, folder):
    """Run a service that reaches its database through a ``Cut``; yield both."""
    [place] = parse_qs(urlsplit(url).query)["host"]
    cut = Cut(str(Path(place) / ".s.PGSQL.5432"))
    listening = await asyncio.start_unix_server(cut.handle, folder / ".s.PGSQL.5432")
    try:
        async with a_service_at(url.replace(place, str(folder))) as service:
            yield cut, service
    finally:
        listening.close()


@write
async def add_site(unit, name):
    await unit.run("INSERT INTO site (id, name, created_at) VALUES (:name, :name, '2026')", name=name)


@write
async def read_sites(unit):
    return [row["name"] for row in await unit.all("SELECT name FROM site")]


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_commenter_whose_answer_was_lost_sends_again_and_is_saved_once(
    postgres_url, tmp_path, aiohttp_client, monkeypatch, hangs
):
    async with cut_before(postgres_url, tmp_path) as (cut, service):
        client = await aiohttp_client(application(service))
        cut.armed, cut.hangs = True, hangs
        monkeypatch.setattr(patience, "ANSWER_SECONDS", 1.5 if hangs else patience.ANSWER_SECONDS)
        key = {"Idempotency-Key": "one-attempt-of-a-reader"}
        lost = await client.post("/v1/comments", json=fields_of(), headers=key)
        told = await lost.json()
        assert (lost.status, told["code"], lost.headers["Retry-After"]) == (503, "outcome_unknown", "5")
        assert "Nothing was saved" not in json.dumps(told)
        assert "sent again safely with the same Idempotency-Key" in told["detail"]
        monkeypatch.undo()
        again = await client.post("/v1/comments", json=fields_of(), headers=key)
        assert again.status == 201
        listing = await (await client.get("/v1/comments?thread=/a-page/")).json()
        assert [comment["id"] for comment in listing["comments"]] == [(await again.json())["id"]]


async def test_only_those_who_changed_something_are_told_that_the_outcome_is_unknown(
    postgres_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(postgres_writer, "PATIENCE_SECONDS", 60)  # one batch, also on a busy computer
    async with cut_before(postgres_url, tmp_path) as (cut, service):
        cut.armed = True
        together = add_site(service, "one"), read_sites(service), add_site(service, "two")
        outcomes = await asyncio.gather(*together, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, Unavailable, OutcomeUnknown]
        assert service.db.writes.failed
        assert {"one", "two"} <= set(await read_sites(service))
        cut.armed = True
        with pytest.raises(Unavailable) as refused:
            await read_sites(service)
        assert type(refused.value) is Unavailable, "it changed nothing"


@pytest.mark.slow
def test_a_commenter_whose_disk_fails_in_the_commit_reads_that_the_outcome_is_unknown(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with serving(tmp_path, RATE_LIMIT="off", FORM_SECONDS="off", MODERATION="none") as (process, printed):

        def post(number):
            key = {"Idempotency-Key": f"attempt-{number:04}"}
            status, _, body = call(
                port_of(printed), "POST", "/v1/comments", fields_of(comment=f"Number {number}."), **key
            )
            return status, json.loads(body)

        assert post(9999)[0] == 201  # compiles the rules, in a unit that changes nothing
        failing = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"]
        command = ["strace", "-f", "-qq", "-o", os.devnull, *failing, "-p", str(process.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            number, (status, told) = 0, post(0)
            while status == 201:
                number += 1
                status, told = post(number)
        finally:
            tracer.terminate()
            tracer.wait()
        assert (status, told["code"]) == (503, "outcome_unknown")
        while post(number)[0] != 201:
            pass
        listing = json.loads(call(port_of(printed), "GET", "/v1/comments?thread=/a-page/&limit=1000")[2])
        texts = [comment["html"] for comment in listing["comments"]]
        assert texts.count(f"<p>Number {number}.</p>") == 1
