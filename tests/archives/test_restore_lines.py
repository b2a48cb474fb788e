"""Test that an archive of our own format gives the same service again."""

import asyncio

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.restore_lines import import_lines
from commentsvc.archives.schemas import Contacts
from commentsvc.audit import verification
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, erase
from commentsvc.moderation.schemas import Action
from commentsvc.operations.integrity import find_damaged_rows
from commentsvc.privacy.erase import erase_person
from commentsvc.sites import manage
from commentsvc.sites.schemas import SiteChange
from tests.archives.histories import STEPS, History, state_of
from tests.archives.made import PAGE, a_comment, import_records
from tests.archives.test_export import export_of
from tests.conftest import EVERYTHING, MORE_EXAMPLES, OLD_SECRET, SECRET, Clock, a_service, copied, post
from tests.privacy.person import ADDRESS, EMAIL, fill


async def import_of(service, archive, tmp_path, **options):
    """Import an archive that is given as bytes; return the books."""
    file = tmp_path / "archive.jsonl"
    file.write_bytes(archive)
    return await import_lines(service, ArchiveFile(file), ImportOptions(**options))


async def decide(service, verb, id_):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[id_]))


async def test_an_export_into_an_empty_service_gives_the_same_export(service, laid_file, tmp_path, clock):
    await fill(service)
    parent = await post(service, "A comment that will be erased.", thread="/other/")
    await decide(service, ActionVerb.APPROVE, parent)
    await decide(service, ActionVerb.APPROVE, await post(service, "Its reply.", thread="/other/", parent=parent))
    await decide(service, ActionVerb.TRASH, parent)
    await erase.erase_permanently(service, EVERYTHING, parent)
    archive = await export_of(service)
    async with a_service(copied(laid_file, tmp_path, "second.db"), clock) as second:
        books = await import_of(second, archive, tmp_path)
        assert (books.read, books.imported, books.existing) == (6, 6, 0)
        assert await find_damaged_rows(second) == []
        assert await export_of(second) == archive
        again = await import_of(second, archive, tmp_path)
        assert (again.read, again.imported, again.existing) == (6, 0, 6)
        assert await export_of(second) == archive
        assert await find_damaged_rows(second) == []
        assert (await verification.verify_log(second)).entries


async def test_imported_comments_and_the_time_zone_of_a_site_move_too(service, laid_file, tmp_path, clock):
    [site] = (await manage.list_sites(service, EVERYTHING)).sites
    await manage.change_site(service, EVERYTHING, site.id, SiteChange(time_zone="Asia/Kathmandu"))
    records = [PAGE, *(a_comment(number, parent=number // 2 or None) for number in range(1, 8))]
    await import_records(service, records)
    archive = await export_of(service)
    async with a_service(copied(laid_file, tmp_path, "second.db"), clock) as second:
        await import_of(second, archive, tmp_path)
        assert await export_of(second) == archive
        assert [one.time_zone for one in (await manage.list_sites(second, EVERYTHING)).sites] == ["Asia/Kathmandu"]
        again = await import_records(second, [*records, a_comment(9, parent=7)])
        assert (again.imported, again.existing) == (1, 7)
        assert await find_damaged_rows(second) == []


@pytest.mark.parametrize("contacts", list(Contacts))
async def test_the_ban_of_an_erased_person_survives_a_move(served, tmp_path, contacts):
    source, target = await served(), await served()
    await fill(source)
    await erase_person(source, EMAIL)
    archive = await export_of(source, contacts)
    assert ADDRESS.encode() not in archive
    await import_of(target, archive, tmp_path)
    assert await export_of(target, contacts) == archive


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engines", "examples"), [("sqlite sqlite", 12), ("sqlite postgres", 3), ("postgres sqlite", 3)]
)
def test_every_history_survives_a_move(engines, examples, request, laid_file, tmp_path_factory):
    def empty(engine):
        if engine == "postgres":
            return request.getfixturevalue("shared_database").empty()
        return copied(laid_file, tmp_path_factory.mktemp("move"))

    @settings(
        max_examples=examples * MORE_EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
    )
    @given(steps=STEPS, contacts=st.sampled_from([Contacts.SEALED, Contacts.CLEAR]))
    def move(steps, contacts):
        source, target = engines.split()
        asyncio.run(move_history(empty(source), empty(target), steps, contacts, tmp_path_factory.mktemp("archive")))

    move()


async def move_history(source_url, target_url, steps, contacts, folder):
    async with a_service(source_url, Clock(), moderation=Mode.TRUSTED) as source:
        await History(source).play(steps)
        archive, state = await export_of(source, contacts), await state_of(source)
    secret = SECRET if contacts is Contacts.SEALED else OLD_SECRET
    clock = Clock()
    clock.move(days=1)
    async with a_service(target_url, clock, secrets=(secret,)) as target:
        books = await import_of(target, archive, folder)
        assert (books.read, books.balance, books.imported) == (books.read, True, books.read)
        assert await export_of(target, contacts) == archive
        if contacts is Contacts.SEALED:
            assert await state_of(target) == state
        await verification.verify_log(target)
