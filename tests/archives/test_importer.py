"""Archives of other systems come in whole: every comment is in the books, at its place, and comes in once."""

import asyncio
from datetime import timedelta, timezone

import msgspec
import pytest

from commentsvc.archives import uploads
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.records import LeftOut, LeftOutReason, Markup, ThreadRecord
from commentsvc.audit.verification import verify_log
from commentsvc.domain.models import Status
from commentsvc.moderation.erase import erase_permanently
from commentsvc.service import private_read, write
from tests.archives.made import PAGE, START, a_comment, import_records
from tests.conftest import EVERYTHING, post
from tests.delivery.postbox import MAIL


@private_read
async def rows(unit, sql, **values):
    return [dict(row) for row in await unit.all(sql, **values)]


@write
async def forget_archives(unit):
    await unit.run("DELETE FROM imported")


async def listed(service):
    """Return the texts of the comments in the database in the order of their thread, indented by depth."""
    found = await rows(service, "SELECT text, depth FROM comment ORDER BY thread_id, path")
    return [f"{'  ' * row['depth']}{row['text']}" for row in found]


async def test_an_archive_comes_in_with_its_replies_times_and_statuses(service):
    books = await import_records(
        service,
        [
            a_comment(2, parent=1),
            PAGE,
            a_comment(1),
            a_comment(3, status=Status.PENDING),
            a_comment(4, status=Status.SPAM),
            LeftOut(reason=LeftOutReason.PINGBACK, id="5"),
        ],
    )
    assert (books.read, books.imported, books.left_out) == (5, 3, {"spam": 1, "pingback": 1})
    assert books.threads == 1
    assert await listed(service) == ["Comment 1.", "  Comment 2.", "Comment 3."]
    [thread] = await rows(service, "SELECT * FROM thread")
    assert (thread["key"], thread["title"], thread["approved"], thread["pending"]) == ("/a-page", "A page", 2, 1)
    assert thread["published_at"] == "2019-05-01T12:01:00.000Z"
    decisions = await rows(service, "SELECT status, actor_kind, actor_name FROM decision ORDER BY status")
    assert decisions == [
        {"status": status, "actor_kind": "import", "actor_name": "made"}
        for status in ("approved", "approved", "pending")
    ]
    await verify_log(service)


