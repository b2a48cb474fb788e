"""Archives of real blogs come in whole, with the numbers that are known of them."""

import pytest

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.importer import import_archive
from commentsvc.archives.options import ImportOptions
from tests.conftest import a_service, copied

READ = {
    "artigos.wxr.xml.gz": 628,
    "bioops.wxr.xml.gz": 68,
    "cc-archive.wxr.xml.gz": 181,
    "charleso.wxr.xml.gz": 33,
    "chrisjrob.wxr.xml.gz": 136,
    "wptt.wxr.xml.gz": 32,
    "yesilmavihayat.disqus.xml": 51,
    "arey.comments.yaml.gz": 175,
    "travisdowns.staticman.tar.gz": 397,
}


@pytest.mark.parametrize("name", READ)
async def test_every_comment_of_a_real_archive_is_in_the_books_once(shared, laid_file, tmp_path, clock, name):
    file = ArchiveFile(shared / "archives" / name)
    async with a_service(copied(laid_file, tmp_path), clock) as service:
        for imported in (READ[name], 0):
            books = await import_archive(
                service, [file], find_format(file), ImportOptions(keeps_spam=True), lambda _: None
            )
            assert (books.read, books.balance) == (READ[name], True)
            assert books.imported == (imported and imported - sum(books.left_out.values()))
