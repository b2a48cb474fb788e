"""What has happened becomes parcels; each parcel is delivered by one worker, and tried again if that fails."""

import asyncio

import pytest

from commentsvc.delivery import outbox
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, ParcelState
from commentsvc.service import private_read, write
from commentsvc.storage import events, parcels
from tests.conftest import a_service, post

MAIL = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example"}


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        yield service


@write
async def add_parcels(unit, number, channel=Channel.MAIL):
    return [await parcels.add(unit, NewParcel(channel=channel, kind="test")) for _ in range(number)]


@private_read
async def read_parcels(unit):
    return await unit.all("SELECT * FROM parcel ORDER BY id")


@private_read
async def read_events(unit):
    return [(row["kind"], row["detail"]) for row in await unit.all("SELECT kind, detail FROM event ORDER BY seq")]


class Receiver:
    """Answers with the given outcomes, then accepts everything."""

    def __init__(self, *outcomes):
        self.outcomes, self.delivered, self.closed = list(outcomes), [], False

    async def deliver(self, service, parcel):
        self.delivered.append(parcel.id)
        await asyncio.sleep(0)
        return self.outcomes.pop(0) if self.outcomes else Outcome(state=ParcelState.DELIVERED)

    async def close(self):
        self.closed = True


async def work(service, receiver):
    worker = Worker(service, Outlets(senders={Channel.MAIL: receiver}))
    while await worker.work_once() or worker._running[Channel.MAIL]:
        await asyncio.gather(*worker._running[Channel.MAIL])
    return worker


async def test_a_comment_is_an_event_only_if_somebody_is_told(service, mailing):
    await post(mailing, "Hello.")
    assert await read_events(mailing) == [("comment.created", '{"status":"pending"}')]
    assert await outbox.expand_events(mailing, []) == 1
    assert await read_events(mailing) == []


async def test_without_mail_and_webhooks_no_event_is_written(service):
    await post(service, "Hello.")
    assert await read_events(service) == []


async def test_eight_workers_deliver_each_parcel_once(mailing):
    ids = await add_parcels(mailing, 60)
    receivers = [Receiver() for _ in range(8)]
    await asyncio.gather(*(work(mailing, receiver) for receiver in receivers))
    delivered = [parcel for receiver in receivers for parcel in receiver.delivered]
    assert sorted(delivered) == sorted(ids)
    assert await read_parcels(mailing) == []


async def test_a_claim_of_a_killed_worker_ends_by_itself_or_at_the_next_start(mailing, clock):
    ids = await add_parcels(mailing, 2)
    claimed = await outbox.claim(mailing, Channel.MAIL, 5)
    assert [parcel.id for parcel in claimed] == ids
    assert await outbox.claim(mailing, Channel.MAIL, 5) == []
    await outbox.settle(mailing, claimed[0], Outcome(state=ParcelState.WAITING, error="451 busy"), 5)
    await outbox.release_all(mailing)
    assert [parcel.id for parcel in await outbox.claim(mailing, Channel.MAIL, 5)] == ids[1:], "the other one failed"
    clock.move(seconds=outbox.LEASE_SECONDS)
    assert [parcel.id for parcel in await outbox.claim(mailing, Channel.MAIL, 5)] == ids


async def test_a_worker_that_took_too_long_settles_nothing(mailing, clock):
    await add_parcels(mailing, 1)
    (late,) = await outbox.claim(mailing, Channel.MAIL, 5)
    clock.move(seconds=outbox.LEASE_SECONDS)
    (parcel,) = await outbox.claim(mailing, Channel.MAIL, 5)
    await outbox.settle(mailing, late, Outcome(state=ParcelState.DELIVERED), 5)
    (row,) = await read_parcels(mailing)
    assert (row["id"], row["attempts"]) == (parcel.id, 2)


async def test_a_failed_parcel_is_tried_again_later_and_given_up_after_days(mailing, clock):
    (parcel,) = await add_parcels(mailing, 1)
    failure = Outcome(state=ParcelState.WAITING, error="451 busy")
    receiver = Receiver(*[failure] * 100)
    for _ in range(100):
        await work(mailing, receiver)
        clock.move(hours=1)
    (row,) = await read_parcels(mailing)
    assert (row["state"], row["error"]) == ("dead", "451 busy")
    assert 10 <= len(receiver.delivered) <= 20
    assert set(receiver.delivered) == {parcel}


async def test_an_event_that_cannot_be_expanded_keeps_no_other_waiting(mailing):
    await post(mailing, "Bad.", thread="/bad/")
    await post(mailing, "Good.", thread="/good/")
    told = []

    async def fan_out(unit, taken):
        threads = [
            row["key"]
            for one in taken
            for row in await unit.all("SELECT key FROM thread WHERE id = :id", id=one.thread_id)
        ]
        if any("bad" in key for key in threads):
            raise ValueError
        told.extend(threads)

    for _ in range(events.MOST_FAILURES):
        await outbox.expand_events(mailing, [fan_out])
    assert len(told) == 1
    assert await outbox.find_work(mailing, [Channel.MAIL]) == (False, False)
