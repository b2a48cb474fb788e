"""A killed service loses no mail about a comment that it has acknowledged."""

import pytest

from tests.attacks import mail


@pytest.mark.slow
async def test_a_killed_service_loses_no_mail():
    figures = await mail.attack(2)
    assert not mail.is_broken(figures), figures
    assert figures["mails"] >= figures["acknowledged"] >= 10
