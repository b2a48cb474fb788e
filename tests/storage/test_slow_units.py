"""An operator finds slow units of work in the log, with the request that ran them."""

import asyncio
import io
import json
import logging
import time

import pytest
from aiohttp import web

from commentsvc.cli.log_format import Formatter
from commentsvc.service import private_read, public_read, write
from commentsvc.web.routes import application
from commentsvc.web.server.routing import SERVICE
from tests.conftest import a_service

LIMIT_MS = 50
LOG = logging.getLogger("commentsvc.tests")


@private_read
async def read_everything(unit):
    time.sleep(2 * LIMIT_MS / 1000)  # noqa: ASYNC251 -- blocks its unit, as a slow statement does
    LOG.info("reading")


@public_read
async def read_comments(unit):
    time.sleep(2 * LIMIT_MS / 1000)  # noqa: ASYNC251 -- likewise


@write
async def rebuild(unit):
    time.sleep(2 * LIMIT_MS / 1000)  # noqa: ASYNC251 -- likewise


@write
async def fail_slowly(unit):
    time.sleep(2 * LIMIT_MS / 1000)  # noqa: ASYNC251 -- likewise
    raise RuntimeError


@private_read
async def read_little(unit):
    LOG.info("quick")


UNITS = {unit.__name__: unit for unit in (read_everything, read_comments, rebuild, fail_slowly, read_little)}


@pytest.fixture
def log():
    """Return the lines of the log, as the program writes them."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Formatter("json"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def slow_client(database_url, clock, aiohttp_client):
    """A client of a real service with one more route, which runs the unit of this name."""

    async def run_unit(request):
        await UNITS[request.match_info["unit"]](request.app[SERVICE])
        return web.Response()

    async with a_service(database_url, clock, slow_unit_ms=LIMIT_MS) as service:
        app = application(service)
        app.router.add_get("/units/{unit}", run_unit)
        yield await aiohttp_client(app)


def slow_units(lines):
    return [(line["unit"], line.get("request_id")) for line in lines if line["message"] == "slow unit of work"]


@pytest.mark.parametrize("unit", [read_everything, read_comments, rebuild, fail_slowly])
async def test_an_operator_finds_a_slow_unit_by_its_name_and_its_request(slow_client, log, unit):
    response = await slow_client.get(f"/units/{unit.__name__}")
    request_id = response.headers["X-Request-ID"]
    assert slow_units(log()) == [(f"tests.storage.test_slow_units.{unit.__name__}", request_id)]
    (line,) = [line for line in log() if "unit" in line]
    assert (line["level"], line["milliseconds"] >= 2 * LIMIT_MS) == ("warning", True)


async def test_an_operator_finds_no_line_for_a_quick_unit(slow_client, log):
    await slow_client.get("/units/read_little")
    assert slow_units(log()) == []


async def test_every_line_of_a_request_carries_its_id_also_inside_a_unit(slow_client, log):
    responses = await asyncio.gather(
        *(slow_client.get(f"/units/{name}") for name in ("read_everything", "read_little", "read_little"))
    )
    ids = [response.headers["X-Request-ID"] for response in responses]
    inside = {line["request_id"] for line in log() if line["logger"] == "commentsvc.tests"}
    assert inside == set(ids)
    assert len(inside) == 3
    LOG.info("after the requests")
    assert "request_id" not in log()[-1]


async def test_a_slow_unit_outside_of_a_request_is_logged_without_an_id(database_url, clock, log):
    async with a_service(database_url, clock, slow_unit_ms=LIMIT_MS) as service:
        await rebuild(service)
    assert ("tests.storage.test_slow_units.rebuild", None) in slow_units(log())
