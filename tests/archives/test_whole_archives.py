"""Real archives are read whole."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.records import CommentRecord, LeftOut, ThreadRecord
from tests.conftest import SHARED


def read(name, expected):
    path = SHARED / "archives" / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    one = find_format(ArchiveFile(path))
    assert one.name == expected
    records = list(one.read(ArchiveFile(path)))
    assert not [record for record in records if isinstance(record, LeftOut)]
    found = [record for record in records if isinstance(record, CommentRecord)]
    return found, [record for record in records if isinstance(record, ThreadRecord)]


def test_data_files_of_a_blog_with_397_comments(tmp_path):
    comments, threads = read("travisdowns.staticman.tar.gz", "staticman")
    assert (len(comments), len(threads)) == (397, 18)
    known = {one.id for one in comments}
    assert len(known) == 397
    assert sum(one.parent is not None and one.parent not in known for one in comments) == 1
    assert all(datetime(2019, 1, 1, tzinfo=UTC) < one.created_at < datetime(2027, 1, 1, tzinfo=UTC) for one in comments)
    assert all(one.name and one.text and one.email is None for one in comments)
    assert any("\r\n" in one.text for one in comments)
    assert all(any(link.startswith("https://travisdowns.github.io/") for link in one.links) for one in threads)


def test_a_comments_yaml_of_wp2hugo(tmp_path):
    comments, threads = read("arey.comments.yaml.gz", "wp2hugo")
    assert (len(comments), len({one.id for one in comments})) == (175, 175)
    assert max(len(one.text) for one in comments) == 25_690
    assert all(one.created_at and one.name for one in comments)
    assert Counter(one.thread for one in comments).keys() == {one.id for one in threads}
    assert all(one.links for one in threads)
