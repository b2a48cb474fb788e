"""Files that were made to harm the service are refused with a clear error, in bounded memory and time."""

import gzip
import os
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import wxr
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.records import CommentRecord
from tests.archives.xml_files import ITEM, WORDPRESS, wordpress, wordpress_comment

MEGABYTE = 2**20
MOST_MEMORY = 100 * MEGABYTE  # of a process that only reads; the promise is 150 MB for an import
# VmHWM begins at zero in a new program. ru_maxrss would count the memory of the parent too.
READ = textwrap.dedent("""
    import sys
    from pathlib import Path
    from commentsvc.archives.errors import UnreadableArchive
    from commentsvc.archives.files import ArchiveFile
    from commentsvc.archives.formats.wxr import read
    from commentsvc.archives.records import CommentRecord

    comments = 0
    try:
        for record in read(ArchiveFile(Path(sys.argv[1]))):
            comments += isinstance(record, CommentRecord)
        result = "read"
    except UnreadableArchive as error:
        result = str(error)
    status = Path("/proc/self/status").read_text()
    print(comments, status.split("VmHWM:")[1].split()[0], result)
""")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell the peak of memory")


def read_apart(path: Path, seconds: float = 20) -> tuple[int, str]:
    """Read a file in a process of its own. Return the number of comments, and the error."""
    done = subprocess.run(
        [sys.executable, "-c", READ, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds,
        cwd=Path(__file__).parent.parent.parent,
    )
    comments, kilobytes, result = done.stdout.split(maxsplit=2)
    assert int(kilobytes) * 1024 < MOST_MEMORY
    return int(comments), result.strip()


def write_with_hole(path: Path, before: str, size: int, after: str) -> None:
    """Write a file with zeros in the middle, which need no space on disk."""
    with path.open("wb") as file:
        file.write(before.encode())
        file.truncate(file.tell() + size)
        file.seek(0, os.SEEK_END)
        file.write(after.encode())


@needs_linux
@pytest.mark.parametrize("mark", ["Nice roses!", "<![CDATA[Nice roses!]]>", "https://ada.example/"])
def test_a_gigabyte_in_one_field_is_refused(tmp_path, mark):
    before, after = wordpress(wordpress_comment()).split(mark)
    start = "<![CDATA[" if mark.startswith("<!") else ""
    write_with_hole(tmp_path / "a.xml", before + start, 1024 * MEGABYTE, after)
    comments, error = read_apart(tmp_path / "a.xml")
    assert comments == 0
    assert "a.xml has a record with more than 1,048,576 characters" in error
    assert "Delete the record" in error


@needs_linux
def test_a_post_of_any_size_is_skipped(tmp_path):
    before, after = wordpress(wordpress_comment()).split("A post.")
    write_with_hole(tmp_path / "a.xml", before, 64 * MEGABYTE, after)
    assert read_apart(tmp_path / "a.xml") == (1, "read")


@needs_linux
@pytest.mark.parametrize(
    "piece", ["<", "<wp:comment ", "<!--", "<?", "<!DOCTYPE [", "&#", '<wp:comment x="', "]]>", "<a:"]
)
def test_many_beginnings_without_end_take_little_time(tmp_path, piece):
    before, after = WORDPRESS.format(items="<HERE>").split("<HERE>")
    hostile = piece * (MEGABYTE // len(piece))
    (tmp_path / "a.xml").write_text(before + hostile + ITEM.format(comments=wordpress_comment()) + after)
    comments, result = read_apart(tmp_path / "a.xml")
    assert result == "read"
    assert comments == 1


UNENDED = (
    "<wp:comment>",
    "<item>",
    "<item><wp:comment><wp:comment_content>",
    "<item><wp:comment_content>",
    "<item><title>",
    "<item><link><title>",
    "<item><title><!--",
    "<wp:comment_author><![CDATA[",
    "<title><![CDATA[]]>",
    "<title><?",
)


@needs_linux
@pytest.mark.parametrize("piece", UNENDED)
def test_many_elements_without_end_take_little_memory(tmp_path, piece):
    before, after = WORDPRESS.format(items="<HERE>").split("<HERE>")
    (tmp_path / "a.xml").write_text(before + piece * (MEGABYTE // 2 // len(piece)) + "</item>" + after)
    comments, _ = read_apart(tmp_path / "a.xml")
    assert comments == 0


@needs_linux
def test_entities_that_multiply_are_not_expanded(tmp_path):
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    text = wordpress(wordpress_comment(comment_content="&l12;"))
    (tmp_path / "a.xml").write_text(text.replace("<rss", f'<!DOCTYPE rss [<!ENTITY l0 "ha">{entities}]><rss'))
    assert read_apart(tmp_path / "a.xml") == (1, "read")


@needs_linux
def test_a_gzip_bomb_is_refused(tmp_path):
    before, _ = wordpress().split("A post.")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with (tmp_path / "a.xml.gz").open("wb") as file:
        file.write(packer.compress(before.encode()))
        for _ in range(80):
            file.write(packer.compress(bytes(MEGABYTE)))
        file.write(packer.flush())
    comments, error = read_apart(tmp_path / "a.xml.gz")
    assert comments == 0
    assert "250 times as large" in error
    assert "Decompress it yourself" in error


def test_a_small_file_that_compresses_well_is_no_bomb(tmp_path):
    text = wordpress(wordpress_comment(comment_content="a" * (MEGABYTE // 2)))
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(text.encode(), 9))
    assert len([one for one in wxr.read(ArchiveFile(tmp_path / "a.xml.gz")) if isinstance(one, CommentRecord)]) == 1


def test_a_gzip_file_that_is_cut_or_damaged_is_refused(tmp_path):
    good = gzip.compress(wordpress(*(wordpress_comment(comment_id=str(n)) for n in range(1, 400))).encode())
    (tmp_path / "cut.gz").write_bytes(good[: len(good) // 2])
    with pytest.raises(UnreadableArchive, match=r"cut\.gz is cut off"):
        list(wxr.read(ArchiveFile(tmp_path / "cut.gz")))
    for place in (40, len(good) // 2, len(good) - 6):
        bad = bytearray(good)
        bad[place] ^= 0xFF
        (tmp_path / "bad.gz").write_bytes(bad)
        with pytest.raises(UnreadableArchive, match=r"bad\.gz"):
            list(wxr.read(ArchiveFile(tmp_path / "bad.gz")))


@pytest.fixture
def refuse(tmp_path):
    """Return the error of an attempt to read a path, and of one to guess its format."""

    def attempt(path):
        with pytest.raises(UnreadableArchive) as error:
            list(wxr.read(ArchiveFile(path)))
        with pytest.raises(UnreadableArchive):
            find_format(ArchiveFile(path))
        return str(error.value)

    return attempt


def test_a_pipe_a_device_and_a_socket_are_refused_at_once(tmp_path, refuse):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), Path("/dev/null")):
        assert "is not a regular file. Copy its content to a file" in refuse(path)


def test_links_are_followed_to_files_alone(tmp_path, refuse):
    (tmp_path / "a.xml").write_text(wordpress(wordpress_comment()))
    (tmp_path / "good").symlink_to(tmp_path / "a.xml")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    assert len(list(wxr.read(ArchiveFile(tmp_path / "good")))) == 2
    assert "circle cannot be read" in refuse(tmp_path / "circle")
    assert refuse(tmp_path / "nowhere") == "nowhere cannot be read: No such file or directory."


def test_a_folder_is_refused_where_a_file_is_needed(tmp_path):
    with pytest.raises(UnreadableArchive, match="is a folder, and this format needs a file"):
        list(wxr.read(ArchiveFile(tmp_path)))
    with ArchiveFile(Path(__file__)).open() as file:
        assert file.read(3) == b'"""'


@pytest.fixture
def ordinary_user():
    """Take root's right to read everything away, if the tests have it."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_a_file_without_permission_is_refused(tmp_path, refuse, request):
    (tmp_path / "a.xml").touch(mode=0)
    request.getfixturevalue("ordinary_user")
    assert refuse(tmp_path / "a.xml") == "a.xml cannot be read: Permission denied."


def test_an_empty_file_and_one_of_noise_have_no_format(tmp_path):
    for content in (b"", b"\x1f\x8b", bytes(range(256)), b"PK\x03\x04"):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(UnreadableArchive):
            find_format(ArchiveFile(tmp_path / "a"))


@pytest.mark.slow
@needs_linux
def test_a_gigabyte_of_comments_is_read_in_flat_memory(tmp_path):
    before, after = WORDPRESS.format(items=ITEM.format(comments="<HERE>")).split("<HERE>")
    text = "A long comment, with <b>words</b> and ]]] and &amp;.\n" * 1200
    with (tmp_path / "a.xml").open("w") as file:
        file.write(before)
        count = 1024 * MEGABYTE // len(text)
        for number in range(count):
            file.write(wordpress_comment(comment_id=str(number + 1), comment_content=f"<![CDATA[{text}]]>"))
        file.write(after)
    assert read_apart(tmp_path / "a.xml", seconds=120) == (count, "read")
