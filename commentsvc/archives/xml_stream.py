"""The text of an XML file as a stream: decoded by its byte order mark or declaration, with bounded memory."""

import codecs
import io
import re
from typing import BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive

CHUNK: Final = 2**17  # bytes
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
UNMARKED: Final = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
DECLARATION: Final = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
# Python also knows codecs that are no charsets, as "zlib" and "unicode_escape".
CHARSETS: Final = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp(?:125\d|437|85\d|866|932|949|950|936)|koi8-[rut]|mac-\w+|gb2312|gbk|gb18030"
    r"|big5(?:hkscs)?|euc_\w+|shift_jis\w*|iso2022_\w+|tis-620|johab|hz"
)
DECLARED_BUT_READABLE: Final = re.compile(r"utf-(?:16|32|7)\b.*")  # what is read as ASCII is not UTF-16
SAME: Final = {"iso8859-1": "cp1252", "ascii": "cp1252"}  # as browsers do: https://encoding.spec.whatwg.org/#names


ERRORS: Final = "commentsvc.windows-1252"


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Return the letters for bytes that are no UTF-8: old blogs have texts of several charsets in one database."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(ERRORS, _as_windows_1252)


def find_charset(head: bytes) -> tuple[str, int]:
    """Return the charset of a file by its beginning, and the length of its byte order mark.

    Raises:
        UnreadableArchive: it declares a charset that is not known here.
    """
    for mark, charset in MARKS:
        if head.startswith(mark):
            return charset, len(mark)
    for start, charset in UNMARKED:
        if head.startswith(start):
            return charset, 0
    declared = DECLARATION.match(head)
    return (_known_charset(declared[1].decode("ascii")) if declared else "utf-8"), 0


def _known_charset(name: str) -> str:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if DECLARED_BUT_READABLE.fullmatch(known):
        return "utf-8"
    if not CHARSETS.fullmatch(known):
        raise UnreadableArchive(f'The charset "{name}" is not known. Convert the file to UTF-8, and import it again.')
    return SAME.get(known, known)


def decode_head(head: bytes) -> str:
    """Return the beginning of a file as text, with U+FFFD for what cannot be decoded.

    Raises:
        UnreadableArchive: it declares a charset that is not known here.
    """
    charset, mark = find_charset(head)
    return head[mark:].decode(charset, "replace")


class TextStream:
    """A window on the text of a file: ``text`` from ``start`` on has not been used yet."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the beginning of a file.

        Raises:
            UnreadableArchive: its charset is not known.
        """
        head = file.read(CHUNK)
        charset, mark = find_charset(head)
        self._file = file
        decoder = codecs.getincrementaldecoder(charset)(ERRORS if charset == "utf-8" else "replace")
        # As XML demands, "\r\n" becomes "\n". The stub of typeshed wants its own kind of decoder.
        self._decoder = cast(codecs.IncrementalDecoder, io.IncrementalNewlineDecoder(decoder, translate=True))
        self.text = self._decoder.decode(head[mark:])
        self.start = 0
        self.offset = 0  # characters before ``text``

    def more(self) -> bool:
        """Forget the text before ``start`` and add a piece of the file. Return whether there was one."""
        data = self._file.read(CHUNK)
        new = self._decoder.decode(data, final=not data)
        self.offset += self.start
        self.text = self.text[self.start :] + new
        self.start = 0
        return bool(data or new)
