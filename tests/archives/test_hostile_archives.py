"""Archives that somebody made to do harm are refused with a sentence, or read as far as they can be."""

import gzip
import io
import json
import os
import sqlite3
import struct
import tarfile
import zipfile
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.archives import folders
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import isso, staticman, wp2hugo
from commentsvc.archives.formats.registry import FORMATS, find_format
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason
from tests.archives.samples import NAMES, make_folder, make_isso, make_sample, make_text, make_zip
from tests.archives.test_json_elements import VALUES
from tests.conftest import MORE_EXAMPLES

GOOD = "_id: good\nmessage: Hi\nname: Mia\ndate: 1601518883\n"
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FIELDS = ["_id", "objectId", "id", "url", "comment", "content", "nick", "created", "pid", "page_key", "user", "pageId"]
SOMETHING = sorted(set(NAMES) - {"wxr", "disqus", "cusdis-folder", "staticman"})


def read(path, one=staticman):
    return list(one.FORMAT.read(ArchiveFile(path)))


def ids(records):
    return [one.id for one in records if isinstance(one, CommentRecord)]


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for info, data in members:
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@settings(COMMON, max_examples=40 * MORE_EXAMPLES)
@given(st.sampled_from(SOMETHING), st.data())
def test_a_damaged_archive_is_read_or_refused(tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("damaged")  # one for each example, also if the last one was cut off
    content = bytearray(make_sample(name, folder).path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        content = content or bytearray(b"x")
    file = ArchiveFile(make_text(folder / "damaged", bytes(content)))
    for one in FORMATS:
        with suppress(UnreadableArchive):
            one.matches(file, file.head())
            list(one.read(file))
        with suppress(UnreadableArchive):
            assert not one.name_source or one.name_source(file)


@settings(COMMON, max_examples=10 * MORE_EXAMPLES)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES)))
def test_any_values_in_known_fields_are_read(tmp_path, rows):
    for content in (rows, {"results": rows}, {"comments": rows, "pages": rows, "commenters": rows}):
        file = ArchiveFile(make_text(tmp_path / "rows.json", json.dumps(content)))
        for one in FORMATS:
            with suppress(UnreadableArchive):
                list(one.read(file))


@pytest.mark.parametrize(
    "bad",
    [
        member("comments/a/link.yml", tarfile.SYMTYPE, "/etc/passwd"),
        member("comments/a/hard.yml", tarfile.LNKTYPE, "/etc/passwd"),
        member("comments/a/device.yml", tarfile.CHRTYPE),
        member("comments/a/pipe.yml", tarfile.FIFOTYPE),
        member("comments/../../outside.yml"),
        member("/comments/absolute.yml"),
        member("comments/a/..\\windows.yml"),
    ],
    ids=lambda info: info.name,
)
def test_links_devices_and_names_that_lead_outside_are_left_out(bad, tmp_path):
    good = member("comments/a/1.yml")
    content = GOOD.encode() if bad.isreg() else b""
    records = read(tar_of(tmp_path / "data.tar.gz", [(bad, content), (good, GOOD.encode())]))
    assert ids(records) == ["good"]
    assert [one.reason for one in records if isinstance(one, LeftOut)] == [LeftOutReason.UNREADABLE]


def test_links_and_pipes_in_a_folder_are_not_opened(tmp_path):
    folder = make_folder(tmp_path / "data", {"comments/a/1.yml": GOOD})
    (folder / "comments/a/2.yml").symlink_to("/etc/passwd")
    (folder / "comments/b").symlink_to("/etc")
    os.mkfifo(folder / "comments/a/3.yml")
    records = read(folder)
    assert ids(records) == ["good"]
    assert sum(isinstance(one, LeftOut) for one in records) == 2


def test_names_that_lead_outside_and_links_in_a_zip_archive_are_left_out(tmp_path):
    path = make_zip(tmp_path / "data.zip", {"comments/a/1.yml": GOOD, "../../outside.yml": GOOD, "/abs.yml": GOOD})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("comments/a/link.yml")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert ids(read(path)) == ["good"]
    assert not (tmp_path.parent / "outside.yml").exists()


@pytest.mark.parametrize("make", ["folder", "zip", "tar"])
def test_a_file_too_long_for_a_comment_is_left_out(make, tmp_path):
    files = {"comments/a/1.yml": GOOD, "comments/a/2.yml": GOOD + "x: " + "a" * staticman.MAX_FILE_BYTES}
    if make == "tar":
        path = tar_of(tmp_path / "data.tar.gz", [(member(name), text.encode()) for name, text in files.items()])
    else:
        path = {"folder": make_folder, "zip": make_zip}[make](tmp_path / "data", files)
    records = read(path)
    assert ids(records) == ["good"]
    assert sum(isinstance(one, LeftOut) for one in records) == 1


def test_archives_that_unpack_to_more_than_any_blog_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_TOTAL_BYTES", 100_000)
    files = {f"comments/a/{number}.yml": GOOD + "x: " + "a" * 9_000 for number in range(20)}
    with pytest.raises(UnreadableArchive, match="more than 1 GB"):
        read(make_zip(tmp_path / "data.zip", files))
    with pytest.raises(UnreadableArchive, match="more than 1 GB"):
        read(tar_of(tmp_path / "data.tar", [(member(name), text.encode()) for name, text in files.items()], "w"))


