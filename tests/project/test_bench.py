"""Developers measure the service, and learn what a change made slower."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import databases, ratios
from bench.corpus import LARGE, SMALL, Corpus, Thread, post_corpus
from bench.databases import copy_seeded, read_threads
from bench.lag import Pinger, start_watched
from bench.lag_requests import list_probes, prepare_data
from bench.load import NUMBER, build_request, send_load
from bench.measure import GROUPS, build_growth
from bench.postgres import open_reachable_folder, start_postgres
from bench.scenarios import SCENARIOS
from bench.seed_database import list_origins, seed
from bench.servers import ROOT, start_hello, start_ours
from bench.watched_service import LONGEST
from commentsvc.web.routes import ROUTES
from tests.postgres import find_tools

pytestmark = pytest.mark.slow  # only developers run the benchmarks

TABLE = '[small]\n"list50.rate" = 0.8\n"list50.cpu" = 1.2\n"post_c64.kilobytes" = 60\n'
TINY = Corpus("tiny", [Thread("/a", 50), Thread("/b", 50), *(Thread(f"/{at}", 1) for at in range(20))])


NUMBERS = count()


def send(server, request):
    """Send a request as bytes; return status and body."""
    head, _, body = request.replace(NUMBER.encode(), b"%012d" % next(NUMBERS)).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    answer = server.ask(method, path, body or None, dict(line.split(": ") for line in lines))
    return answer.status, answer.body


def test_a_developer_reads_which_row_moved_and_whether_it_got_worse():
    found = {"small": {"list50.rate": 0.5, "list50.cpu": 1.3, "post_c64.kilobytes": 40.0}}
    moved = list(ratios.compare(ratios.read_table(TABLE), found))

    assert [(one.row, one.is_better) for one in moved] == [("list50.rate", False), ("post_c64.kilobytes", True)]
    assert moved[0].line() == "WORSE: small list50.rate is 0.5, not 0.8 (-38 %)"
    assert moved[1].line() == "better: small post_c64.kilobytes is 40, not 60 (-33 %)"


def test_a_row_within_the_tolerance_did_not_move():
    found = {"small": {"list50.rate": 0.8 / 1.24, "list50.cpu": 1.2 * 1.24}}
    assert list(ratios.compare(ratios.read_table(TABLE), found)) == []


def test_a_developer_learns_which_rows_are_new_or_gone():
    found = {"small": {"list50.rate": 0.8, "list50.cpu": 1.2, "feed.rate": 0.6}, "growth": {}}
    assert ratios.find_missing(ratios.read_table(TABLE), found) == ["small feed.rate", "small post_c64.kilobytes"]


def test_a_written_table_is_read_again():
    table = ratios.read_table(TABLE)
    assert ratios.read_table(ratios.write_table(table)) == table


@pytest.mark.parametrize("text", ['[small]\n"list50.rate" = 0', '[small]\n"list50.rate" = "fast"'])
def test_a_wrong_value_in_the_table_is_named(text):
    with pytest.raises(ValueError, match=r"small list50\.rate"):
        ratios.read_table(text)


def test_the_committed_table_has_a_row_for_every_scenario():
    table = ratios.read_table(ratios.TABLE.read_text(encoding="utf-8"))

    assert {"small"} <= set(table) <= set(GROUPS)
    for corpus in {"small", "large"} & set(table):
        assert {f"{one.name}.rate" for one in SCENARIOS} <= set(table[corpus])


def test_a_worse_row_gives_an_exit_code(monkeypatch, tmp_path, capsys):
    table = tmp_path / "ratios.toml"
    table.write_text(TABLE, encoding="utf-8")
    monkeypatch.setattr(program, "TABLE", table)

    assert program.report({"small": {"list50.rate": 0.1}}, write=False, whole=False) == 1
    assert "WORSE: small list50.rate" in capsys.readouterr().out
    assert program.report({"small": {"list50.rate": 0.9}}, write=True, whole=False) == 0
    assert ratios.read_table(table.read_text(encoding="utf-8"))["small"]["list50.rate"] == pytest.approx(0.9)


@pytest.mark.parametrize("whole", [True, False])
def test_a_developer_is_told_of_a_group_that_the_table_lacks(monkeypatch, tmp_path, capsys, whole):
    table = tmp_path / "ratios.toml"
    table.write_text(TABLE, encoding="utf-8")
    monkeypatch.setattr(program, "TABLE", table)

    assert program.report({"workers": {"list50.speedup": 1.5}}, write=False, whole=whole) == 0
    said = capsys.readouterr().out
    assert "workers list50.speedup" in said
    assert "Every row" not in said


def test_a_developer_writes_a_whole_group_without_the_rows_that_are_gone(monkeypatch, tmp_path, capsys):
    table = tmp_path / "ratios.toml"
    table.write_text(TABLE + '[start]\n"cold.ratio" = 2\n', encoding="utf-8")
    monkeypatch.setattr(program, "TABLE", table)

    program.report({"small": {"list50.rate": 0.8}}, write=True, whole=False)
    assert len(ratios.read_table(table.read_text(encoding="utf-8"))["small"]) == 3
    program.report({"small": {"list50.rate": 0.8}}, write=True, whole=True)
    assert ratios.read_table(table.read_text(encoding="utf-8")) == {
        "small": {"list50.rate": 0.8},
        "start": {"cold.ratio": 2},
    }
    assert "small post_c64.kilobytes" in capsys.readouterr().out


def test_both_blogs_have_threads_of_every_size():
    assert (len(SMALL.threads), len(LARGE.threads)) == (60, 1_000)
    assert [sum(thread.comments for thread in one.threads) // 1_000 for one in (SMALL, LARGE)] == [4, 99]
    for corpus in (SMALL, LARGE):
        assert corpus.of_size(50)
        assert corpus.of_size(1_000)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The service with a tiny blog."""
    with start_ours(tmp_path_factory.mktemp("ours")) as (server, _):
        post_corpus(TINY, server.port, {})
        yield server


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_request_that_is_measured_is_answered(ours, scenario):
    corpus = Corpus("tiny", [Thread("/a", 1_000)]) if scenario.name == "list1000" else TINY
    requests = scenario.build(corpus, ours)
    expected = {201} if scenario.name.startswith("post") else {200, 201} if scenario.name == "mixed" else {200}

    assert {send(ours, request)[0] for request in requests[:40]} == ({304} if "304" in scenario.name else expected)


