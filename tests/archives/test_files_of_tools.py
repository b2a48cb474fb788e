"""People make their archives with all sorts of programs: databases, zip programs, other shells."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import FORMATS, find_format
from commentsvc.archives.preparation import storable
from commentsvc.archives.records import CommentRecord, LeftOut
from commentsvc.archives.values import moment
from tests.archives.samples import (
    CUSDIS,
    STATICMAN,
    TWIKOO,
    WALINE,
    make_folder,
    make_sample,
    make_tar,
    make_text,
    make_zip,
)
from tests.archives.xml_files import wordpress, wordpress_comment

BY_NAME = {one.name: one for one in FORMATS}


def read(file):
    return list(find_format(file).read(file))


def as_php_my_admin(tables):
    header = [{"type": "header", "version": "5.2"}, {"type": "database", "name": "blog"}]
    return json.dumps([*header, *({"type": "table", "name": name, "data": rows} for name, rows in tables.items())])


def as_numbers_of_mongodb(rows):
    double = ({**row, "created": {"$numberDouble": str(float(row["created"]))}} for row in rows[:1])
    return "\n".join(map(json.dumps, (*double, *rows[1:])))


def columns_of(rows):
    return list(dict.fromkeys(name for row in rows for name in row))


def as_sqlite(path, table, rows):
    names = columns_of(rows)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE {table} ({', '.join(names)})")
        values = [[row.get(name) for name in names] for row in rows]
        database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", values)
    return path


def as_csv(rows, delimiter=","):
    text = io.StringIO()
    table = csv.DictWriter(text, columns_of(rows), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("sample", "make"),
    [
        ("twikoo", lambda path: make_text(path, as_numbers_of_mongodb(TWIKOO))),
        ("twikoo", lambda path: make_text(path, json.dumps(TWIKOO).encode("utf-16"))),
        ("twikoo", lambda path: make_text(path, json.dumps({"code": 0, "data": TWIKOO}))),
        ("waline", lambda path: as_sqlite(path, "wl_Comment", WALINE)),
        ("waline", lambda path: make_text(path, as_csv(WALINE))),
        ("waline", lambda path: make_text(path, as_csv(WALINE, ";"))),
        (
            "waline",
            lambda path: make_text(path, as_csv(WALINE).replace("insertedAt,createdAt", "insertedat,createdat")),
        ),
        ("waline", lambda path: make_text(path, as_php_my_admin({"wl_Users": [{"id": 1}], "wl_Comment": WALINE}))),
        ("cusdis", lambda path: make_text(path, as_php_my_admin({"users": [{"id": 1}], **CUSDIS}))),
    ],
    ids=[
        "mongodb",
        "utf-16",
        "cloudbase",
        "sqlite",
        "csv",
        "semicolons",
        "postgresql",
        "waline-phpmyadmin",
        "cusdis-phpmyadmin",
    ],
)
def test_other_ways_to_write_the_same_rows_are_read_alike(sample, make, tmp_path):
    file = ArchiveFile(make(tmp_path / "export"))
    head = file.head()
    assert [one.name for one in FORMATS if one.matches(file, head)] == [sample]
    assert read(file) == list(BY_NAME[sample].read(make_sample(sample, tmp_path)))


def test_tables_in_a_folder_may_be_the_output_of_powershell(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, rows in CUSDIS.items():
        make_text(folder / f"{name}.json", json.dumps(rows).encode("utf-16"))
    assert find_format(ArchiveFile(folder)).name == "cusdis"
    assert read(ArchiveFile(folder)) == list(BY_NAME["cusdis"].read(make_sample("cusdis", tmp_path)))


def test_a_table_of_phpmyadmin_that_is_longer_than_the_beginning_is_recognised(tmp_path):
    rows = [{**WALINE[0], "objectId": number, "comment": "long " * 400} for number in range(60)]
    file = ArchiveFile(make_text(tmp_path / "export", as_php_my_admin({"wl_Comment": rows})))
    assert find_format(file).name == "waline"


def test_a_comment_in_a_repository_may_have_a_picture_in_it_and_a_time_of_javascript(tmp_path):
    row = {
        "id": "k1",
        "nick": "Mia",
        "url": "/",
        "comment": f"Look\n![a cat.png](data:image/png;base64,{'A' * 200_000})",
    }
    row["insertedAt"] = "Mon May 18 2026 09:27:11 GMT+0200 (Central European Summer Time)"
    (one,) = [
        one
        for one in read(ArchiveFile(make_text(tmp_path / "Comment.csv", as_csv([row | {"status": "approved"}]))))
        if isinstance(one, CommentRecord)
    ]
    assert one.created_at == datetime(2026, 5, 18, 7, 27, 11, tzinfo=UTC)
    assert storable(one).text == "Look\na cat.png"


@pytest.mark.parametrize(
    ("written", "hour"), [("12:05 AM", 0), ("1:05 am", 1), ("12:05 PM", 12), ("11:05 p.m.", 23), ("13:05 PM", 13)]
)
def test_hours_of_half_a_day_are_understood(written, hour):
    assert moment(f"2022-05-04 {written}") == datetime(2022, 5, 4, hour, 5)  # noqa: DTZ001
    assert moment(f"2022-05-04 {written} UTC") == datetime(2022, 5, 4, hour, 5, tzinfo=UTC)


@pytest.mark.parametrize("written", ["May 4, 2022", "4 May 2022", "Wednesday, 4 May 2022", "2022-05-04", "2022/5/4"])
def test_a_day_without_a_time_is_understood(written):
    assert moment(written) == datetime(2022, 5, 4)  # noqa: DTZ001


@pytest.mark.parametrize(
    "written", ["yesterday", "4 May", "soon 00:00:00", "2022", "99 May 2022", "\x00", "-", "()" * 500]
)
def test_other_words_are_no_time(written):
    assert moment(written) is None


def test_a_database_without_comments_of_waline_is_refused_with_the_reason(tmp_path):
    path = as_sqlite(tmp_path / "other.db", "notes", [{"id": 1}])
    with pytest.raises(UnreadableArchive, match="lacks the table wl_Comment"):
        list(BY_NAME["waline"].read(ArchiveFile(path)))


def test_the_folder_of_another_system_is_not_taken_for_data_files(tmp_path):
    loki = json.dumps({"collections": [{"name": "comment", "data": TWIKOO}]})
    with pytest.raises(UnreadableArchive, match="no format that is known"):
        find_format(ArchiveFile(make_tar(tmp_path / "data.tar.gz", {"data/db.json": loki})))


LEFT_BY_MACOS = {
    "blog/.DS_Store": "\x00",
    "__MACOSX/blog/._a.xml": "\x00",
    "__MACOSX/comments/hello/._entry1.yml": "\x00",
}


@pytest.mark.parametrize("make", [make_zip, make_folder])
def test_the_parts_of_a_long_export_may_stay_in_their_zip_archive_or_folder(make, tmp_path):
    parts = {f"garden.00{number}.xml": wordpress(wordpress_comment(comment_id=str(number))) for number in (1, 2, 3)}
    records = read(ArchiveFile(make(tmp_path / "export", {".DS_Store": "\x00", **parts})))
    assert [one.id for one in records if isinstance(one, CommentRecord)] == ["1", "2", "3"]


def test_two_exports_of_one_blog_in_a_zip_archive_have_the_same_ids_for_the_same_comments(tmp_path):
    older, newer = wordpress(wordpress_comment()), wordpress(wordpress_comment(), wordpress_comment(comment_id="2"))
    records = read(ArchiveFile(make_zip(tmp_path / "export.zip", {"2019.xml": older, "2020.xml": newer})))
    assert [one.id for one in records if isinstance(one, CommentRecord)] == ["1", "1", "2"]


def test_what_macos_adds_to_a_zip_archive_counts_as_nothing(tmp_path):
    plain = read(ArchiveFile(make_zip(tmp_path / "plain.zip", STATICMAN)))
    packed = read(ArchiveFile(make_zip(tmp_path / "macos.zip", {**LEFT_BY_MACOS, **STATICMAN})))
    assert packed == plain
    one = {"blog/export.json": json.dumps(TWIKOO), "__MACOSX/blog/._export.json": "\x00"}
    records = read(ArchiveFile(make_zip(tmp_path / "one.zip", one)))
    assert len(records) > 1
    assert not any(isinstance(record, LeftOut) for record in records)
