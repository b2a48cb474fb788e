"""Text from strangers is shown in a terminal but cannot control it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.cli.escape import escape_line, escape_text
from commentsvc.cli.terminal import to_json
from commentsvc.domain.columns import text_width, wrap_text

# Known attacks on terminals: see CWE-150 and advisories on "terminal escape injection".
CORPUS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H\x1b[3J",
    "another title": "\x1b]0;pwned\x07",
    "a title that ends with ST": "\x1b]2;pwned\x1b\\",
    "a link to elsewhere": "\x1b]8;;https://evil.example\x1b\\bank\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "a report that types back": "\x1b[6n\x1b[c\x1b[21t\x1bP$q\x1b\\\x1b[?69$p",
    "a key that is bound": '\x1b[0;59;"rm -rf";13p',
    "a device control string": "\x1bP+q544e\x1b\\",
    "an application command": "\x1b_Gi=1,a=T;AAAA\x1b\\",
    "a privacy message": "\x1b^nothing\x1b\\",
    "the other screen": "\x1b[?1049h\x1b[?47h",
    "a cursor that is hidden": "\x1b[?25l",
    "bracketed paste": "\x1b[200~rm\x1b[201~",
    "a mouse that types": "\x1b[?1003h",
    "a reset": "\x1bc\x1b[!p",
    "other letters": "\x1b(0lqqk\x0e\x0f",
    "C1, one character each": "\x9b31mred\x9b0m \x9d0;pwned\x9c \x90q\x9c \x85 \x8d",
    "an escape cut short": "\x1b",
    "an escape across a line": "\x1b\n[31m",
    "going back": "password\b\b\b\b\b\b\b\bnothing",
    "writing over": "I like it.\rI hate it",
    "a bell for ever": "\a" * 1000,
    "vertical moves": "\x0b\x0c\x1bM\x1bD",
    "flow control": "\x13\x11",
    "delete": "\x7f\x7f",
    "text direction": "\u202egnp.exe\u202c \u2066x\u2069 \u2067y\u2069 \u200f\u200e\u061c",
    "invisible characters": "z\u200be\u200cr\u200do\u2060w\ufeffi\u00addth\u034f\u180e",
    "tags": "\U000e0001\U000e0068\U000e0069\U000e007f",
    "selectors": "a\ufe00b\ufe0fc\U000e0100",
    "fillers": "\u115f\u1160\u3164\uffa0",
    "other line separators": "a\u2028b\u2029c\x85d",
    "stacked marks": "Z" + "\u0300\u0316" * 4000,
    "marks on our own characters": "\u0338\u20dd overlaid",
    "private letters": "\ue000\uf8ff\U000f0000\U0010fffd",
    "no letters": "\ufffe\uffff\U0010ffff",
    "lone surrogates": "\ud800 \udc00",
    "annotations": "\ufff9a\ufffab\ufffb",
    "spaces": "a\u00a0b\u2003c\u3000d\u205fe",
}


def is_inert(text):
    """Return whether a text has only letters, signs, spaces and line ends."""
    return all(
        character.isprintable() or unicodedata.category(character) == "Zs" for character in text.replace("\n", "")
    )


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_a_stranger_cannot_control_a_terminal(text):
    shown = escape_text(text)
    assert is_inert(shown), ascii(shown)
    assert escape_text(shown) == shown
    assert len(escape_line(text)) <= 200 or "\u0300" in text
    assert "\n" not in escape_line(text)
    line = to_json({"text": text.encode("utf-8", "replace").decode()})
    assert is_inert(line)


def test_a_moderator_sees_escaped_characters_by_number():
    assert escape_text("\x1b[31mred") == "<U+001B>[31mred"
    assert escape_text("v\u200bi\u200b\u200bagra") == "v<U+200B>i<U+200B ×2>agra"
    assert escape_text("\a" * 1000) == "<U+0007 ×1,000>"
    assert escape_text("Z" + "\u0300" * 50) == "Z\u0300\u0300\u0300\u0300<46 more marks>"
    assert escape_text("a\u00a0b\u2003c\u3000d") == "a b c d"
    assert escape_text("one\r\ntwo\rthree\n\tfour") == "one\ntwo\nthree\n    four"


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, naïve café, Tiếng Việt, Ελληνικά, кириллица",
        "می\u200cخواهم",  # Persian needs the non-joiner
        "क्\u200dष",  # and Devanagari the joiner
        "العربية، עברית",
        "ภาษาไทยน้ำ",
        "漢字かなカナ、한국어",
        "🐝🇩🇪👍🏽",
        "code:\n    if x < 5 && y > 6:\n        pass",
        "<U+001B> is how an escape is shown here",
    ],
)
def test_a_moderator_reads_the_letters_of_every_script_unchanged(text):
    assert escape_text(text) == unicodedata.normalize("NFC", text)


def test_a_moderator_sees_each_part_of_an_emoji_sequence():
    assert escape_text("👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3") == "👨👩👧 ❤ 1\u20e3"


@given(st.text())
def test_no_text_can_control_a_terminal(text):
    shown = escape_text(text)
    assert is_inert(shown.replace("\u200c", "").replace("\u200d", ""))
    assert escape_text(shown) == shown


@given(st.text(), st.integers(min_value=2, max_value=120))
def test_wrapped_rows_fit_the_terminal_and_keep_every_letter(text, columns):
    shown = escape_text(text)
    rows = wrap_text(shown, columns)
    assert max(map(text_width, rows)) <= columns
    assert "".join("".join(rows).split()) == "".join(shown.split())


@given(st.text())
def test_escaped_json_decodes_to_the_same_text(text):
    line = to_json({"text": text.encode("utf-8", "replace").decode()})
    assert json.loads(line) == {"text": text.encode("utf-8", "replace").decode()}
    assert is_inert(line)


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("", 10, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("one two", 3, ["one", "two"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a\n\nb", 10, ["a", "", "b"]),
        ("    indented", 20, ["    indented"]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
        ("see 漢字", 5, ["see", "漢字"]),
        ("🐝🐝🐝", 4, ["🐝🐝", "🐝"]),
        ("e\u0323\u0302x" * 3, 2, ["e\u0323\u0302x"] * 3),
    ],
)
def test_long_lines_break_at_spaces(text, columns, rows):
    assert wrap_text(text, columns) == rows


def test_wide_letters_take_two_columns_and_marks_none():
    assert [text_width(text) for text in ("abc", "漢字", "ＡＢ", "🐝", "e\u0301", "ก\u0e34", "می\u200cخ")] == [
        3, 4, 4, 2, 1, 1, 3
    ]  # fmt: skip
