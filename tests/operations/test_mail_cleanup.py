"""Housekeeping deletes what mail leaves behind, when nobody needs it any more."""

import pytest

from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import Channel, EventKind, NewParcel, Outcome, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.operations import maintenance
from commentsvc.service import write
from commentsvc.storage import addresses, confirmations, events, parcels, subscriptions, verified_authors
from commentsvc.storage.confirmations import Confirmation
from tests.comments.test_post import everything_in
from tests.conftest import post
from tests.subscriptions.subscribing import a_mailing_service, change, subscribe


@pytest.fixture
async def service(database_url, clock, monkeypatch):
    monkeypatch.setattr(maintenance, "ROWS_AT_ONCE", 2)  # several pieces
    async with a_mailing_service(database_url, clock) as service:
        yield service


async def find_address(service, email):
    return await change(service, addresses.find, service.keyring.digests(Email(email)))


async def emails(service):
    rows = await everything_in(service, "address")
    return sorted(service.keyring.unseal(row["email_sealed"]).reveal() for row in rows)


@write
async def ask_for_confirmation(unit, subscription_id):
    """Let a subscription be confirmed by a mail, as its request does."""
    subscription = await subscriptions.get(unit, subscription_id)
    one = Confirmation(
        unit.new_id(), subscription.address_id, subscription.site_id, None, "en", unit.now(), unit.ahead(days=7), None
    )
    await confirmations.add(unit, one)
    await subscriptions.join_confirmation(unit, subscription_id, one.id)


async def test_addresses_that_nobody_confirmed_are_forgotten_after_eight_days(service, clock):
    comment = await post(service, "Hello.")
    for number in range(5):
        await ask_for_confirmation(
            service, await subscribe(service, f"{number}@example.com", "thread", comment, confirmed=False)
        )
    clock.move(days=7, hours=23)
    await maintenance.delete_expired(service)
    assert len(await emails(service)) == 5
    clock.move(hours=2)
    await maintenance.delete_expired(service)
    assert await emails(service) == []
    assert await everything_in(service, "subscription") == []
    assert await everything_in(service, "confirmation") == []


async def test_a_reader_who_asked_again_can_confirm_until_the_end_of_the_second_link(service, clock):
    comment = await post(service, "Hello.")
    asked = await subscribe(service, "mia@example.com", "thread", comment, confirmed=False)
    await ask_for_confirmation(service, asked)
    clock.move(days=6)
    await ask_for_confirmation(service, asked)
    clock.move(days=6)
    await maintenance.delete_expired(service)
    assert [row["id"] for row in await everything_in(service, "subscription")] == [asked]
    clock.move(days=3)
    await maintenance.delete_expired(service)
    assert await everything_in(service, "subscription") == []


async def test_confirmed_subscriptions_stay_without_the_mail_that_confirmed_them(service, clock):
    comment = await post(service, "Hello.")
    asked = await subscribe(service, "mia@example.com", "thread", comment, confirmed=False)
    await ask_for_confirmation(service, asked)
    await subscribe(service, "mia@example.com", "thread", comment)
    clock.move(days=400)
    await maintenance.delete_expired(service)
    [row] = await everything_in(service, "subscription")
    assert (row["id"], row["confirmation_id"], await emails(service)) == (asked, None, ["mia@example.com"])
    assert await everything_in(service, "confirmation") == []


@write
async def verify(unit, address_id, comment_id):
    row = await unit.one("SELECT author_id, site_id FROM comment WHERE id = :id", id=comment_id)
    await verified_authors.add(unit, row["author_id"], address_id, row["site_id"], unit.now())


async def test_suppressed_and_verified_addresses_stay(service, clock):
    comment = await post(service, "Hello.")
    for name in ("bounced", "verified", "ended"):
        subscription = await subscribe(service, f"{name}@example.com", "thread", comment)
        await change(service, subscriptions.delete, subscription)
    bounced = await find_address(service, "bounced@example.com")
    await change(service, addresses.suppress, bounced.id, "bounce", service.now())
    await verify(service, (await find_address(service, "verified@example.com")).id, comment)
    clock.move(days=9)
    await maintenance.delete_expired(service)
    assert await emails(service) == ["bounced@example.com", "verified@example.com"]


async def test_dead_mails_and_events_that_nobody_read_are_deleted_after_a_week(service, clock):
    for _ in range(5):
        await change(service, parcels.add, NewParcel(channel=Channel.MAIL, kind="test"))
        await change(service, events.add, EventKind.REPORT_CREATED, site_id=None)
    dead = Outcome(state=ParcelState.DEAD, error="550 no such user")
    for parcel in (await outbox.claim(service, Channel.MAIL, 8))[:4]:
        await outbox.settle(service, parcel, dead, 1)
    clock.move(days=6)
    await maintenance.delete_expired(service)
    assert [len(await everything_in(service, table)) for table in ("parcel", "event")] == [5, 5]
    clock.move(days=2)
    await maintenance.delete_expired(service)
    assert await everything_in(service, "parcel") == [], "also the one that nobody has tried since then"
    assert await everything_in(service, "event") == []


async def test_the_log_tells_an_operator_when_nothing_is_sent(service, clock, caplog):
    await post(service, "Hello.")
    clock.move(minutes=29)
    await maintenance.report_overdue(service)
    assert caplog.text == ""
    clock.move(minutes=2)
    await maintenance.report_overdue(service)
    assert "`commentsvc work` must run" in caplog.text, "the event waits"
    caplog.clear()
    while await outbox.expand_events(service, []):
        pass
    await maintenance.report_overdue(service)
    assert caplog.text == ""
    await add_waiting(service)
    clock.move(minutes=31)
    await maintenance.report_overdue(service)
    assert "`commentsvc delivery list`" in caplog.text, "the parcel waits"


@write
async def add_waiting(unit):
    await parcels.add(unit, NewParcel(channel=Channel.WEBHOOK, kind="comment.held"))
