"""Test that a copy into a database of the other engine is the same service."""

import re

import pytest

from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import ActionVerb, StatusFilter
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.operations import database_copy
from commentsvc.operations.backup import read_last
from commentsvc.operations.integrity import find_damaged_rows
from commentsvc.service import Service, private_read
from commentsvc.storage import backups, table_copy
from commentsvc.storage.schema import read_schema
from tests.archives.test_export import export_of
from tests.conftest import EVERYTHING, a_service, copied, open_database, post
from tests.privacy.person import MARK, fill


@pytest.fixture
def other_url(engine, request, laid_file, tmp_path):
    """The URL of an empty database of the other engine."""
    if engine == "postgres":
        return copied(laid_file, tmp_path, "target.db")
    return request.getfixturevalue("postgres_url")


async def copy_of(service, url, report=lambda _table: None):
    """Copy a service into another database; return what was copied."""
    database = await open_database(url)
    try:
        target = Service(db=database, config=service.config, keyring=service.keyring, clock=service.clock)
        return await database_copy.copy_database(service, target, report)
    finally:
        await database.close()


@private_read
async def totals_of(unit):
    """Return the totals of statistics, without shards, which only PostgreSQL has."""
    sums = {
        "arrival_total": ("site_id, quarter", "approved + 10 * pending + 100 * spam + 1000 * trash + 10000 * erased"),
        "thread_total": ("period, site_id, thread_id", "number"),
        "wait_total": ("site_id, quarter, bucket", "number"),
        "rule_total": ("site_id, quarter, name, rule_id", "caught + 1000 * overruled"),
        "site_total": ("site_id", "approved"),
    }
    return {
        table: sorted(
            tuple(map(str, dict(row).values()))
            for row in await unit.all(f"SELECT {keys}, SUM({number}) AS number FROM {table} GROUP BY {keys}")
        )
        for table, (keys, number) in sums.items()
    }


async def test_a_copy_is_the_same_service(service, other_url, clock):
    await fill(service)
    receipts = await fill(service, mark="Quillon", thread="/other/")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[receipts[0].id]))
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[receipts[1].id]))
    copy = await copy_of(service, other_url)
    archive = await export_of(service)
    async with a_service(other_url, clock) as second:
        assert await export_of(second) == archive
        assert await totals_of(second) == await totals_of(service)
        assert await find_damaged_rows(second) == []
        assert copy.audit_entries
        assert copy.rows["comment"] == 8
        assert copy.fingerprint == second.keyring.fingerprints[0]
        found = await queue.search_comments(second, EVERYTHING, QueueQuery(q=MARK))
        assert len(found.comments) == 1
        id_ = await post(second, "Written after the copy.")
        await actions.apply_action(second, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[id_]))
        assert (
            await queue.search_comments(second, EVERYTHING, QueueQuery(q="Written after", status=StatusFilter.APPROVED))
        ).comments


async def test_a_copy_has_no_backup_yet(service, other_url, clock):
    await service.db.write(lambda unit: backups.note_failure(unit, "The disk is full.", "2026-11-22T03:10:00.000Z"))
    await copy_of(service, other_url)
    async with a_service(other_url, clock) as second:
        assert await read_last(second) == backups.LastBackup()


async def test_nothing_is_copied_into_a_database_that_is_in_use(service, other_url, clock):
    async with a_service(other_url, clock) as other:
        await post(other, "Mine.")
    with pytest.raises(ConfigurationError, match="is not empty"):
        await copy_of(service, other_url)
    async with a_service(other_url, clock) as other:
        assert b"Mine." in await export_of(other)


async def test_what_comes_during_a_copy_is_not_in_it(service, other_url, clock):
    await post(service, "Before.")
    archive = await export_of(service)
    database = await open_database(other_url)
    target = Service(db=database, config=service.config, keyring=service.keyring, clock=clock)
    tables = []
    await database_copy.copy_database(service, target, tables.append)
    await post(service, "After.")
    assert await export_of(target) == archive
    assert tables[-1] == "installation"
    await database.close()


def test_every_table_of_the_schema_is_copied_or_left_out_for_a_reason():
    tables = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", read_schema(), re.MULTILINE)
    copied_ones = {table.name for table in table_copy.list_tables()}
    assert copied_ones | table_copy.OWN == set(tables)
    numbered = {table.name for table in table_copy.list_tables() if table.is_numbered}
    assert numbered == {"comment_search", "thread_search", "decision", "action", "event"}
    own = {table.name: table.own_reference for table in table_copy.list_tables() if table.own_reference}
    assert own == {"thread": "merged_into", "action": "undone_by"}
