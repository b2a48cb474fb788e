"""Real exports of WordPress and Disqus are read whole, also those that no XML parser reads."""

from collections import Counter

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.records import CommentRecord, LeftOut

APPROVED, PENDING, SPAM, TRASH = "approved", "pending", "spam", "trash"
REAL = {
    "dmacvicar.wxr.xml.gz": {APPROVED: 670, TRASH: 2, "pingback": 18},  # 690
    "artigos.wxr.xml.gz": {APPROVED: 623, "pingback": 5},  # 628
    "chrisjrob.wxr.xml.gz": {APPROVED: 125, "pingback": 11},  # 136
    "bioops.wxr.xml.gz": {APPROVED: 68},
    "charleso.wxr.xml.gz": {APPROVED: 33},
    "wptt.wxr.xml.gz": {APPROVED: 25, PENDING: 3, "pingback": 2, "trackback": 2},  # 32
    "cc-archive.wxr.xml.gz": {APPROVED: 119, "pingback": 62},  # 181
    "yesilmavihayat.disqus.xml": {APPROVED: 49, "deleted": 2},  # 51
    "isso-tests-wordpress.xml": {APPROVED: 8},
    "isso-tests-disqus.xml": {APPROVED: 5, "deleted": 1},
    "remark42-disqus.xml": {APPROVED: 5, SPAM: 1},
}
UNLINKED = {"isso-tests-disqus.xml": {"1337"}}  # a post of a thread that is not in the file


@pytest.fixture
def records(shared):
    """Read one of the archives."""

    def read(name):
        file = ArchiveFile(shared / "archives" / name)
        return list(find_format(file).read(file))

    return read


@pytest.mark.parametrize("name", REAL)
def test_every_comment_of_a_real_archive_is_read(records, name):
    found = Counter(
        (one.status if isinstance(one, CommentRecord) else one.reason).value
        for one in records(name)
        if isinstance(one, CommentRecord | LeftOut)
    )
    assert found == REAL[name]


@pytest.mark.parametrize("name", REAL)
def test_every_comment_has_its_own_id_and_a_thread_with_a_link(records, name):
    found = records(name)
    comments = [one for one in found if isinstance(one, CommentRecord)]
    threads = {one.id for one in found if not isinstance(one, CommentRecord | LeftOut) and one.links}
    assert len({comment.id for comment in comments}) == len(comments)
    assert {comment.thread for comment in comments} - threads == UNLINKED.get(name, set())
    assert all(comment.created_at for comment in comments if comment.id != "x299986073")


def test_their_oddities_are_kept(records):
    dmacvicar = [one for one in records("dmacvicar.wxr.xml.gz") if isinstance(one, CommentRecord)]
    assert sum(not comment.text for comment in dmacvicar) == 1
    assert sum(comment.email is None for comment in dmacvicar) == 576
    artigos = Counter(one.thread for one in records("artigos.wxr.xml.gz") if isinstance(one, CommentRecord))
    assert len(artigos) == 21
    assert max(artigos.values()) == 186


def test_replies_may_come_before_their_parent(records):
    seen, early = set(), 0
    comments = [one for one in records("chrisjrob.wxr.xml.gz") if isinstance(one, CommentRecord)]
    ids = {comment.id for comment in comments}
    for comment in comments:
        early += comment.parent in ids - seen
        seen.add(comment.id)
    assert early == 21
