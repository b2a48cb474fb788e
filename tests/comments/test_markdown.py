"""Readers see everything that a commenter typed, with the links that were meant."""

import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.domain import markdown
from commentsvc.domain.visible_text import plain_text

LETTERS = {code: None for code in map(ord, string.printable) if chr(code) not in "abc"}
REL = ' rel="nofollow ugc noopener"'


def shown(text: str) -> str:
    """Return the HTML of a comment, without line ends and the ``rel`` of links."""
    return markdown.render(text).replace("\n", "").replace(REL, "")


def link(address: str, words: str | None = None) -> str:
    return f'<a href="{address}">{words or address}</a>'


@pytest.mark.parametrize(
    "text",
    [
        "[Mia]: Hello\n\nI agree with Mia",
        "[Mia]: https://example.com\n\nI agree",
        '[Mia]: /page "A title"\n\nI agree with [Mia]',
        "[Mia]: javascript:alert(1)\n\nI agree with [Mia]",
        "> [Mia]: Hello\n\nYes",
        "- [Mia]: Hello\n- [Jo]: Bye",
        "1. [Mia]: Hello",
        "[Mia]:\nHello\n\nYes",
        "[Mia\nJo]: Hello",
        "[Mia\nJo]:\nHello\n\nI agree with [Mia Jo]",
        "[Mia]: /page\n'A title\nof two lines'\n\nI agree",
        "> [Mia]:\n> Hello\n\nYes",
        "[Mia]: Hello\n[Jo]: Bye\n[Mia]: Again",
        "[]: x",
    ],
)
def test_readers_see_definitions_that_no_link_uses(text):
    read = " ".join(plain_text(markdown.render(text)).split())

    for word in text.replace(">", "").replace("- ", "").replace("1.", "").split():
        assert word in read


def test_readers_follow_the_definitions_that_links_use():
    assert shown("[a]: https://x.de\n[b]: https://y.de 'T'\n\nsee [b]") == (
        f'<p>[a]: {link("https://x.de")}</p><p>see <a href="https://y.de" title="T">b</a></p>'
    )
    assert shown("> [a]: x.de\n> [b]: y.de\n>\n> [b]") == (
        f"<blockquote><p>[a]: x.de</p><p>{link('https://y.de', 'b')}</p></blockquote>"
    )
    assert shown("[b]: https://y.de\n'hello'\n\n[b]") == f"<p>'hello'</p><p>{link('https://y.de', 'b')}</p>"
    assert shown("[b]: https://y.de\n[b]: https://z.de\n\n[b]") == (
        f"<p>[b]: {link('https://z.de')}</p><p>{link('https://y.de', 'b')}</p>"
    )


@pytest.mark.parametrize("text", ["***", "#", ">", "- ", "```", "&nbsp;", "[](<>)", "&#8203;"])
def test_readers_see_the_marks_of_a_comment_that_has_nothing_else(text):
    assert plain_text(shown(text)).strip()


def test_readers_see_the_text_after_a_code_fence():
    assert shown("```I agree with\nMia\n```") == "<pre><code>I agree withMia</code></pre>"
    assert shown("~~~Mia!\nx") == "<pre><code>Mia!x</code></pre>"
    assert shown("```python\nx\n```") == '<pre><code class="language-python">x</code></pre>'
    assert shown("Hello\n\n```thanks") == "<p>Hello</p><pre><code>thanks</code></pre>"
    assert shown("Hello\n\n```many thanks\n```") == "<p>Hello</p><pre><code>many thanks</code></pre>"


@pytest.mark.parametrize("around", ["{}", "> {}", "- {}", "1. {}", "> - {}", "words\n\n{}"])
@pytest.mark.parametrize(
    "first",
    [
        "<div>",
        "<pre>",
        "<script>",
        "<!-- x",
        "<?php",
        "<!DOCTYPE x",
        "<![CDATA[",
        "<x-y>",
        "</div>",
        "<div",
        "<b>",
        "<h1",
    ],
)
def test_typed_html_keeps_its_lines_and_paragraphs(first, around):
    lines = around.format(first).split("\n")
    indent = lines[-1][: -len(first)].replace("-", " ").replace("1.", "  ")
    text = "\n".join([*lines, f"{indent}a *b*", indent.rstrip(), f"{indent}c"])

    read = shown(text)

    typed = first.replace("<", "&lt;").replace(">", "&gt;")
    assert f"{typed}<br>a <em>b</em></p>" in read
    assert "<p>c</p>" in read


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("参见https://example.com/a。谢谢", "https://example.com/a"),
        ("（https://example.com/a）和", "https://example.com/a"),
        ("「https://example.com/a」と", "https://example.com/a"),
        ("“https://example.com/a”", "https://example.com/a"),
        ("«https://example.com/a»", "https://example.com/a"),
        ("https://example.com/a，谢谢", "https://example.com/a"),
        ("https://example.com/a,谢谢", "https://example.com/a"),
        ("https://example.com/a…", "https://example.com/a"),
        ("https://example.com谢谢", "https://example.com"),
        ("https://例え.jpです", "https://%E4%BE%8B%E3%81%88.jp"),
        ("https://example.com;x", "https://example.com"),
        ("https://example.com/a～", "https://example.com/a"),
        ("https://example.com/a\u3000b", "https://example.com/a"),
        ("(https://example.com/a_(b)).", "https://example.com/a_(b)"),
        ('"https://example.com/a",he', "https://example.com/a"),
        ("[https://example.com/a] x", "https://example.com/a"),
        ("https://example.com/?a[]=1&b[]=2!", "https://example.com/?a[]=1&amp;b[]=2"),
        ("**https://example.com/__init__.py**这", "https://example.com/__init__.py"),
        ("Https://example.com/a", "Https://example.com/a"),
        ("HTTP://EXAMPLE.COM", "HTTP://EXAMPLE.COM"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
    ],
)
def test_a_bare_link_ends_where_its_address_ends(text, address):
    read = shown(text)

    assert f'<a href="{address}">' in read
    assert read.count("<a ") == 1
    assert plain_text(read) == text.replace("**", "")


