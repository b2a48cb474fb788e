"""Texts of archives become Markdown, and readers see every word that they saw before."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.archives.html_tree import BLOCKS
from commentsvc.archives.markup import convert, drop_pictures
from commentsvc.archives.records import Markup
from commentsvc.domain import markdown
from commentsvc.domain.visible_text import plain_text
from tests.conftest import MORE_EXAMPLES

HTML, WORDPRESS, PLAIN = Markup.HTML, Markup.WORDPRESS, Markup.PLAIN


@pytest.mark.parametrize(
    ("written", "markup", "text"),
    [
        ("<p>One<br>two</p><p>three</p>", HTML, "One\ntwo\n\nthree"),
        ("One\ntwo\n\nthree", WORDPRESS, "One\ntwo\n\nthree"),
        ("One\ntwo", HTML, "One two"),
        ("a <b>bold</b> <i>word</i> <s>gone</s>", HTML, "a **bold** *word* ~~gone~~"),
        ("<strong>bold </strong>word", HTML, "**bold** word"),
        ('<a href="https://a.example/x_y">here</a>', HTML, "[here](<https://a.example/x_y>)"),
        ('<a href="https://a.example/x_y">https://a.example/x_y</a>', HTML, "https://a.example/x_y"),
        ('<a href="javascript:alert(1)">here</a>', HTML, "here"),
        ("use <code>a*b</code>", HTML, "use `a*b`"),
        ("Try <code>x = 1\n  y = 2</code> there", WORDPRESS, "Try\n\n```\nx = 1\n  y = 2\n```\n\nthere"),
        ("<pre><code>x = 1\n  y = 2</code></pre>", WORDPRESS, "```\nx = 1\n  y = 2\n```"),
        ("<blockquote>so\n\nit is</blockquote>yes", WORDPRESS, "> so\n>\n> it is\n\nyes"),
        ("<ul><li>one<li>two</ul>", HTML, "- one\n- two"),
        ("<ol><li>one</li><li>two</li></ol>", HTML, "1. one\n2. two"),
        ("<h2>Title</h2>text", HTML, "### Title\n\ntext"),
        ("1. no list\n# no title\n*no* _marks_", PLAIN, "1\\. no list\n\\# no title\n\\*no\\* \\_marks\\_"),
        ("a < b &amp;&amp; c", HTML, "a < b && c"),
        ("<script>alert(1)</script>text<style>p{}</style>", HTML, "text"),
        ("<p> </p>", HTML, ""),
        ("**as it is**", Markup.MARKDOWN, "**as it is**"),
        ("Tom &amp; Eve", PLAIN, "Tom \\&amp; Eve"),
    ],
)
def test_elements_become_markdown(written, markup, text):
    assert convert(written, markup) == (text, markdown.render(text) if text else "")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            '<p>From <b>Disqus</b></p><p>two<br>lines, <a href="https://a.example/">a link</a></p>',
            "From **Disqus**\n\ntwo\nlines, [a link](<https://a.example/>)",
        ),
        ("**Typed** and <del>struck</del>\nnext", "**Typed** and ~~struck~~\nnext"),
        ("> <i>quoted</i>\n\n- one<br/>two", "> *quoted*\n\n- one\n  two"),
        ("<pre>a\n  b</pre>", "```\na\n  b\n```"),
        (
            "<b>bold</b>, but Vector<int> and <script>x</script>",
            "**bold**, but Vector\\<int> and \\<script>x\\</script>",
        ),
        ("put it inside a <div>, *not* after", "put it inside a <div>, *not* after"),
        ("write `<b>bold</b>`\n\n    <br>", "write `<b>bold</b>`\n\n    <br>"),
        ("a < b and b > c *here*", "a < b and b > c *here*"),
        ("[@Mia](#62c7efa8): yes, [here](/about) and `[not](#here)`", "@Mia: yes, here and `[not](#here)`"),
        ("[@Mia](https://a.example/#b): *yes*", "[@Mia](https://a.example/#b): *yes*"),
        ("<p> </p>", ""),
    ],
)
def test_html_in_markdown_shows_what_readers_saw(written, text):
    assert convert(written, Markup.MIXED) == (text, markdown.render(text) if text else "")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("See ![a cat.png](data:image/png;base64,iVBORw0KGgo=) here", "See a cat.png here"),
        (
            '<img src="data:image/svg+xml;charset=utf-8;base64,PHN2Zz4" alt="a cat"> here',
            '<img src="" alt="a cat"> here',
        ),
        ("no data:image/png;base64,AA no", "no  no"),
        ("no data", "no data"),
    ],
)
def test_pictures_as_data_are_no_text(written, text):
    assert drop_pictures(written) == text


def test_a_mark_that_markdown_cannot_set_costs_no_word_and_no_list():
    text, shown = convert('<ul><li><b>"one"</b>two</li><li>three</li></ul>', HTML)
    assert (text, plain_text(shown)) == ('- "one"two\n- three', '"one"two\nthree')


WORDS = st.text(st.sampled_from("ab 12\n\t*_`[]()<>&;#!|~\\=+-.:/\"'éж漢\u200d"), max_size=12)
TAGS = [*sorted(BLOCKS), "b", "i", "em", "strong", "del", "code", "br", "a", "span", "q", "u", "img"]


def written_html(parts):
    shown = ""
    for tag, closes, text in parts:
        shown += f"</{tag}>" if closes else f'<{tag} href="https://a.example/">' if tag == "a" else f"<{tag}>"
        shown += html.escape(text)
    return shown


def letters(text):
    return re.sub(r"[\s\u200d]", "", text)


@given(
    st.lists(st.tuples(st.sampled_from(TAGS), st.booleans(), WORDS), max_size=12), st.sampled_from([HTML, WORDPRESS])
)
@settings(max_examples=200 * MORE_EXAMPLES, deadline=None)
def test_no_word_of_html_is_lost(parts, markup):
    text, shown = convert(written_html(parts), markup)
    visible = letters("".join(text for _, _, text in parts))
    quotes = letters(plain_text(shown)).replace("“", "").replace("”", "")
    assert quotes == visible
    assert shown == (markdown.render(text) if text else "")


@given(st.lists(st.tuples(st.sampled_from(["b", "i", "div", "script", "int", "a"]), st.booleans(), WORDS), max_size=8))
@settings(max_examples=100 * MORE_EXAMPLES, deadline=None)
def test_html_in_markdown_gives_one_text_for_one_html(parts):
    text, shown = convert("".join(f"<{'/' * closes}{tag}>{words}" for tag, closes, words in parts), Markup.MIXED)
    assert shown == (markdown.render(text) if text else "")
    assert not set(re.findall("<([a-z0-9]+)", shown)) - markdown.TAGS


@given(WORDS, st.sampled_from([PLAIN, WORDPRESS, HTML]))
@settings(max_examples=200 * MORE_EXAMPLES, deadline=None)
def test_no_character_of_plain_text_is_lost_or_gets_a_meaning(written, markup):
    text, shown = convert(written if markup is PLAIN else html.escape(written), markup)
    assert letters(plain_text(shown)) == letters(written)
    assert not set(re.findall("<([a-z]+)", shown)) - {"p", "br", "a"}
    assert shown == (markdown.render(text) if text else "")
