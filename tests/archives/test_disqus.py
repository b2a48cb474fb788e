"""Bloggers bring the comments of Disqus, as its export has them."""

from datetime import UTC, datetime

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import disqus as disqus_format
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup
from commentsvc.domain.models import Status
from tests.archives.xml_files import comments_of, disqus, disqus_post, left_out_of, read, threads_of


@pytest.fixture
def find(tmp_path):
    """Read an export with these posts."""
    return lambda *posts: read(disqus_format, tmp_path, disqus(*posts))


def only(records):
    [comment] = comments_of(records)
    return comment


def test_a_comment_is_read_with_all_that_disqus_exports(find):
    records = find(disqus_post(message="<![CDATA[<p>Nice <b>roses</b>!</p>]]>", more='<parent dsq:id="19" />'))
    assert only(records) == CommentRecord(
        id="20",
        thread="10",
        text="<p>Nice <b>roses</b>!</p>",
        markup=Markup.HTML,
        name="Ada",
        parent="19",
        author="ada",
        created_at=datetime(2020, 5, 1, 12, tzinfo=UTC),
    )
    [thread] = threads_of(records)
    assert (thread.id, thread.links, thread.title) == ("10", ("https://garden.example/roses",), "Roses")


def test_old_exports_name_email_address_and_website(find):
    post = disqus_post().replace(
        "<name>Ada</name>",
        "<email>ada@example.org</email><name>Ada</name><link>https://ada.example</link>",
    )
    comment = only(find(post.replace("</author>", "</author><ipAddress>192.0.2.7</ipAddress>")))
    assert (comment.email, comment.website, comment.address) == ("ada@example.org", "https://ada.example", "192.0.2.7")


def test_what_was_deleted_is_left_out_and_spam_stays_spam(find):
    records = find(
        disqus_post("20", is_deleted="true", more='<parent dsq:id="19"/>'),
        disqus_post("21", is_spam="true"),
        disqus_post("22", more="<isApproved>false</isApproved>"),
    )
    assert LeftOut(reason=LeftOutReason.DELETED, id="20", parent="19") in records
    assert [comment.status for comment in comments_of(records)] == [Status.SPAM, Status.PENDING]


def test_comments_of_a_deleted_thread_are_left_out(find):
    thread = '<thread dsq:id="11"><id/><link>https://garden.example/x</link><isDeleted>true</isDeleted></thread>'
    records = find(thread, disqus_post("20", thread="11"), disqus_post("21"))
    assert left_out_of(records) == [LeftOutReason.DELETED]
    assert [thread.id for thread in threads_of(records)] == ["10"]


def test_a_thread_may_come_after_its_comments_and_have_an_address_as_its_id(find):
    thread = '<thread dsq:id="11"><id>198 http://garden.example/?p=198</id><link/></thread>'
    records = find(disqus_post(thread="11"), thread)
    assert threads_of(records)[-1].links == ("http://garden.example/?p=198",)


def test_a_thread_without_a_link_may_have_a_path_as_its_id(find):
    threads = threads_of(find('<thread dsq:id="11"><id>/2020/roses</id><link/></thread>', disqus_post(thread="11")))
    assert threads[-1].links == ("/2020/roses",)


def test_several_threads_of_one_page_stay_several(find):
    thread = '<thread dsq:id="11"><id>other</id><link>https://garden.example/roses</link></thread>'
    threads = threads_of(find(thread, disqus_post(), disqus_post("21", thread="11")))
    assert [thread.id for thread in threads] == ["10", "11"]
    assert len({thread.links for thread in threads}) == 1


def test_an_empty_message_is_an_empty_text(find):
    post = disqus_post().replace("<message>Nice roses!</message>", "<message/>")
    assert only(find(post)).text == ""


def test_a_reference_may_have_an_end_tag_or_no_quotes(find):
    references = [
        '<thread dsq:id="10"></thread>',
        "<thread dsq:id=10/>",
        "<thread id='10' />",
        '<dsq:thread dsq:id = "10" />',
    ]
    posts = [
        disqus_post(str(number)).replace('<thread dsq:id="10" />', one) for number, one in enumerate(references, 20)
    ]
    assert [comment.thread for comment in comments_of(find(*posts))] == ["10"] * 4


def test_a_post_without_its_attribute_has_its_old_id_and_without_any_is_unreadable(find):
    old = disqus_post().replace('<post dsq:id="20"><id />', "<post><id>77</id>")
    none = disqus_post().replace('<post dsq:id="20">', "<post>")
    records = find(old, none)
    assert only(records).id == "77"
    assert left_out_of(records) == [LeftOutReason.UNREADABLE]


def test_links_that_disqus_counts_lead_to_their_target_again(find):
    link = "http://disq.us/url?url=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%3A2vYBmjfNZmCLdKnSXgeYDJUbEOw&amp;cuid=5108"
    message = f'<![CDATA[<p><a href="{link}" rel="nofollow">a.example</a> and http://disq.us/p/1abc</p>]]>'
    assert only(find(disqus_post(message=message))).text == (
        '<p><a href="https://a.example/?x=1&amp;y" rel="nofollow">a.example</a> and http://disq.us/p/1abc</p>'
    )


def test_people_who_are_mentioned_have_their_names_alone(find):
    message = "<p>@some-one:disqus thanks, @other:disqus. See a@b:disqus, @b:disqus.example</p>"
    assert only(find(disqus_post(message=f"<![CDATA[{message}]]>"))).text == (
        "<p>@some-one thanks, @other. See a@b:disqus, @b:disqus.example</p>"
    )


def test_an_impossible_time_is_unknown_and_anonymous_writers_have_no_account(find):
    post = disqus_post().replace("2020-05-01T", "2020-x05-01T").replace("<isAnonymous>false", "<isAnonymous>true")
    comment = only(find(post))
    assert comment.created_at is None
    assert comment.author is None


def test_the_source_is_named_after_the_forum(tmp_path):
    path = tmp_path / "archive.xml"
    path.write_text(disqus())
    assert find_format(ArchiveFile(path)) is disqus_format.FORMAT
    assert disqus_format.name_source(ArchiveFile(path)) == "disqus/garden"
