"""Test our own archive format: what an export holds, and that it is of one moment."""

import asyncio

import msgspec
import pytest

from commentsvc.archives.export_formats import export
from commentsvc.archives.export_schemas import ExportFormat
from commentsvc.archives.schemas import Contacts
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, erase
from commentsvc.moderation.schemas import Action
from tests.archives.made import PAGE, a_comment, import_records
from tests.conftest import EVERYTHING, post, visit
from tests.privacy.person import ADDRESS, MARK, fill


async def export_of(service, contacts=Contacts.SEALED, site=None, export_format=ExportFormat.JSONL) -> bytes:
    """Return an export as bytes."""
    pieces = []

    async def keep(piece):
        pieces.append(piece)

    await export(service, site, export_format, contacts, keep)
    return b"".join(pieces)


def lines_of(archive, kind=None):
    """Return the lines of an archive, or those of one kind."""
    found = [msgspec.json.decode(line) for line in archive.splitlines()]
    return [line for line in found if kind in {None, line["type"]}]


async def test_an_export_holds_everything_about_a_comment(service):
    receipts = await fill(service)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[receipts[0].id]))
    await reports.report_comment(service, receipts[0].id, NewReport(reason="rude"), visit(address="203.0.113.9"))
    archive = await export_of(service, Contacts.CLEAR)
    lines = lines_of(archive)
    first = next(line for line in lines if line.get("id") == receipts[0].id)
    assert [line["type"] for line in lines] == ["archive", "site", "rule", "thread", *4 * ["comment"], "end"]
    assert first["contact"]["email"] == ADDRESS
    assert first["revisions"][0]["text"] == f"{MARK} text None"
    assert first["decisions"][-1]["actor"]["name"] == "ada"
    assert first["note"] == f"{MARK} remark"
    assert first["reports"][-1]["reason"] == "rude"
    assert lines[-1] == {"type": "end", "sites": 1, "threads": 1, "comments": 4}


@pytest.mark.parametrize("contacts", [Contacts.NONE, Contacts.SEALED])
async def test_addresses_are_in_the_clear_only_if_asked(service, contacts):
    await fill(service)
    archive = await export_of(service, contacts)
    assert ADDRESS.encode() not in archive
    assert (b"email_sealed" in archive) == (contacts is Contacts.SEALED)


async def test_an_erased_comment_leaves_a_tombstone(service):
    id_ = await post(service, "Something that I regret.")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[id_]))
    await erase.erase_permanently(service, EVERYTHING, id_)
    archive = await export_of(service)
    (comment,) = lines_of(archive, "comment")
    assert comment["erased_at"]
    assert "text" not in comment
    assert b"regret" not in archive


async def test_comments_that_come_during_an_export_are_not_in_it(service):
    for number in range(120):
        await post(service, f"Before the export, number {number}.", thread=f"/page-{number % 3}/")
    pieces = []

    async def keep(piece):
        pieces.append(piece)
        await post(service, f"During the export, piece {len(pieces)}.")

    await export(service, None, ExportFormat.JSONL, Contacts.SEALED, keep)
    archive = b"".join(pieces)
    assert len(lines_of(archive, "comment")) == 120
    assert b"During" not in archive
    assert len(lines_of(await export_of(service), "comment")) == 120 + len(pieces)


async def test_a_reader_that_goes_away_ends_the_transaction(service):
    await post(service, "A comment.")

    async def go_away(_piece):
        raise ConnectionResetError

    for _ in range(3):  # more than may export at once
        with pytest.raises(ConnectionResetError):
            await export(service, None, ExportFormat.JSONL, Contacts.SEALED, go_away)
    assert await export_of(service)


async def test_an_export_that_nobody_reads_ends_in_time(service):
    async def never_read(_piece):
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="took too long"):
        await export(service, None, ExportFormat.JSONL, Contacts.SEALED, never_read, seconds=0.05)


@pytest.mark.slow
async def test_only_two_exports_run_at_once(service):
    waiting = asyncio.Event()

    async def wait(_piece):
        await waiting.wait()

    running = [asyncio.ensure_future(export(service, None, ExportFormat.JSONL, Contacts.NONE, wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="Two exports"):
        await export_of(service)
    waiting.set()
    await asyncio.gather(*running)
    assert await export_of(service)


async def test_the_order_of_an_export_does_not_depend_on_the_database(service):
    ids = ["_1", "B", "a", "b-1", "b1", "Ä", "10", "9"]
    await import_records(service, [PAGE, *(a_comment(at, id=id_) for at, id_ in enumerate(ids))])
    lines = lines_of(await export_of(service), "source")
    assert [line["id"] for line in lines] == sorted(ids)
