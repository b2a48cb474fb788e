"""A thread is in the order of time after an import that was killed, or during which somebody merged threads."""

import asyncio
import random
from functools import partial

import pytest

from commentsvc.archives import importer, pace, renumbering
from commentsvc.archives.records import ThreadRecord
from commentsvc.audit.verification import verify_log
from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, threads
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action, ThreadChange
from commentsvc.operations.integrity import find_damaged_rows
from tests.archives.made import PAGE, a_comment, import_records
from tests.archives.test_importer import listed, rows
from tests.conftest import EVERYTHING, post


async def test_an_import_that_was_killed_before_it_sorted_sorts_when_it_runs_again(service, monkeypatch):
    await post(service, "A newer one.")
    killed = RuntimeError("killed")

    async def be_killed(*_):
        raise killed

    with monkeypatch.context() as patched:
        patched.setattr(importer.renumbering, "sort_thread", be_killed)
        with pytest.raises(RuntimeError):
            await import_records(service, [PAGE, a_comment(1), a_comment(2, parent=1)])
    assert (await listed(service))[0] == "A newer one."
    await import_records(service, [PAGE, a_comment(1), a_comment(2, parent=1)])
    assert await listed(service) == ["Comment 1.", "  Comment 2.", "A newer one."]


async def test_threads_that_are_merged_while_one_is_sorted_end_in_order(service, monkeypatch):
    await post(service, "Posted last.")
    await post(service, "On the other page.", thread="/other/")
    move, moves = renumbering._move, []

    async def merge_first(*arguments):
        if not moves:
            found = {row["key"]: row["id"] for row in await rows(service, "SELECT id, key FROM thread")}
            await threads.change_thread(service, EVERYTHING, found["/other"], ThreadChange(merge_into="/a-page"))
        moves.append(await move(*arguments))
        return moves[-1]

    monkeypatch.setattr(renumbering, "_move", merge_first)
    monkeypatch.setattr(renumbering, "PIECE", 2)
    await import_records(service, [PAGE, *(a_comment(number) for number in range(1, 7))])
    assert await listed(service) == [*(f"Comment {at}." for at in range(1, 7)), "Posted last.", "On the other page."]
    assert moves
    posted = await post(service, "Posted after it.")
    assert (await listed(service))[-1] == "Posted after it."
    assert posted


COUNTED = """
    SELECT COUNT(*) AS number FROM thread WHERE
        approved <> (SELECT COUNT(*) FROM comment WHERE thread_id = thread.id AND status = 'approved')
        OR pending <> (SELECT COUNT(*) FROM comment WHERE thread_id = thread.id AND status = 'pending')
        OR trash <> (SELECT COUNT(*) FROM comment
            WHERE thread_id = thread.id AND status = 'trash' AND erased_at IS NULL)
"""
LISTED = """
    SELECT COUNT(*) AS number FROM comment WHERE listed_replies <>
        (SELECT COUNT(*) FROM comment reply WHERE reply.parent_id = comment.id AND reply.listed_at IS NOT NULL)
"""
PLACED = """
    SELECT COUNT(*) AS number FROM comment JOIN comment parent ON parent.id = comment.parent_id
    WHERE comment.thread_id <> parent.thread_id OR SUBSTR(comment.path, 1, LENGTH(comment.path) - 6) <> parent.path
"""
TOTAL = """
    SELECT COALESCE(SUM(approved), 0) - (SELECT COUNT(*) FROM comment WHERE status = 'approved') AS number
    FROM site_total
"""
ARRIVED = TOTAL.replace("site_total", "arrival_total")


async def live(service, chance):
    """Post, approve, trash, erase and merge on the pages of an import."""
    for _ in range(25):
        found = [row["id"] for row in await rows(service, "SELECT id FROM comment WHERE erased_at IS NULL")]
        pages = [row["id"] for row in await rows(service, "SELECT id FROM thread WHERE merged_into IS NULL")]
        try:
            match chance.randrange(5):
                case 0:
                    await post(service, "A new one.", thread=chance.choice(["/a-page/", "/b-page/"]))
                case 1 if found:
                    await post(service, "A reply.", thread="/a-page/", parent=chance.choice(found))
                case 2 if found:
                    verb = chance.choice([ActionVerb.APPROVE, ActionVerb.TRASH])
                    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[chance.choice(found)]))
                case 3 if found:
                    await erase_permanently(service, EVERYTHING, chance.choice(found))
                case 4 if pages and chance.random() < 0.3:
                    change = ThreadChange(merge_into=chance.choice(["/a-page", "/b-page"]))
                    await threads.change_thread(service, EVERYTHING, chance.choice(pages), change)
        except Refusal:
            continue
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_adds_up_after_an_import_into_a_page_that_is_in_use(service, monkeypatch, seed):
    chance = random.Random(seed)  # noqa: S311 -- the same choices in each run
    monkeypatch.setattr(importer, "Pace", partial(pace.Pace, comments=10))
    for bound in ("LEAST", "MOST", "MOST_ALONE"):
        monkeypatch.setattr(pace, bound, 10)
    other = ThreadRecord(id="2", links=("http://localhost/b-page/",))
    numbers = list(range(1, 121))
    chance.shuffle(numbers)
    records = [PAGE, other]
    for number in numbers:
        above = number - 2 if number % 3 else 0
        records.append(a_comment(number, parent=above if above > 0 else None, thread=str(number % 2 + 1)))
    books, _ = await asyncio.gather(import_records(service, records), live(service, chance))
    assert books.imported == 120
    again = await import_records(service, records)
    assert (again.imported, again.existing) == (0, 120)
    for sql in (COUNTED, LISTED, PLACED, TOTAL, ARRIVED):
        assert (await rows(service, sql))[0]["number"] == 0, sql
    for thread in await rows(service, "SELECT DISTINCT thread_id AS id FROM comment"):
        sql = "SELECT id, parent_id, path FROM comment WHERE thread_id = :id ORDER BY created_at, id"
        assert renumbering.is_sorted(await rows(service, sql, id=thread["id"]))
    assert await find_damaged_rows(service) == []
    await verify_log(service)
