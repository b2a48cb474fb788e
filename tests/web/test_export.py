"""Test the export of the API: who may have it, and what clients get that do not read to the end."""

import asyncio
import csv
import io

import pytest

from commentsvc.archives import export_formats
from commentsvc.archives.export_csv import escape_formula
from commentsvc.audit.schemas import AuditQuery
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Mode, Scope
from commentsvc.moderation import audit
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from commentsvc.web.server.connections import Deadlines
from tests.archives.test_export import export_of
from tests.conftest import EVERYTHING, a_key, post
from tests.privacy.person import ADDRESS, fill


async def test_a_moderator_gets_the_export_as_a_file(client, service, key):
    await fill(service)
    answer = await client.get("/v1/export", headers=key)
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="comments.jsonl"'
    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
    assert await answer.read() == await export_of(service)
    head = await client.head("/v1/export", headers=key)
    assert (head.status, await head.read()) == (200, b"")


async def test_addresses_in_the_clear_need_the_scope_admin(client, service, key):
    await fill(service)
    moderator = await a_key(service, Scope.MODERATE)
    reader = await a_key(service, Scope.READ)
    assert (await client.get("/v1/export")).status == 401
    assert (await client.get("/v1/export", headers=reader)).status == 403
    assert (await client.get("/v1/export?contacts=clear", headers=moderator)).status == 403
    assert ADDRESS not in await (await client.get("/v1/export?contacts=sealed", headers=moderator)).text()
    assert ADDRESS in await (await client.get("/v1/export?contacts=clear", headers=key)).text()


async def test_an_export_is_in_the_audit_log_also_if_it_is_cut_off(client, service, key):
    await fill(service)
    (await client.get("/v1/export?format=csv", headers=key)).close()
    (entry,) = (await audit.list_entries(service, EVERYTHING, AuditQuery(limit=1))).entries
    assert (entry.verb, entry.site) == ("export", None)
    assert entry.body == {"format": "csv", "contacts": "none"}


async def test_a_key_of_one_site_exports_only_that_site(client, service):
    await manage.add_site(service, EVERYTHING, NewSite(name="photos", origins=["https://photos.example"]))
    await post(service, "On the blog.", site="blog")
    await post(service, "On the photos.", site="photos", thread="https://photos.example/1")
    mine = await a_key(service, Scope.MODERATE, site="photos")
    text = await (await client.get("/v1/export", headers=mine)).text()
    assert "On the photos." in text
    assert "On the blog." not in text
    assert (await client.get("/v1/export?site=blog", headers=mine)).status == 422
    both = await a_key(service)
    refused = await client.get("/v1/export?format=wxr", headers=both)
    assert [fault["field"] for fault in (await refused.json())["errors"]] == ["site"]


@pytest.mark.parametrize(
    ("query", "field"), [("format=pdf", "format"), ("format=csv&contacts=sealed", "contacts"), ("page=1", "page")]
)
async def test_a_wrong_query_names_its_field(client, key, query, field):
    answer = await client.get(f"/v1/export?{query}", headers=key)
    assert answer.status in {400, 422}
    assert [fault["field"] for fault in (await answer.json())["errors"]] == [field]


async def test_a_table_holds_no_formula(client, service, key):
    await post(service, '=HYPERLINK("https://evil.example")', name="+Mia", thread="/page/")
    answer = await client.get("/v1/export?format=csv", headers=key)
    text = await answer.text()
    assert text.startswith("\ufeffsite,page,title,")
    (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    assert (row["name"], row["text"][:2]) == ("'+Mia", "'=")
    assert "email" not in row


async def test_a_failure_in_the_middle_cuts_the_connection(client, service, key, monkeypatch):
    async def fail(_source, sink):
        await sink(b"{}\n")
        raise Unavailable("The database has gone.")

    monkeypatch.setitem(export_formats._WRITERS, "jsonl", fail)
    with pytest.raises(Exception, match=r"payload|closed|reset|disconnected"):
        await (await client.get("/v1/export", headers=key)).read()


async def test_a_client_that_does_not_read_frees_its_snapshot(live, browser_less):
    url, service = await live(
        deadlines=Deadlines(drain=0, last=0, finish=2, unread=0.2, sweep=0.05), moderation=Mode.NONE
    )
    text = "A long comment, which fills the buffers of the connection. " * 150
    for number in range(60):
        await post(service, f"{number} {text}", thread=f"/page-{number}/")
    headers = await a_key(service)
    host, port = url.removeprefix("http://").split(":")
    silent = [await asyncio.open_connection(host, int(port), limit=1) for _ in range(2)]
    for _, writer in silent:
        lines = ["GET /v1/export HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(5):
        while await status_of(browser_less, url, headers) == 503:  # noqa: ASYNC110 -- nothing tells
            await asyncio.sleep(0.02)
    for _, writer in silent:
        writer.close()


async def status_of(client, url, headers):
    async with client.get(f"{url}/v1/export", headers=headers) as answer:
        await answer.read()
        return answer.status


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\t@SUM(1)", "a\t'@SUM(1)"),
        ('a;  "=1+1', "a;'  \"=1+1"),
        ("=a;+1", "'=a;'+1"),
        ("a;-2+3", "a;'-2+3"),
        ("plain; words ;-) - and a = b", "plain; words ;-) - and a = b"),
    ],
)
def test_a_part_of_a_cell_is_no_formula_where_semicolons_separate_cells(cell, safe):
    assert escape_formula(cell) == safe
