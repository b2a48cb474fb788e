"""Another program is asked about new comments. Whatever it does, comments stay as they are, or get stricter."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier

from commentsvc.app import join_outlets
from commentsvc.comments import edit
from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.config.settings import Config
from commentsvc.delivery import outbox
from commentsvc.delivery.outbound import Answer
from commentsvc.delivery.verdict_answer import NoVerdictError, read_verdict
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, ActorKind, Effect, Mode, RuleKind, Status
from commentsvc.moderation import actions, queue, statistics, undo
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.moderation.statistics_schemas import StatisticsQuery
from commentsvc.operations.doctor.external_check import check_external_check, check_latest_question
from commentsvc.privacy import erase, export
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read, write
from commentsvc.sites import manage as manage_sites
from commentsvc.sites import removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from tests.conftest import EVERYTHING, a_service, draft, post, visit
from tests.delivery.receiver import a_receiver

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
SPAM = {"effect": "spam", "score": 0.97, "reason": "Offers a casino."}


@pytest.fixture
async def checker():
    async with a_receiver() as receiver:
        yield receiver


@pytest.fixture
async def asking(database_url, clock, checker):
    """Return a function that opens the service with the external check: ``await asking(verdict_mode="enforce")``."""
    async with asking_services(database_url, clock, checker) as make:
        yield make


class asking_services:  # noqa: N801 -- used as a function
    def __init__(self, url, clock, checker):
        self.url, self.clock, self.checker, self.opened = url, clock, checker, []

    async def __aenter__(self):
        return self.make

    async def make(self, **settings):
        given = {"verdict_url": self.checker.url, "verdict_secret": SECRET} | settings
        opened = a_service(self.url, self.clock, **given)
        self.opened.append(opened)
        return await opened.__aenter__()

    async def __aexit__(self, *_error):
        for opened in reversed(self.opened):
            await opened.__aexit__(None, None, None)


async def work(service):
    """Deliver what is due, once for each parcel, as the worker does in a moment."""
    worker = Worker(service, join_outlets(service.config))
    for _ in range(20):
        busy = await worker.work_once()
        running = [task for tasks in worker._running.values() for task in tasks]
        await asyncio.gather(*running)
        if not busy and not running:
            break
    await worker._drain()


def answer(verdict):
    return web.Response(body=json.dumps(verdict))


async def card_of(service, comment):
    return await queue.get_comment_detail(service, EVERYTHING, comment)


async def reasons_of(service, comment):
    return [one.text for one in (await card_of(service, comment)).reasons]


async def act(service, verb, *ids):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


@private_read
async def read_rows(unit, table="hook_verdict"):
    return [dict(row) for row in await unit.all(f"SELECT * FROM {table}")]


async def test_a_comment_is_asked_about_signed_and_without_personal_data(asking, checker, clock):
    clock.time = datetime.now(UTC)  # the public package compares it
    service = await asking()
    checker.answers = [answer(SPAM)]
    comment = await post(service, "Cheap pills!", website="https://pills.example/")
    await work(service)
    [(headers, body)] = checker.got
    question = Verifier(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
    data = question["data"]
    assert question["type"] == "comment.check"
    assert (data["id"], data["text"], data["name"], data["website"]) == (
        *(comment, "Cheap pills!", "Mia"),
        "https://pills.example/",
    )
    assert data["thread"]["key"]
    assert data["language"] == "en"
    assert data["reasons"] == [{"code": "mode_all", "text": "Every comment on this site is held for moderation."}]
    assert not {"email", "network"} & set(data)
    assert b"mia@example" not in body
    assert b"198.51" not in body


async def test_in_shadow_mode_moderators_see_the_verdict_and_the_comment_stays(asking, checker):
    service = await asking()
    checker.answers = [answer(SPAM)]
    comment = await post(service, "Cheap pills!")
    await work(service)
    card = await card_of(service, comment)
    assert card.status is Status.PENDING
    assert card.reasons[-1].actor.kind is ActorKind.HOOK
    assert card.reasons[-1].text == "External check: spam (0.97): Offers a casino."
    assert card.actions == []


async def test_an_enforced_verdict_marks_spam_and_can_be_undone(asking, checker):
    service = await asking(verdict_mode="enforce")
    checker.answers = [answer(SPAM)]
    comment = await post(service, "Cheap pills!")
    await work(service)
    card = await card_of(service, comment)
    assert card.status is Status.SPAM
    assert [one.text for one in card.reasons] == ["External check: spam (0.97): Offers a casino."]
    [action] = card.actions
    assert (action.actor.kind, action.action) == (ActorKind.HOOK, ActionVerb.SPAM)
    await undo.undo_action(service, EVERYTHING, action.id)
    assert (await card_of(service, comment)).status is Status.PENDING
    assert await read_rows(service, "memory") == []  # it taught nothing


async def test_without_moderation_a_comment_is_published_at_once_and_judged_after(asking, checker):
    service = await asking(verdict_mode="enforce", moderation=Mode.NONE)
    checker.answers = [answer({"effect": "hold"}), answer({"effect": "none"})]
    first = await post(service, "One.")
    assert (await card_of(service, first)).status is Status.APPROVED
    await work(service)
    assert (await card_of(service, first)).status is Status.PENDING
    second = await post(service, "Two.")
    await work(service)
    assert (await card_of(service, second)).status is Status.APPROVED


async def test_an_approval_publishes_only_what_the_mode_alone_holds(asking, checker):
    service = await asking(verdict_mode="enforce")
    checker.answers = [answer({"effect": "approve"}) for _ in range(3)]
    await make_email_optional(service)
    plain = await post(service, "A thought.", email=None)
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="casino", effect=Effect.HOLD))
    listed = await post(service, "A casino.", email=None)
    typed = await post(service, "Another thought.")
    await work(service)
    statuses = [(await card_of(service, one)).status for one in (plain, listed, typed)]
    assert statuses == [Status.APPROVED, Status.PENDING, Status.PENDING]


EXPECTED = {"spam": Status.SPAM, "hold": Status.PENDING, "approve": Status.APPROVED}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["shadow", "enforce"])
@pytest.mark.parametrize("moderation", [Mode.ALL, Mode.NONE])
@pytest.mark.parametrize("effect", ["spam", "hold", "approve", "none"])
async def test_a_verdict_decides_only_if_it_is_enforced(asking, checker, mode, moderation, effect):
    service = await asking(verdict_mode=mode, moderation=moderation)
    await make_email_optional(service)
    checker.answers = [answer({"effect": effect})]
    comment = await post(service, "A thought.", email=None)
    before = (await card_of(service, comment)).status
    await work(service)
    after = (await card_of(service, comment)).status
    assert after is (EXPECTED.get(effect, before) if mode == "enforce" else before)
    [row] = await read_rows(service)
    assert (row["effect"], row["applied"]) == (effect, int(after is not before))


@write
async def make_email_optional(unit):
    await unit.run("UPDATE site SET email_required = 0")


async def test_whether_a_comment_is_published_tells_nothing_about_the_address_that_was_typed(asking, checker):
    service = await asking(verdict_mode="enforce")
    ban = NewRule(kind=RuleKind.EMAIL, match="banned@example.com", effect=Effect.HOLD)
    await manage.add_rule(service, EVERYTHING, ban)
    checker.answers = [answer({"effect": "approve"}) for _ in range(2)]
    found = [await post(service, text, email=text) for text in ("banned@example.com", "mia@example.com")]
    await work(service)
    assert {(await card_of(service, one)).status for one in found} == {Status.PENDING}
    assert "banned" not in json.dumps([payload["data"]["reasons"] for payload in checker.payloads()])


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (RuleKind.EMAIL, "banned@banned.example"),
        (RuleKind.EMAIL_DOMAIN, "banned.example"),
        (RuleKind.ALL, "newcomer\nemail_domain: banned.example"),
    ],
)
@pytest.mark.parametrize("moderation", [Mode.NONE, Mode.ALL])
async def test_the_check_reads_nothing_that_depends_on_a_typed_address(asking, checker, kind, match, moderation):
    service = await asking(verdict_mode="enforce", verdict_send="email network", moderation=moderation)
    await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match, effect=Effect.HOLD))
    for one in ("banned", "free"):
        await post(service, f"Words by {one}", email=f"{one}@{one}.example")
    await work(service)
    banned, free = (
        {name: value for name, value in payload["data"].items() if name not in {"id", "text"}}
        for payload in checker.payloads()
    )
    assert banned == free


async def test_a_person_who_decided_in_between_is_never_overruled(asking, checker):
    service = await asking(verdict_mode="enforce")
    comment = await post(service, "Not spam.")

    async def decide_first(_request):
        await act(service, ActionVerb.APPROVE, comment)
        return answer(SPAM)

    checker.answers = [decide_first]
    await work(service)
    card = await card_of(service, comment)
    assert card.status is Status.APPROVED
    assert card.reasons[-1].text.startswith("External check: spam")
    [row] = await read_rows(service)
    assert row["applied"] == 0


async def test_a_verdict_on_an_earlier_text_decides_nothing_and_the_new_text_is_asked_about(asking, checker):
    service = await asking(verdict_mode="enforce")
    receipt = await post_comment(service, draft(comment="First."), visit())

    async def edit_first(_request):
        change = CommentEdit(comment="Second.")
        await edit.edit_comment(service, receipt.id, receipt.edit_token, change, visit())
        return answer(SPAM)

    checker.answers = [edit_first, answer({"effect": "none"})]
    await work(service)
    assert (await card_of(service, receipt.id)).status is Status.PENDING
    assert [payload["data"]["text"] for payload in checker.payloads()] == ["First.", "Second."]


async def test_a_comment_that_is_erased_while_the_check_thinks_gets_no_verdict(asking, checker):
    service = await asking(verdict_mode="enforce")
    receipt = await post_comment(service, draft(comment="Casino."), visit())

    async def erase_first(_request):
        await withdraw_comment(service, receipt.id, receipt.edit_token)
        return answer(SPAM)

    checker.answers = [erase_first]
    await work(service)
    assert await read_rows(service) == []
    assert await read_rows(service, "parcel") == []
    assert [row["actor_kind"] for row in await read_rows(service, "decision")] == ["rule", "author"]


async def test_a_spammer_cannot_edit_the_verdict_away(asking, checker):
    service = await asking(verdict_mode="enforce", moderation=Mode.NONE)
    checker.answers = [answer(SPAM)]
    receipt = await post_comment(service, draft(comment="Casino."), visit())
    await work(service)
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="Kittens."), visit())
    assert (await card_of(service, receipt.id)).status is Status.SPAM


async def test_what_a_moderator_wrote_or_edited_is_not_asked_about(asking, checker):
    service = await asking()
    comment = await post(service, "Hello.")
    checker.answers = [500, answer(SPAM)]
    await work(service)
    await actions.update_comment(service, EVERYTHING, comment, 1, CommentUpdate(comment="Hello!"))
    await work(service)
    assert len(checker.got) == 1


WRONG = {
    "no answer": 500,
    "a redirect": web.Response,
    "no JSON": lambda: web.Response(text="spam"),
    "an unknown effect": lambda: answer({"effect": "delete"}),
    "a score that is no number": lambda: answer({"effect": "spam", "score": "high"}),
    "a score above 1": lambda: answer({"effect": "spam", "score": 17}),
    "a list": lambda: answer([SPAM]),
    "no effect": lambda: answer({"score": 0.5}),
    "a closed connection": "close",
    "an endless answer": "huge",
    "deep JSON": lambda: web.Response(text='{"effect":' + "[" * 30000),
    "two effects": lambda: web.Response(text='{"effect": "none", "effect": "spam"}'),
    "a huge reason": lambda: answer({"effect": "spam", "reason": "x" * 4001}),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_check_that_is_wrong_leaves_comments_as_they_are(asking, checker, wrong):
    service = await asking(verdict_mode="enforce")
    made = WRONG[wrong]
    away = web.Response(status=302, headers={"Location": checker.url})
    checker.answers = [away if wrong == "a redirect" else made() if callable(made) else made, answer(SPAM)]
    comment = await post(service, "Hello.")
    await work(service)
    assert (await card_of(service, comment)).status is Status.PENDING
    assert len(checker.got) == 1
    assert await read_rows(service) == []
    [parcel] = await read_rows(service, "parcel")
    assert parcel["error"]
    assert parcel["state"] == "waiting"
    assert SECRET not in json.dumps(parcel)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", [lambda: web.Response(text="?"), lambda: web.Response(status=422)])
async def test_a_strange_comment_does_not_keep_others_from_being_checked(asking, checker, wrong):
    service = await asking(verdict_mode="enforce")
    checker.answers = [wrong()]
    worker = Worker(service, join_outlets(service.config))
    for text in ("Strange.", "Spam."):
        comment = await post(service, text)
        await worker.work_once()
        await asyncio.gather(*worker._running[Channel.VERDICT])
        checker.answers = [answer(SPAM)]
    await worker._drain()
    assert (await card_of(service, comment)).status is Status.SPAM


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_check_that_sends_drop_by_drop_has_its_time_in_all(asking, checker):
    service = await asking(verdict_mode="enforce", verdict_timeout=1)
    started, sent = time.monotonic(), asyncio.Event()

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.01)
        finally:
            sent.set()

    checker.answers = [drip]
    await post(service, "Hello.")
    await work(service)
    await asyncio.wait_for(sent.wait(), 5)
    assert time.monotonic() - started < 5
    [parcel] = await read_rows(service, "parcel")
    assert parcel["error"] == "No answer within 1 seconds."


async def test_while_the_check_is_down_nobody_is_asked_and_operators_see_why(asking, checker):
    service = await asking()
    checker.answers = [500] * 3
    for text in ("One.", "Two.", "Three."):
        await post(service, text)
    worker = Worker(service, join_outlets(service.config))
    await worker.work_once()
    await asyncio.gather(*worker._running[Channel.VERDICT])
    asked = len(checker.got)
    await post(service, "Four.")
    await worker.work_once()
    assert worker._running[Channel.VERDICT] == {}
    assert len(checker.got) == asked <= 3
    await worker._drain()
    [found] = [one async for one in check_latest_question(service)]
    assert (found.level, "Status 500" in found.says, "delivery list" in found.cure) == ("warning", True, True)
    [record] = await read_rows(service, "channel_record")
    assert (record["channel"], record["error"]) == (
        "verdict",
        "Status 500: the receiver did not accept the request.",
    )


async def test_a_verdict_that_comes_after_an_hour_is_not_asked_for(asking, checker, clock):
    service = await asking()
    checker.answers = [500]
    comment = await post(service, "Hello.")
    await work(service)
    clock.move(minutes=61)
    await work(service)
    assert len(checker.got) == 1
    assert "The external check gave no verdict." in await reasons_of(service, comment)
    assert await read_rows(service, "parcel") == []


async def test_a_check_that_fails_on_one_comment_is_asked_four_times(asking, checker, clock):
    service = await asking()
    checker.answers = [500] * 9
    comment = await post(service, "Poison.")
    for _ in range(8):
        await work(service)
        clock.move(minutes=12)
    assert len(checker.got) == 4
    assert "The external check gave no verdict." in await reasons_of(service, comment)


async def test_the_reason_of_the_check_is_shown_without_addresses_and_tricks(asking, checker):
    service = await asking()
    reason = "Write\u202e to mia@example.com\x00\n from 192.0.2.77 " + "x" * 500
    checker.answers = [answer({"effect": "hold", "reason": reason})]
    comment = await post(service, "Hello.")
    await work(service)
    text = (await reasons_of(service, comment))[-1]
    assert text.startswith("External check: hold: Write to m…@example.com from 192.0.2.0/24")
    assert len(text) < 240


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.binary())
def test_no_answer_but_the_agreed_form_is_a_verdict(value):
    body = value.decode("utf-8", "replace") if isinstance(value, bytes) else json.dumps(value)
    with pytest.raises(NoVerdictError):
        read_verdict(Answer(status=200, body=body))


async def test_the_operator_can_let_it_have_the_network_and_confirmed_addresses(asking, checker):
    service = await asking(verdict_send="email network")
    await post(service, "Typed by anybody.")
    confirmed = await post(service, "By the owner of the address.")
    await confirm(service, confirmed)
    await work(service)
    data = {payload["data"]["id"]: payload["data"] for payload in checker.payloads()}
    assert {one["network"] for one in data.values()} == {"198.51.100.0/24"}
    assert data.pop(confirmed)["email"] == "mia@example.com"
    assert [one["email"] for one in data.values()] == [None]


@write
async def confirm(unit, comment):
    await unit.run("UPDATE contact SET verified = 1 WHERE comment_id = :id", id=comment)


async def test_without_the_setting_nothing_waits_for_a_check(service):
    await post(service, "Hello.")
    assert await read_rows(service, "event") == []


async def test_statistics_compare_verdicts_with_decisions_of_people(asking, checker):
    service = await asking()
    effects = ["spam", "spam", "spam", "none", "approve"]
    checker.answers = [answer({"effect": effect}) for effect in effects]
    found = []
    for number in range(len(effects)):
        found.append(await post(service, f"Comment {number}."))
        await work(service)
    await act(service, ActionVerb.SPAM, found[0], found[1])
    await act(service, ActionVerb.APPROVE, found[2], found[3])
    read = await statistics.read_statistics(service, EVERYTHING, StatisticsQuery())
    assert [(one.verdict, one.comments, one.spam, one.good) for one in read.external_check] == [
        ("spam", 3, 2, 1),
        ("approve", 1, 0, 0),
        ("none", 1, 0, 1),
    ]


async def test_erasing_a_comment_or_a_person_or_a_site_leaves_no_verdict(asking, checker):
    service = await asking()
    receipt = await post_comment(service, draft(comment="Hello."), visit())
    await post(service, "Again.")
    await post(service, "By another person.", email="bo@example.com")
    checker.answers = [answer(SPAM) for _ in range(3)]
    await work(service)
    told = await export.export_person(service, Email("mia@example.com"))
    assert [one.external_check.text for one in told.comments] == ["External check: spam (0.97): Offers a casino."] * 2
    await withdraw_comment(service, receipt.id, receipt.edit_token)
    assert len(await read_rows(service)) == 2
    result = await erase.erase_person(service, Email("mia@example.com"))
    assert (result.before.verdicts, result.after.verdicts) == (1, 0)
    [row] = await read_rows(service)
    await manage_sites.add_site(service, EVERYTHING, NewSite(name="Other", origins=["https://other.example"]))
    await removal.remove_site(service, EVERYTHING, row["site_id"], SiteRemoval(expect=1))
    assert await read_rows(service) == []


async def test_the_doctor_asks_whether_the_check_answers(checker):
    config = Config(verdict_url=checker.url, verdict_secret=SECRET)
    [found] = [one async for one in check_external_check(config)]
    assert found.level == "ok"
    assert checker.payloads()[0]["type"] == "webhook.test"
    checker.answers = [401]
    [found] = [one async for one in check_external_check(config)]
    assert (found.level, "401" in found.says, "VERDICT_SECRET" in found.cure) == ("fault", True, True)
    assert [one async for one in check_external_check(Config())] == []


async def test_a_service_that_is_overdue_is_not_blamed_on_the_check(asking, checker, clock):
    service = await asking()
    await post(service, "Hello.")
    await work(service)
    assert await outbox.find_overdue(service) is None
