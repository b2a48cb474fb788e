"""Decode text in the encodings that browsers use for forms (WHATWG Encoding Standard)."""

import codecs
import re
from typing import Final

# Codecs of Python by what browsers mean with the labels (4.2): for many, a larger encoding than the name says.
_LABELS: Final = {
    "cp1252": "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 l1 ascii us-ascii",
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1253": "windows-1253 cp1253 x-cp1253",
    "cp1254": "windows-1254 cp1254 x-cp1254 iso-8859-9 iso8859-9 iso_8859-9 latin5 l5",
    "cp1255": "windows-1255 cp1255 x-cp1255",
    "cp1256": "windows-1256 cp1256 x-cp1256",
    "cp1257": "windows-1257 cp1257 x-cp1257",
    "cp1258": "windows-1258 cp1258 x-cp1258",
    "cp874": "windows-874 dos-874 iso-8859-11 iso8859-11 tis-620",
    "cp866": "ibm866 cp866 866",
    "iso8859-2": "iso-8859-2 iso8859-2 iso_8859-2 latin2 l2",
    "iso8859-3": "iso-8859-3 iso8859-3 iso_8859-3 latin3 l3",
    "iso8859-4": "iso-8859-4 iso8859-4 iso_8859-4 latin4 l4",
    "iso8859-5": "iso-8859-5 iso8859-5 iso_8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 iso8859-6 iso_8859-6 arabic",
    "iso8859-7": "iso-8859-7 iso8859-7 iso_8859-7 greek",
    "iso8859-8": "iso-8859-8 iso8859-8 iso_8859-8 iso-8859-8-i iso-8859-8-e hebrew logical visual",
    "iso8859-10": "iso-8859-10 iso8859-10 latin6 l6",
    "iso8859-13": "iso-8859-13 iso8859-13",
    "iso8859-14": "iso-8859-14 iso8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 iso_8859-15 latin9 l9",
    "iso8859-16": "iso-8859-16 iso8859-16",
    "koi8-r": "koi8-r koi8 koi8_r koi",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp932": "shift_jis shift-jis sjis x-sjis windows-31j ms_kanji ms932",
    "euc-jp": "euc-jp x-euc-jp",
    "iso2022-jp": "iso-2022-jp csiso2022jp",
    "cp949": "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 korean windows-949",
    "gb18030": "gb18030",
    "gbk": "gbk x-gbk gb2312 gb_2312-80 chinese",
    "big5": "big5 big5-hkscs cn-big5 x-x-big5",
}
CHARSETS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
# With more characters than those that browsers write, so references to the others can be told from typed ones.
_LARGER: Final = {"gbk": ("gb18030",), "big5": ("big5hkscs", "cp950")}
REFERENCE: Final = re.compile(r"&#(\d{2,7});")
_ERRORS: Final = "commentsvc.browser"


def find_codec(label: str) -> str | None:
    """Return the codec of a label; None if it is unknown or UTF-8."""
    return CHARSETS.get(label.strip().strip("\"'").lower())


def decode(value: bytes, codec: str) -> str:
    """Decode a value; browsers write a character that its encoding lacks as a reference (HTML, 4.10.21.5)."""

    def restore(match: re.Match[str]) -> str:
        code = int(match[1])
        if not 0x7F < code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 -- beyond ASCII; no surrogates
            return match[0]
        try:
            chr(code).encode(codec)
        except UnicodeEncodeError:
            return chr(code)
        return match[0]

    return REFERENCE.sub(restore, value.decode(codec, _ERRORS))


def _decode_rest(error: UnicodeError) -> tuple[str, int]:
    """Decode what browsers write, but a codec of Python does not know."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if error.encoding == "gbk" and pair[0] == 0x80:  # noqa: PLR2004 -- WHATWG Encoding Standard, 10.2.2
        return "€", error.start + 1
    text = _decode_row(pair) if error.encoding == "euc_jp" else ""
    for larger in _LARGER.get(error.encoding, ()):
        text = text or pair.decode(larger, "ignore")
    return (text, error.start + 2) if text else ("\ufffd", error.end)


def _decode_row(pair: bytes) -> str:
    """Return a character of EUC-JP in the rows that NEC and IBM added, such as a circled digit."""
    if len(pair) != 2 or min(pair) <= 0xA0:  # noqa: PLR2004 -- two bytes of 94 rows and cells
        return ""
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)  # noqa: PLR2004 -- Shift_JIS (JIS X 0208, appendix 1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)  # noqa: PLR2004
    return bytes([lead, trail]).decode("cp932", "ignore")


codecs.register_error(_ERRORS, _decode_rest)
