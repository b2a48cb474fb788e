"""Slow connections, in short: they are closed, and nobody is refused. ``make slow`` measures more of them."""

import pytest

from tests.attacks import slow


@pytest.mark.slow
async def test_slow_connections_are_closed_and_readers_are_served():
    figures = await slow.attack(200)
    assert float(str(figures["longest open"])) < slow.GIVE_UP_SECONDS
    assert [figures[name] for name in ("kinds never opened", "refused readers", "errors in the log")] == [0, 0, 0]
