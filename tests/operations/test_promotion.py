"""The PostgreSQL primary fails under load, its standby is promoted, and servers find it without a restart."""

import asyncio
import json
import logging

import pytest

from tests.replicas import ReplicaLoad, doubled, lost, read_stored, servers
from tests.streaming import both, documented_sql, primary_and_standby

LOG = logging.getLogger(__name__)
CLIENTS = {"keyed": 4, "plain": 2, "readers": 2}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
async def failing(request, tmp_path, postgres_tools):
    """A primary, its standby, and clients of two servers that know both."""
    with primary_and_standby(postgres_tools) as (primary, standby):
        if request.param == "synchronous":
            for statement in documented_sql("synchronous_standby_names"):
                await primary.fetch(statement)
            while not await primary.fetch("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"):
                pass
        async with servers(tmp_path, 2, DATABASE_URL=both(primary, standby)) as replicas:
            yield primary, standby, ReplicaLoad(*(server.url for server in replicas))


async def fail_over(primary, standby, load):
    """Stop the primary, and promote the standby."""
    await load.await_more(40)
    await asyncio.to_thread(primary.stop)
    last = max(time for _, time in load.acknowledged.values())
    await asyncio.to_thread(standby.promote)
    await load.await_more(40)
    gap = min(time for _, time in load.acknowledged.values() if time > last) - last
    LOG.info("%.1f seconds without an acknowledged comment; failures: %s", gap, dict(load.failures))


@pytest.mark.parametrize("failing", ["synchronous"], indirect=True)
async def test_no_commenter_loses_a_comment_when_a_synchronous_standby_is_promoted(failing):
    _, standby, load = failing
    async with load.run(**CLIENTS):
        await fail_over(*failing)
    stored = await read_stored(standby.url())
    assert (lost(load, stored), doubled(stored)) == (set(), {})
    # Until there is a new primary, everybody reads what happened and what to do.
    assert {kind for found in load.failures.values() for kind in found} == {503}
    assert {json.loads(text)["code"] for text in load.refusals} <= {"unavailable", "outcome_unknown"}


@pytest.mark.parametrize("failing", ["asynchronous"], indirect=True)
async def test_an_operator_knows_how_much_an_asynchronous_standby_can_lose(failing):
    primary, standby, load = failing
    on_primary, on_standby = documented_sql("pg_stat_replication")
    async with load.run(**CLIENTS):
        await load.await_more(40)
        assert await primary.fetch(on_primary) == "walreceiver"
        assert await standby.fetch(on_standby) is not None
        await standby.fetch("ALTER SYSTEM SET primary_conninfo = ''")  # it falls behind
        await standby.fetch("SELECT pg_reload_conf()")
        while await standby.fetch("SELECT count(*) FROM pg_stat_wal_receiver"):
            pass
        await fail_over(*failing)
    last_kept = await standby.fetch("SELECT extract(epoch FROM pg_last_xact_replay_timestamp())::float8")
    stored = await read_stored(standby.url())
    lost_at = [load.acknowledged[name][1] for name in lost(load, stored)]
    LOG.info("%d of %d acknowledged comments lost", len(lost_at), len(load.acknowledged))
    assert len(lost_at) >= 40
    assert min(lost_at) > last_kept  # what was acknowledged before the standby's last transaction is there
    assert doubled(stored) == {}
