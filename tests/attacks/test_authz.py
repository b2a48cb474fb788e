"""Every request with every credential gets the status of the table in ``authz.py``."""

import pytest

from tests.attacks import authz


def test_every_route_is_in_one_table():
    assert authz.unlisted_routes() == set()


@pytest.mark.slow
@pytest.mark.parametrize("ask", authz.ATTACKS, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
async def test_a_credential_reaches_what_it_is_for_and_nothing_else(database_url, ask):
    async with authz.a_world(database_url) as world:
        assert await ask(world) == []
        assert world.sent > 150
