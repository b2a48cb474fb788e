"""Moderators see where the links of a comment lead, in its text and in its source, and cannot click them."""

import re

import pytest

from commentsvc.domain import markdown
from commentsvc.web.moderation.filters import split_links
from commentsvc.web.moderation.rendered import show_html


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("参见https://example.com/a。谢谢", ["https://example.com/a"]),
        ("看（https://example.com/a）吧", ["https://example.com/a"]),
        ("See www.example.com, and HTTPS://X.example!", ["www.example.com", "HTTPS://X.example"]),
        ("https://例え.jpです", ["https://例え.jp"]),
        ("javascript:alert(1) or mailto:mia@example.com.", ["javascript:alert", "mailto:mia@example.com"]),
        ("https:// and www. alone", []),
    ],
)
def test_moderators_see_where_a_link_ends(text, marked):
    parts = split_links(text)
    assert [part for is_link, part in parts if is_link] == marked
    assert "".join(part for _, part in parts) == text


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("[my shop](https://x.example/3x)", '<p><u>my shop</u> <mark dir="ltr">x.example/3x</mark></p>'),
        ("https://x.example/a", "<p><mark>https://x.example/a</mark></p>"),
        ("https://bank.example@evil.example/", '<mark dir="ltr">evil.example</mark>'),
        ("[https://bank.example](https://evil.example)", '<u>https://bank.example</u> <mark dir="ltr">evil.example'),
        ("[a](https://\u0430pple.example)", "xn--pple-43d.example (\u0430pple.example)"),
        ("[mail](mailto:mia@example.com)", '<u>mail</u> <mark dir="ltr">mia@example.com</mark>'),
        ("3. <script>alert(1)</script>", '<ol start="3"><li>&lt;script&gt;alert(1)&lt;/script&gt;</li></ol>'),
    ],
)
def test_moderators_see_where_links_lead_and_nothing_can_be_clicked(source, shown):
    html = str(show_html(markdown.render(source)).html).replace("\n", "")
    assert shown in html
    assert not re.search(r"<a |href|script>", html)


@pytest.mark.parametrize("stored", ["<p>a</p></div><b onclick=x>b</b><img src=x>", '<p class="x">a', "<em><p>a</em>"])
def test_damaged_html_closes_what_it_opens_and_has_no_other_element(stored):
    html = str(show_html(stored).html)
    assert set(re.findall(r"<[^>]*>", html)) <= {"<p>", "</p>", "<em>", "</em>"}
    assert html.count("<p>") == html.count("</p>")


def test_the_source_is_offered_only_where_it_says_more():
    offered = {
        source: show_html(markdown.render(source)).hides(source)
        for source in ("Plain words.", "**Bold** and [a](https://x.example)", "> quoted", '[a](https://x.example "b")')
    }
    assert list(offered.values()) == [False, False, True, True]


def test_characters_that_turn_the_direction_of_text_are_shown():
    assert "a &lt;U+202E&gt; b" in str(show_html("<p>a \u202e b</p>").html)
