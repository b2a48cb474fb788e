"""Hostile texts are text wherever readers and moderators meet them."""

import pytest

from tests.attacks import xss


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_readers_and_moderators_see_hostile_text_as_text(shared):
    figures = await xss.attack(300)
    assert not xss.is_broken(figures), figures
