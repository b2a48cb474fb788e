"""Bloggers bring the comments of WordPress, as its export has them."""

from datetime import UTC, datetime

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import wxr
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Repair
from commentsvc.domain.models import Status
from tests.archives.xml_files import (
    ITEM,
    WORDPRESS,
    comments_of,
    left_out_of,
    read,
    threads_of,
    wordpress,
    wordpress_comment,
)

NOON = datetime(2020, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def find(tmp_path):
    """Read an export with these comments."""
    return lambda *comments: read(wxr, tmp_path, wordpress(*comments))


def only(records):
    [comment] = comments_of(records)
    return comment


def test_a_comment_is_read_with_all_that_wordpress_knows_of_it(find):
    records = find(wordpress_comment(comment_id="2", comment_parent="1", comment_user_id="3"))
    assert only(records) == CommentRecord(
        id="2",
        thread="7",
        text="Nice roses!",
        markup=Markup.WORDPRESS,
        name="Ada",
        parent="1",
        author="3",
        email="ada@example.org",
        website="https://ada.example/",
        address="192.0.2.7",
        created_at=NOON,
        status=Status.APPROVED,
    )
    [thread] = threads_of(records)
    assert (thread.id, thread.title, thread.is_closed) == ("7", "Roses & tulips", False)
    assert thread.links == ("https://garden.example/2020/roses/", "https://garden.example/?p=7")


def test_pings_are_left_out_by_reason_and_their_replies_find_the_parent(find):
    pings = [
        wordpress_comment(comment_id="2", comment_type="pingback", comment_parent="1"),
        wordpress_comment(comment_id="3", comment_type="trackback"),
        wordpress_comment(comment_id="4", comment_type="comment"),
    ]
    records = find(*pings)
    assert only(records).id == "4"
    assert left_out_of(records) == [LeftOutReason.PINGBACK, LeftOutReason.TRACKBACK]
    assert LeftOut(reason=LeftOutReason.PINGBACK, id="2", parent="1") in records


@pytest.mark.parametrize(
    ("approved", "status"),
    [
        ("1", Status.APPROVED),
        ("0", Status.PENDING),
        ("spam", Status.SPAM),
        ("trash", Status.TRASH),
        ("post-trashed", Status.TRASH),
        ("<![CDATA[1]]>", Status.APPROVED),
        ("a-plugin's-own", Status.PENDING),
        ("", Status.PENDING),
    ],
)
def test_statuses_keep_their_meaning_and_unknown_ones_wait(find, approved, status):
    assert only(find(wordpress_comment(comment_approved=approved))).status == status


def test_notes_of_plugins_wait_and_reviews_do_not(find):
    kinds = ("review", "order_note", "action_log")
    notes = [wordpress_comment(comment_id=str(number), comment_type=kind) for number, kind in enumerate(kinds, 1)]
    spam = wordpress_comment(comment_id="9", comment_type="order_note", comment_approved="spam")
    found = [comment.status for comment in comments_of(find(*notes, spam))]
    assert found == [Status.APPROVED, Status.PENDING, Status.PENDING, Status.SPAM]


def test_likes_and_mentions_of_other_pages_are_pings(find):
    records = find(wordpress_comment(comment_type="like"), wordpress_comment(comment_id="2", comment_type="webmention"))
    assert left_out_of(records) == [LeftOutReason.PINGBACK] * 2


@pytest.mark.parametrize(
    ("gmt", "local", "created_at"),
    [
        ("2020-05-01 12:00:00", "2020-05-01 14:00:00", NOON),
        ("0000-00-00 00:00:00", "2020-05-01 14:00:00", datetime(2020, 5, 1, 14)),  # noqa: DTZ001 -- the import knows the zone
        ("", "2020-05-01 14:00:00", datetime(2020, 5, 1, 14)),  # noqa: DTZ001
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00", None),
        ("-0001-11-30 00:00:00", "0001-01-01 00:00:00", None),
        ("yesterday", "9999-12-31 23:59:59", None),
        ("Fri, 01 May 2020 14:00:00 +0200", "", NOON),
        ("2020-5-1 12:00", "", NOON),
    ],
)
def test_the_time_in_gmt_counts_and_then_the_local_one(find, gmt, local, created_at):
    assert only(find(wordpress_comment(comment_date_gmt=gmt, comment_date=local))).created_at == created_at


def test_names_titles_and_websites_are_decoded_from_html_once(find):
    comment = only(
        find(
            wordpress_comment(
                comment_author="<![CDATA[O&#039;Neil &amp; Sons &amp;lt;3]]>",
                comment_author_url="http://a.example/?x=1&amp;y=2",
            )
        )
    )
    assert comment.name == "O'Neil & Sons &lt;3"
    assert comment.website == "http://a.example/?x=1&y=2"


def test_a_closed_post_is_a_closed_thread(tmp_path):
    text = wordpress(wordpress_comment()).replace(">open<", ">closed<")
    assert threads_of(read(wxr, tmp_path, text))[0].is_closed


@pytest.mark.parametrize(
    ("link", "links"),
    [
        ("https://garden.example/?p=7", ("https://garden.example/?p=7", "https://garden.example/roses/")),
        ("", ("https://garden.example/?p=7", "https://garden.example/roses/")),
        ("/roses?a=1&#038;b=2", ("/roses?a=1&b=2", "https://garden.example/?p=7", "https://garden.example/roses/")),
    ],
)
def test_a_post_without_a_path_has_its_name_as_one(tmp_path, link, links):
    text = wordpress(wordpress_comment()).replace("https://garden.example/2020/roses/", link)
    assert threads_of(read(wxr, tmp_path, text))[0].links == links


def test_a_post_without_comments_is_a_thread_and_a_menu_item_is_none(tmp_path):
    menu = ITEM.format(comments="").replace(">post<", ">nav_menu_item<").replace(">7<", ">8<")
    records = read(wxr, tmp_path, WORDPRESS.format(items=ITEM.format(comments="") + menu))
    assert [thread.id for thread in threads_of(records)] == ["7"]


def test_a_picture_with_comments_is_a_thread(tmp_path):
    text = wordpress(wordpress_comment()).replace(">post<", ">attachment<")
    assert len(threads_of(read(wxr, tmp_path, text))) == 1


def test_posts_without_number_keep_their_comments_apart(tmp_path):
    one = ITEM.replace("<wp:post_id>7</wp:post_id>", "")
    items = "".join(
        one.replace("/2020/roses/", f"/{name}/").format(comments=wordpress_comment(comment_id=str(number)))
        for number, name in enumerate(("a", "b"), 1)
    )
    records = read(wxr, tmp_path, WORDPRESS.format(items=items))
    assert [comment.thread for comment in comments_of(records)] == [thread.id for thread in threads_of(records)]
    assert len({thread.id for thread in threads_of(records)}) == 2


def test_two_blogs_in_one_file_keep_all_comments(tmp_path):
    other = ITEM.replace(">7<", ">8<").format(comments=wordpress_comment(comment_id="1"))
    text = WORDPRESS.format(items=ITEM.format(comments=wordpress_comment(comment_id="1")) + other)
    assert [comment.id for comment in comments_of(read(wxr, tmp_path, text))] == ["1", "1 8"]


def test_a_comment_outside_of_posts_has_no_thread(tmp_path):
    records = read(wxr, tmp_path, WORDPRESS.format(items=wordpress_comment()))
    assert left_out_of(records) == [LeftOutReason.BAD_THREAD]


def test_a_comment_without_number_is_unreadable(find):
    records = find(wordpress_comment(comment_id=""), wordpress_comment())
    assert left_out_of(records) == [LeftOutReason.UNREADABLE]
    assert only(records).id == "1"


def test_control_characters_are_dropped_and_counted(find):
    comment = only(find(wordpress_comment(comment_content="<![CDATA[a\x1b[0m\x00b]]>")))
    assert comment.text == "a[0mb"
    assert comment.repairs == (Repair.CONTROL_CHARACTERS,)
    assert only(find(wordpress_comment(comment_content="a&#8;b"))).repairs == (Repair.CONTROL_CHARACTERS,)


@pytest.mark.parametrize(
    ("blog", "source"),
    [
        ("<wp:base_blog_url>https://Garden.example/blog</wp:base_blog_url>", "wxr/garden.example"),
        ("<wp:base_blog_url><![CDATA[https://a.example]]></wp:base_blog_url>", "wxr/a.example"),
        ("<link>https://b.example/</link>", "wxr/b.example"),
        ("<wp:base_blog_url>https://[broken/</wp:base_blog_url>", "wxr"),
        ("", "wxr"),
    ],
)
def test_the_source_is_named_after_the_host_of_the_blog(tmp_path, blog, source):
    path = tmp_path / "archive.xml"
    path.write_text(f'<rss xmlns:wp="http://wordpress.org/export/1.0/"><channel>{blog}<item></item></channel></rss>')
    assert find_format(ArchiveFile(path)) is wxr.FORMAT
    assert wxr.name_source(ArchiveFile(path)) == source


@pytest.mark.parametrize("version", ["http://wordpress.org/export/1.0/", "https://wordpress.org/export/1.2/"])
def test_any_version_is_recognised(tmp_path, version):
    path = tmp_path / "archive.xml"
    path.write_text(f'<rss version="2.0" xmlns:wp="{version}"><channel></channel></rss>')
    assert find_format(ArchiveFile(path)) is wxr.FORMAT
