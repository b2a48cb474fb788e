"""The text of mail headers: encoded by us (RFC 2047, RFC 5322), never by Python's ``email`` package.

Some versions of that package let an encoded name begin a header of its own, such as ``Bcc:``
(https://github.com/python/cpython/issues/121650 and others). Here only printable ASCII is written, and the only line
breaks are ours, each before a space.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from commentsvc.domain.text import clean_line, escape_surrogates, shorten

MOST_SUBJECT: Final = 120  # characters
MOST_NAME: Final = 60
MOST_WORD_BYTES: Final = 39  # of UTF-8 in one encoded word: its line has at most 76 characters (RFC 2047, 2)
MOST_PLAIN: Final = 60  # characters on the line of a header's name, which has at most 78 (RFC 5322, 2.1.1)
FOLD: Final = "\r\n "
# A text that cannot be taken for an encoded word, or for a part of an address.
_PLAIN_TEXT: Final = re.compile(r"(?!.*=\?)[!-~](?:[ -~]*[!-~])?")
_PLAIN_NAME: Final = re.compile(r"(?!.*=\?)[A-Za-z0-9](?:[A-Za-z0-9 .,:;()&!+_'/-]*[A-Za-z0-9.)!])?")


def encode_subject(text: str) -> str:
    """Return a text as the value of an unstructured header, at most ``MOST_SUBJECT`` characters of it."""
    text = clean_text(text, MOST_SUBJECT)
    return text if len(text) <= MOST_PLAIN and _PLAIN_TEXT.fullmatch(text) else _encode_words(text)


def encode_name(text: str) -> str:
    """Return a text as the name beside an address, at most ``MOST_NAME`` characters of it; "" if it is empty."""
    text = clean_text(text, MOST_NAME)
    return f'"{text}"' if _PLAIN_NAME.fullmatch(text) else _encode_words(text)


def clean_text(text: str, most: int) -> str:
    """Return a text on one line, without characters that control or hide, and shortened at a whole word."""
    return shorten(clean_line(escape_surrogates(text[: 8 * most]).replace("\x00", " "), lenient=True), most)


def _encode_words(text: str) -> str:
    return FOLD.join(f"=?utf-8?b?{b64encode(piece.encode()).decode()}?=" for piece in _split_bytes(text))


def _split_bytes(text: str) -> Iterator[str]:
    """Yield pieces of at most ``MOST_WORD_BYTES`` bytes each. No character is split."""
    piece, size = "", 0
    for character in text:
        length = len(character.encode())
        if size + length > MOST_WORD_BYTES:
            yield piece
            piece, size = "", 0
        piece += character
        size += length
    if piece:
        yield piece
