"""Test that a long read sees one moment, and delays the writer and the cleanup of the log only while it lasts."""

import asyncio
from pathlib import Path

import pytest

from commentsvc.service import open_snapshot
from tests.conftest import post

COUNT = "SELECT COUNT(*) AS number FROM comment"


def size_of(file):
    return file.stat().st_size


async def test_a_snapshot_sees_one_moment_while_others_write(service):
    await post(service, "Before.")
    async with open_snapshot(service, None) as unit:
        await post(service, "After.")
        assert (await unit.one(COUNT))["number"] == 1
    async with open_snapshot(service, None) as unit:
        assert (await unit.one(COUNT))["number"] == 2


async def test_a_snapshot_changes_nothing(service):
    await post(service, "Kept.")
    async with open_snapshot(service, None) as unit:
        with pytest.raises(Exception, match=r"readonly|read-only|unavailable"):
            await unit._statements.run("DELETE FROM contact")


async def test_the_log_is_emptied_when_a_snapshot_ends(served):
    service = await served()
    await post(service, "Something.")
    log = Path(f"{service.config.sqlite_path}-wal")
    async with open_snapshot(service, None) as unit:
        await unit.one(COUNT)
        await post(service, "Something else.")
        service.db.empty_log()
        assert size_of(log) > 0
    async with asyncio.timeout(5):
        while size_of(log):  # noqa: ASYNC110 -- the file tells nobody
            await asyncio.sleep(0.02)
