"""Test that a database which lacks a part of its schema, or a row that others need, is found."""

import sqlite3
from contextlib import closing

import pytest

from commentsvc.access import moderators
from commentsvc.config.settings import Config
from commentsvc.operations import restore
from commentsvc.operations.doctor.computer import check_journal
from commentsvc.operations.doctor.database import check_integrity, check_schema
from commentsvc.operations.doctor.findings import Level
from commentsvc.operations.doctor.settings import check_settings
from commentsvc.storage import sqlite_structure
from tests.conftest import SECRET, copied, post
from tests.operations.test_database_copy import copy_of


def change(file, *statements):
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


async def faults_of(check, service):
    return [one.says for one in [one async for one in check(service)] if one.level is Level.FAULT]


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["DROP INDEX comment_queue"], "the index comment_queue is missing"),
        (["DROP TRIGGER comment_arrived"], "the trigger comment_arrived is missing"),
        (["ALTER TABLE comment DROP COLUMN note"], "the column comment.note is missing"),
        (["DROP TABLE report"], "the table report is missing"),
        (["DROP INDEX comment_queue", "CREATE INDEX comment_queue ON comment (id)"], "the index comment_queue was"),
    ],
)
def test_a_part_of_the_schema_that_is_missing_is_named(laid_file, tmp_path, statements, fault):
    file = tmp_path / "comments.db"
    copied(laid_file, tmp_path, file.name)
    assert sqlite_structure.find_missing_parts(file) == []
    change(file, *statements, "CREATE INDEX of_the_operator ON comment (id)")
    assert any(one.startswith(fault) for one in sqlite_structure.find_missing_parts(file))


def test_a_database_of_an_older_version_lacks_nothing(laid_file, tmp_path):
    file = tmp_path / "comments.db"
    copied(laid_file, tmp_path, file.name)
    change(file, "DROP INDEX comment_queue", "UPDATE schema_step SET number = 0")
    assert sqlite_structure.find_missing_parts(file) == []


async def test_a_copy_mends_what_the_schema_lacks(served, laid_file, tmp_path, clock):
    service = await served()
    await post(service, "A comment.")
    change(service.config.sqlite_path, "DROP INDEX comment_queue", "DROP TRIGGER comment_arrived")
    [fault] = await faults_of(check_schema, service)
    assert "comment_queue is missing; the trigger comment_arrived is missing" in fault
    await copy_of(service, copied(laid_file, tmp_path, "new.db"))
    assert sqlite_structure.find_missing_parts(tmp_path / "new.db") == []


async def test_rows_without_the_row_that_they_refer_to_are_found(served):
    service = await served()
    await post(service, "A comment.")
    change(service.config.sqlite_path, "PRAGMA foreign_keys = OFF", "UPDATE comment SET thread_id = 'lost'")
    [fault] = await faults_of(check_integrity, service)
    assert "rows of the table comment that refer to a missing row of thread: 1" in fault
    found = await restore.check_backup(service.config, service.config.sqlite_path)
    assert any("missing row of thread" in one for one in found.faults)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET body = body || ' ' WHERE seq = 1", "its audit log is broken: Entry 1"),
        ("DELETE FROM audit", "its audit log is broken: Entry 1 is missing"),
        ("UPDATE audit SET verb = CAST(X'ff' AS TEXT) WHERE seq = 1", "it cannot be read as a whole"),
    ],
)
async def test_a_backup_with_a_broken_audit_log_is_named(served, statement, fault):
    service = await served()
    await moderators.add_moderator(service, "Ada Lovelace", None, [])
    file = service.config.sqlite_path
    config = Config(database_url=service.config.database_url, secret_key=SECRET)
    assert (await restore.check_backup(config, file)).faults == []
    change(file, statement)
    [found] = (await restore.check_backup(config, file)).faults
    assert found.startswith(fault)


@pytest.mark.parametrize(("name", "cure"), [("folder", "rmdir "), ("lost/erasures.log", "mkdir -p ")])
def test_a_journal_of_erasures_that_cannot_be_used_is_a_fault(tmp_path, name, cure):
    (tmp_path / "folder").mkdir()
    config = Config(database_url="postgresql://localhost/a", erasure_journal=str(tmp_path / name))
    [fault] = check_journal(config)
    assert fault.cure.startswith(cure)
    assert not [*check_journal(Config(database_url=f"sqlite:///{tmp_path}/comments.db"))]


@pytest.mark.parametrize("name", ["trusted_proxies", "outbound_allow"])
@pytest.mark.parametrize(("network", "is_wide"), [("0.0.0.0/0", True), ("10.0.0.0/8 ::/0", True), ("fc00::/7", False)])
def test_a_setting_that_trusts_everybody_is_named(name, network, is_wide):
    found = check_settings(Config(public_url="https://c.example", **{name: network}), [name])
    assert [one.level for one in found if name.upper() in one.says] == [Level.WARNING] * is_wide