def test_files_that_are_dropped_since_they_are_too_long_count_too(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_TOTAL_BYTES", 100_000)
    monkeypatch.setattr(staticman, "MAX_FILE_BYTES", 10_000)
    files = {f"comments/a/{number}.yml": GOOD + "x: " + "a" * 20_000 for number in range(20)}
    with pytest.raises(UnreadableArchive, match="more than 1 GB"):
        read(make_zip(tmp_path / "data.zip", files))


def test_archives_with_more_files_than_any_blog_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_MEMBERS", 5)
    with pytest.raises(UnreadableArchive, match="more than 5 files"):
        read(make_folder(tmp_path / "data", {f"comments/a/{number}.yml": GOOD for number in range(9)}))


@pytest.mark.parametrize("deep", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 100_000, "9" * 9_000])
def test_deep_and_broken_json_of_a_data_file_is_left_out(deep, tmp_path):
    records = read(make_folder(tmp_path / "data", {"comments/a/1.yml": GOOD, "comments/a/2.json": deep}))
    assert ids(records) == ["good"]
    assert sum(isinstance(one, LeftOut) for one in records) == 1


@pytest.mark.parametrize("size", [-1024, 1 << 40])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_impossible_lengths_in_a_tar_archive_neither_loop_nor_fill_the_memory(size, kind, tmp_path):
    header = bytearray(member("comments/a/1.yml", kind).tobuf())
    header[124:136] = struct.pack(">Bxxxq", 0xFF if size < 0 else 0x80, size)
    if size < 0:
        header[124:136] = b"\xff" * 4 + struct.pack(">q", size)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\x00 " % sum(header)
    path = make_text(tmp_path / "data.tar", bytes(header) + b"\x00" * 2048)
    assert staticman.matches(ArchiveFile(path), path.read_bytes()) is False
    with pytest.raises(UnreadableArchive):
        read(path)


def test_a_zip_archive_inside_which_one_file_explodes_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.json", "w") as one,
    ):
        for _ in range(65):
            one.write(b" " * 1_048_576)
    with pytest.raises(UnreadableArchive, match="times as large"):
        ArchiveFile(tmp_path / "bomb.zip").head()


@pytest.mark.parametrize(
    "text",
    [
        "- &a [x]\n- *a\n",
        "a: &a [" + "x, " * 20 + "]\nb: &b [" + "*a, " * 20 + "]\n- *b",
        "- " * 40 + "x\n",
        "- [" + "x, " * 30_000 + "x]\n",
        "- a: [unclosed\n",
        "\t- a\n",
        "- !!python/object/apply:os.system ['touch /tmp/never']\n",
    ],
    ids=["alias", "bomb", "deep", "wide", "unclosed", "tab", "tag"],
)
def test_yaml_neither_grows_nor_runs_anything(text, tmp_path):
    with pytest.raises(UnreadableArchive):
        read(make_text(tmp_path / "comments.yaml", text), wp2hugo)


def test_control_characters_in_yaml_are_dropped_and_noted(tmp_path):
    folder = make_folder(tmp_path / "data", {"comments/a/1.yml": GOOD.replace("Hi", "H\x08i\x85 \ufffe")})
    (found,) = [one for one in read(folder) if isinstance(one, CommentRecord)]
    assert found.text.startswith("Hi")
    assert [str(repair) for repair in found.repairs] == ["control_characters"]


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIEW comments AS SELECT 1 AS tid, 1 AS id, load_extension('evil') AS text",
        "CREATE VIEW comments AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id FROM n) SELECT 1 tid, id FROM n",
        "CREATE VIRTUAL TABLE comments USING fts5(tid, id, text)",
    ],
    ids=["function", "endless", "module"],
)
def test_views_and_modules_in_a_database_are_never_run(schema, tmp_path):
    path = make_isso(tmp_path / "evil.db")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE comments")
        database.execute(schema)
    assert not isso.matches(ArchiveFile(path), path.read_bytes())
    with pytest.raises(UnreadableArchive, match="no database of Isso"):
        read(path, isso)


def test_a_computed_column_is_not_computed(tmp_path):
    path = make_isso(
        tmp_path / "evil.db",
        [(1, 1, "Hi")],
        columns="tid, id, text, author GENERATED ALWAYS AS (printf('%.*c', 10000000, 'x'))",
    )
    (found,) = [one for one in read(path, isso) if isinstance(one, CommentRecord)]
    assert (found.text, found.name) == ("Hi", "")


def test_reading_a_database_changes_nothing_beside_it(tmp_path):
    path = make_isso(tmp_path / "comments.db")
    before = path.read_bytes()
    path.chmod(0o400)
    read(path, isso)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["comments.db"]


def test_a_database_whose_last_changes_are_elsewhere_is_refused(tmp_path):
    path = make_isso(tmp_path / "comments.db")
    make_text(tmp_path / "comments.db-wal", b"changes")
    for recognise_or_read in (find_format, isso.read):
        with pytest.raises(UnreadableArchive, match="is in use"):
            list(recognise_or_read(ArchiveFile(path)))


def test_a_compressed_database_is_refused_with_the_cure(tmp_path):
    packed = gzip.compress(make_isso(tmp_path / "comments.db").read_bytes())
    file = ArchiveFile(make_text(tmp_path / "comments.db.gz", packed))
    for recognise_or_read in (find_format, isso.read):
        with pytest.raises(UnreadableArchive, match="gunzip"):
            list(recognise_or_read(file))


def test_a_database_whose_schema_is_no_text_is_damaged(tmp_path):
    path = make_isso(tmp_path / "comments.db")
    found = path.read_bytes()
    path.write_bytes(found.replace(b"CREATE TABLE comments", b"CREATE\xadTABLE comments"))
    with pytest.raises(UnreadableArchive, match="damaged"):
        list(isso.read(ArchiveFile(path)))
