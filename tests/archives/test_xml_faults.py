"""Files that are no correct XML lose no comment."""

import pytest

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.formats import disqus as disqus_format
from commentsvc.archives.formats import wxr
from commentsvc.archives.records import LeftOutReason
from tests.archives.xml_files import (
    ITEM,
    WORDPRESS,
    comments_of,
    disqus,
    disqus_post,
    left_out_of,
    read,
    wordpress,
    wordpress_comment,
)


@pytest.fixture
def texts(tmp_path):
    """Return the texts of the comments in an export of WordPress."""
    return lambda text: [comment.text for comment in comments_of(read(wxr, tmp_path, text))]


@pytest.fixture
def content(texts):
    """Return the text of a comment with this content."""
    return lambda xml: texts(wordpress(wordpress_comment(comment_content=xml)))[0]


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("plain &lt;b&gt; &amp;amp; &#x263a;&#9731; &eacute;", "plain <b> &amp; ☺☃ é"),
        ("&unknown; & &#99999999; &#0;", "&unknown; & &#99999999;"),
        ("<![CDATA[a ]]]]><![CDATA[> b]]>", "a ]]> b"),
        ("<![CDATA[a]]><![CDATA[b]]>", "ab"),
        ("<![CDATA[a &amp; ]]>&amp;<![CDATA[ &amp; b]]>", "a &amp; & &amp; b"),
        ("\n  <![CDATA[\n a\n b \n]]>\n  ", "a\n b"),
        ("a<!-- no -->b<?php no ?>c", "abc"),
        ("<p>not <b>escaped</b></p>", "<p>not <b>escaped</b></p>"),
        ("<![CDATA[old ]]> export]]>", "old ]]> export"),  # WordPress 2 does not escape it
        ("<![CDATA[<script>//<![CDATA[\nx //]]></script> y]]>", "<script>//<![CDATA[\nx //]]></script> y"),
        ("<![CDATA[<wp:comment><wp:comment_id>9</item>]]>", "<wp:comment><wp:comment_id>9</item>"),
        ("<![CDATA[a\r\nb\rc]]>", "a\nb\nc"),
        ("<![CDATA[]]>", ""),
    ],
)  # fmt: skip
def test_content_is_decoded_once_however_it_is_written(content, xml, text):
    assert content(xml) == text


def test_cdata_that_ends_inside_a_post_hides_no_comment(texts):
    post = "<![CDATA[ <script>//<![CDATA[ x //]]></script> <title>No</title> <br> <!-- more <wp:comment> & ]]>"
    text = wordpress(wordpress_comment()).replace("<![CDATA[A post.]]>", post)
    assert texts(text) == ["Nice roses!"]


@pytest.mark.parametrize("prefix", ["", "wp:", "unknown-1.x:"])
def test_any_prefix_is_read_whether_it_is_declared_or_not(texts, prefix):
    text = wordpress(wordpress_comment()).replace("<wp:", f"<{prefix}").replace("</wp:", f"</{prefix}")
    assert texts(text) == ["Nice roses!"]


def test_undeclared_prefixes_attributes_and_spaces_in_tags_are_read(texts):
    text = wordpress(wordpress_comment(), wordpress_comment(comment_id="2"))
    text = text.replace("<wp:comment>", "<wp:comment\n x='>' q:y=\"/>\" z=1 >").replace("_content>", "_content\t>")
    assert texts(text) == ["Nice roses!"] * 2


def test_a_missing_end_tag_loses_no_neighbour(texts, tmp_path):
    first = wordpress_comment().replace("</wp:comment_author>", "").replace("</wp:comment>", "")
    text = wordpress(first, wordpress_comment(comment_id="2").replace("</wp:comment_type>", ""))
    text = text.replace("</item>", "") + text.replace(">1<", ">4<").replace(">2<", ">5<")
    assert texts(text) == ["Nice roses!"] * 4
    assert {comment.name for comment in comments_of(read(wxr, tmp_path, text))} == {"Ada"}


