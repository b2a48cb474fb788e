"""Results that are kept in memory are few, and hold no email address and no secret of their own."""

from commentsvc.domain.comment_text import search_words, visible_digest
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.urls import parse_thread
from commentsvc.domain.visible_text import read_visible_text
from commentsvc.spam.near_text import read_fingerprint
from tests.conftest import OLD_SECRET, SECRET


def test_few_addresses_of_people_stay_in_memory():
    for number in range(200):
        assert truncate_address(f"10.1.{number}.7") == f"10.1.{number}.0/24"
    assert truncate_address.cache_info().currsize <= 64


def test_texts_and_pages_stay_in_memory_up_to_a_limit():
    for kept in (search_words, visible_digest, read_visible_text, parse_thread, read_fingerprint):
        assert 0 < kept.cache_info().maxsize <= 256


def test_each_secret_derives_its_own_keys_and_keeps_them_itself():
    one, two = Keyring([SECRET]), Keyring([OLD_SECRET])
    both = Keyring([OLD_SECRET, SECRET])
    email = Email("mia@example.com")
    assert one.digest(email) != two.digest(email)
    assert both.digests(email) == [two.digest(email), one.digest(email)]
    assert one.digest(email) == one.digest(Email("MIA@example.com"))
    assert one.network_digest("198.51.100.7", 1) != one.network_digest("198.51.100.7", 2)
