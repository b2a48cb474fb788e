"""An operator restores an older backup, and nothing that people erased comes back."""

import os
import resource
import shutil
import stat

import pytest

from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, thread_removal, threads
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action, ThreadListQuery, ThreadRemoval
from commentsvc.operations import erasures, maintenance
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.storage.erasure_journal import ErasureJournal, find_journal
from tests.cli.test_moderate import command, pending_comments, with_service
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post, visit

B = "https://b.example"
TABLES = ("comment", "comment_search", "contact", "revision", "decision", "thread", "thread_name", "thread_search")


async def texts(service):
    return sorted(row["text"] for row in await everything_in(service, "comment") if row["text"])


async def fill(service):
    await manage.add_site(service, EVERYTHING, NewSite(name="b", origins=[B]))
    mine = await post_comment(service, draft(comment="withdrawn", site="blog"), visit())
    reply = await post(service, "reply to it", parent=mine.id, site="blog")
    bad = await post(service, "erased by a moderator", site="blog")
    await post(service, "in a removed thread", thread="/gone", site="blog")
    await post(service, "on a removed site", thread=f"{B}/x/")
    return mine, bad, reply


async def erase_by_every_door(service, mine, bad):
    await withdraw_comment(service, mine.id, mine.edit_token)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[bad]))
    await erase_permanently(service, EVERYTHING, bad)
    found = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q="gone"))).threads
    await thread_removal.remove_thread(service, EVERYTHING, found[0].id, ThreadRemoval(expect=1))
    sites = {site.name: site.id for site in (await manage.list_sites(service, EVERYTHING)).sites}
    await removal.remove_site(service, EVERYTHING, sites["b"], SiteRemoval(expect=1))


async def test_a_restored_backup_is_erased_again_by_every_door(laid_file, tmp_path, clock):
    url, copy = f"sqlite:///{tmp_path}/live.db", tmp_path / "backup.db"
    shutil.copyfile(laid_file, tmp_path / "live.db")
    async with a_service(url, clock, moderation=Mode.NONE) as service:
        mine, bad, _ = await fill(service)
    shutil.copyfile(tmp_path / "live.db", copy)
    async with a_service(url, clock, moderation=Mode.NONE) as service:
        await erase_by_every_door(service, mine, bad)
        assert await texts(service) == ["reply to it"]
    shutil.copyfile(copy, tmp_path / "live.db")
    async with a_service(url, clock, moderation=Mode.NONE) as service:
        assert len(await texts(service)) == 5
        assert await erasures.apply_journal(service) == erasures.Reapplied(4, 2)
        assert await texts(service) == ["reply to it"]
        rows = str([await everything_in(service, table) for table in TABLES])
        for word in ("withdrawn'", "moderator'", "removed", "gone", "b.example"):
            assert word not in rows, word
        assert await erasures.apply_journal(service) == erasures.Reapplied(0, 0), "once is enough"


async def test_a_start_after_an_erasure_rewrites_the_file_once_and_goes_on(served):
    service = await served(moderation=Mode.NONE)
    for number in range(60):
        await post(service, f"Long text {number} " * 100)
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    before = service.config.sqlite_path.stat().st_size
    await thread_removal.remove_thread(service, EVERYTHING, thread.id, ThreadRemoval(expect=60))
    for _ in range(2):
        await maintenance.rewrite_file(service)
        (row,) = await everything_in(service, "search_cleanup")
        assert row["erased"] == row["merged"] == row["rewritten"] > 0
    assert service.config.sqlite_path.stat().st_size < before
    await post(service, "The next comment")
    assert await texts(service) == ["The next comment"]


def test_a_start_erases_what_a_backup_brought_back_and_rewrites_the_file(tmp_path):
    (one,) = pending_comments(tmp_path, "Erased before the backup was restored.")
    ErasureJournal(tmp_path / "data" / "erasures.log").append("comment", [one], "2026-11-22T16:02:11.000Z")
    assert with_service(tmp_path, texts) == []
    (row,) = with_service(tmp_path, lambda service: everything_in(service, "search_cleanup"))
    assert row["erased"] == row["rewritten"] > 0


