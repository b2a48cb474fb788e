"""Readers get whole answers from memory, and each reader still gets the answer to their own question."""

import asyncio
import base64
import re
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta

import pytest
from aiohttp import web

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import Effect, Mode, RuleKind
from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.rules import manage as rules
from commentsvc.rules.schemas import NewRule
from commentsvc.sites import manage as sites
from commentsvc.sites.schemas import NewSite
from commentsvc.web.routes import application
from commentsvc.web.server import questions
from commentsvc.web.server.answer_cache import OVERHEAD, Answer, AnswerCache
from commentsvc.web.server.answering import ANSWERS, QUESTIONS
from commentsvc.web.server.middleware import DRAINING
from commentsvc.web.server.routing import SERVICE
from tests.comments.test_post import approve
from tests.conftest import EVERYTHING, a_service, draft, fields_of, visit
from tests.storage.costs import statements_of

LIST = "/v1/comments?thread=/a-page/"
KEPT = [
    LIST, f"{LIST}&view=flat", "/v1/comments.html?thread=/a-page/", "/v1/comments.atom?thread=/a-page/", "/v1/latest",
    "/v1/latest.atom", "/v1/counts?thread=/a-page/&thread=/other/", "/t?thread=/a-page/",
]  # fmt: skip


@pytest.fixture
async def client(service, aiohttp_client):
    await approve(service, await post_comment(service, draft(), visit()))
    return await aiohttp_client(application(service))


@contextmanager
def counted_units(service, monkeypatch):
    """Yield a list of the database's units of work; what reads the basis of an answer is not one."""
    units, db = [], service.db
    for way in ("read", "read_private", "write"):
        original = getattr(db, way)

        def noted(work, *args, original=original, way=way, **options):
            units.append(way)
            return original(work, *args, **options)

        monkeypatch.setattr(db, way, noted)
    yield units
    monkeypatch.undo()


@pytest.mark.parametrize("path", KEPT)
async def test_a_question_that_was_asked_before_needs_no_unit_of_work(client, service, monkeypatch, path):
    first = await client.get(path)
    with counted_units(service, monkeypatch) as units:
        second = await client.get(path)
    assert (first.status, second.status, units) == (200, 200, [])
    if not path.startswith("/t?"):
        assert await first.read() == await second.read()


@pytest.mark.parametrize("path", KEPT)
async def test_a_kept_answer_has_the_headers_of_the_first_one(client, path):
    first, second = await client.get(path), await client.get(path)
    own = {"Date", "X-Request-ID"}
    assert {name: value for name, value in first.headers.items() if name not in own} == {
        name: value for name, value in second.headers.items() if name not in own
    }
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    headed = await client.head(path)
    assert (headed.status, headed.headers["Content-Length"]) == (200, second.headers["Content-Length"])


