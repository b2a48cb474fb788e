"""The totals for statistics are right after a copy into another database, and after an import."""

from pathlib import Path

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import registry
from commentsvc.archives.importer import import_archive
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.restore_lines import import_lines
from commentsvc.domain.models import Mode, RuleKind
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from tests import archives
from tests.archives.test_export import export_of
from tests.conftest import EVERYTHING, a_service, copied
from tests.operations.test_database_copy import copy_of
from tests.storage.test_day_totals import LONG_STORY, History, count_rows, read_totals

SMALL_WXR = Path(archives.__file__).with_name("small.wxr.xml")


@pytest.fixture
def second_url(engine, request, laid_file, tmp_path):
    """The URL of an empty database of the other engine."""
    if engine == "postgres":
        return copied(laid_file, tmp_path, "second.db")
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def lived(database_url, clock):
    """A service in which a long story happened; its totals are right."""
    async with a_service(database_url, clock, moderation=Mode.ALL) as service:
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="badword", effect="hold"))
        history = History(service, clock)
        for step in LONG_STORY:
            await history.play(*step)
        yield service


async def test_a_copy_has_the_totals_of_its_source(lived, second_url, clock):
    await copy_of(lived, second_url)
    async with a_service(second_url, clock) as second:
        assert await read_totals(second) == await read_totals(lived) == await count_rows(lived)
        assert all(await read_totals(second))


async def test_comments_that_are_imported_from_lines_are_counted_once(lived, second_url, clock, tmp_path):
    file = tmp_path / "archive.jsonl"
    file.write_bytes(await export_of(lived))
    async with a_service(second_url, clock) as second:
        for _ in range(2):
            await import_lines(second, ArchiveFile(file), ImportOptions())
            assert await read_totals(second) == await count_rows(second)
        assert await read_totals(second) == await read_totals(lived)


async def test_comments_from_another_program_are_counted_once_and_waited_for_nobody(service):
    file = ArchiveFile(SMALL_WXR)
    options = ImportOptions(keeps_spam=True)
    for _ in range(2):
        await import_archive(service, [file], registry.find_format(file), options, lambda _: None)
        kept = await read_totals(service)
        assert kept == await count_rows(service)
    arrivals, of_threads, waits, rules = kept
    assert arrivals
    assert of_threads
    assert not waits
    assert not rules
