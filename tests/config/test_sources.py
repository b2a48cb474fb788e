"""Test that no password is printed with the settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.config.sources import hide_passwords


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:///data/commentsvc.db", "sqlite:///data/commentsvc.db"),
        ("postgresql://ada@db.example:5432/comments", "postgresql://ada@db.example:5432/comments"),
        ("postgresql://ada:secret@db.example/comments", "postgresql://ada:(hidden)@db.example/comments"),
        ("postgresql:///comments?user=ada&password=secret", "postgresql:///comments?user=ada&password=(hidden)"),
        ("postgresql:///c?sslpassword=secret&host=db", "postgresql:///c?sslpassword=(hidden)&host=db"),
        ("smtps://ada%40example.com:secret@mail.example", "smtps://ada%40example.com:(hidden)@mail.example"),
        ("https://blog.example https://other.example", "https://blog.example https://other.example"),
        ("https://check.example/v?key=k-7&page=2", "https://check.example/v?key=(hidden)&page=2"),
        ("https://check.example/v?api_key=k-7", "https://check.example/v?api_key=(hidden)"),
        ("postgresql://db.example/comments?sslkey=/keys/ours", "postgresql://db.example/comments?sslkey=/keys/ours"),
    ],
)
def test_addresses_are_shown_without_their_password(address, shown):
    assert hide_passwords(address) == shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_no_password_is_shown_however_it_looks(password):
    shown = hide_passwords(f"postgresql://ada:<{password}>@db.example/comments")
    assert f"<{password}>" not in shown
