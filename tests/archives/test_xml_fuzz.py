"""Whatever is written into an export is read back, and whatever the bytes are, reading ends."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import disqus as disqus_format
from commentsvc.archives.formats import wxr
from commentsvc.archives.xml_values import CONTROLS, read_content
from tests.archives.xml_files import comments_of, disqus, disqus_post, read, wordpress, wordpress_comment
from tests.conftest import MORE_EXAMPLES


def examples(count):
    return settings(
        max_examples=count * MORE_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


MARKS = ("]]>", "]]", "]", ">", "<![CDATA[", "&", "&amp;", "<", "</wp:comment>", "<item>", "<!--", "-->", "<?", "\n")
NASTY = st.sampled_from((*MARKS, " ", "é", "😀"))
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)
TEXTS = st.lists(NASTY | LETTERS, max_size=8).map("".join)
SPACES = st.text(" \t\n", max_size=3)


def as_section(text):
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def as_entities(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_numbers(text):
    return "".join(f"&#x{ord(letter):x};" if letter in "&<>]" else f"&#{ord(letter)};" for letter in text)


@st.composite
def written(draw, texts=TEXTS):
    """Draw a text, and one of the ways to write it as XML."""
    pieces = draw(st.lists(texts, max_size=4))
    encoders = [draw(st.sampled_from((as_section, as_entities, as_numbers))) for _ in pieces]
    xml = "".join(encode(piece) for encode, piece in zip(encoders, pieces, strict=True))
    return "".join(pieces).strip(" \t\r\n"), draw(SPACES) + xml + draw(SPACES)


@given(written())
@example(("a]]>b", "<![CDATA[a]]]]><![CDATA[>b]]>"))
@examples(300)
def test_content_is_read_as_a_strict_parser_reads_it(pair):
    text, xml = pair
    strict = ET.fromstring(f"<a>{xml}</a>").text or ""  # noqa: S314 -- it is our own
    assert strict.strip(" \t\r\n") == text
    assert read_content(xml) == text


@given(st.lists(st.tuples(written(), written(), st.booleans(), st.text(" \n", max_size=2)), min_size=1, max_size=4))
@examples(100)
def test_any_record_that_is_written_is_read_back(tmp_path, rows):
    comments = [
        wordpress_comment(comment_id=f"{space}{number}", comment_content=content[1], comment_author_email=email[1])
        for number, (content, email, _, space) in enumerate(rows, 1)
    ]
    text = wordpress(*(one.replace("\n", "") if row[2] else one for one, row in zip(comments, rows, strict=True)))
    if any(row[2] for row in rows):  # line breaks in the values are gone too
        text = wordpress(*comments)
    found = comments_of(read(wxr, tmp_path, text))
    assert [(one.text, one.email or "") for one in found] == [(row[0][0], row[1][0]) for row in rows]
    assert [one.id for one in found] == [str(number) for number in range(1, len(rows) + 1)]


@given(written())
@examples(100)
def test_any_message_of_disqus_is_read_back(tmp_path, pair):
    [comment] = comments_of(read(disqus_format, tmp_path, disqus(disqus_post(message=pair[1]))))
    assert comment.text == pair[0]


VALID = [
    wordpress(*(wordpress_comment(comment_id=str(number)) for number in range(1, 4))).encode(),
    disqus(*(disqus_post(str(number), "<![CDATA[<p>a</p>]]>") for number in range(20, 24))).encode(),
    wordpress(wordpress_comment()).encode("utf-16"),
]
TOKENS = [
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<",
    b">",
    b"\x00",
    b"\xff\xfe",
    b"&#0;",
    b"</item>",
    b"<post ",
    b'"',
    b"/>",
]


def read_all(path: Path) -> None:
    """Read a file in all ways. The only error that anybody may see is ours."""
    file = ArchiveFile(path)
    for one in (wxr.FORMAT, disqus_format.FORMAT):
        try:
            one.matches(file, file.head())
            one.name_source(file)
            for record in one.read(file):
                assert not CONTROLS.search(str(record))
        except UnreadableArchive:
            pass


@given(st.binary(max_size=300) | st.lists(st.sampled_from(TOKENS) | st.binary(max_size=5), max_size=40).map(b"".join))
@example(b"\x1f\x8b")
@example(b"\x1f\x8b\x08\x00")
@examples(300)
def test_any_bytes_are_read_or_refused(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    read_all(tmp_path / "a")


@given(
    st.sampled_from(VALID),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(TOKENS) | st.binary(max_size=4)), max_size=5
    ),
    st.floats(0, 1),
)
@examples(300)
def test_any_change_of_a_good_file_is_read_or_refused(tmp_path, data, changes, end):
    for place, length, new in changes:
        position = int(place * len(data))
        data = data[:position] + new + data[position + length :]
    (tmp_path / "a").write_bytes(data[: int(len(data) * (end + 0.5))])
    read_all(tmp_path / "a")


@pytest.mark.parametrize("size", range(0, 1200, 7))
def test_any_beginning_of_a_file_is_read(tmp_path, size):
    (tmp_path / "a").write_bytes(VALID[0][:size])
    read_all(tmp_path / "a")
