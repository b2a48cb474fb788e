"""Every request with every credential gets the status of the table in ``authz.py``."""

import pytest

from tests.attacks import authz


def test_every_route_is_in_one_table():
    assert authz.unlisted_routes() == set()


# Pages take the longest to make.
ATTACKS = [pytest.param(ask, marks=pytest.mark.slow if ask is authz.ask_with_sessions else ()) for ask in authz.ATTACKS]


@pytest.mark.parametrize("ask", ATTACKS, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
async def test_a_credential_reaches_what_it_is_for_and_nothing_else(database_url, ask):
    async with authz.a_world(database_url) as world:
        assert await ask(world) == []
        assert world.sent > 150
