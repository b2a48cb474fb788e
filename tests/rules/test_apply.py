"""A file of rules is applied as a whole, also by two servers at once."""

import asyncio

import pytest

from commentsvc.rules import apply, compiled, manage
from commentsvc.rules.schemas import RuleQuery
from tests.conftest import EVERYTHING, a_service

TEXT = '[[rule]]\nkind = "links"\nmatch = "2"\neffect = "hold"\n'


async def test_a_file_that_two_servers_apply_at_once_adds_its_rules_once(database_url, clock):
    async with a_service(database_url, clock) as one, a_service(database_url, clock) as other:
        await asyncio.gather(
            *(apply.apply_file(server, EVERYTHING, TEXT, apply.FileScope()) for server in (one, other))
        )
        assert len((await manage.list_rules(one, EVERYTHING, RuleQuery())).rules) == 1


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_other_writers_do_not_wait_until_a_long_file_is_compiled(service):
    lists = [f"word{number}" for number in range(80)]
    text = "".join(f'[[rule]]\nkind = "words"\nmatch = "{entry}"\neffect = "hold"\n' for entry in lists)
    before = compiled._compile.cache_info()
    await apply.apply_file(service, EVERYTHING, text, apply.FileScope())
    after = compiled._compile.cache_info()
    assert (after.misses - before.misses, after.maxsize) == (80, 64), "none was compiled again, in the unit of work"
