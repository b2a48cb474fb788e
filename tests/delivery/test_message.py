"""A mail has exactly the headers that we set, for any name of a site and any program that reads it."""

import email
import email.header
import email.policy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.config.mail_server import parse_mail_from
from commentsvc.delivery.headers import MOST_NAME, MOST_SUBJECT, clean_text, encode_name, encode_subject
from commentsvc.delivery.mail import Mail
from commentsvc.delivery.message import UnsafeMailError, build_message
from commentsvc.domain.email_address import Email
from commentsvc.domain.timestamps import parse_time

SENT_AT = parse_time("2026-11-22T16:02:11.000Z")
OURS = ["Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language"]
BODY = ["MIME-Version", "Content-Type"]
ATTACKS = [
    "x\r\nBcc: eve@evil.example",
    "x\nBcc: eve@evil.example\n\nbody",
    "=?utf-8?q?x=0ABcc:_eve=40evil.example?=",
    "=?utf-8?b?eA0KQmNjOiBldmVAZXZpbC5leGFtcGxl?=",
    '"x" <eve@evil.example>, "',
    "x\u2028Bcc: eve@evil.example",
    "x\x0bBcc: eve@evil.example",
    "x\x85Bcc: eve@evil.example",
    "a" * 5000,
    "ä" * 5000,
    "\u202ecba",
    "\ud800",
    "",
    " ",
]
TEXTS = st.one_of(st.sampled_from(ATTACKS), st.text(), st.text(alphabet="=?utf-8bq\r\n: \t,;<>@\"'\\ä漢"))


def a_mail(**changed):
    filled = {
        "to": Email("mia@example.com"), "subject": "A reply", "text": "Hello.\n", "html": "<p>Hello.</p>\n",
        "language": "en",
    }  # fmt: skip
    return Mail(**(filled | changed))


def build(mail, sender="comments@blog.example"):
    return build_message(mail, parse_mail_from(sender), "0190", SENT_AT)


def decoded(value):
    return str(email.header.make_header(email.header.decode_header(value)))


def body_of(raw, kind):
    part = email.message_from_bytes(raw, policy=email.policy.default).get_body((kind,))
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def test_a_reply_is_sent_like_this():
    raw = build(
        a_mail(
            subject="New reply on blog.example",
            sender_name="Müllers Blog",
            unsubscribe_url="https://comments.example/u/abc",
            one_click=True,
        )
    )
    head = raw.partition(b"\r\nMIME-Version: ")[0].decode()
    assert head.split("\r\n") == [
        "Date: Sun, 22 Nov 2026 16:02:11 +0000",
        "From: =?utf-8?b?TcO8bGxlcnMgQmxvZw==?=",
        " <comments@blog.example>",
        "To: mia@example.com",
        "Subject: New reply on blog.example",
        "Message-ID: <0190@blog.example>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Content-Language: en",
        "List-Unsubscribe: <https://comments.example/u/abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ]
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html"
    ]  # fmt: skip


@settings(deadline=None)
@given(subject=TEXTS, name=TEXTS, text=TEXTS, site=TEXTS)
def test_no_text_adds_or_changes_a_header(subject, name, text, site):
    raw = build(a_mail(subject=subject, sender_name=name, text=text, html=site))
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    strict = email.message_from_bytes(raw, policy=email.policy.default)
    lenient = email.message_from_bytes(raw)
    assert sorted(lenient.keys()) == sorted(strict.keys()) == sorted(OURS + BODY)
    assert [address.addr_spec for address in strict["From"].addresses] == ["comments@blog.example"]
    assert [address.addr_spec for address in strict["To"].addresses] == ["mia@example.com"]
    assert decoded(lenient["Subject"]) == clean_text(subject, MOST_SUBJECT)
    # Written again by Python's package, as a relay or a filter might do, it still has these headers.
    again = email.message_from_bytes(lenient.as_bytes())
    assert sorted(again.keys()) == sorted(OURS + BODY)


@settings(deadline=None)
@given(TEXTS)
def test_subjects_and_names_are_short_and_on_one_line(text):
    subject, name = encode_subject(text), encode_name(text)
    for value, most in ((subject, MOST_SUBJECT), (name, MOST_NAME)):
        assert re.fullmatch(r"(?:[ -~]|\r\n )*", value)
        assert len(decoded(value)) <= most + 2, "quotes"
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", decoded(value))
        assert all(len(line) <= 76 for line in f"Subject: {value}".split("\r\n"))
    assert decoded(name).strip('"') == clean_text(text, MOST_NAME).strip('"')


def test_a_long_subject_ends_after_a_whole_word():
    assert clean_text("one two three four", 12) == "one two…"
    assert clean_text("one two", 7) == "one two"
    assert clean_text("abcdefgh", 5) == "abcd…"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])), st.booleans())
def test_both_bodies_arrive_as_they_were_written(text, long):
    text = (f"{text}\n" * 50 if long else text).replace("\x85", "")
    raw = build(a_mail(text=f"{text}\nend\n", html=f"<p>{text}</p>\n"))
    assert body_of(raw, "plain") == f"{text}\nend\n"
    assert body_of(raw, "html") == f"<p>{text}</p>\n"


@pytest.mark.parametrize(
    "changed",
    [
        {"to": Email("mia@example.com>\r\nBcc: eve@evil.example")},
        {"to": Email("mia@example.com, eve@evil.example")},
        {"to": Email("eve@evil.example,mia@example.com")},
        {"to": Email("=?utf-8?q?a=0D=0ABcc=3A_eve=40evil.example?=@example.com")},
        {"unsubscribe_url": "https://x.example/\r\nBcc: eve@evil.example"},
        {"unsubscribe_url": "https://x.example/> <mailto:eve@evil.example"},
        {"unsubscribe_url": "mailto:eve@evil.example"},
        {"language": "en\r\nBcc: x"},
    ],
)
def test_an_address_or_a_link_that_could_end_a_header_is_not_sent(changed):
    with pytest.raises((UnsafeMailError, ValueError)):
        build(a_mail(**changed))


def test_the_name_in_the_settings_is_used_if_a_mail_has_no_own():
    assert b'From: "My Blog"\r\n <comments@blog.example>' in build(a_mail(), "My Blog <comments@blog.example>")
    assert b"From: comments@blog.example\r\n" in build(a_mail())
    assert b"Message-ID: <0190@xn--bcher-kva.example>" in build(a_mail(), "comments@b\u00fccher.example")


def test_a_message_with_a_header_that_nobody_set_is_not_sent(monkeypatch):
    # As versions of Python with the fault would do it.
    monkeypatch.setattr("commentsvc.delivery.message.encode_subject", lambda _text: "x\r\nBcc: eve@evil.example")
    with pytest.raises(UnsafeMailError):
        build(a_mail())
