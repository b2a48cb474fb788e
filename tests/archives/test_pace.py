"""An import writes many comments together while nobody else writes, and few beside a server."""

from functools import partial

import pytest

from commentsvc.archives import importer, pace
from commentsvc.archives.pace import Pace
from commentsvc.archives.records import ThreadRecord
from tests.archives.made import a_comment, import_records
from tests.archives.test_importer import rows


@pytest.fixture
def forty_together(monkeypatch):
    monkeypatch.setattr(importer, "Pace", partial(Pace, comments=40))
    for bound in ("LEAST", "MOST", "MOST_ALONE"):
        monkeypatch.setattr(pace, bound, 40)


async def test_a_page_that_fits_into_a_unit_is_written_by_one_and_needs_no_sorting(service, forty_together):
    pages = [ThreadRecord(id=str(page), links=(f"http://localhost/{page}/",)) for page in range(4)]
    await import_records(service, [*pages, *(a_comment(at, thread=str(at // 30)) for at in range(1, 120))])
    found = await rows(service, "SELECT approved, version FROM thread ORDER BY key")
    assert [(row["approved"], row["version"]) for row in found] == [(29, 1), (30, 1), (30, 1), (30, 1)]


def test_units_are_larger_while_no_server_runs():
    alone, beside = Pace(comments=500, is_alone=True), Pace(comments=500)
    for one in (alone, beside):
        one.note(500, 0.01)
    assert (alone.comments, beside.comments) == (1000, 500)


def test_units_are_small_as_soon_as_a_server_starts():
    large = Pace(comments=1500, is_alone=True)
    large.set_alone(is_alone=True)
    assert large.comments == 1500
    large.set_alone(is_alone=False)
    assert large.comments == 100


async def test_pieces_that_were_ready_before_a_server_started_are_divided(service, monkeypatch):
    written = []
    write = importer.import_piece

    async def write_and_note(service, piece, actor):
        written.append(len(piece))
        return await write(service, piece, actor)

    async def find_server(_service):
        return ["a server"]

    monkeypatch.setattr(importer, "import_piece", write_and_note)
    monkeypatch.setattr(importer, "_list_servers", find_server)
    monkeypatch.setattr(importer, "Pace", partial(Pace, comments=120, is_alone=True))
    page = ThreadRecord(id="1", links=("http://localhost/a/",))
    await import_records(service, [page, *(a_comment(at, thread="1") for at in range(1, 240))])
    assert written[0] == 120
    assert max(written[1:]) <= 100


def test_long_texts_make_pieces_of_fewer_comments():
    large = Pace(comments=1500, is_alone=True)
    assert not large.is_enough(1499, 1_000_000)
    assert large.is_enough(400, 1_600_000)