def test_a_list_has_all_its_comments(ours):
    scenario = next(one for one in SCENARIOS if one.name == "list50")
    _, body = send(ours, scenario.build(TINY, ours)[0])
    assert len(json.loads(body)["comments"]) == 50


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_load_counts_answers_and_what_was_written(ours):
    posts = send_load(ours, next(one for one in SCENARIOS if one.name == "post_c1").build(TINY, ours), 1, 1)

    assert posts.rate > 0
    assert posts.written > 1_000


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_developer_learns_how_many_requests_failed(tmp_path):
    requests = [build_request("GET", "/healthz"), build_request("GET", "/nowhere")]
    with (
        start_hello(tmp_path) as (hello, _),
        pytest.raises(RuntimeError, match=r"^[1-9]\d* requests failed, [1-9].*GET /healthz"),
    ):
        send_load(hello, requests, 2, 1)


def test_developers_have_a_request_for_every_route_and_know_which_ones_are_refused(tmp_path):
    with start_ours(tmp_path) as (server, _):
        probes = list_probes(prepare_data(server, sizes=(3, 40, 3), waiting=1_052))
        asked = {probe.name: server.ask(*_parts(next(probe.requests()))).status for probe in probes}

    routes = {(route.method, route.path) for route in ROUTES}
    assert {probe.route for probe in probes} == routes
    assert {name: status for name, status in asked.items() if status >= 500} == {}
    refused = {name for name, status in asked.items() if status >= 400}
    assert refused == REFUSED


REFUSED = {
    "page of a refusal", "form with errors, shown again", "form with 1,000 fields", "sign-in link",
    "link in a mail", "decision by a mail", "link that stops mails", "stop of mails",
    "use of a sign-in link", "sign-in by a wrong key", "edit on the page, refused", "revocation on the page",
    "sign out another", "removal of a thread, refused",
    "removal on the page, refused", "request for mail", "subscriptions of an address", "end of a subscription",
    "feed on the page, refused", "end of a feed, refused", "link by mail, refused",
    "change of own comments", "confirmation", "exchange of a proof", "export of own comments",
    "page of a confirmation", "page of own comments", "request for own comments",
    "new webhook on the page, refused", "retry of a delivery, refused", "unknown delivery",
    "upload, refused", "unknown import", "start of an import, refused", "end of an import, refused",
    "upload on the page, refused", "page of an unknown import", "books of an unknown import",
    "end of an unknown import", "export on the page, refused",
    "export of comments, refused",
}  # fmt: skip


