"""A file of rules is applied as a whole, also by two servers at once."""

import asyncio

from commentsvc.rules import apply, manage
from commentsvc.rules.schemas import RuleQuery
from tests.conftest import EVERYTHING, a_service

TEXT = '[[rule]]\nkind = "links"\nmatch = "2"\neffect = "hold"\n'


async def test_a_file_that_two_servers_apply_at_once_adds_its_rules_once(database_url, clock):
    async with a_service(database_url, clock) as one, a_service(database_url, clock) as other:
        await asyncio.gather(
            *(apply.apply_file(server, EVERYTHING, TEXT, apply.FileScope()) for server in (one, other))
        )
        assert len((await manage.list_rules(one, EVERYTHING, RuleQuery())).rules) == 1
