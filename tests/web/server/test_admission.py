"""Hostile clients use up a budget of their own network, and honest readers do not wait behind them."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from commentsvc.access.work_budget import WorkBudget
from commentsvc.domain.errors import RateLimited, Unavailable
from commentsvc.domain.meter import METER, Meter, meter_steps, metered
from commentsvc.domain.models import Mode
from commentsvc.storage.patience import begin_request
from commentsvc.web.routes import application
from commentsvc.web.server import admission
from commentsvc.web.server.admission import ADMISSION, Admission
from commentsvc.web.server.routing import VISIT
from tests.conftest import a_key, post, visit

HOSTILE = {"X-Forwarded-For": "203.0.113.9"}
READER = {"X-Forwarded-For": "198.51.100.7"}
NETWORK = "203.0.113.0/24"
LIST = "/v1/comments?thread=/a-page/"
BROWSER = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def limited(served, aiohttp_client, request):
    """The service with a budget of work, its budget, and a client."""
    service = await served(
        moderation=Mode.NONE,
        rate_limit="100/300",
        work_limit=getattr(request, "param", "12/60"),
        trusted_proxies="127.0.0.0/8",
        sites="https://blog.example",
    )
    await post(service, "A comment.", thread="/a-page/")
    app = application(service)
    return service, app[ADMISSION].budget, await aiohttp_client(app)


VARIATIONS = [
    ("GET", f"{LIST}&limit=7", {}, None),
    ("GET", f"{LIST}&since=2020-01-01", {}, None),
    ("GET", f"{LIST}&view=flat&cursor=unknown", {}, None),
    ("GET", f"{LIST}&unknown=1", {}, None),
    ("GET", "/v1/%63omments?thread=%2Fother-page%2F", {}, None),
    ("GET", LIST, {"Authorization": "Bearer ct_unknown"}, None),
    ("GET", LIST, {"Origin": "https://evil.example"}, None),
    ("GET", LIST, {"Content-Type": "x/y"}, None),
    ("HEAD", "/v1/comments.html?thread=/a-page/&lang=de&known=1", {}, None),
    ("GET", "/v1/comments/", {}, None),
    ("GET", "/V1/COMMENTS", {}, None),
    ("GET", "/t?thread=/a-page/&reply_to=unknown", {}, None),
    ("GET", "/t?thread=/a-page/&receipt=unknown", {}, None),
    ("GET", "/t?thread=/a-page/&cursor=unknown", BROWSER, None),
    ("GET", "/v1/latest.atom?limit=11", {"Range": "bytes=0-1"}, None),
    ("GET", "/v1/comments/0190a2b4-0000-7000-8000-000000000000", {}, None),
    ("POST", "/v1/counts", FORM, "thread=/a-page/&thread=/b/"),
    ("POST", "/v1/preview", JSON, json.dumps({"comment": "*text*" * 500})),
    ("POST", "/v1/comments", FORM | BROWSER, "thread=/a-page/&comment=x"),
    ("POST", "/nowhere", FORM | BROWSER, "comment=x"),
    ("POST", "/moderate/search", FORM | BROWSER, "q=x"),
    ("GET", "/", {}, None),
    ("GET", "/docs", {}, None),
    ("GET", "/v1/form", {}, None),
]


@pytest.mark.parametrize("limited", ["9/99999"], indirect=True)  # so slow that nothing fades during the test
@pytest.mark.parametrize(("method", "path", "headers", "data"), VARIATIONS)
async def test_every_request_that_memory_does_not_answer_costs_its_network(limited, method, path, headers, data):
    _, budget, client = limited
    response = await client.request(method, path, data=data, headers=headers | HOSTILE)
    assert response.status < 500
    assert 0 < budget.used(NETWORK) < 5


async def test_an_answer_from_memory_costs_nothing_however_it_is_asked_for(limited):
    _, budget, client = limited
    await client.get(f"{LIST}&limit=50", headers=READER)
    for path, headers in ((LIST, {}), ("/v1/comments?limit=50&thread=%2Fa-page%2F", {"Accept-Language": "xx"})):
        assert (await client.get(path, headers=headers | HOSTILE)).status == 200
        assert (await client.head(path, headers={"Range": "bytes=0-1"} | HOSTILE)).status == 200
    assert budget.used(NETWORK) == 0


async def test_a_network_without_budget_is_told_when_to_come_back(limited):
    service, budget, client = limited
    await client.get(LIST, headers=READER)
    budget.charge(NETWORK, "", 24)
    for path in (f"{LIST}&limit=3", "/v1/form", "/docs", "/t?thread=/a-page/"):
        refused = await client.get(path, headers=HOSTILE)
        assert (refused.status, 0 < int(refused.headers["Retry-After"]) <= 61) == (429, True), path
        assert (await refused.json())["code"] == "rate_limited"
        assert (await client.get(path, headers=READER)).status == 200
    page = await client.get("/t?thread=/other/", headers=HOSTILE | BROWSER)
    assert (page.status, page.content_type) == (429, "text/html")
    typed = await client.post(
        "/v1/comments", data={"thread": "/a-page/", "comment": "Words"}, headers=HOSTILE | BROWSER
    )
    assert (typed.status, "Words" in await typed.text()) == (429, True)
    key = await a_key(service)
    for path, headers, status in (
        (LIST, {}, 200),
        ("/healthz", {}, 200),
        ("/readyz", {}, 200),
        ("/moderate", BROWSER, 401),
        ("/v1/moderation/comments", key, 200),
    ):
        assert (await client.get(path, headers=HOSTILE | headers)).status == status, path


async def test_only_pages_of_the_sites_get_previews(limited):
    _, _, client = limited
    for headers, status in (
        ({}, 200),
        ({"Origin": "https://blog.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ):
        response = await client.post("/v1/preview", json={"comment": "*x*"}, headers=headers)
        assert response.status == status, headers


async def test_without_a_rate_limit_work_is_not_limited(served):
    budget = WorkBudget((await served(rate_limit="off")).config)
    budget.charge(NETWORK, "", 1000)
    budget.require(NETWORK)


async def test_a_network_never_waits_longer_than_one_period(served):
    budget = WorkBudget((await served(rate_limit="20/300", work_limit="1/10")).config)
    for _ in range(100):
        budget.charge(NETWORK, "", 1)
    with pytest.raises(RateLimited) as refused:
        budget.require(NETWORK)
    assert refused.value.retry_after <= 11


class Crowd:
    """Requests that wait to be admitted; ``order`` has the names of those that were."""

    def __init__(self, service):
        self.admission, self.order, self.tasks = Admission(service), [], []

    def request(self, network):
        request = make_mocked_request("GET", "/t", match_info=web.UrlMappingMatchInfo({}, None))
        request[VISIT] = visit(address=network.replace("0/24", "9"))
        return request

    async def hold(self, request, name, until):
        async with self.admission.enter(request):
            self.order.append(name)
            await until.wait()


def network(number):
    return f"203.0.{number}.0/24"


@pytest.fixture
async def crowd(served, monkeypatch):
    monkeypatch.setattr(admission, "_kind", lambda _: "")  # a mocked request has no route
    return Crowd(await served())


async def test_a_reader_with_a_quick_request_is_admitted_before_expensive_ones(crowd):
    until = asyncio.Event()
    for number in range(admission.AT_ONCE + 20):
        crowd.admission.budget.charge(network(number), "", 1)
    async with asyncio.TaskGroup() as tasks:
        for number in range(admission.AT_ONCE + 20):
            tasks.create_task(crowd.hold(crowd.request(network(number)), "hostile", until))
        await asyncio.sleep(0)
        tasks.create_task(crowd.hold(crowd.request("198.51.100.0/24"), "reader", until))
        await asyncio.sleep(0)
        assert crowd.order == ["hostile"] * admission.AT_ONCE
        until.set()
    assert crowd.order.index("reader") == admission.AT_ONCE
    assert len(crowd.order) == admission.AT_ONCE + 21


async def test_one_network_never_has_all_places(crowd):
    until = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(crowd.hold(crowd.request(NETWORK), "hostile", until))
        await asyncio.sleep(0)
        tasks.create_task(crowd.hold(crowd.request(network(1)), "reader", until))
        await asyncio.sleep(0)
        assert crowd.order == ["hostile"] * admission.AT_ONCE_OF_NETWORK + ["reader"]
        until.set()


async def test_those_who_give_up_leave_their_place_to_others(crowd, monkeypatch):
    monkeypatch.setattr("commentsvc.storage.patience.ANSWER_SECONDS", 0.05)
    begin_request()
    until = asyncio.Event()
    holding = [asyncio.create_task(crowd.hold(crowd.request(NETWORK), "hostile", until)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(crowd.hold(crowd.request(NETWORK), "cancelled", until))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(Unavailable):
        await crowd.hold(crowd.request(NETWORK), "late", until)
    until.set()
    await asyncio.gather(*holding)
    await crowd.hold(crowd.request(NETWORK), "next", until)
    assert crowd.order == ["hostile", "hostile", "next"]


async def test_a_request_that_is_cancelled_on_its_turn_leaves_its_place(crowd, monkeypatch):
    monkeypatch.setattr(admission, "AT_ONCE_OF_NETWORK", 1)
    until = asyncio.Event()
    async with crowd.admission.enter(crowd.request(NETWORK)):
        waiting = asyncio.create_task(crowd.hold(crowd.request(NETWORK), "cancelled", until))
        await asyncio.sleep(0)
    waiting.cancel()  # its turn has come, but it has not run since
    await asyncio.gather(waiting, return_exceptions=True)
    until.set()
    async with asyncio.timeout(1):
        await crowd.hold(crowd.request(NETWORK), "next", until)
    assert crowd.order == ["next"]


async def test_the_time_of_steps_and_threads_is_counted_and_cancelling_still_works():
    meter = Meter()
    METER.set(meter)

    def work():
        return sum(range(200_000))

    async def request():
        found = work() + await asyncio.to_thread(metered(work))
        await asyncio.sleep(60)
        return found

    running = asyncio.create_task(_run(request(), meter))
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert meter.seconds > 0
    METER.set(None)


async def _run(work, meter):
    return await meter_steps(work, meter)
