"""Akismet's protocol, against a server on loopback that speaks it."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from commentsvc.config.checks import find_faults
from commentsvc.config.settings import Config
from commentsvc.domain.models import ActionVerb, Status
from commentsvc.moderation import undo
from commentsvc.operations.doctor.external_check import check_external_check
from tests.conftest import EVERYTHING, a_service, post
from tests.delivery.receiver import listening
from tests.delivery.test_external_check import act, card_of, read_rows, reasons_of, work

KEY = "abc123def456"
GUARANTEED_SPAM = "akismet-guaranteed-spam"  # an author that Akismet always calls spam


class Akismet:
    """Answers as the documentation of Akismet says, and remembers what it was taught."""

    def __init__(self):
        self.asked, self.taught, self.url = [], [], ""

    async def check(self, request):
        form = dict(await request.post())
        self.asked.append(form)
        if form.get("api_key") != KEY:
            return web.Response(text="invalid", headers={"X-akismet-debug-help": "We were unable to parse your key"})
        missing = [name for name in ("blog", "user_ip") if not form.get(name)]
        if missing:
            return web.Response(text="Missing required field: " + missing[0])
        if form["comment_author"] != GUARANTEED_SPAM:
            return web.Response(text="false")
        return web.Response(text="true", headers={"X-akismet-pro-tip": "discard"})

    async def learn(self, request):
        form = dict(await request.post())
        self.taught.append((request.path.rpartition("/")[2], form["comment_content"]))
        return web.Response(text="Thanks for making the web a better place.")

    async def verify(self, request):
        form = await request.post()
        return web.Response(text="valid" if form["api_key"] == KEY else "invalid")


@asynccontextmanager
async def an_akismet():
    akismet, app = Akismet(), web.Application()
    app.router.add_post("/1.1/comment-check", akismet.check)
    app.router.add_post("/1.1/submit-spam", akismet.learn)
    app.router.add_post("/1.1/submit-ham", akismet.learn)
    app.router.add_post("/1.1/verify-key", akismet.verify)
    async with listening(app) as url:
        akismet.url = f"{url}/1.1"
        yield akismet


@pytest.fixture
async def akismet():
    async with an_akismet() as akismet:
        yield akismet


def settings(akismet, **more):
    given = {"verdict_url": akismet.url, "verdict_secret": KEY, "verdict_dialect": "akismet", "verdict_send": "network"}
    return given | more


@pytest.fixture
async def asking(database_url, clock, akismet):
    async with a_service(database_url, clock, **settings(akismet, verdict_mode="enforce")) as service:
        yield service


async def test_akismet_calls_a_comment_spam(asking, akismet):
    spam = await post(asking, "Buy now.", name=GUARANTEED_SPAM, website="https://pills.example/")
    good = await post(asking, "Bonjour à tous.")
    await work(asking)
    assert (await card_of(asking, spam)).status is Status.SPAM
    assert (await card_of(asking, good)).status is Status.PENDING
    assert "External check: spam: Akismet, discard" in await reasons_of(asking, spam)
    assert "External check: nothing found: Akismet" in await reasons_of(asking, good)
    first, second = sorted(akismet.asked, key=lambda form: form["comment_content"], reverse=True)
    assert first | {"blog": "", "comment_date_gmt": ""} == {
        "api_key": KEY,
        "blog": "",
        "user_ip": "198.51.100.0",
        "comment_type": "comment",
        "comment_author": GUARANTEED_SPAM,
        "comment_author_url": "https://pills.example/",
        "comment_content": "Buy now.",
        "comment_date_gmt": "",
        "blog_lang": "en",
        "blog_charset": "UTF-8",
    }
    assert second["comment_content"] == "Bonjour à tous."
    assert first["blog"].startswith("http")


async def test_akismet_learns_its_mistakes_and_unlearns_what_is_undone(asking, akismet):
    missed = await post(asking, "A missed casino.")
    wrong = await post(asking, "A good thought.", name=GUARANTEED_SPAM)
    right = await post(asking, "Another casino.", name=GUARANTEED_SPAM)
    await work(asking)
    marked = await act(asking, ActionVerb.SPAM, missed)
    approved = await act(asking, ActionVerb.APPROVE, wrong)
    await act(asking, ActionVerb.SPAM, right)
    await work(asking)
    assert sorted(akismet.taught) == [("submit-ham", "A good thought."), ("submit-spam", "A missed casino.")]
    akismet.taught.clear()
    await undo.undo_action(asking, EVERYTHING, marked.id)
    await undo.undo_action(asking, EVERYTHING, approved.id)
    await work(asking)
    assert sorted(akismet.taught) == [("submit-ham", "A missed casino."), ("submit-spam", "A good thought.")]
    akismet.taught.clear()
    await work(asking)
    assert akismet.taught == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_wrong_key_leaves_comments_as_they_are_and_akismets_words_are_shown(database_url, clock, akismet):
    async with a_service(database_url, clock, **settings(akismet, verdict_secret="wrong")) as service:
        comment = await post(service, "Hello.", name=GUARANTEED_SPAM)
        await work(service)
        assert (await card_of(service, comment)).status is Status.PENDING
        [parcel] = await read_rows(service, "parcel")
        assert parcel["error"] == "Akismet refused the request: We were unable to parse your key"


async def test_the_doctor_lets_akismet_verify_the_key(akismet):
    levels = []
    for key in (KEY, "wrong"):
        config = Config(**settings(akismet, verdict_secret=key))
        levels += [found.level async for found in check_external_check(config)]
    assert levels == ["ok", "fault"]
    assert akismet.asked == []


def test_akismet_needs_the_network_and_its_key():
    config = Config(verdict_url="https://rest.akismet.com/1.1", verdict_dialect="akismet")
    faults = " ".join(find_faults(config))
    assert "VERDICT_SEND must have network" in faults
    assert "API key of Akismet" in faults