async def test_the_journal_of_postgresql_is_the_file_in_the_settings(postgres_url, clock, tmp_path):
    async with a_service(postgres_url, clock) as service:
        assert find_journal(service.config) is None
    async with a_service(postgres_url, clock, erasure_journal=f"{tmp_path}/journal") as service:
        mine = await post_comment(service, draft(), visit())
        await withdraw_comment(service, mine.id, mine.edit_token)
        again = await post_comment(service, draft(comment="as in a backup"), visit())
        find_journal(service.config).append("comment", [again.id], service.now())
        assert await erasures.apply_journal(service) == erasures.Reapplied(1, 0)
        assert await texts(service) == []


async def test_the_journal_has_ids_only_and_only_its_owner_can_read_it(served, tmp_path):
    service = await served()
    mine = await post_comment(service, draft(), visit())
    await withdraw_comment(service, mine.id, mine.edit_token)
    file = tmp_path / "erasures.log"
    assert file.read_text() == f"{service.now()} comment {mine.id}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_what_the_journal_missed_is_added_later(served, tmp_path, caplog):
    service = await served(erasure_journal=f"{tmp_path}/missing/journal")
    mine = await post_comment(service, draft(), visit())
    await withdraw_comment(service, mine.id, mine.edit_token)
    assert "cannot write the journal of erasures" in caplog.text
    other = await post(service, "Other", thread="/other")
    found = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q="other"))).threads
    await thread_removal.remove_thread(service, EVERYTHING, found[0].id, ThreadRemoval(expect=1))
    (tmp_path / "missing").mkdir()
    await erasures.complete_journal(service)
    assert ErasureJournal(tmp_path / "missing" / "journal").read() == {
        "comment": [mine.id], "thread": [found[0].id], "site": [], "address": [], "ban": []
    }  # fmt: skip
    assert other


def test_a_torn_or_damaged_line_does_not_lose_the_others(tmp_path):
    journal = ErasureJournal(tmp_path / "journal")
    ids = [f"0199{number:04x}-0000-7000-8000-000000000000" for number in range(3)]
    journal.append("comment", ids[:1], "2026-11-22T16:02:11.000Z")
    with journal.path.open("ab") as file:
        file.write(b"2026-11-22T16:02:11.000Z comm\xff")
    journal.append("thread", ids[1:], "2026-11-22T16:02:12.000Z")
    assert journal.read() == {"comment": ids[:1], "thread": ids[1:], "site": [], "address": [], "ban": []}


def test_an_entry_that_found_no_room_is_no_success_and_the_next_one_is_whole(tmp_path):
    journal = ErasureJournal(tmp_path / "journal")
    ids = [f"0199{number:04x}-0000-7000-8000-000000000000" for number in range(3)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)  # a write that passes it is cut, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (90, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            journal.append("comment", ids[:2], "2026-11-22T16:02:11.000Z")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.append("comment", ids[2:], "2026-11-22T16:02:12.000Z")
    assert journal.read()["comment"] == [ids[0], ids[2]]


async def test_a_service_that_cannot_read_its_journal_does_not_start_quietly(served, tmp_path):
    service = await served(erasure_journal=str(tmp_path))
    with pytest.raises(ConfigurationError, match="COMMENTSVC_ERASURE_JOURNAL"):
        await erasures.apply_journal(service)


def test_an_operator_applies_a_journal_from_another_place(tmp_path):
    (one,) = pending_comments(tmp_path, "Erased elsewhere.")
    assert command(tmp_path, "erasures", "apply").code != 0
    ErasureJournal(tmp_path / "saved").append("comment", [one], "2026-11-22T16:02:11.000Z")
    done = command(tmp_path, "erasures", "apply", os.fspath(tmp_path / "saved"))
    assert done.text == "Erased again: 1 comments, 0 threads, 0 addresses."
    assert with_service(tmp_path, texts) == []
