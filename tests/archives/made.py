"""Archives that are made of records, for tests of the import."""

from datetime import UTC, datetime, timedelta

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import ArchiveFormat
from commentsvc.archives.importer import import_archive
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.records import CommentRecord, Markup, ThreadRecord
from tests.conftest import PROJECT

START = datetime(2019, 5, 1, 12, tzinfo=UTC)
ANY_FILE = ArchiveFile(PROJECT / "__init__.py")  # these archives do not read it
PAGE = ThreadRecord(id="1", links=("http://localhost/a-page/",), title="A page")


def an_archive(records, name="made"):
    """Return the format of an archive that has these records."""
    return ArchiveFormat(name, "Made for a test", lambda _: iter(records), lambda *_: False)


def a_comment(number, parent=None, **changed):
    """Return a comment of the archive; it was written ``number`` minutes after START."""
    fields = {
        "id": str(number),
        "thread": "1",
        "text": f"Comment {number}.",
        "markup": Markup.PLAIN,
        "name": "Mia",
        "parent": None if parent is None else str(parent),
        "created_at": START + timedelta(minutes=number),
    }
    return CommentRecord(**(fields | changed))


async def import_records(service, records, *, name="made", **options):
    """Import an archive that has these records; return the books, which balance."""
    report = options.pop("report", lambda _: None)
    books = await import_archive(service, [ANY_FILE], an_archive(records, name), ImportOptions(**options), report)
    assert books.balance, books
    return books


def write_wxr(folder, *, comments, spam=0, threads=1):
    """Write an export of WordPress with these numbers of comments; return its path. Every third one is a reply."""
    items = [f"<item><link>http://localhost/post-{at}/</link><wp:post_id>{at}</wp:post_id>" for at in range(threads)]
    for number in range(comments + spam):
        place, earlier = number % threads, number - threads
        items[place] += _wxr_comment(number, earlier if earlier >= 0 and number % 3 == 0 else -1, number >= comments)
    path = folder / f"export-{comments}-{spam}-{threads}.xml"
    whole = "".join(f"{item}</item>" for item in items)
    path.write_text(
        f'<?xml version="1.0"?><rss xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
        f"<wp:wxr_version>1.2</wp:wxr_version>{whole}</channel></rss>",
        encoding="utf-8",
    )
    return str(path)


def _wxr_comment(number, parent, is_spam):
    at = START + timedelta(minutes=number)
    return (
        f"<wp:comment><wp:comment_id>{number + 1}</wp:comment_id><wp:comment_author>Mia {number % 50}"
        f"</wp:comment_author><wp:comment_author_email>mia{number % 50}@example.com</wp:comment_author_email>"
        f"<wp:comment_date_gmt>{at:%Y-%m-%d %H:%M:%S}</wp:comment_date_gmt>"
        f"<wp:comment_content><![CDATA[Number <b>{number}</b> says yes.]]></wp:comment_content>"
        f"<wp:comment_approved>{'spam' if is_spam else 1}</wp:comment_approved>"
        f"<wp:comment_parent>{parent + 1}</wp:comment_parent></wp:comment>"
    )