def _parts(request):
    return request.method, request.path, request.body, request.headers


def test_a_developer_sees_for_how_long_the_loop_did_not_look_at_the_network(tmp_path):
    with start_watched(tmp_path) as (server, shared):
        shared[:] = LONGEST.pack(0, 0)
        # The loop has looked again, and noted the first request, before it reads the second.
        assert [server.ask("GET", "/healthz").status for _ in range(2)] == [200, 200]
        assert min(LONGEST.unpack(shared[:])) > 0


def test_a_run_fails_if_the_other_client_is_not_answered():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError), Pinger.start(silent.getsockname()[1]):
            pass


async def test_waits_of_another_client_are_measured():
    asked, answered = [], threading.Event()

    async def answer(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            asked.append(time.perf_counter())
            if len(asked) > 2:
                answered.set()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def ping(port):
        with Pinger.start(port) as pinger:
            answered.wait()
        return pinger

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        pinger = await asyncio.to_thread(ping, server.sockets[0].getsockname()[1])
        (begin, done), *_ = pinger.waits
        assert begin < asked[0] < done
        assert pinger.longest(begin, done) == pytest.approx((done - begin) * 1000)
        assert pinger.longest(done + 100, done + 101) == 0


def test_moderators_of_a_growing_blog_find_what_they_search_for(tmp_path):
    seed(tmp_path / "comments.db", list_origins(1), 2_000)
    with start_ours(tmp_path, SITES=list_origins(1)) as (server, _):
        requests = build_growth(server, read_threads(tmp_path, 1))
        answers = {name: [send(server, one) for one in some[:3]] for name, some in requests.items()}

    assert {name for name, some in answers.items() if {status for status, _ in some} != {200}} == {"post"}
    assert {status for status, _ in answers["post"]} == {201}
    for kind in ("Chinese", "email", "network"):
        assert json.loads(answers[f"search, {kind}"][0][1])["comments"]


@pytest.mark.skipif(find_tools() is None, reason="PostgreSQL is not installed")
def test_a_developer_reads_why_postgresql_did_not_start():
    with open_reachable_folder() as folder:
        deep = folder / ("long" * 30)  # the path of a socket has at most 107 bytes
        deep.mkdir()
        with pytest.raises(RuntimeError, match=r"(?s)did not start.*FATAL"), start_postgres(deep):
            pass


def test_each_run_has_its_own_copy_of_a_database_that_is_made_once(monkeypatch, tmp_path):
    monkeypatch.setattr(databases, "KEPT", tmp_path)
    outdated, other = tmp_path / f"400-1-{'0' * 12}", tmp_path / f"400-10-{'0' * 12}"
    outdated.mkdir()
    other.mkdir()

    with copy_seeded(400) as folder:
        made = {path for path in tmp_path.iterdir() if path not in folder.parents}
        (folder / "comments.db").unlink()
    with copy_seeded(400) as folder:
        assert read_threads(folder, 1)
    assert {*tmp_path.iterdir()} == made
    assert {path.name[:6] for path in made} == {"400-1-", "400-10"}
    assert not outdated.exists()


def test_threads_of_a_seeded_database_are_found_on_the_blog(tmp_path):
    command = [sys.executable, "-m", "bench.seed_database", str(tmp_path / "comments.db"), "2000", "--sites", "2"]
    subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    threads = read_threads(Path(tmp_path), 2)
    origins = "https://blog0.example https://blog1.example"

    assert {thread.path.partition("/posts/")[0] for thread in threads} == set(origins.split())
    with start_ours(tmp_path, SITES=origins) as (server, _):
        for thread in threads[:4]:
            found = server.ask("GET", f"/v1/comments?thread={thread.path}&limit=1000").json()
            assert 20 <= thread.comments >= found["thread"]["count"] > 0
