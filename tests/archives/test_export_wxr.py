"""Bloggers can go back to WordPress: our export is its format, and well-formed whatever people wrote."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.archives.export_wxr import WxrComment, WxrPage, WxrSite, WxrThread, write_wxr
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import wxr
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.xml_values import CONTROLS
from commentsvc.domain.models import Status
from tests.archives.xml_files import comments_of, threads_of
from tests.conftest import MORE_EXAMPLES

WP = "{http://wordpress.org/export/1.2/}"
BERLIN = timezone(timedelta(hours=2))
NOON = datetime(2020, 5, 1, 14, tzinfo=BERLIN)
SITE = WxrSite(title="Garden & more", url="https://garden.example", written_at=NOON)


def thread(**changes):
    values = {
        "number": 7,
        "url": "https://garden.example/roses/?a=1&b=2",
        "title": "Roses",
        "is_closed": False,
        "created_at": NOON,
    }
    return WxrThread(**(values | changes))


def comment(**changes):
    values = {
        "number": 1,
        "parent": None,
        "name": "Ada",
        "email": "ada@example.org",
        "website": "https://ada.example/",
        "html": "<p>Nice roses!</p>",
        "status": Status.APPROVED,
        "created_at": NOON,
    }
    return WxrComment(**(values | changes))


async def write(*pages, with_emails=True):
    """Return the document."""

    async def all_pages():
        for page in pages:
            yield page

    return b"".join([piece async for piece in write_wxr(SITE, all_pages(), with_emails=with_emails)])


@pytest.fixture
def read_back(tmp_path):
    """Read a document with our reader, after a strict parser has accepted it."""

    def read(document):
        ET.fromstring(document)  # noqa: S314 -- it is our own
        path = tmp_path / "export.xml"
        path.write_bytes(document)
        assert find_format(ArchiveFile(path)) is wxr.FORMAT
        assert wxr.name_source(ArchiveFile(path)) == "wxr/garden.example"
        return list(wxr.read(ArchiveFile(path)))

    return read


async def test_what_is_written_is_read_back(read_back):
    comments = [comment(), comment(number=2, parent=1, website=None, status=Status.PENDING)]
    records = read_back(await write(WxrPage(thread=thread(is_closed=True), comments=comments)))
    [found] = threads_of(records)
    assert (found.id, found.title, found.is_closed) == ("7", "Roses", True)
    assert found.links[0] == "https://garden.example/roses/?a=1&b=2"
    first, second = comments_of(records)
    assert (first.name, first.email, first.website, first.text, first.status, first.created_at) == (
        "Ada",
        "ada@example.org",
        "https://ada.example/",
        "<p>Nice roses!</p>",
        Status.APPROVED,
        NOON,
    )
    assert (second.parent, second.website, second.status) == ("1", None, Status.PENDING)


async def test_a_thread_of_several_pages_is_one_post(read_back):
    pages = [
        WxrPage(thread=thread(), comments=[comment()]),
        WxrPage(thread=thread(), comments=[comment(number=2)]),
        WxrPage(thread=thread(number=8, title=None), comments=[]),
        WxrPage(thread=thread(number=9), comments=[comment(number=3)]),
    ]
    records = read_back(await write(*pages))
    assert [one.id for one in threads_of(records)] == ["7", "8", "9"]
    assert [(one.id, one.thread) for one in comments_of(records)] == [("1", "7"), ("2", "7"), ("3", "9")]


async def test_a_site_without_comments_is_a_document():
    assert ET.fromstring(await write()).findall("channel/item") == []  # noqa: S314 -- it is our own


async def test_addresses_are_left_out_unless_they_are_asked_for():
    document = await write(WxrPage(thread=thread(), comments=[comment()]), with_emails=False)
    assert b"ada@example.org" not in document


async def test_wordpress_gets_its_own_words_for_statuses_and_local_and_universal_times():
    comments = [comment(number=number, status=status) for number, status in enumerate(Status, 1)]
    root = ET.fromstring(await write(WxrPage(thread=thread(), comments=comments)))  # noqa: S314 -- it is our own
    found = {one.findtext(f"{WP}comment_approved") for one in root.iter(f"{WP}comment")}
    assert found == {"1", "0", "spam", "trash"}
    first = next(root.iter(f"{WP}comment"))
    assert first.findtext(f"{WP}comment_date") == "2020-05-01 14:00:00"
    assert first.findtext(f"{WP}comment_date_gmt") == "2020-05-01 12:00:00"
    assert root.findtext(f"channel/item/{WP}post_name") == "roses"


async def test_line_breaks_of_html_are_none_in_wordpress_except_in_code(read_back):
    html = "<p>one\ntwo<br />\nthree</p>\n<pre><code>a\n  b\n</code></pre>\n<p>end</p>\n"
    [found] = comments_of(read_back(await write(WxrPage(thread=thread(), comments=[comment(html=html)]))))
    assert found.text == "<p>one two<br /> three</p> <pre><code>a\n  b\n</code></pre> <p>end</p>"


PIECES = st.sampled_from([*"ab<>&;]['\"\x00\x1b\ufffe é😀", "]]>", "<![CDATA[", "&amp;"])
WORDS = st.lists(PIECES, max_size=12).map("".join)


@given(WORDS, WORDS, WORDS)
@settings(
    max_examples=60 * MORE_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_text_breaks_the_document(read_back, name, title, html):
    one = comment(name=name, html=html, website="https://a.example/]]>?" + title)
    records = read_back(await write(WxrPage(thread=thread(title=title or None), comments=[one])))
    [found] = comments_of(records)
    assert found.name == CONTROLS.sub("", name).strip()
    assert found.text == CONTROLS.sub("", html).strip()


async def test_times_in_universal_time_stay_so(read_back):
    moment = datetime(2020, 5, 1, 12, tzinfo=UTC)
    records = read_back(await write(WxrPage(thread=thread(), comments=[comment(created_at=moment)])))
    assert comments_of(records)[0].created_at == moment
