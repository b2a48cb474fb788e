"""Webhooks are told what happens, signed, and tried again until the receiver accepts it."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime

import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from commentsvc.access import moderators
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.delivery import outbox, webhook_deliveries, webhook_sender, webhooks
from commentsvc.delivery.outbound import Outbound
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.webhook_events import tell_webhooks
from commentsvc.delivery.webhook_schemas import NewWebhook, WebhookChange, WebhookDeliveryQuery, WebhookEvent
from commentsvc.delivery.webhook_sender import FAILING_DAYS, WebhookSender
from commentsvc.delivery.worker import Worker
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import Channel, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope
from commentsvc.domain.networks import parse_networks
from commentsvc.domain.validation import validate
from commentsvc.moderation import actions, erase, thread_removal, threads
from commentsvc.moderation.schemas import Action, CommentUpdate, ThreadChange, ThreadListQuery, ThreadRemoval
from commentsvc.operations import maintenance, secrets
from commentsvc.service import private_read
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.web.mail.renderers import RENDERERS
from tests.conftest import EVERYTHING, SECRET, a_service, post, visit
from tests.delivery.receiver import LOOPBACK, a_receiver

ALL = list(WebhookEvent)


@pytest.fixture
async def calling(database_url, clock):
    async with a_service(database_url, clock, outbound_allow=LOOPBACK, public_url="https://c.example") as service:
        yield service


@pytest.fixture
async def receiver():
    async with a_receiver() as receiver:
        yield receiver


async def add(service, receiver, events=ALL, **more):
    new = NewWebhook(url=receiver.url, events=list(events), **more)
    return await webhooks.add_webhook(service, EVERYTHING, new)


async def work(service, *, seconds=5, rest_seconds=0):
    """Tell the webhooks everything that has happened."""
    outbound = Outbound(parse_networks(service.config.outbound_allow), seconds=seconds)
    sender = WebhookSender(outbound, rest_seconds=rest_seconds)
    worker = Worker(service, Outlets(fan_outs=[tell_webhooks], senders={Channel.WEBHOOK: sender}))
    while await worker.work_once() or worker._running[Channel.WEBHOOK]:
        await asyncio.gather(*worker._running[Channel.WEBHOOK])
    await sender.close()


async def deliveries(service, webhook):
    return (
        await webhook_deliveries.list_deliveries(service, EVERYTHING, webhook.id, WebhookDeliveryQuery())
    ).deliveries


async def act(service, verb, *ids):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


@private_read
async def read_table(unit, name):
    return [dict(row) for row in await unit.all(f"SELECT * FROM {name}")]


def types(receiver):
    return sorted(payload["type"] for payload in receiver.payloads())


def only(receiver, kind):
    [payload] = [one for one in receiver.payloads() if one["type"] == kind]
    return payload["data"]


async def test_a_new_comment_is_told_and_the_public_package_verifies_it(calling, receiver, verifying):
    webhook = await add(calling, receiver)
    comment = await post(calling, "Hello.")
    await work(calling)
    assert types(receiver) == ["comment.created", "comment.held"]
    for headers, body in receiver.got:
        assert Verifier(webhook.secret).verify(body, {k.lower(): v for k, v in headers.items()}) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            Verifier(webhook.secret).verify(body + b" ", {k.lower(): v for k, v in headers.items()})
    data = only(receiver, "comment.held")
    assert data["comment"]["id"] == comment
    assert data["permalink"] == f"https://c.example/c/{comment}"
    assert data["moderation_url"] == f"https://c.example/moderate/comments/{comment}"
    assert data["thread"]["names"]


class _Now(datetime):
    """The clock of the tests for the public package."""

    clock = None

    @classmethod
    def now(cls, tz=None):
        return cls.clock().astimezone(tz)


@pytest.fixture
def verifying(monkeypatch, clock):
    """Let the public package read the clock of the tests."""
    monkeypatch.setattr(_Now, "clock", staticmethod(clock))
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _Now)


async def test_text_and_name_of_comments_that_are_not_public_are_sent_only_if_wanted(calling, receiver):
    async with a_receiver() as trusted:
        await add(calling, receiver)
        await add(calling, trusted, include_unapproved=True, include_email=True)
        comment = await post(calling, "A *secret* thought.")
        await work(calling)
        closed, opened = (only(one, "comment.held")["comment"] for one in (receiver, trusted))
        assert [closed[name] for name in ("name", "text", "html", "hue", "website")] == [None] * 5
        assert "email" not in closed
        assert (closed["status"], closed["deleted"]) == ("pending", False)
        assert (opened["name"], opened["text"], opened["email"]) == ("Mia", "A *secret* thought.", "mia@example.com")
        assert "secret" not in json.dumps(receiver.payloads())
        await act(calling, ActionVerb.APPROVE, comment)
        await work(calling)
        data = only(receiver, "comment.approved")
        assert data["comment"]["text"] == "A *secret* thought."
        assert data["decided_by"] == {"kind": "person", "id": None, "name": "ada"}
        assert data["previous_status"] == "pending"


async def test_every_decision_has_its_type_and_threads_change_once_a_batch(calling, receiver):
    comment = await post(calling, "Hello.")
    other = await post(calling, "Hello again, from me.")
    await add(calling, receiver)
    await act(calling, ActionVerb.APPROVE, comment, other)
    await work(calling)
    assert types(receiver) == ["comment.approved", "comment.approved", "thread.changed"]
    receiver.got.clear()
    for verb, told in (
        (ActionVerb.HOLD, "comment.held"),
        (ActionVerb.APPROVE, "comment.approved"),
        (ActionVerb.SPAM, "comment.spam"),
    ):
        await act(calling, verb, comment)
        await work(calling)
        assert types(receiver) == [told, "thread.changed"]
        receiver.got.clear()
    await act(calling, ActionVerb.TRASH, comment)
    await work(calling)
    assert types(receiver) == ["comment.trashed"]  # readers saw nothing of it before
    receiver.got.clear()
    await act(calling, ActionVerb.TRASH, other)
    await erase.erase_permanently(calling, EVERYTHING, other)
    await work(calling)
    assert types(receiver) == ["comment.deleted"]
    assert only(receiver, "comment.deleted")["comment"] | {"id": other} == only(receiver, "comment.deleted")["comment"]
    assert "Hello again" not in json.dumps(receiver.payloads())


async def the_thread(service):
    [thread] = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    return thread


async def test_a_cdn_learns_which_thread_changed(calling, receiver):
    comment = await post(calling, "Hello.")
    await act(calling, ActionVerb.APPROVE, comment)
    thread = await the_thread(calling)
    await add(calling, receiver, [WebhookEvent.THREAD_CHANGED])
    await threads.change_thread(calling, EVERYTHING, thread.id, ThreadChange(closed=True))
    await work(calling)
    data = only(receiver, "thread.changed")
    site = data["site"]
    assert data["thread"]["id"] == thread.id
    assert data["thread"]["names"] == [thread.key]
    assert data["surrogate_keys"] == [f"thread-{thread.id}", f"latest-{site['id']}", f"empty-{site['id']}"]


async def test_a_thread_that_is_deleted_is_still_named(calling, receiver):
    comment = await post(calling, "Hello.")
    await act(calling, ActionVerb.APPROVE, comment)
    thread = await the_thread(calling)
    await add(calling, receiver)
    await thread_removal.remove_thread(calling, EVERYTHING, thread.id, ThreadRemoval(expect=1))
    [event] = await read_table(calling, "event")
    assert thread.key not in str(event)  # encrypted until it is told
    await work(calling)
    assert types(receiver) == ["thread.changed"]
    data = only(receiver, "thread.changed")
    assert (data["thread"]["id"], data["thread"]["removed"], data["thread"]["names"]) == (thread.id, True, [thread.key])


async def test_a_site_that_is_deleted_is_told_to_webhooks_of_all_sites(calling, receiver):
    site = await manage.add_site(calling, EVERYTHING, NewSite(name="gone", origins=["https://gone.example"]))
    await add(calling, receiver)
    async with a_receiver() as own:
        await add(calling, own, site="gone")
        await removal.remove_site(calling, EVERYTHING, site.id, SiteRemoval())
        await work(calling)
        data = only(receiver, "thread.changed")
        assert data == {
            "surrogate_keys": [f"site-{site.id}"], "thread": None, "site": {"id": site.id, "name": "gone"},
        }  # fmt: skip
        assert own.got == []


def test_an_unknown_event_is_refused_with_those_that_exist():
    with pytest.raises(Invalid) as refused:
        validate(NewWebhook, {"url": "https://hooks.example/", "events": ["comment.posted"]}, Limits())
    (fault,) = refused.value.faults
    assert fault.field == "events"
    assert "Each must be one of: comment.created, comment.held" in fault.message


async def test_a_webhook_hears_only_of_its_site_and_its_events(calling, receiver):
    await manage.add_site(calling, EVERYTHING, NewSite(name="two", origins=["https://two.example"]))
    await add(calling, receiver, [WebhookEvent.HELD], site="two")
    await post(calling, "On the first site.", thread="/a/", site="blog")
    await post(calling, "On the second site.", thread="https://two.example/b/")
    await work(calling)
    assert types(receiver) == ["comment.held"]
    assert receiver.payloads()[0]["data"]["site"]["name"] == "two"


async def test_an_edit_and_a_report_are_told(calling, receiver):
    comment = await post(calling, "Hello.")
    await act(calling, ActionVerb.APPROVE, comment)
    await add(calling, receiver)
    await actions.update_comment(calling, EVERYTHING, comment, 2, CommentUpdate(comment="Hello, all."))
    await work(calling)
    assert types(receiver) == ["comment.edited", "thread.changed"]
    assert only(receiver, "comment.edited")["comment"]["text"] == "Hello, all."
    receiver.got.clear()
    await reports.report_comment(calling, comment, NewReport(reason="Rude."), visit(address="203.0.113.9"))
    await work(calling)
    assert types(receiver) == ["report.created"]
    assert "Rude" not in json.dumps(receiver.payloads())


async def test_nothing_of_an_erased_comment_waits_in_the_outbox(calling, receiver):
    await add(calling, receiver, include_unapproved=True, include_email=True)
    comment = await post(calling, "Hello.")
    receiver.answers = [500, 500]
    await work(calling)
    assert len(await read_table(calling, "parcel")) == 2
    await act(calling, ActionVerb.TRASH, comment)
    await erase.erase_permanently(calling, EVERYTHING, comment)
    assert await read_table(calling, "parcel") == []


async def test_bodies_addresses_and_secrets_are_encrypted_at_rest(calling, receiver):
    webhook = await add(calling, receiver, include_unapproved=True, include_email=True)
    receiver.answers = [web.Response(text="you sent mia@example.com") for _ in range(2)]
    await post(calling, "Hello.")
    await work(calling)
    rows = str(await read_table(calling, "parcel")) + str(await read_table(calling, "webhook"))
    for secret in ("mia@example.com", "Hello", "very-secret", webhook.secret, receiver.url):
        assert secret not in rows
    [first, _] = await deliveries(calling, webhook)
    assert (first.state, first.status_code, first.attempts) == (ParcelState.DELIVERED, 200, 1)
    assert "mia@example.com" in first.request
    assert first.response == "you sent mia@example.com"
    assert first.milliseconds is not None


@pytest.mark.parametrize("fault", ["slow", "close", 500, 404, 302, 429])
async def test_a_delivery_that_fails_is_tried_again_with_the_same_id(calling, receiver, clock, fault):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [fault]
    await post(calling, "Hello.")
    await work(calling, seconds=0.3)
    [waiting] = await deliveries(calling, webhook)
    assert (waiting.state, waiting.attempts) == (ParcelState.WAITING, 1)
    assert waiting.error
    assert "very-secret" not in waiting.error
    assert waiting.status_code == (fault if isinstance(fault, int) else None)
    clock.move(minutes=1)
    receiver.stop.set()
    await work(calling)
    [delivered] = await deliveries(calling, webhook)
    assert (delivered.state, delivered.attempts, delivered.error) == (ParcelState.DELIVERED, 2, None)
    first, second = receiver.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"] == delivered.webhook_id
    assert first[0]["webhook-timestamp"] != second[0]["webhook-timestamp"]
    assert first[1] == second[1]


@pytest.mark.parametrize("wait", ["7200", "Sun, 22 Nov 2026 18:02:11 GMT"])
async def test_a_receiver_says_when_to_try_again(calling, receiver, clock, wait):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [web.Response(status=503, headers={"Retry-After": wait})]
    await post(calling, "Hello.")
    await work(calling)
    clock.move(minutes=119)
    await work(calling)
    assert len(receiver.got) == 1
    clock.move(minutes=2)
    await work(calling)
    assert [one.state for one in await deliveries(calling, webhook)] == [ParcelState.DELIVERED]


@pytest.mark.parametrize(
    "wait",
    ["999999999999", "-1", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", f"Fri, 31 Dec 9999 23:59:59 +{'9' * 20}", "²"],
)
async def test_a_receiver_cannot_ask_to_wait_for_ever(calling, receiver, clock, wait):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [web.Response(status=503, headers={"Retry-After": wait})]
    await post(calling, "Hello.")
    await work(calling)
    clock.move(hours=12, minutes=1)
    await work(calling)
    assert [one.state for one in await deliveries(calling, webhook)] == [ParcelState.DELIVERED]


async def test_what_was_accepted_is_not_sent_again_for_the_rest_of_the_answer(calling, receiver):
    async def accept_and_break(request):
        response = web.StreamResponse(headers={"Retry-After": f"Mon, 01 Jan 2024 00:00:00 +{'9' * 20}"})
        response.content_length = 9
        await response.prepare(request)
        await response.write(b"half")
        request.transport.close()
        return response

    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [accept_and_break]
    await post(calling, "Hello.")
    await work(calling)
    [delivered] = await deliveries(calling, webhook)
    assert (delivered.state, delivered.response, delivered.error) == (ParcelState.DELIVERED, "half", None)


async def test_a_receiver_that_is_gone_is_not_called_again(calling, receiver):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [410]
    await post(calling, "Hello.")
    await work(calling)
    record = await webhooks.get_webhook(calling, EVERYTHING, webhook.id)
    assert (record.enabled, record.disabled_for) == (False, "gone")
    [dead] = await deliveries(calling, webhook)
    assert dead.state is ParcelState.DEAD
    await post(calling, "Hello once more.")
    await work(calling)
    assert len(receiver.got) == 1
    with pytest.raises(Conflict):
        await webhook_deliveries.retry_delivery(calling, EVERYTHING, webhook.id, dead.id)
    await webhooks.change_webhook(calling, EVERYTHING, webhook.id, WebhookChange(enabled=True))
    await webhook_deliveries.retry_delivery(calling, EVERYTHING, webhook.id, dead.id)
    await work(calling)
    [told] = await deliveries(calling, webhook)
    assert told.state is ParcelState.DELIVERED


async def test_a_webhook_that_fails_for_days_is_switched_off_and_moderators_are_told(database_url, clock, receiver):
    mail = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example"}
    async with a_service(database_url, clock, outbound_allow=LOOPBACK, **mail) as service:
        await moderators.add_moderator(service, "Noa", Email("noa@example.com"), [])
        await manage.add_site(service, EVERYTHING, NewSite(name="two", origins=["https://two.example"]))
        await moderators.add_moderator(service, "Tom", Email("tom@example.com"), ["two"])
        webhook = await add(service, receiver, [WebhookEvent.HELD], site="blog")
        receiver.answers = [500] * 200
        await post(service, "Hello.", site="blog")
        for day in range(FAILING_DAYS + 2):
            await work(service)
            clock.move(days=1)
            await post(service, f"Hello on day {day}.", site="blog")
        record = await webhooks.get_webhook(service, EVERYTHING, webhook.id)
        assert (record.enabled, record.disabled_for) == (False, "failing")
        assert {one.state for one in await deliveries(service, webhook)} == {ParcelState.DEAD}
        mails = [row for row in await read_table(service, "parcel") if row["kind"] == "webhook_disabled"]
        assert [service.keyring.unseal(row["email_sealed"]).reveal() for row in mails] == ["noa@example.com"]
        assert "webhook_disable" in {row["verb"] for row in await read_table(service, "audit")}


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_webhook_is_not_switched_off_because_of_one_jump_of_the_clock(calling, receiver, clock):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    await maintenance._clean_up(calling)
    receiver.answers = [500, 500]
    for jump in (365, -365):
        await post(calling, f"Hello before a jump of {jump} days.")
        await work(calling)
        clock.move(days=jump)
    record = await webhooks.get_webhook(calling, EVERYTHING, webhook.id)
    assert (record.enabled, len(receiver.got)) == (True, 3)
    assert {one.state for one in await deliveries(calling, webhook)} <= {ParcelState.WAITING, ParcelState.DELIVERED}


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_webhook_does_not_keep_the_times_of_a_wrong_clock(calling, receiver, clock):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    await maintenance._clean_up(calling)
    clock.move(days=365)
    receiver.answers = [500]
    await post(calling, "Hello.")
    await work(calling)
    await webhooks.rotate_secret(calling, EVERYTHING, webhook.id)
    clock.move(days=-365)
    await maintenance._clean_up(calling)
    record = await webhooks.get_webhook(calling, EVERYTHING, webhook.id)
    assert record.failing_since == calling.now()
    assert calling.now() < record.old_secret_until <= calling.ahead(hours=25)


async def test_one_success_ends_the_days_of_failing(calling, receiver, clock):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    for day in range(10):
        receiver.answers = [500]
        await post(calling, f"Hello on day {day}.")
        await work(calling)
        clock.move(hours=20)
        await work(calling)
        clock.move(hours=4)
    record = await webhooks.get_webhook(calling, EVERYTHING, webhook.id)
    assert (record.enabled, record.failing_since) == (True, None)


async def test_a_request_is_not_sent_again_because_the_database_went_away_after_it(
    calling, receiver, clock, monkeypatch
):
    await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = [500]
    await post(calling, "Hello.")
    await work(calling)

    async def fail(*_args):
        raise Unavailable

    monkeypatch.setattr(webhook_sender, "_note_success", fail)
    for _ in range(3):
        clock.move(minutes=1)
        await work(calling)
    assert len(receiver.got) == 2


async def test_a_private_address_is_refused_with_the_cure(database_url, clock, receiver):
    async with a_service(database_url, clock) as service:
        with pytest.raises(Invalid) as refused:
            await add(service, receiver)
        [fault] = refused.value.faults
        assert (fault.field, fault.code) == ("url", "private_address")
        named = NewWebhook(url=receiver.url.replace("127.0.0.1", "localtest.me"), events=ALL)
        await webhooks.add_webhook(service, EVERYTHING, named)  # what a name means is checked when it is used


async def test_a_network_that_is_not_allowed_any_more_is_not_reached(database_url, clock, receiver):
    async with a_service(database_url, clock, outbound_allow=LOOPBACK) as service:
        webhook = await add(service, receiver, [WebhookEvent.HELD])
        await post(service, "Hello.")
    async with a_service(database_url, clock) as service:
        await work(service)
        [waiting] = await deliveries(service, webhook)
        assert waiting.state is ParcelState.WAITING
        assert "COMMENTSVC_OUTBOUND_ALLOW" in waiting.error
        assert receiver.got == []


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(calling, receiver, clock, verifying):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    rotated = await webhooks.rotate_secret(calling, EVERYTHING, webhook.id)
    assert rotated.old_secret_until == "2026-11-23T16:02:11.000Z"
    assert rotated.secret != webhook.secret
    await post(calling, "Hello.")
    await work(calling)
    headers, body = receiver.got.pop()
    lower = {name.lower(): value for name, value in headers.items()}
    for secret in (webhook.secret, rotated.secret):
        Verifier(secret).verify(body, lower)
    clock.move(days=1)
    await post(calling, "Hello again.")
    await work(calling)
    headers, body = receiver.got.pop()
    lower = {name.lower(): value for name, value in headers.items()}
    Verifier(rotated.secret).verify(body, lower)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(body, lower)


async def test_a_test_is_answered_at_once(calling, receiver):
    webhook = await add(calling, receiver)
    receiver.answers = [web.Response(text="ok"), web.Response(status=500, text="broken")]
    tested = await webhook_deliveries.test_webhook(calling, EVERYTHING, webhook.id)
    assert (tested.delivered, tested.status_code, tested.response, tested.error) == (True, 200, "ok", None)
    tested = await webhook_deliveries.test_webhook(calling, EVERYTHING, webhook.id)
    assert (tested.delivered, tested.status_code, tested.response) == (False, 500, "broken")
    assert types(receiver) == ["webhook.test"] * 2
    assert await deliveries(calling, webhook) == []


async def test_a_huge_answer_is_stored_in_part(calling, receiver):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = ["huge"]
    await post(calling, "Hello.")
    await work(calling)
    [delivered] = await deliveries(calling, webhook)
    assert delivered.response == "x" * 4096


async def test_a_slow_receiver_is_left_alone_for_a_minute(calling, receiver):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    receiver.answers = ["slow"] * 100
    for number in range(30):
        await post(calling, f"Hello number {number}.")
    await work(calling, seconds=0.2, rest_seconds=60)
    assert len(receiver.got) <= 8
    assert {one.state for one in await deliveries(calling, webhook)} == {ParcelState.WAITING}


async def test_a_lost_key_is_named(database_url, clock, receiver):
    async with a_service(database_url, clock, outbound_allow=LOOPBACK) as service:
        webhook = await add(service, receiver, [WebhookEvent.HELD])
        await post(service, "Hello.")
        await outbox.expand_events(service, [tell_webhooks])
        other = replace(service, keyring=Keyring(["x" * 40]))
        await work(other)
        [dead] = await deliveries(other, webhook)
        assert (dead.state, dead.request) == (ParcelState.DEAD, None)
        assert "secret key" in dead.error
        assert (await webhooks.get_webhook(other, EVERYTHING, webhook.id)).url is None


def limited_to(*sites):
    return Principal(Actor(ActorKind.PROGRAM, None, "script"), frozenset(Scope), tuple(sites))


async def test_a_key_for_one_site_manages_the_webhooks_of_this_site_only(calling, receiver):
    two = await manage.add_site(calling, EVERYTHING, NewSite(name="two", origins=["https://two.example"]))
    everywhere, who = await add(calling, receiver), limited_to(two.id)
    with pytest.raises(Forbidden):
        await webhooks.add_webhook(calling, who, NewWebhook(url=receiver.url, events=ALL))
    own = await webhooks.add_webhook(calling, who, NewWebhook(url=receiver.url, events=ALL, site="two"))
    assert [one.id for one in (await webhooks.list_webhooks(calling, who)).webhooks] == [own.id]
    with pytest.raises(NotFound):
        await webhooks.remove_webhook(calling, who, everywhere.id)
    await webhooks.remove_webhook(calling, who, own.id)
    assert len((await webhooks.list_webhooks(calling, EVERYTHING)).webhooks) == 1


async def test_every_change_is_in_the_audit_log_without_addresses(calling, receiver):
    webhook = await add(calling, receiver)
    await webhooks.change_webhook(calling, EVERYTHING, webhook.id, WebhookChange(note="chat", enabled=False))
    await webhooks.rotate_secret(calling, EVERYTHING, webhook.id)
    await webhooks.remove_webhook(calling, EVERYTHING, webhook.id)
    entries = [row for row in await read_table(calling, "audit") if row["verb"].startswith("webhook")]
    assert [row["verb"] for row in entries] == ["webhook_add", "webhook_change", "webhook_rotate", "webhook_remove"]
    assert "very-secret" not in str(entries)
    assert webhook.secret not in str(entries)
    assert await read_table(calling, "webhook") == []


async def test_a_webhook_that_is_switched_off_hears_nothing(calling, receiver):
    webhook = await add(calling, receiver)
    await post(calling, "Hello.")
    await outbox.expand_events(calling, [tell_webhooks])
    await webhooks.change_webhook(calling, EVERYTHING, webhook.id, WebhookChange(enabled=False))
    await post(calling, "Hello again, from me.")
    await work(calling)
    assert receiver.got == []
    assert {one.state for one in await deliveries(calling, webhook)} == {ParcelState.DEAD}


async def test_moderators_read_which_webhook_was_switched_off_and_nothing_secret(database_url, clock, receiver):
    mail = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example"}
    async with a_service(database_url, clock, outbound_allow=LOOPBACK, **mail) as service:
        await moderators.add_moderator(service, "Noa", Email("noa@example.com"), [])
        webhook = await add(service, receiver, [WebhookEvent.HELD])
        receiver.answers = [410]
        await post(service, "Hello.")
        await work(service)
        [parcel] = await outbox.claim(service, Channel.MAIL, 10)
        written = await RENDERERS[parcel.kind](service, parcel)
        assert written.to == Email("noa@example.com")
        for part in (written.text, written.html):
            assert f"/moderate/webhooks/{webhook.id}" in part
            assert "127.0.0.1" in part
            assert "very-secret" not in part
        await webhooks.change_webhook(service, EVERYTHING, webhook.id, WebhookChange(enabled=True))
        assert await RENDERERS[parcel.kind](service, parcel) is None  # it works again


async def test_every_encrypted_column_can_be_encrypted_again(calling, receiver):
    webhook = await add(calling, receiver, [WebhookEvent.HELD])
    rotated = await webhooks.rotate_secret(calling, EVERYTHING, webhook.id)
    await post(calling, "Hello.")
    await work(calling)
    newer = replace(calling, keyring=Keyring(["a-newer-secret-of-the-tests-long-enough-to-be-one", SECRET]))
    await secrets.reseal_emails(newer)
    alone = replace(calling, keyring=Keyring(["a-newer-secret-of-the-tests-long-enough-to-be-one"]))
    assert (await webhooks.get_webhook(alone, EVERYTHING, webhook.id)).url == receiver.url
    [delivery] = await deliveries(alone, webhook)
    assert (json.loads(delivery.request)["type"], delivery.response) == ("comment.held", "thanks")
    await post(calling, "Hello again, from me.")
    await work(alone)
    signatures = receiver.got[-1][0]["webhook-signature"].split()
    assert len(signatures) == 2
    assert rotated.secret
