"""Subscriptions are asked for once, confirmed together, found by a new comment, and ended."""

from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.service import private_read, write
from commentsvc.storage import addresses, confirmations, subscriptions
from commentsvc.storage.confirmations import Confirmation
from commentsvc.storage.subscriptions import NewSubscription
from tests.conftest import post


@private_read
async def read_place(unit):
    return await unit.one("SELECT id AS thread_id, site_id FROM thread")


@private_read
async def listed(unit, email):
    address = await addresses.find(unit, unit.keyring.digests(Email(email)))
    return await subscriptions.list_of_address(unit, address.id) if address else []


@write
async def ask(unit, place, email, scope, comment_id=None):
    address = await addresses.find_or_add(unit, Email(email))
    thread_id = None if scope == "site" else place["thread_id"]
    new = NewSubscription(
        address_id=address.id, site_id=place["site_id"], scope=SubscriptionScope(scope), thread_id=thread_id,
        comment_id=comment_id, language="en",
    )  # fmt: skip
    return await subscriptions.add(unit, new)


@write
async def change(unit, function, *arguments, **named):
    return await function(unit, *arguments, **named)


async def test_an_address_that_asks_twice_has_one_subscription(service):
    comment_id = await post(service, "Hello.")
    place = await read_place(service)
    for scope, comment in (("replies", comment_id), ("thread", None), ("site", None)):
        first = await ask(service, place, "mia@example.com", scope, comment)
        assert await ask(service, place, "MIA@example.com", scope, comment) == first
    assert {one.scope for one in await listed(service, "mia@example.com")} == set(SubscriptionScope)
    other = await ask(service, place, "noa@example.com", "thread")
    assert await listed(service, "noa@example.com") == [other]


async def test_one_confirmation_confirms_all_that_joined_it(service, clock):
    await post(service, "Hello.")
    place = await read_place(service)
    thread, site = [await ask(service, place, "mia@example.com", scope) for scope in ("thread", "site")]
    confirmation = Confirmation(
        service.new_id(), thread.address_id, place["site_id"], None, "en", service.now(), "2999", None
    )
    await change(service, confirmations.add, confirmation)
    await change(service, subscriptions.join_confirmation, thread.id, confirmation.id)
    clock.move(minutes=1)
    await change(service, subscriptions.confirm_of_confirmation, confirmation.id, service.now())
    times = {one.id: one.confirmed_at for one in await listed(service, "mia@example.com")}
    assert times == {thread.id: service.now(), site.id: None}


async def test_a_new_subscription_is_daily_like_the_others_of_its_address(service):
    await post(service, "Hello.")
    place = await read_place(service)
    one = await ask(service, place, "mia@example.com", "thread")
    await change(service, subscriptions.set_daily, one.address_id, daily=True)
    assert (await ask(service, place, "mia@example.com", "site")).daily == 1
    assert (await ask(service, place, "noa@example.com", "site")).daily == 0


async def test_unconfirmed_subscriptions_expire(service, clock):
    await post(service, "Hello.")
    place = await read_place(service)
    kept = await ask(service, place, "mia@example.com", "thread")
    await change(service, subscriptions.confirm, kept.id, service.now())
    await ask(service, place, "mia@example.com", "site")
    clock.move(days=8)
    assert await change(service, subscriptions.delete_unconfirmed, service.ago(days=7), 10) == 1
    assert [one.id for one in await listed(service, "mia@example.com")] == [kept.id]