async def test_a_second_import_adds_nothing(service):
    records = [PAGE, *(a_comment(number, parent=number // 2 or None) for number in range(1, 250))]
    assert (await import_records(service, records)).imported == 249
    books = await import_records(service, records)
    assert (books.imported, books.existing) == (0, 249)
    assert len(await rows(service, "SELECT id FROM comment")) == 249
    [total] = await rows(service, "SELECT SUM(approved) AS number FROM site_total")
    assert total["number"] == 249


async def test_older_comments_are_sorted_among_those_that_are_there(service):
    newer = await post(service, "A newer one.")
    await post(service, "A reply to it.", parent=None)
    await import_records(service, [PAGE, a_comment(2), a_comment(1), a_comment(3, parent=1)])
    assert await listed(service) == ["Comment 1.", "  Comment 3.", "Comment 2.", "A newer one.", "A reply to it."]
    assert newer
    await import_records(service, [PAGE, a_comment(0), a_comment(4)], name="another")
    assert (await listed(service))[0] == "Comment 0."


async def test_a_reply_moves_to_the_nearest_comment_that_came_along(service):
    books = await import_records(
        service,
        [
            PAGE,
            a_comment(1),
            a_comment(2, parent=1, status=Status.SPAM),
            LeftOut(reason=LeftOutReason.DELETED, id="3", parent="2"),
            a_comment(4, parent=3),
            a_comment(5, parent=99),
            a_comment(6, parent=7),
            a_comment(7, parent=6),
            a_comment(8, thread="other", parent=1),
            ThreadRecord(id="other", links=("/other/",)),
        ],
    )
    assert books.repairs == {"parent_left_out": 1, "parent_missing": 3}
    assert sorted(await listed(service)) == sorted(
        ["Comment 1.", "  Comment 4.", "Comment 5.", "Comment 6.", "  Comment 7.", "Comment 8."]
    )


async def test_replies_deeper_than_the_nesting_name_the_comment_that_they_answer(service):
    nesting = service.config.nesting
    await import_records(service, [PAGE, *(a_comment(at, parent=at - 1 or None) for at in range(1, nesting + 5))])
    found = await rows(service, "SELECT * FROM comment ORDER BY created_at")
    assert [row["depth"] for row in found] == [min(at, nesting) for at in range(nesting + 4)]
    assert found[-1]["answered_id"] == found[-2]["id"]
    assert found[-1]["parent_id"] == found[nesting]["parent_id"]


async def test_duplicates_become_one_comment_with_all_replies(service):
    records = [
        PAGE,
        ThreadRecord(id="2", links=("/a-page",)),
        a_comment(1),
        a_comment(1, id="1b", thread="2"),
        a_comment(3, parent="1b", thread="2"),
        a_comment(4, parent=1),
    ]
    books = await import_records(service, records, merges_duplicates=True)
    assert (books.read, books.imported, books.merged, books.threads) == (4, 3, 1, 1)
    assert await listed(service) == ["Comment 1.", "  Comment 3.", "  Comment 4."]
    assert (await import_records(service, records)).imported == 0


async def test_an_erased_comment_does_not_come_back(service):
    records = [PAGE, a_comment(1, status=Status.TRASH), a_comment(2)]
    await import_records(service, records, keeps_spam=True)
    [first, _] = await rows(service, "SELECT id FROM comment ORDER BY created_at")
    await erase_permanently(service, EVERYTHING, first["id"])
    assert (await import_records(service, records, keeps_spam=True)).existing == 2
    assert await listed(service) == ["", "Comment 2."]


async def test_pages_are_found_by_path_map_and_former_address(service):
    records = [
        ThreadRecord(id="17", links=("https://old.example/?p=17", "http://old.example/a-page/")),
        ThreadRecord(id="18", links=("http://localhost/b-page",)),
        a_comment(1, thread="17"),
        a_comment(2, thread="18"),
        a_comment(3, thread="/c-page/"),
        a_comment(4, thread="nowhere"),
        a_comment(5, thread="19"),
    ]
    books = await import_records(service, records, thread_map={"19": "/d-page", "http://localhost/b-page/": "/moved/"})
    assert books.left_out == {"bad_thread": 1}
    found = await rows(service, "SELECT thread.key, name FROM thread JOIN thread_name ON thread_id = id ORDER BY name")
    names = {(row["key"], row["name"]) for row in found}
    assert {("/a-page", "/a-page"), ("/a-page", "/?p=17"), ("/a-page", "17"), ("/d-page", "19")} <= names
    assert {("/moved", "/moved"), ("/moved", "/b-page"), ("/c-page", "/c-page")} <= names


async def test_times_without_a_zone_are_in_the_given_one_and_missing_ones_are_those_of_the_comment_before(service):
    local = START.replace(tzinfo=None)
    records = [
        PAGE,
        a_comment(1, created_at=local),
        a_comment(2, created_at=None),
        a_comment(3, created_at=START.replace(year=2100)),
    ]
    books = await import_records(service, records, zone=timezone(timedelta(hours=2)))
    assert books.repairs == {"date_unknown": 2}
    found = await rows(service, "SELECT created_at, note FROM comment ORDER BY id")
    assert {row["created_at"] for row in found} == {"2019-05-01T10:00:00.000Z"}
    notes = await rows(service, "SELECT note FROM decision WHERE note IS NOT NULL")
    assert len(notes) == 2


async def test_authors_are_the_same_by_id_or_address_and_never_by_name(service):
    records = [
        PAGE,
        a_comment(1, author="7"),
        a_comment(2, author="7", name="Mia M."),
        a_comment(3, email="mia@example.com"),
        a_comment(4, email="Mia@Example.com"),
        a_comment(5),
        a_comment(6),
    ]
    await import_records(service, records)
    found = await rows(service, "SELECT author_id FROM comment ORDER BY created_at")
    first, second, third, fourth, fifth, sixth = [row["author_id"] for row in found]
    assert first == second
    assert third == fourth
    assert len({first, third, fifth, sixth}) == 4


async def test_what_cannot_be_kept_is_dropped_and_the_comment_stays(service):
    records = [
        PAGE,
        a_comment(1, name="x" * 200, email="@", website="http://n/a", address="none", text="<b>Yes</b>\x00"),
        a_comment(2, name=" ", email="mia@example.com", website="mia.example", address="198.51.100.7"),
    ]
    records[1] = msgspec.structs.replace(records[1], markup=Markup.WORDPRESS)
    books = await import_records(service, records)
    assert books.repairs == {
        "control_characters": 1,
        "name_cut": 1,
        "website_dropped": 1,
        "email_dropped": 1,
        "name_missing": 1,
    }
    first, second = await rows(service, "SELECT * FROM comment ORDER BY created_at")
    assert (first["text"], first["website"], second["website"]) == ("**Yes**", None, "https://mia.example")
    contacts = await rows(service, "SELECT email_digest, network FROM contact ORDER BY comment_id")
    assert [bool(row["email_digest"]) for row in contacts] == [False, True]
    assert [row["network"] for row in contacts] == [None, None]  # these networks would be forgotten by now


async def test_imported_people_get_no_mail(served):
    service = await served(**MAIL)
    await import_records(service, [PAGE, *(a_comment(at, email="mia@example.com") for at in range(9))])
    for table in ("event", "parcel", "subscription", "address"):
        assert not await rows(service, f"SELECT * FROM {table}")


async def test_imported_comments_are_found_and_shown(service, client, key):
    await import_records(
        service, [PAGE, a_comment(1, text="Rhubarb and custard."), a_comment(2, status=Status.PENDING)]
    )
    response = await client.get("/v1/comments?thread=/a-page")
    listing = await response.json()
    assert [one["html"] for one in listing["comments"]] == ["<p>Rhubarb and custard.</p>"]
    assert listing["comments"][0]["created_at"] == "2019-05-01T12:01:00.000Z"
    found = await (await client.get("/v1/moderation/comments?status=any&q=rhubarb", headers=key)).json()
    assert len(found["comments"]) == 1


async def test_a_thread_that_was_closed_stays_closed(service):
    await import_records(service, [ThreadRecord(id="1", links=("/a-page",), is_closed=True), a_comment(1)])
    [thread] = await rows(service, "SELECT closed_at FROM thread")
    assert thread["closed_at"]


async def test_an_archive_that_the_disk_has_no_room_for_is_refused(service, monkeypatch):
    monkeypatch.setattr(uploads, "RESERVED", 1 << 60)
    with pytest.raises(UnreadableArchive, match="no room"):
        await import_records(service, [PAGE, a_comment(1)])
    assert await listed(service) == []


async def test_two_imports_of_one_archive_at_the_same_time_bring_each_comment_once(service):
    records = [PAGE, *(a_comment(number, parent=number - 1 if number % 3 else None) for number in range(1, 301))]
    first, second = await asyncio.gather(import_records(service, records), import_records(service, records))
    assert first.imported + second.imported == first.existing + second.existing == 300
    [thread] = await rows(service, "SELECT approved FROM thread")
    assert thread == {"approved": 300}
    assert len(set(await listed(service))) == 300


async def test_two_archives_that_come_into_one_page_at_the_same_time_are_one_thread_by_time(service):
    odd, even = ([PAGE, *map(a_comment, range(start, 301, 2))] for start in (1, 2))
    books = await asyncio.gather(import_records(service, odd, name="odd"), import_records(service, even, name="even"))
    assert [one.imported for one in books] == [150, 150]
    assert await listed(service) == [f"Comment {number}." for number in range(1, 301)]
    [total] = await rows(service, "SELECT SUM(approved) AS approved FROM site_total")
    assert total["approved"] == 300


async def test_an_export_without_the_ids_of_archives_does_not_double_comments(service):
    records = [PAGE, *map(a_comment, range(1, 9))]
    await import_records(service, records)
    await forget_archives(service)

    books = await import_records(service, records)

    assert (books.imported, books.existing) == (0, 8)
