"""Nothing that strangers see depends on the address that they typed, whatever else judges their comments."""

import json
import zlib
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from commentsvc.comments.edit import edit_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind
from commentsvc.moderation import rule_undo
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule, RuleUndo
from commentsvc.spam.training import train_sites
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, Clock, a_service, draft, visit
from tests.delivery.receiver import a_receiver
from tests.delivery.test_external_check import SECRET, work
from tests.spam.teaching import SPAM, TOPICS, decide, teach
from tests.spam.test_memory import KIND, NEARLY, PILLS
from tests.test_privacy import add_bans

STRANGER = "stranger@nowhere.example"
TYPED = ("held@example.com", "spammer@example.com", "a@held.example", "a@spam.example", "ada@blog.example")
EFFECTS = ("none", "hold", "spam", "approve")
RULES = (("links", "0"), ("words", "roulette"), ("learned", "95"), ("all", "newcomer\nlinks: 0"))
UNDONE = [f"rule:{name}" for name in ("links", "learned", "repeat", "honeypot", "words", "all")]
START = "2020-01-01T00:00:00Z"
COMMENTS = [
    {"comment": f"{text} ({number})" if number else text, "name": f"Writer {at}", **more}
    for number in range(3)
    for at, (text, more) in enumerate(
        [
            (PILLS, {}),
            (NEARLY, {}),
            (KIND, {}),
            (KIND, {"topic": "x", "thread": "/trap/"}),
            (f"{KIND}, and see https://shop.example", {}),
            (SPAM.format(number=99, topic=TOPICS[0]), {}),
            ("A roulette is a wheel.", {}),
            ("In our garden it rained all day", {}),
            ("My sister plays the violin", {}),
            ("A roulette at https://pills.example", {"topic": "x"}),
        ]
    )
]


async def decide_by_all_that_is_read(request):
    """Answer with a verdict that depends on everything in the question but its id."""
    data = (await request.json())["data"] | {"id": None}
    return web.json_response({"effect": EFFECTS[zlib.crc32(json.dumps(data, sort_keys=True).encode()) % 4]})


@asynccontextmanager
async def a_site(url, mode, **settings):
    """Open a service that has been taught, without limits on how long a comment can be edited."""
    async with a_service(url, Clock(), moderation=mode, edit_minutes=60, proof_of_work="off", **settings) as service:
        await teach(service)
        marked = await post_comment(service, draft(comment=PILLS, name="Eve"), visit(address="192.0.2.9"))
        await decide(service, ActionVerb.SPAM, [marked.id])
        await train_sites(service)
        await add_bans(service)
        for kind, match in RULES:
            await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind(kind), match=match, effect=Effect.HOLD))
        yield service


async def send_all(service, email):
    """Post all comments with an address; edit some of them."""
    sent = [await post_comment(service, draft(email=email, **one), visit(address="203.0.113.8")) for one in COMMENTS]
    yield [one.status for one in sent], sent
    for one in sent[::5]:
        change = CommentEdit(comment="Another text, with https://shop.example")
        await edit_comment(service, one.id, one.edit_token, change, visit(address="203.0.113.8"))
    yield [], sent


async def list_public(service, sent):
    """Return which of these comments are public."""
    rows = {row["id"]: row["status"] == "approved" for row in await everything_in(service, "comment")}
    return [rows[one.id] for one in sent]


async def observe_check(url, mode, email):
    """Return which comments are public, before and after the external check decided on them."""
    asking = {"verdict_secret": SECRET, "verdict_mode": "enforce", "verdict_send": "email network"}
    async with a_receiver() as checker, a_site(url, mode, verdict_url=checker.url, **asking) as service:
        checker.answers = [decide_by_all_that_is_read] * 200
        seen = []
        async for statuses, sent in send_all(service, email):
            seen += [statuses, await list_public(service, sent)]
            await work(service)
            seen.append(await list_public(service, sent))
        return seen


async def observe_undo(url, mode, email):
    """Return which comments are public, before and after each rule was undone."""
    async with a_site(url, mode) as service:
        seen = []
        async for statuses, sent in send_all(service, email):
            seen += [statuses, await list_public(service, sent)]
        for name in UNDONE:
            found = await rule_undo.undo_rule(service, EVERYTHING, name, RuleUndo(since=START))
            await rule_undo.undo_rule(service, EVERYTHING, name, RuleUndo(since=START, expect=found.matching))
            seen.append(await list_public(service, sent))
        return seen


@pytest.mark.parametrize("observe", [observe_check, observe_undo])
@pytest.mark.parametrize(
    "mode", [Mode.NONE, *(pytest.param(mode, marks=pytest.mark.slow) for mode in (Mode.ALL, Mode.TRUSTED))]
)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_memory_filter_check_and_undone_rules_publish_the_same_for_every_address(tmp_path, engine, mode, observe):
    expected = await observe(f"{engine}:///{tmp_path}/stranger.db", mode, STRANGER)
    assert any(expected[-1]) is (mode is Mode.NONE)
    assert not all(expected[-1])
    for number, email in enumerate(TYPED):
        assert await observe(f"{engine}:///{tmp_path}/{number}.db", mode, email) == expected, email
