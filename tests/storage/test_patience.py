"""A request has one deadline until PostgreSQL answers; each answer begins a new one."""

import pytest

from commentsvc.domain.errors import NotFound, Unavailable
from commentsvc.service import private_read, search_read, write
from commentsvc.storage import patience
from tests.conftest import a_service, post


@pytest.fixture
async def hurried(postgres_url, clock, monkeypatch):
    """A service in a request that has 0.2 seconds for each answer."""
    monkeypatch.setattr(patience, "ANSWER_SECONDS", patience.LEAST_SECONDS + 0.2)
    async with a_service(postgres_url, clock) as service:
        patience.begin_request()
        yield service


async def sleep(unit):
    await unit.one("SELECT 1 AS one FROM pg_sleep(0.4)")


async def refuse(unit):
    await sleep(unit)
    raise NotFound


async def hang(unit):
    await unit.one("SELECT 1 AS one FROM pg_sleep(10)")


async def test_a_moderator_acts_on_what_a_slow_search_has_found(hurried):
    await search_read(sleep)(hurried)
    await post(hurried, "Part of the same request")


@pytest.mark.parametrize("kind", [private_read, write])
async def test_a_request_goes_on_after_a_unit_that_refused_late(hurried, kind):
    with pytest.raises(NotFound):
        await kind(refuse)(hurried)
    await post(hurried, "Part of the same request")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [private_read, write])
async def test_a_request_fails_at_once_after_a_unit_that_got_no_answer(hurried, kind):
    with pytest.raises(Unavailable):
        await kind(hang)(hurried)
    with pytest.raises(Unavailable) as refused:
        await kind(sleep)(hurried)
    assert "has not answered this request before" in str(refused.value.__cause__)
