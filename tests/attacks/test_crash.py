"""A killed service loses no comment that it has acknowledged."""

import pytest

from tests.attacks import crash, ledger


@pytest.mark.slow
async def test_a_killed_service_loses_and_doubles_no_comment():
    figures = await crash.attack(2)
    assert not ledger.is_broken(figures), figures
    assert figures["acknowledged"] >= 15
