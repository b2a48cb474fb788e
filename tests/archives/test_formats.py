"""An archive is recognised by what is in it, and every reader yields what a person would read in it."""

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import FORMATS, find_format
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, ThreadRecord
from commentsvc.domain.models import Status
from tests.archives.samples import NAMES, STATICMAN, make_folder, make_isso, make_sample, make_tar, make_text

BY_NAME = {one.name: one for one in FORMATS}


def read(name, folder):
    file = make_sample(name, folder)
    return list(BY_NAME[name.partition("-")[0]].read(file))


def comments(records):
    return {one.id: one for one in records if isinstance(one, CommentRecord)}


def threads(records):
    return [one for one in records if isinstance(one, ThreadRecord)]


def left_out(records):
    return Counter(one.reason for one in records if isinstance(one, LeftOut))


@pytest.mark.parametrize("name", NAMES)
def test_auto_finds_the_format_of_an_archive_and_no_other_format_claims_it(name, tmp_path):
    file = make_sample(name, tmp_path)
    head = file.head()
    assert [one.name for one in FORMATS if one.matches(file, head)] == [name.partition("-")[0]]
    assert find_format(file).name == name.partition("-")[0]


@pytest.mark.parametrize("content", [b"Hello", b"{}", b"[]", b"[1, 2]", b"\x00\xff" * 40, b"a,b\n1,2\n", b"- a: b\n"])
def test_auto_claims_no_file_that_is_no_archive_of_comments(content, tmp_path):
    with pytest.raises(UnreadableArchive, match="no format that is known"):
        find_format(ArchiveFile(make_text(tmp_path / "file", content)))


def test_auto_says_that_a_file_is_empty(tmp_path):
    with pytest.raises(UnreadableArchive, match="file is empty"):
        find_format(ArchiveFile(make_text(tmp_path / "file", b"")))


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
@pytest.mark.parametrize("content", [b"", b"Hello", b'{"a": 1}', b"<html></html>", b"\x00\xff" * 40])
def test_a_file_of_another_kind_has_no_comments(one, content, tmp_path):
    records = []
    with suppress(UnreadableArchive):
        records = list(one.read(ArchiveFile(make_text(tmp_path / "file", content))))
    assert not comments(records)


@pytest.mark.parametrize("name", ["twikoo", "twikoo-lines", "twikoo-loki"])
def test_people_who_leave_twikoo_keep_replies_times_and_pages(name, tmp_path):
    records = read(name, tmp_path)
    found = comments(records)
    assert [(one.parent, one.status) for one in found.values()] == [
        (None, Status.APPROVED),
        ("t1", Status.APPROVED),
        (None, Status.SPAM),
    ]
    assert found["t1"].created_at == datetime(2021, 3, 1, 12, tzinfo=UTC)
    assert found["t2"].created_at == datetime(2021, 3, 1, 12, 0, 1, tzinfo=UTC)
    assert found["t1"].markup == Markup.HTML
    assert (found["t1"].email, found["t2"].email) == ("mia@example.com", None)
    assert threads(records)[0] == ThreadRecord(id="/hello/", links=("https://blog.example/hello/", "/hello/"))


