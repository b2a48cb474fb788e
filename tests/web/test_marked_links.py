"""Links in the text of a card are marked for moderators where readers get links."""

import pytest

from commentsvc.web.moderation.filters import split_links


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