@pytest.mark.parametrize("path", [path for path in KEPT if "/t?" not in path and "counts" not in path])
async def test_a_reader_who_has_the_kept_answer_gets_304(client, path):
    tag = (await client.get(path)).headers["ETag"]
    for asked in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        unchanged = await client.get(path, headers={"If-None-Match": asked})
        assert (unchanged.status, await unchanged.read(), unchanged.headers["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in unchanged.headers
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status == 200


async def test_a_reader_who_asks_first_with_a_tag_fills_the_memory_for_all(client, service, monkeypatch):
    tag = (await client.get(LIST)).headers["ETag"]
    client.app[ANSWERS].__init__()
    assert (await client.get(LIST, headers={"If-None-Match": tag})).status == 304
    with counted_units(service, monkeypatch) as units:
        assert (await client.get(LIST)).status == 200
        assert (await client.get(LIST, headers={"If-None-Match": tag})).status == 304
    assert units == []


async def test_each_reader_gets_their_language_encoding_and_origin(client):
    path = "/v1/comments.html?thread=/a-page/"
    for _ in range(2):
        german = await client.get(path, headers={"Accept-Language": "de", "Accept-Encoding": "gzip"})
        english = await client.get(path, headers={"Accept-Language": "en", "Accept-Encoding": "identity"})
        assert "1 Kommentar" in await german.text()
        assert "1 comment" in await english.text()
        assert (german.headers["Content-Encoding"], english.headers.get("Content-Encoding")) == ("gzip", None)
        foreign = await client.get(path, headers={"Origin": "https://elsewhere.example"})
        local = await client.get(path, headers={"Origin": "http://localhost:4000"})
        assert (foreign.status, local.status) == (403, 200)
        assert local.headers["Access-Control-Allow-Origin"] == "http://localhost:4000"
        assert "Access-Control-Allow-Origin" not in english.headers


async def test_each_reader_of_the_page_gets_their_language_and_address(client):
    for lang, words in {"de": "1 Kommentar", "en": "1 comment", "ar": 'dir="rtl"'}.items():
        page = await client.get("/t?thread=/a-page/%3Ffbclid=of-one-reader", headers={"Accept-Language": lang})
        assert words in await page.text()
    assert "of-one-reader" not in await (await client.get("/t?thread=/a-page/")).text()


async def test_the_page_without_script_can_be_loaded_twice_and_sent_twice(client):
    sent = []
    for number in range(2):
        text = await (await client.get("/t?thread=/a-page/")).text()
        form = {name: re.search(rf'name="{name}" value="([^"]+)"', text)[1] for name in ("submission", "started")}
        sent.append(form)
        answer = await client.post("/v1/comments", data=fields_of(comment=f"Number {number}.") | form)
        assert answer.status in {201, 202}, await answer.text()
    assert sent[0]["submission"] != sent[1]["submission"]
    assert sent[0]["started"] != sent[1]["started"]


async def test_all_addresses_of_a_page_share_one_answer(client, service, monkeypatch):
    await client.get(LIST)
    with counted_units(service, monkeypatch) as units:
        for name in ("/a-page", "/a-page/?utm_source=mail", "%2Fa-page%2F", "/a-page/index.html#top"):
            assert len((await (await client.get(f"/v1/comments?thread={name}")).json())["comments"]) == 1
        await client.get("/v1/comments.atom?thread=/a-page/")
        units.clear()
        await client.get("/v1/comments.atom?utm_source=reader&thread=/a-page/")
    assert units == []


async def test_a_commenter_sees_their_pending_comment_and_nobody_else_does(client):
    posted = await (await client.post("/v1/comments", json=fields_of(comment="Mine, and pending."))).json()
    for _ in range(2):
        own = await client.get(LIST, headers={"Authorization": f"Bearer {posted['edit_token']}"})
        assert "Mine, and pending." in await own.text()
        assert own.headers["Cache-Control"] == "no-store"
        assert "Mine, and pending." not in await (await client.get(LIST)).text()


async def test_a_private_mode_changes_no_etag_and_an_edit_does(client, service):
    tags = [(await client.get(LIST)).headers["ETag"]]
    thread = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads[0]
    await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(mode=Mode.NONE))
    tags.append((await client.get(LIST)).headers["ETag"])
    await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(title="A better title"))
    tags.append((await client.get(LIST)).headers["ETag"])
    assert tags[0] == tags[1] != tags[2]


async def test_a_cursor_does_not_count_hidden_comments(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    cursors = []
    for thread, hidden in (("/quiet/", 0), ("/busy/", 20)):
        for number in range(hidden):
            await post_comment(service, draft(thread=thread, comment=f"Hidden {number}."), visit())
        shown = [await post_comment(service, draft(thread=thread, comment=f"Shown {n}."), visit()) for n in range(2)]
        await approve(service, *shown)
        for view in ("tree", "flat"):
            listing = await (await client.get(f"/v1/comments?thread={thread}&limit=1&view={view}")).json()
            text = base64.urlsafe_b64decode(listing["next_cursor"] + "==").decode()
            cursors.append(text.replace(listing["comments"][0]["id"], "ID"))
            rest = await client.get(f"/v1/comments?thread={thread}&view={view}&cursor={listing['next_cursor']}")
            assert [comment["html"] for comment in (await rest.json())["comments"]] == ["<p>Shown 1.</p>"]
    assert cursors[:2] == cursors[2:]


async def test_a_cursor_with_the_id_of_a_pending_comment_is_refused_like_an_unknown_one(client):
    pending = await (await client.post("/v1/comments", json=fields_of(comment="Pending."))).json()
    texts = []
    for comment_id in (pending["id"], pending["id"][:-4] + "0000"):
        cursor = base64.urlsafe_b64encode(f"t o {comment_id}".encode()).decode().rstrip("=")
        answer = await client.get(f"{LIST}&cursor={cursor}")
        texts.append((answer.status, await answer.text()))
    assert texts[0] == texts[1]
    assert texts[0][0] == 422


async def test_a_thread_that_closes_by_age_closes_in_kept_answers_too(client, service, clock):
    await rules.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.CLOSING_AGE, match="14", effect=Effect.REFUSE))
    for path in (LIST, "/v1/latest"):
        assert '"closed":false' in await (await client.get(path)).text()
    clock.time += timedelta(days=14, seconds=1)
    for path in (LIST, "/v1/latest"):
        assert '"closed":true' in await (await client.get(path)).text()


async def test_a_refusal_is_not_kept(client, service):
    path = "/v1/comments?thread=https://new.example/a/"
    assert (await client.get(path)).status == 422
    await sites.add_site(service, EVERYTHING, NewSite(name="new", origins=["https://new.example"]))
    assert (await client.get(path)).status == 200


