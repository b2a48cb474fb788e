"""Regular maintenance."""

import asyncio

from commentsvc.domain.errors import Unavailable
from commentsvc.operations import backup, maintenance
from commentsvc.service import write
from commentsvc.storage import used_tokens
from tests.comments.test_post import everything_in


async def test_an_interrupted_action_that_fails_does_not_stop_the_cleanup(service, clock, monkeypatch, caplog):
    @write
    async def prepare(unit):
        await used_tokens.use_once(unit, "form:1", unit.now())
        await unit.run(
            """
            INSERT INTO action (id, verb, actor_kind, actor_name, created_at, state)
            VALUES ('broken', 'no such verb', 'person', 'Ada', :now, 'running')
            """,
            now=unit.now(),
        )
        await unit.run("INSERT INTO action_target (action_id, targets) VALUES ('broken', '[[\"an id\", 1]]')")

    await prepare(service)
    clock.move(days=30)
    cleaned, delete_expired = asyncio.Event(), maintenance.delete_expired

    async def delete_and_tell(service):
        await delete_expired(service)
        cleaned.set()

    monkeypatch.setattr(maintenance, "delete_expired", delete_and_tell)
    task = asyncio.create_task(maintenance.run_forever(service))
    await asyncio.wait_for(cleaned.wait(), 20)
    task.cancel()

    assert await everything_in(service, "used_token") == []
    assert "continuing interrupted actions" in caplog.text


async def test_expired_rows_go_although_something_before_them_fails(service, clock, monkeypatch, caplog):
    @write
    async def prepare(unit):
        await used_tokens.use_once(unit, "form:1", unit.now())

    async def fail(_service):
        raise PermissionError("a file of uploads")

    await prepare(service)
    clock.move(days=30)
    monkeypatch.setattr(maintenance, "EXPIRING", {"broken": fail, **maintenance.EXPIRING, "broken too": fail})
    await maintenance.delete_expired(service)
    assert await everything_in(service, "used_token") == []
    assert "maintenance failed: deleting broken too" in caplog.text


async def test_a_database_that_is_busy_does_not_stop_backups_for_ever(served, tmp_path, monkeypatch, caplog):
    asked, again = [], asyncio.Event()

    async def fail(_service):
        asked.append(1)
        if len(asked) == 2:
            again.set()
        raise Unavailable("busy")

    monkeypatch.setattr(backup, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(backup, "read_last", fail)
    service = await served(backup_folder=str(tmp_path / "daily"))
    task = asyncio.create_task(maintenance.run_forever(service))
    await asyncio.wait_for(again.wait(), 20)
    assert not task.done()
    task.cancel()
    assert "the daily backup failed: busy" in caplog.text
