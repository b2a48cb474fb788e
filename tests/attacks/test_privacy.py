"""Readers and strangers cannot find out that something hidden exists."""

import pytest

from tests.attacks import privacy
from tests.attacks.leaks import LEAKS, leaking


async def compare(folder, url=None):
    """Return how answers differ if everything hidden is changed, and who sees a canary."""
    expected = await privacy.observe(f"sqlite:///{folder}/one.db", privacy.change_nothing)
    with privacy.written_log() as log:
        answers = await privacy.observe(url or f"sqlite:///{folder}/other.db", privacy.change_everything)
    return privacy.differences(expected, answers) + privacy.sightings(answers, log.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
async def test_readers_learn_nothing_of_hidden_comments_modes_rules_and_people(tmp_path, database_url):
    assert await compare(tmp_path, database_url) == []


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
async def test_a_leak_would_be_noticed(tmp_path, leak):
    with leaking(leak):
        assert await compare(tmp_path)