async def test_a_new_first_comment_replaces_the_empty_answer(client, service):
    path = "/v1/comments?thread=/empty/"
    assert (await (await client.get(path)).json())["comments"] == []
    await approve(service, await post_comment(service, draft(thread="/empty/"), visit()))
    assert len((await (await client.get(path)).json())["comments"]) == 1


async def test_every_reader_is_asked_to_leave_while_the_service_stops(client):
    await client.get(LIST)
    client.app[DRAINING].process = True
    assert (await client.get(LIST)).headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("request_line", "headers", "expected"),
    [
        ("GET {} HTTP/1.1", "Connection: close\r\n", b"Connection: close"),
        ("GET {} HTTP/1.0", "", b"HTTP/1.0 200 OK"),
        ("GET {} HTTP/1.0", "Connection: keep-alive\r\n", b"Connection: keep-alive"),
    ],
)
async def test_a_proxy_with_an_old_protocol_gets_kept_answers(client, request_line, headers, expected):
    await client.get(LIST)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"{request_line.format(LIST)}\r\nHost: localhost\r\n{headers}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head, re.IGNORECASE)[1])
    assert expected in head
    assert b"Date: " in head
    assert len(await reader.readexactly(length)) == length
    writer.close()


@asynccontextmanager
async def reads_of(service):
    """Yield a list of the statements in this block that need no unit of work."""
    found, read_rows = [], service.db.read_rows

    async def noted(sql, values, **options):
        found.append(sql)
        return await read_rows(sql, values, **options)

    service.db.read_rows = noted
    try:
        yield found
    finally:
        service.db.read_rows = read_rows


@asynccontextmanager
async def units_of(service):
    """Yield a list of the statements of all units of work in this block, without their values. SQLite only."""
    found, seen = [], []
    readers = [service.db._public.get_nowait() for _ in range(service.db._public.qsize())]
    for reader in readers:
        await reader.set_trace_callback(seen.append)
        service.db._public.put_nowait(reader)
    async with statements_of(service) as written:
        yield found
    for reader in readers:
        await reader.set_trace_callback(None)
    found += [re.sub(r"'[^']*'|\b\d+\b", "?", sql) for sql in [*seen, *written] if not sql.startswith("--")]


async def test_many_sites_cost_a_reader_and_a_commenter_no_more_statements(database_url, engine, clock, aiohttp_client):
    costs = []
    async with a_service(database_url, clock, sites="https://blog.example", moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))

        async def read_and_post(page):
            headers = {"Origin": "https://blog.example"}
            posted = await client.post("/v1/comments", json=fields_of(thread=page), headers=headers)
            read = await client.get(f"/v1/comments?thread={page}", headers=headers)
            asked = await client.options("/v1/comments", headers=headers)
            assert (posted.status, read.status, asked.status) == (201, 200, 204)

        for number in (0, 50):
            origins = [f"https://blog{number}-{one}.example" for one in range(number)]
            for origin in origins:
                await sites.add_site(service, EVERYTHING, NewSite(name=origin[8:], origins=[origin]))
            await read_and_post(f"https://blog.example/before-{number}/")
            units = units_of(service) if engine == "sqlite" else nullcontext([])
            async with reads_of(service) as reads, units as statements:
                await read_and_post(f"https://blog.example/{number}/")
            costs.append((reads, statements))
    assert costs[0] == costs[1]
    reads, statements = costs[1]
    assert [sql for sql in reads + statements if "FROM site_origin" in sql] == []
    assert reads
    assert bool(statements) is (engine == "sqlite")


def test_the_answers_stay_within_their_memory():
    cache = AnswerCache(max_bytes=4 * OVERHEAD)
    for number in range(10):
        cache.put(number, Answer("/", web.Response(body=b"x" * 30), None, 0))
        cache.get(0)
    assert [number for number in range(10) if cache.get(number)] == [0, 8, 9]
    cache.put("larger than all", Answer("/", web.Response(body=b"z" * 4 * OVERHEAD), None, 0))
    assert cache.get("larger than all") is None


async def test_the_questions_stay_within_their_memory(client, monkeypatch):
    monkeypatch.setattr(questions, "MAX_CHARACTERS", 20_000)
    known = questions.Questions(client.app[QUESTIONS]._paths, client.app[SERVICE].config)
    client.server.runner.server.request_handler._questions = known
    for number in range(100):
        assert (await client.get(f"/v1/counts?thread=/{'x' * 900}-{number}")).status == 200
    assert 0 < len(known._known) < 30
    assert 0 <= known._left <= 20_000
