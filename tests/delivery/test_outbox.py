"""Events become parcels; each parcel is delivered by one worker, and tried again if that fails."""

import asyncio
import re
import sqlite3
from contextlib import closing

import pytest

from commentsvc.delivery import outbox
from commentsvc.delivery import worker as workers
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, ParcelState
from commentsvc.domain.errors import Unavailable
from commentsvc.operations import maintenance
from commentsvc.service import private_read, write
from commentsvc.storage import deliveries, events, parcels
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
    assert await read_events(mailing) == [("comment.created", '{"status":"pending","language":"en"}')]
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


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_parcel_is_not_given_up_because_of_one_jump_of_the_clock(mailing, clock):
    await maintenance._clean_up(mailing)
    await add_parcels(mailing, 1)
    failure = Outcome(state=ParcelState.WAITING, error="451 busy")
    receiver = Receiver(failure)
    for jump in (365, -365):
        clock.move(days=jump)
        await work(mailing, receiver)
        await maintenance._clean_up(mailing)
    clock.move(hours=1)
    await work(mailing, receiver)
    assert (len(receiver.delivered), await read_parcels(mailing)) == (2, [])


async def test_what_waited_while_the_service_was_off_for_days_has_more_than_one_attempt(mailing, clock):
    await add_parcels(mailing, 1)
    receiver = Receiver(Outcome(state=ParcelState.WAITING, error="451 greylisted"))
    clock.move(days=outbox.GIVE_UP_DAYS + 1)
    await work(mailing, receiver)
    clock.move(minutes=1)
    await work(mailing, receiver)
    assert (len(receiver.delivered), await read_parcels(mailing)) == (2, [])


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


async def test_what_was_accepted_while_the_database_was_away_is_not_sent_again(mailing, clock, monkeypatch):
    (parcel,) = await add_parcels(mailing, 1)
    settle, outages = outbox.settle, [1, 2, 3]

    async def settle_after_an_outage(*args):
        if outages:
            outages.pop()
            clock.move(seconds=outbox.LEASE_SECONDS)  # the claim has ended
            raise Unavailable
        return await settle(*args)

    monkeypatch.setattr(outbox, "settle", settle_after_an_outage)
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0)
    receiver = Receiver()
    worker = Worker(mailing, Outlets(senders={Channel.MAIL: receiver}))
    await worker.work_once()
    while worker._running[Channel.MAIL]:
        await worker.work_once()
        await asyncio.sleep(0)
    assert receiver.delivered == [parcel]
    assert await read_parcels(mailing) == []


async def test_a_parcel_that_could_not_be_read_is_tried_again_at_once_and_is_no_failure_of_the_mail_server(mailing):
    (parcel,) = await add_parcels(mailing, 1)

    class Reader(Receiver):
        async def deliver(self, service, parcel):
            if not self.delivered:
                self.delivered.append(parcel.id)
                raise Unavailable
            return await super().deliver(service, parcel)

    receiver = Reader()
    await work(mailing, receiver)
    assert receiver.delivered == [parcel, parcel]
    assert await read_error(mailing) is None


@private_read
async def read_error(unit):
    return (await parcels.get_record(unit, Channel.MAIL))["error"]


async def test_a_sign_in_link_does_not_wait_for_a_thousand_other_mails(mailing, clock):
    others = await add_parcels(mailing, 40)
    clock.move(seconds=1)
    urgent = await add_urgent(mailing)
    claimed = await outbox.claim(mailing, Channel.MAIL, 3)
    assert [parcel.id for parcel in claimed][:1] == [urgent]
    assert len({parcel.id for parcel in claimed} & set(others)) == 2


@write
async def add_urgent(unit):
    return await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="sign_in", urgent=1))


async def test_an_outage_of_the_database_is_no_failure_of_an_event(mailing):
    await post(mailing, "Hello.")

    async def fail(unit, taken):
        raise Unavailable

    for _ in range(2 * events.MOST_FAILURES):
        with pytest.raises(Unavailable):
            await outbox.expand_events(mailing, [fail])
    assert await outbox.find_work(mailing, [Channel.MAIL]) == (True, False)


async def test_an_event_that_always_takes_too_long_is_left_alone_in_the_end(mailing):
    await post(mailing, "Slow.", thread="/slow/")
    (slow,) = [row["seq"] for row in await read_numbers(mailing)]

    async def fail(unit, taken):
        if slow in {one.seq for one in taken}:
            raise Unavailable

    for number in range(events.MOST_FAILURES):
        await post(mailing, f"Fast {number}.", thread="/fast/")
        await outbox.expand_events(mailing, [fail])
    assert await outbox.find_work(mailing, [Channel.MAIL]) == (False, False)


@private_read
async def read_numbers(unit):
    return await unit.all("SELECT seq FROM event ORDER BY seq")


async def test_mails_that_fail_together_let_the_channel_rest_once(mailing):
    await add_parcels(mailing, workers.DELIVERIES_AT_ONCE)
    failure = Outcome(state=ParcelState.WAITING, error="The server does not answer.", channel_failed=True)
    worker = await work(mailing, Receiver(*[failure] * workers.DELIVERIES_AT_ONCE))
    assert worker._rest == {Channel.MAIL: workers.LEAST_REST}


async def test_a_parcel_that_was_planned_while_the_clock_was_ahead_does_not_wait_for_that_day(mailing, clock):
    await add_parcels(mailing, 1)
    clock.move(days=400)
    await outbox.claim(mailing, Channel.MAIL, 1)
    clock.move(days=-400)
    assert await outbox.find_work(mailing, [Channel.MAIL]) == (False, False)
    await maintenance.delete_expired(mailing)
    assert await outbox.find_work(mailing, [Channel.MAIL]) == (False, True)


def plan_of(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        values = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        return " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))


class Recorder:
    """A unit of work that notes statements and changes nothing."""

    def __init__(self):
        self.statements = []

    async def run(self, statement, **_values):
        self.statements.append(statement)
        return 0

    async def all(self, statement, **values):
        await self.run(statement)
        return []


@pytest.mark.parametrize(
    ("change", "index"),
    [
        (lambda unit: parcels.claim(unit, Channel.MAIL, 8, "t", "t"), "parcel_urgent"),
        (lambda unit: parcels.claim(unit, Channel.MAIL, 8, "t", "t"), "parcel_due"),
        (lambda unit: deliveries.bring_back(unit, "t", "t"), "parcel_due"),
        (lambda unit: parcels.delete_of_threads(unit, ["t"]), "parcel_thread"),
    ],
)
async def test_changes_of_a_large_outbox_use_an_index(tmp_path, clock, change, index):
    path, recorder = tmp_path / "comments.sqlite3", Recorder()
    async with a_service(f"sqlite:///{path}", clock):
        await change(recorder)
        plans = [plan_of(path, statement) for statement in recorder.statements]
    assert any(f"INDEX {index} " in plan for plan in plans), plans
    assert not any("SCAN parcel" in plan for plan in plans), plans
