"""Two servers decide, fill memory, learn and undo at the same time. Nothing fails, and nothing is lost."""

import asyncio
import random

from commentsvc.domain.errors import Conflict
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, undo
from commentsvc.moderation.schemas import CommentUpdate
from commentsvc.spam import fill, training
from tests.conftest import EVERYTHING, a_service
from tests.spam.teaching import decide, teach, write_comments
from tests.spam.test_fill import empty_memory
from tests.spam.test_memory_properties import memory_of
from tests.spam.test_training_races import assert_rebuild_changes_nothing, large

__all__ = ["large"]  # a fixture
ROUNDS = 6


async def moderate(service, ids, chance):
    """Decide on all comments in an order of one's own, amend one, and undo half of it."""
    for _ in range(ROUNDS):
        chance.shuffle(ids)
        verb = chance.choice([ActionVerb.SPAM, ActionVerb.APPROVE, ActionVerb.HOLD])
        action = await decide(service, verb, ids)
        text = CommentUpdate(comment=f"Another text, number {chance.random()}.")
        await actions.update_comment(service, EVERYTHING, ids[0], range(999), text)
        if chance.random() < 0.5:
            try:
                await undo.undo_action(service, EVERYTHING, action)
            except Conflict:  # the other server changed all of them since
                continue


async def learn(service):
    for _ in range(ROUNDS):
        await fill.fill_memory(service)
        await training.train_sites(service)


async def test_two_servers_work_on_the_same_comments_at_the_same_time(database_url, clock, caplog):
    async with a_service(database_url, clock) as first, a_service(database_url, clock) as second:
        await teach(first)
        ids = [
            comment
            for page in range(4)
            for comment in await write_comments(first, "Letter {number} from page " + str(page), 5, thread=f"/{page}/")
        ]
        clock.move(minutes=1)
        async with asyncio.TaskGroup() as group:
            for number, server in enumerate((first, second)):
                group.create_task(moderate(server, list(ids), random.Random(number)))  # noqa: S311
                group.create_task(learn(server))
        await assert_rebuild_changes_nothing(first)
        kept = await memory_of(first)
        await empty_memory(first)
        first.parts.pop(fill.Progress, None)
        await fill.fill_memory(first)
        await training.train_sites(first)
        assert await memory_of(first) == kept
    assert "deadlock" not in caplog.text
