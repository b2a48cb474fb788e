"""The attack of ``make erase``, in its short form."""

import pytest

from tests.attacks import erase


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_erased_comments_are_in_no_file_and_no_answer_also_after_a_restore():
    figures = await erase.attack(1)
    assert figures["canaries before"] > 100, "the attack would notice something"
    assert not erase.is_broken(figures), figures


def test_the_search_finds_a_word_in_every_encoding():
    for one in erase.encodings(erase.CANARY):
        assert erase.count_hits(b"before " + one + b" after") >= 1, one