def test_links_with_only_a_comma_between_them_are_two_links():
    assert shown("https://x.de,https://y.de") == f"<p>{link('https://x.de')},{link('https://y.de')}</p>"
    assert shown("https://x.de/a,www.y.de/b,c") == (
        f"<p>{link('https://x.de/a')},{link('https://www.y.de/b,c', 'www.y.de/b,c')}</p>"
    )
    assert shown("https://a,b@x.de/c,d") == f"<p>{link('https://a,b@x.de/c,d')}</p>"


def test_a_bare_link_may_have_letters_of_every_script():
    assert shown("https://zh.wikipedia.org/wiki/首页") == (
        f"<p>{link('https://zh.wikipedia.org/wiki/%E9%A6%96%E9%A1%B5', 'https://zh.wikipedia.org/wiki/首页')}</p>"
    )
    assert shown("参见www.example.com。") == f"<p>参见{link('https://www.example.com', 'www.example.com')}。</p>"


def test_nothing_shows_letters_in_reverse_order():
    assert shown("\u202eonisac &#x202e;onisac &#x202d;x `\u202ey`") == "<p>onisac onisac x <code>y</code></p>"


@pytest.mark.parametrize(
    "text",
    [
        "mia@example.com", "<mia@example.com>", "mailto:mia@example.com", "<mailto:mia@example.com>",
        "@mia@mastodon.social", "git@github.com:a/b", "mia@www.example.com", "ftp://example.com", "<ftp://example.com>",
        "https://", "xhttps://example.com", "https://a:99999/", "`https://example.com/?a&amp;b`",
        "<javascript:alert(1)>",
    ],
)  # fmt: skip
def test_what_is_no_web_address_stays_as_typed(text):
    read = shown(text)

    assert "<a" not in read
    assert plain_text(read) == text.strip("`")


def test_a_link_gets_https_if_it_has_a_host_only():
    assert shown("[my site](www.example.com)") == f"<p>{link('https://www.example.com', 'my site')}</p>"
    assert shown("[my site](example.com/a?b)") == f"<p>{link('https://example.com/a?b', 'my site')}</p>"
    assert shown("[my site][1]\n\n[1]: example.com") == f"<p>{link('https://example.com', 'my site')}</p>"
    assert shown("[write](mailto:mia@example.com)") == f"<p>{link('mailto:mia@example.com', 'write')}</p>"


@pytest.mark.parametrize(
    "text",
    [
        "[x](/page)", "[x](javascript:alert(1))", '[x](#top "A title")', "[x](data:text/html,y)", "[x](//example.com)",
        "[x](file:///etc/passwd)", "[x](Hello)", "[x]()", "![cat](cat.png)", "[x](https://)", "[x](https:///y)",
        "[x](mia@example.com)", "[x](/日本)",
        "[x](v1.2)", "[x](https://x.de.1/)", "[x](https://999.1.1.1)", "[x](https://x.0x1)", "[x](1.5)", "[]()",
    ],
)  # fmt: skip
def test_a_target_that_links_must_not_have_stays_as_text(text):
    read = shown(text)

    assert "<a" not in read
    assert plain_text(read) == text


def test_a_link_without_words_and_an_image_show_where_they_lead():
    assert shown("[](https://x.de)") == f"<p>{link('https://x.de')}</p>"
    assert shown("![cat](https://x.de/a.png)") == f"<p>{link('https://x.de/a.png', 'cat')}</p>"
    assert shown("[![b](https://i.de/p)](https://l.de)") == (
        f"<p>{link('https://l.de', 'b')} {link('https://i.de/p', 'b')}</p>"
    )


def test_only_two_tildes_strike_out():
    assert shown("age 3~5, price 10~20") == "<p>age 3~5, price 10~20</p>"
    assert shown("~a~ ~~gone~~ \\~b\\~ `~c~`") == "<p>~a~ <del>gone</del> ~b~ <code>~c~</code></p>"


