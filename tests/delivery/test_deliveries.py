"""Operators see which mails and webhook requests wait or were given up, and have them tried again."""

import json

import pytest

from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Scope
from commentsvc.service import private_read, write
from commentsvc.storage import parcels
from tests.conftest import a_key
from tests.operations.test_operating import run_main


@write
async def add_parcel(unit, kind, **more):
    return await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind=kind, **more))


@private_read
async def read_states(unit):
    return {row["kind"]: row["state"] for row in await unit.all("SELECT kind, state FROM parcel")}


async def fail(service, outcome):
    for parcel in await outbox.claim(service, Channel.MAIL, 10):
        await outbox.settle(service, parcel, outcome, 5)
    await outbox.note_delivery(service, Channel.MAIL, outcome.error)


@pytest.fixture
async def failed(service):
    """Two mails were given up, one waits."""
    sealed = service.keyring.seal(Email("mia.canary@example.com"))
    ids = [await add_parcel(service, kind, email_sealed=sealed) for kind in ("held", "confirm")]
    await fail(service, Outcome(state=ParcelState.DEAD, error="550 no such mailbox"))
    ids.append(await add_parcel(service, "reply"))
    return ids


async def test_an_operator_lists_what_was_given_up_with_its_error(client, service, failed):
    key = await a_key(service, Scope.ADMIN)
    answer = await client.get("/v1/deliveries", params={"state": "dead"}, headers=key)
    page = await answer.json()
    assert [one["id"] for one in page["deliveries"]] == [failed[1], failed[0]]
    shown = page["deliveries"][0]
    assert (shown["error"], shown["recipient"], shown["next_at"]) == ("550 no such mailbox", "m…@example.com", None)
    (mail, webhooks, check) = page["channels"]
    assert (mail["waiting"], mail["dead"], mail["error"]) == (1, 2, "550 no such mailbox")
    assert (webhooks["waiting"], webhooks["dead"], webhooks["error"]) == (0, 0, None)
    assert (check["channel"], check["waiting"], check["error"]) == ("verdict", 0, None)
    assert "canary" not in await answer.text()


async def test_an_operator_reads_deliveries_page_by_page(client, service, failed):
    key, seen, cursor = await a_key(service, Scope.ADMIN), [], {}
    for _ in failed:
        page = await (await client.get("/v1/deliveries", params={"limit": 1} | cursor, headers=key)).json()
        seen += [one["id"] for one in page["deliveries"]]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == failed[::-1]
    assert page["next_cursor"] is None


async def test_a_delivery_is_tried_again_at_once(client, service, failed):
    key = await a_key(service, Scope.ADMIN)
    answer = await client.post(f"/v1/deliveries/{failed[0]}/retry", headers=key)
    assert ((await answer.json())["state"], answer.status) == ("waiting", 200)
    assert {one.id for one in await outbox.claim(service, Channel.MAIL, 10)} == {failed[0], failed[2]}
    unknown = await client.post(f"/v1/deliveries/{service.new_id()}/retry", headers=key)
    assert unknown.status == 404


async def test_a_delivery_that_is_on_its_way_is_not_sent_twice(client, service, clock, failed):
    key = await a_key(service, Scope.ADMIN)
    (claimed,) = await outbox.claim(service, Channel.MAIL, 10)
    assert (await client.post(f"/v1/deliveries/{claimed.id}/retry", headers=key)).status == 409
    assert await outbox.claim(service, Channel.MAIL, 10) == []
    clock.move(seconds=outbox.LEASE_SECONDS + 1)  # the worker was killed
    assert (await client.post(f"/v1/deliveries/{claimed.id}/retry", headers=key)).status == 200


async def test_a_delivery_that_is_tried_again_gets_as_much_time_as_a_new_one(client, service, clock, failed):
    key = await a_key(service, Scope.ADMIN)
    clock.move(days=outbox.GIVE_UP_DAYS + 1)
    await client.post(f"/v1/deliveries/{failed[0]}/retry", headers=key)
    await client.post("/v1/deliveries/retry", json={"channel": "mail"}, headers=key)
    for _ in range(outbox.LEAST_ATTEMPTS):
        await fail(service, Outcome(state=ParcelState.WAITING, error="450 try later"))
        clock.move(hours=3)
    states = await read_states(service)
    assert (states["held"], states["confirm"], states["reply"]) == ("waiting", "waiting", "dead")


async def test_all_dead_deliveries_are_tried_again_and_the_audit_log_says_so(client, service, failed):
    key = await a_key(service, Scope.ADMIN)
    answer = await client.post("/v1/deliveries/retry", json={"channel": "webhook"}, headers=key)
    assert await answer.json() == {"retried": 0}
    answer = await client.post("/v1/deliveries/retry", json={}, headers=key)
    assert await answer.json() == {"retried": 2}
    assert set((await read_states(service)).values()) == {"waiting"}
    entries = (await (await client.get("/v1/audit", headers=key)).json())["entries"]
    assert (entries[0]["verb"], entries[0]["body"]) == ("delivery_retry", {"number": 2})


async def test_an_empty_channel_is_a_fault_of_the_field(client, service, failed):
    answer = await client.post("/v1/deliveries/retry", json={"channel": ""}, headers=await a_key(service, Scope.ADMIN))
    assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "channel")
    assert sorted((await read_states(service)).values()) == ["dead", "dead", "waiting"]


def test_an_operator_does_it_from_the_terminal(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    listed = run_main(tmp_path, "delivery", "list")
    assert "No deliveries." in listed.stdout
    assert "mail: 0 waiting, 0 dead" in listed.stdout
    retried = run_main(tmp_path, "--json", "delivery", "retry-dead")
    assert json.loads(retried.stdout) == {"retried": 0}
    unknown = run_main(tmp_path, "delivery", "retry", "01a203fe-5bb8-7001-a849-2de69810bd7a")
    assert (unknown.returncode, "Not found" in unknown.stderr) == (1, True)


async def test_a_delivery_that_is_on_its_way_is_not_sent_a_second_time(client, service, clock):
    key, parcel_id = await a_key(service, Scope.ADMIN), await add_parcel(service, "held")
    assert len(await outbox.claim(service, Channel.MAIL, 1)) == 1
    answer = await client.post(f"/v1/deliveries/{parcel_id}/retry", headers=key)
    assert answer.status == 409
    assert await outbox.claim(service, Channel.MAIL, 1) == []
    clock.move(seconds=outbox.LEASE_SECONDS + 1)  # its worker is dead
    await client.post(f"/v1/deliveries/{parcel_id}/retry", headers=key)
    assert len(await outbox.claim(service, Channel.MAIL, 1)) == 1


@pytest.mark.parametrize("all_dead", [False, True])
async def test_what_is_tried_again_after_days_is_not_given_up_at_the_first_failure(
    client, service, failed, clock, all_dead
):
    key = await a_key(service, Scope.ADMIN)
    clock.move(days=outbox.GIVE_UP_DAYS + 1)
    path = "/v1/deliveries/retry" if all_dead else f"/v1/deliveries/{failed[0]}/retry"
    assert (await client.post(path, json={} if all_dead else None, headers=key)).status == 200
    await fail(service, Outcome(state=ParcelState.WAITING, error="451 busy"))
    assert (await read_states(service))["held"] == "waiting"
