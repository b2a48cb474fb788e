"""Requests that a program makes of the OpenAPI document get answers as it describes them."""

import pytest

from tests.attacks import fuzz


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not fuzz.is_installed(), reason="Schemathesis is not installed")
async def test_generated_requests_get_answers_as_described():
    figures = await fuzz.attack(2, phases=["fuzzing"])
    assert not fuzz.is_broken(figures), figures