def test_a_comment_that_never_ends_hides_nothing(texts):
    assert texts(wordpress(f"<!-- {wordpress_comment()}")) == ["Nice roses!"]
    assert texts(wordpress(f"<!-- {wordpress_comment()} -->")) == []


def test_values_of_a_pretty_printed_file_are_trimmed(tmp_path):
    text = wordpress(wordpress_comment()).replace("</wp:", "\n\t </wp:").replace("<![CDATA[", "\n\t<![CDATA[")
    [comment] = comments_of(read(wxr, tmp_path, text))
    assert (comment.id, comment.name, comment.email, comment.text) == ("1", "Ada", "ada@example.org", "Nice roses!")
    assert comment.parent is None


CHARSETS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-1", "windows-1252", "koi8-r")


@pytest.mark.parametrize("charset", CHARSETS)
def test_any_charset_that_is_marked_or_declared_is_read(tmp_path, charset):
    word = "Жук" if charset == "koi8-r" else "Käfer"
    text = wordpress(wordpress_comment(comment_content=word)).replace('"UTF-8"', f"'{charset}'")
    [comment] = comments_of(read(wxr, tmp_path, text.encode(charset)))
    assert comment.text == word


def test_a_file_that_declares_utf_16_and_is_not_is_read_as_utf_8(tmp_path):
    text = wordpress(wordpress_comment(comment_content="Käfer")).replace("UTF-8", "UTF-16")
    assert comments_of(read(wxr, tmp_path, text))[0].text == "Käfer"


@pytest.mark.parametrize("name", ["zlib", "unicode_escape", "rot13", "x-of-nobody"])
def test_a_charset_that_is_none_is_refused_with_a_cure(tmp_path, name):
    with pytest.raises(UnreadableArchive, match="Convert the file to UTF-8"):
        read(wxr, tmp_path, wordpress().replace("UTF-8", name))


def test_bytes_that_are_no_utf_8_are_read_as_windows_1252(tmp_path):
    content = b"<![CDATA[K\xe4fer \x96 K\xc3\xa4fer \x81 \xe2\x82]]>"
    text = wordpress(wordpress_comment(comment_content="HERE")).encode().replace(b"HERE", content)
    assert comments_of(read(wxr, tmp_path, text))[0].text == "Käfer – Käfer \ufffd â‚"


def test_entities_of_the_document_are_not_expanded(tmp_path):
    bomb = '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>\n<rss'
    text = wordpress(wordpress_comment(comment_content="&b;&c;")).replace("<rss", bomb)
    assert comments_of(read(wxr, tmp_path, text))[0].text == "&b;&c;"


@pytest.mark.parametrize("share", [0.35, 0.5, 0.7, 0.9, 0.99])
def test_a_file_that_is_cut_has_its_complete_comments_and_one_unreadable(tmp_path, share):
    text = wordpress(*(wordpress_comment(comment_id=str(number)) for number in range(1, 11)))
    cut = text[: int(len(text) * share)]
    records = read(wxr, tmp_path, cut)
    assert len(comments_of(records)) == cut.count("</wp:comment>")
    assert left_out_of(records) == [LeftOutReason.UNREADABLE]
    posts = disqus(*(disqus_post(str(number)) for number in range(1, 11)))
    cut = posts[: int(len(posts) * share)]
    records = read(disqus_format, tmp_path, cut)
    assert len(comments_of(records)) == cut.count("</post>")
    assert left_out_of(records) == [LeftOutReason.UNREADABLE]


def test_fields_may_cross_the_pieces_in_which_a_file_is_read(tmp_path):
    comments = [
        wordpress_comment(comment_id=str(number), comment_content=f"<![CDATA[{'ab]' * number} {number}]]>")
        for number in range(1, 700)
    ]
    found = comments_of(read(wxr, tmp_path, wordpress(*comments)))
    assert [comment.text for comment in found] == [f"{'ab]' * number} {number}" for number in range(1, 700)]


def test_files_that_were_joined_are_read_whole(texts):
    first = wordpress(wordpress_comment())
    assert texts(first + WORDPRESS.format(items=ITEM.format(comments=wordpress_comment(comment_id="2")))) == [
        "Nice roses!",
        "Nice roses!",
    ]