@pytest.mark.parametrize("words", ["「太字」", "（太字）", "太字。"])
def test_emphasis_works_beside_punctuation_of_scripts_without_spaces(words):
    assert shown(f"これは**{words}**です") == f"<p>これは<strong>{words}</strong>です</p>"


@pytest.mark.parametrize("line_break", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\r", "\r\n"])
def test_line_breaks_of_word_processors_break_lines(line_break):
    assert shown(f"one{line_break}two") == "<p>one<br>two</p>"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"[a{number}]: https://x.de/{number} '[a{number + 1}]'\n" for number in range(300)),
        "https://é.b/c " * 700, "<!--" * 2500, "[a]: b" + " 'x" * 3000, "<a" + " x" * 4999, "https://" + "@" * 9990,
        "&" * 10_000, "[![a](https://b.c)](https://d.e)" * 300,
    ],
    ids=["definitions", "hosts", "comments", "titles", "attributes", "ats", "ampersands", "images"],
)  # fmt: skip
def test_no_comment_takes_long_to_render(text):
    began = time.process_time()
    markdown.render(text)

    assert time.process_time() - began < 0.5


def test_readers_see_a_table_with_its_alignment():
    assert shown("|a|b|c|\n|:-|-:|:-:|\n|1|**2**|\n|x \\| y|`3`|4|") == (
        '<table><thead><tr><th align="left">a</th><th align="right">b</th><th align="center">c</th></tr></thead><tbody>'
        '<tr><td align="left">1</td><td align="right"><strong>2</strong></td><td align="center"></td></tr>'
        '<tr><td align="left">x | y</td><td align="right"><code>3</code></td><td align="center">4</td></tr>'
        "</tbody></table>"
    )
    assert "<blockquote><table>" in shown("> |a|\n> |-|\n> |b|")
    assert "<li><table>" in shown("- |a|\n  |-|\n  |b|")


@pytest.mark.parametrize(
    "text",
    [
        "|a|b|\n|-|-|\n|1|2|three|", "a|b\n-|-\n1|2|three", "> |a|b|\n> |-|-|\n> |1|2|three|", "|a|\n|-|\n|`b|three`|",
        "- |a|\n  |-|\n  |b|three|", "1. |a|\n   |-|\n   b|three", "|a|\n:-\nb|three", "|a\\\\|b|\n|-|\n|c|three|",
    ],
)  # fmt: skip
def test_a_table_that_would_lose_a_cell_is_shown_as_typed(text):
    assert "three" in plain_text(markdown.render(text))


@given(st.text(alphabet="|-: \\`\n>abc", max_size=80))
def test_no_table_loses_a_letter(text):
    read = plain_text(markdown.render(text))
    assert sorted(read.replace(" ", "").translate(LETTERS)) == sorted(text.translate(LETTERS))


@pytest.mark.parametrize(
    "text",
    [
        "|" + "a|" * 2400 + "\n|" + "-|" * 2400 + "\n" + "|a\n" * 100, "|a|b|\n|-|-|\n" + "|\n" * 4900,
        "|a|\n|-|\n" * 1100, ("|" * 60 + "\n" + "|-" * 60 + "|\n") * 50,
        "|a" * 30 + "\n" + "|-" * 30 + "\n" + "x\n" * 4900,
    ],
    ids=["columns", "rows", "tables", "wide tables", "text below"],
)  # fmt: skip
def test_a_table_does_not_fill_the_page(text):
    began = time.process_time()
    html = markdown.render(text)

    assert len(html) < 10 * len(text)
    assert time.process_time() - began < 0.5


def test_tasks_have_signs_that_every_reader_sees():
    assert shown("- [ ] build **it**\n- [x] check\n- plain") == (
        '<ul><li class="ct-task">☐ build <strong>it</strong></li><li class="ct-task">☑ check</li><li>plain</li></ul>'
    )
    assert shown("- [X] one\n\n  two") == '<ul><li class="ct-task"><p>☑ one</p><p>two</p></li></ul>'
    assert shown("1. [x] **one**") == "<ol><li>☑ <strong>one</strong></li></ol>"
    assert shown("> - [ ] one\n>   - [x] two") == (
        '<blockquote><ul><li class="ct-task">☐ one<ul><li class="ct-task">☑ two</li></ul></li></ul></blockquote>'
    )
    assert shown("[x] no task\n\n- [y] none\n- [x]none") == (
        "<p>[x] no task</p><ul><li>[y] none</li><li>[x]none</li></ul>"
    )


def test_the_highlighter_of_a_blog_finds_the_language_of_code():
    assert shown("```sql\nselect 1\n```") == '<pre><code class="language-sql">select 1</code></pre>'
    assert shown("```c++\nx\n```") == '<pre><code class="language-c++">x</code></pre>'
    assert shown("```sql words\nx\n```") == "<pre><code>sql wordsx</code></pre>"
    for info in ("btn ct-send", 'x" onclick="y', "<b>", "LANGUAGE", "x" * 17, "ct-send\tx", "a&quot;b"):
        html = markdown.render(f"```{info}\nx\n```")
        assert not re.search(r'class="(?!language-[a-z][a-z0-9+#._-]{0,15}")', html), html
