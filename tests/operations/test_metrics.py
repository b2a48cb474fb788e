"""Test the metrics: who can read them, what they count, and that they name nobody."""

import asyncio
import re

import aiohttp
import pytest

from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.metric_memory import CELLS, MetricMemory
from commentsvc.domain.metrics import ANSWERS, CONNECTIONS, METRICS, REQUESTS, UNITS
from commentsvc.domain.models import Mode
from commentsvc.operations import metrics
from commentsvc.operations.backup import back_up
from commentsvc.web.server.metrics import MOST_CONNECTIONS
from tests.conftest import a_key, fields_of
from tests.processes.running import service_with_workers

TOKEN = "a-token-for-prometheus"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CANARIES = {"name": "Canary Nightingale", "email": "canary@nightingale.example", "comment": "Canaries sing at night."}


def values_of(text: str) -> dict[str, float]:
    """Return every sample of a scrape by its name with labels."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def scrape(client, url="/metrics"):
    async with client.get(url, headers=BEARER) as answer:
        assert answer.status == 200, await answer.text()
        return values_of(await answer.text())


async def test_without_a_setting_there_are_no_metrics(live, browser_less):
    url, service = await live()
    async with browser_less.get(f"{url}/metrics", headers=BEARER) as answer:
        assert answer.status == 404
    assert not [kind for kind in service.parts if kind.__name__ == "Recorder"]


async def test_only_who_has_the_token_reads_metrics(live, browser_less):
    url, _ = await live(metrics_token=TOKEN)
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"}):
        async with browser_less.get(f"{url}/metrics", headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert "commentsvc_" not in await answer.text()
    async with browser_less.get(f"{url}/metrics", headers=BEARER) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_an_address_of_its_own_needs_no_token(live, tmp_path):
    file = tmp_path / "metrics.sock"
    await live(metrics_listen=f"unix:{file}")
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(file))) as prometheus:
        assert (await scrape(prometheus, "http://metrics/metrics"))["commentsvc_database_up"] == 1
        async with prometheus.get("http://metrics/v1/latest") as answer:
            assert answer.status == 404  # nothing else is there
    assert file.stat().st_mode & 0o7 == 0


async def test_many_connections_that_say_nothing_neither_pile_up_nor_keep_prometheus_out(live, tmp_path):
    file = tmp_path / "metrics.sock"
    await live(metrics_listen=f"unix:{file}")
    silent = [await asyncio.open_unix_connection(str(file)) for _ in range(MOST_CONNECTIONS + 10)]
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(file))) as prometheus:
        assert (await scrape(prometheus, "http://metrics/metrics"))["commentsvc_database_up"] == 1
        assert await asyncio.gather(*(reader.read() for reader, _ in silent[:11])) == [b""] * 11
        assert not any(reader.at_eof() for reader, _ in silent[11:])
    for _, writer in silent:
        writer.close()


async def test_requests_units_verdicts_and_answers_are_counted(live, browser_less):
    url, service = await live(metrics_token=TOKEN, moderation=Mode.ALL)
    for _ in range(3):
        await (await browser_less.get(f"{url}/v1/comments", params={"thread": "/a/"})).read()
    await (await browser_less.post(f"{url}/v1/comments", json=fields_of())).read()
    await (await browser_less.post(f"{url}/v1/comments", json=fields_of(thread="/a/", name=""))).read()
    await (await browser_less.get(f"{url}/no/such/page")).read()
    await (await browser_less.request("PROPFIND", f"{url}/v1/comments")).read()
    found = await scrape(browser_less, f"{url}/metrics")
    route = 'method="GET",route="/v1/comments",status="2xx"'
    assert found[f"commentsvc_request_seconds_count{{{route}}}"] == 3
    assert found[f'commentsvc_request_seconds_bucket{{le="+Inf",{route}}}'] == 3
    assert 0 < found[f"commentsvc_request_seconds_sum{{{route}}}"] < 5
    assert found['commentsvc_request_seconds_count{method="POST",route="/v1/comments",status="2xx"}'] == 1
    assert found['commentsvc_request_seconds_count{method="POST",route="/v1/comments",status="4xx"}'] == 1
    assert found['commentsvc_request_seconds_count{method="GET",route="(unknown)",status="4xx"}'] == 1
    assert found['commentsvc_request_seconds_count{method="(other)",route="(unknown)",status="4xx"}'] == 1
    assert found['commentsvc_answers_total{result="hit"}'] == 2
    assert found['commentsvc_answers_total{result="miss"}'] == 1
    assert found["commentsvc_answer_cache_entries"] == 1
    assert found["commentsvc_answer_cache_bytes"] > 0
    assert found['commentsvc_refusals_total{code="invalid"}'] == 1
    assert found['commentsvc_verdicts_total{effect="hold",rule="mode"}'] == 1
    assert found['commentsvc_unit_seconds_count{unit="comments.post.post_comment"}'] >= 1
    assert found["commentsvc_write_wait_seconds_count"] >= 1
    assert found['commentsvc_comments{status="pending"}'] == 1
    assert found["commentsvc_connections"] >= 1
    service.clock.move(hours=2)
    found = await scrape(browser_less, f"{url}/metrics")
    assert found["commentsvc_queue_oldest_seconds"] == pytest.approx(7200, abs=5)


async def test_nobody_can_be_found_in_the_metrics(live, browser_less):
    url, service = await live(metrics_token=TOKEN, moderation=Mode.ALL)
    key = await a_key(service, name="Canary Moderator")
    sent = fields_of(**CANARIES, thread="/canary-page/", website="https://canary.example/")
    await (await browser_less.post(f"{url}/v1/comments", json=sent)).read()
    await (await browser_less.get(f"{url}/v1/moderation/comments", params={"q": "canary"}, headers=key)).read()
    await (await browser_less.get(f"{url}/canary/1", headers={"User-Agent": "Canary"})).read()
    async with browser_less.get(f"{url}/metrics", headers=BEARER) as answer:
        text = await answer.text()
    assert "commentsvc_request_seconds" in text
    assert not re.search(r"canar|nightingale|127\.0\.0|198\.51|@", text, re.IGNORECASE)


async def test_a_database_that_is_away_leaves_the_other_metrics(live, browser_less, monkeypatch):
    url, _ = await live(metrics_token=TOKEN)
    monkeypatch.setattr(metrics, "DATABASE_SECONDS", 0)
    found = await scrape(browser_less, f"{url}/metrics")
    assert found["commentsvc_database_up"] == 0
    assert "commentsvc_queue_oldest_seconds" not in found


async def test_a_database_file_that_is_gone_leaves_the_other_metrics(live, browser_less):
    url, service = await live(metrics_token=TOKEN)
    service.config.sqlite_path.unlink()
    found = await scrape(browser_less, f"{url}/metrics")
    assert "commentsvc_database_up" in found
    assert "commentsvc_database_bytes" not in found


async def test_a_backup_that_fails_is_seen_also_before_the_first_one(live, browser_less, tmp_path):
    url, service = await live(metrics_token=TOKEN)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        await back_up(service, tmp_path / "file")
    found = await scrape(browser_less, f"{url}/metrics")
    assert (found["commentsvc_backup_failed"], found.get("commentsvc_backup_age_seconds")) == (1, None)
    await back_up(service, tmp_path / "backups")
    assert (await scrape(browser_less, f"{url}/metrics"))["commentsvc_backup_failed"] == 0


@pytest.mark.slow
def test_a_scrape_has_the_numbers_of_all_workers(tmp_path):
    with service_with_workers(tmp_path, METRICS_TOKEN=TOKEN) as service:
        found = asyncio.run(ask_often(f"http://127.0.0.1:{service.port}"))
        of_route = 'method="GET",route="/version",status="2xx"'
        assert found[f"commentsvc_request_seconds_count{{{of_route}}}"] == 60
        assert {f'commentsvc_process_resident_memory_bytes{{worker="{number}"}}' for number in (1, 2)} <= set(found)


async def ask_often(url):
    async def ask():
        # A connection of its own, so that each worker gets some.
        async with aiohttp.ClientSession() as session, session.get(f"{url}/version") as answer:
            assert answer.status == 200

    for _ in range(6):
        await asyncio.gather(*(ask() for _ in range(10)))
    async with aiohttp.ClientSession() as session:
        return await scrape(session, f"{url}/metrics")


def test_a_worker_goes_on_with_the_counts_of_the_one_whose_place_it_takes():
    memory = MetricMemory(2)
    first, second = memory.recorder(1), memory.recorder(2)
    for recorder in (first, second):
        recorder.count(ANSWERS, ("hit",), 2)
        recorder.set(CONNECTIONS, 5)
        recorder.observe(UNITS, ("a.unit",), 0.003)
    again = memory.recorder(1)
    again.count(ANSWERS, ("hit",))
    again.count(ANSWERS, ("miss",))
    totals = memory.add_up()
    assert totals[ANSWERS] == {("hit",): [5], ("miss",): [1]}
    assert totals[CONNECTIONS] == {(): [5]}  # those of the dead worker are closed
    assert sum(totals[UNITS][("a.unit",)][:-1]) == 2


def test_labels_without_room_are_not_counted():
    memory = MetricMemory()
    recorder = memory.recorder()
    for number in range(CELLS // REQUESTS.cells + 10):
        recorder.observe(REQUESTS, ("GET", f"/{number}", "2xx"), 0.1)
    assert len(memory.add_up()[REQUESTS]) == CELLS // REQUESTS.cells


def test_metric_names_follow_the_conventions_of_prometheus():
    for name in METRICS:
        assert re.fullmatch(r"commentsvc_[a-z_]+[a-z]", name)