@pytest.mark.parametrize("name", ["valine", "valine-lines", "valine-results", "valine-tar"])
def test_people_who_leave_leancloud_keep_the_time_of_writing(name, tmp_path):
    found = comments(read(name, tmp_path))
    assert found["v1"].created_at == datetime(2020, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert found["v2"].parent == "v1"
    assert found["v3"].status == Status.SPAM
    assert {one.markup for one in found.values()} == {Markup.HTML}


def test_markdown_of_valine_is_read_as_such(tmp_path):
    row = {"objectId": "v1", "nick": "Mia", "url": "/hello/", "comment": "## Hi *all*"}
    (one,) = comments(BY_NAME["valine"].read(ArchiveFile(make_text(tmp_path / "file", json.dumps([row]))))).values()
    assert one.markup == Markup.MIXED


@pytest.mark.parametrize("name", ["waline", "waline-lines", "waline-answer", "waline-tar"])
def test_waline_texts_are_markdown_but_older_ones_html(name, tmp_path):
    found = comments(read(name, tmp_path))
    assert [one.status for one in found.values()] == [
        *(Status.APPROVED, Status.PENDING, Status.SPAM, Status.APPROVED),
    ]
    assert [one.markup for one in found.values()] == [Markup.MIXED] * 3 + [Markup.HTML]
    assert found["1"].author == "7"
    assert found["2"].parent == "1"
    assert found["1"].created_at == datetime(2022, 5, 5, 10, 11, 12)  # noqa: DTZ001 -- it names no zone


def test_artalk_writes_every_value_as_text(tmp_path):
    records = read("artrans", tmp_path)
    found = comments(records)
    assert found["1"].created_at.astimezone(UTC) == datetime(2021, 10, 28, 12, 50, 15, tzinfo=UTC)
    assert [(one.parent, one.status) for one in found.values()] == [(None, Status.APPROVED), ("1", Status.PENDING)]
    assert threads(records)[0].title == "Hello"
    assert BY_NAME["artrans"].name_source(make_sample("artrans", tmp_path)) == "artrans/Blog"


def test_commento_keeps_deleted_texts_and_we_do_not(tmp_path):
    records = read("commento", tmp_path)
    found = comments(records)
    assert [one.status for one in found.values()] == [Status.APPROVED, Status.PENDING, Status.SPAM]
    assert LeftOut(reason=LeftOutReason.DELETED, id="c2", parent="c1") in records
    assert (found["c1"].name, found["c1"].email, found["c1"].website) == ("Mia", "mia@example.com", None)
    assert (found["c3"].author, found["c3"].name) == (None, "")
    assert {one.thread for one in found.values()} == {"https://blog.example/hello/", "/b"}
    assert "Old text" not in str(records)


def test_comentario_has_pages_and_refused_comments(tmp_path):
    records = read("commento-v3", tmp_path)
    found = comments(records)
    assert threads(records) == [ThreadRecord(id="/hello/", links=("/hello/",), title="Hello", is_closed=True)]
    assert {key: one.status for key, one in found.items()} == {
        "u1": Status.APPROVED,
        "u2": Status.PENDING,
        "u4": Status.TRASH,
    }
    assert (found["u2"].name, found["u2"].author, found["u2"].parent) == ("Bo", None, "u1")
    assert found["u1"].address == "192.0.2.1"


@pytest.mark.parametrize("name", ["remark42", "remark42-gz", "remark42-zip"])
def test_remark42_gives_markdown_if_it_has_it_and_emails_from_the_first_line(name, tmp_path):
    records = read(name, tmp_path)
    found = comments(records)
    assert [(one.text, one.markup) for one in found.values()] == [
        ("**Hi**", Markup.MIXED),
        ("<p>From <b>Disqus</b></p>", Markup.HTML),
    ]
    assert (found["r1"].email, found["r3"].email, found["r1"].address) == ("mia@example.com", None, None)
    assert found["r1"].edited_at == datetime(2017, 12, 20, 21, 20, tzinfo=UTC)
    assert left_out(records) == {LeftOutReason.DELETED: 1}
    assert threads(records) == [
        ThreadRecord(
            id="https://blog.example/hello/", links=("https://blog.example/hello/",), title="Hello", is_closed=True
        )
    ]
    assert BY_NAME["remark42"].name_source(make_sample(name, tmp_path)) == "remark42/blog"


@pytest.mark.parametrize("name", ["cusdis", "cusdis-sqlite", "cusdis-folder"])
def test_cusdis_tables_come_as_a_database_or_as_files(name, tmp_path):
    records = read(name, tmp_path)
    found = comments(records)
    assert [(one.parent, one.status) for one in found.values()] == [(None, Status.APPROVED), ("k1", Status.PENDING)]
    assert found["k1"].created_at == datetime(2021, 3, 1, 12, tzinfo=UTC)
    assert left_out(records) == {LeftOutReason.DELETED: 1}
    assert threads(records) == [ThreadRecord(id="p-1", links=("https://blog.example/hello/", "hello"), title="Hello")]


def test_cusdis_comments_as_csv_keep_line_breaks(tmp_path):
    records = read("cusdis-csv", tmp_path)
    assert comments(records)["k1"].text == 'Hi, "all"\nof you'
    assert comments(records)["k1"].created_at == datetime(2021, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert threads(records)[0].links == ("hello",)


def test_cusdis_rows_that_do_not_say_they_are_approved_wait_for_a_moderator(tmp_path):
    text = "id,pageId,by_nickname,content,parentId,deletedAt\nk1,p,Mia,Hi,NULL,\\N\n"
    found = comments(BY_NAME["cusdis"].read(ArchiveFile(make_text(tmp_path / "comments.csv", text))))
    assert (found["k1"].status, found["k1"].parent) == (Status.PENDING, None)


def test_isso_comments_come_with_their_network_and_without_deleted_ones(tmp_path):
    records = read("isso", tmp_path)
    found = comments(records)
    assert threads(records) == [ThreadRecord(id="1", links=("/hello/",), title="Hello")]
    assert (found["1"].text, found["1"].markup, found["1"].address) == ("Hi *all*", Markup.MIXED, "192.0.2.0")
    assert found["1"].created_at == datetime(2021, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert found["3"].status == Status.PENDING
    assert LeftOut(reason=LeftOutReason.DELETED, id="2", parent="1") in records


def test_two_installations_of_isso_have_two_names(tmp_path):
    name = BY_NAME["isso"].name_source(ArchiveFile(make_isso(tmp_path / "one.db")))
    assert name.startswith("isso/")
    assert "secret" not in name


def test_an_old_file_of_isso_lacks_columns(tmp_path):
    old = make_isso(tmp_path / "old.db", [(1, 1, 1614600000.0, "Hi")], columns="tid, id, created, text")
    found = comments(BY_NAME["isso"].read(ArchiveFile(old)))
    assert (found["1"].text, found["1"].status, found["1"].parent) == ("Hi", Status.APPROVED, None)


@pytest.mark.parametrize("name", ["staticman", "staticman-zip"])
def test_data_files_name_parents_by_id_or_by_place_and_names_stay_text(name, tmp_path):
    records = read(name, tmp_path)
    found = comments(records)
    assert {key: one.parent for key, one in found.items()} == {
        "s1": None,
        "s2": "s1",
        "s3": "s2",
        "s4": "hello#7",
        "s5": None,
    }
    assert [one.name for one in found.values()] == ["Null", "Yes", "0xFF", "Bo", "Cy"]
    assert found["s1"].text == "Hi\r\nall"
    assert found["s1"].created_at == datetime(2020, 10, 1, 2, 21, 23, tzinfo=UTC)
    assert (found["s1"].email, found["s5"].website) == (None, "https://cy.example")
    assert threads(records) == [ThreadRecord(id="hello", links=("https://blog.example/hello/", "/hello"))]
    assert left_out(records) == {LeftOutReason.UNREADABLE: 1}


def test_wp2hugo_keeps_the_markup_of_wordpress(tmp_path):
    records = read("wp2hugo", tmp_path)
    found = comments(records)
    assert (found["4"].name, found["4"].parent, found["5"].parent) == ("No", None, "4")
    assert found["4"].text == "First line\nsecond line"
    assert {one.markup for one in found.values()} == {Markup.WORDPRESS}
    assert threads(records) == [ThreadRecord(id="18", links=("/2012/02/hello/",))]


def test_a_blog_that_went_from_valine_to_waline_publishes_nothing_that_waits(tmp_path):
    rows = [
        {"objectId": "old", "nick": "Mia", "url": "/a", "comment": "<p>Old</p>"},
        {"objectId": "new", "nick": "Bo", "url": "/a", "comment": "*New*", "status": "waiting"},
    ]
    file = ArchiveFile(make_text(tmp_path / "mixed.json", json.dumps(rows)))
    for name in ("valine", "waline"):
        found = comments(BY_NAME[name].read(file))
        assert [(one.status, one.markup) for one in found.values()] == [
            (Status.APPROVED, Markup.HTML),
            (Status.PENDING, Markup.MIXED),
        ]
    assert BY_NAME["valine"].name_source(file) == BY_NAME["waline"].name_source(file)


def test_a_data_file_with_a_list_is_a_thread(tmp_path):
    text = "- name: Mia\n  message: One\n  date: 2020-01-02\n"
    folder = make_folder(tmp_path / "data", {"comments/hello.yml": text, "comments/b.yml": f"---\n{text}{text}"})
    records = list(BY_NAME["staticman"].read(ArchiveFile(folder)))
    assert [one.id for one in threads(records)] == ["b", "hello"]
    one, copy, other = comments(records)
    assert one.startswith("comments/b#")
    assert copy == f"{one} 2"
    assert other.startswith("comments/hello#")


def test_a_whole_blog_is_read_from_its_folder_of_comments_alone(tmp_path):
    files = {f"blog-main/_data/{name}": text for name, text in STATICMAN.items()}
    files |= {"blog-main/_config.yml": "title: Blog", "blog-main/package.json": "{}"}
    file = ArchiveFile(make_tar(tmp_path / "blog.tar.gz", files))
    assert find_format(file).name == "staticman"
    assert len(comments(BY_NAME["staticman"].read(file))) == 5
