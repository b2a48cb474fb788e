"""Memory is always what the table of decisions says, whatever people decide, change, undo or erase."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.comments import edit, erase
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.errors import Conflict, Gone, NotAuthor, NotFound
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, undo
from commentsvc.moderation.schemas import CommentUpdate
from commentsvc.spam import fill
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, MORE_EXAMPLES, Clock, a_service, visit
from tests.spam.test_fill import empty_memory
from tests.spam.test_memory import KIND, PILLS, PROGRAM, act, posted

TEXTS = st.sampled_from([PILLS, KIND, "Nice post!", "See https://pills.example/ and https://video.example/"])
COMMENTS = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("decide"), COMMENTS, st.sampled_from(list(ActionVerb)), st.booleans()),
    st.tuples(st.just("edit"), COMMENTS, TEXTS),
    st.tuples(st.just("amend"), COMMENTS, TEXTS),
    st.tuples(st.just("undo"), st.integers(0, 20)),
    st.tuples(st.just("withdraw"), COMMENTS),
)


def histories(examples):
    """Return the settings of a property of histories, each of which takes many statements."""
    return settings(
        max_examples=examples * MORE_EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


class Conversation:
    """Three comments, and what is done to them."""

    def __init__(self, service, clock):
        self.service, self.clock = service, clock
        self.receipts, self.done = [], []

    async def live_through(self, texts, steps):
        """Post comments with these texts, and take the steps. Earlier examples on the database have other texts."""
        for number, text in enumerate(texts):
            unlike = f"{text} #{self.clock.time.timestamp()}-{number}"
            self.receipts.append(await posted(self.service, unlike, name=f"N{number}"))
        for step in steps:
            await self.take(step)
        self.clock.move(minutes=1)

    async def take(self, step):
        self.clock.move(seconds=1)
        kind, number, *more = step
        try:
            result = await getattr(self, kind)(number, *more)
        except (Conflict, Gone, NotAuthor, NotFound):
            return
        if result is not None:
            self.done.append(result.id)

    async def decide(self, number, verb, by_program):
        who = PROGRAM if by_program else EVERYTHING
        return await act(self.service, verb, self.receipts[number].id, who=who)

    async def edit(self, number, text):
        mine = self.receipts[number]
        await edit.edit_comment(self.service, mine.id, mine.edit_token, CommentEdit(comment=text), visit())

    async def amend(self, number, text):
        id_, change = self.receipts[number].id, CommentUpdate(comment=text)
        return await actions.update_comment(self.service, EVERYTHING, id_, range(99), change)

    async def undo(self, number):
        return await undo.undo_action(self.service, EVERYTHING, self.done[number]) if number < len(self.done) else None

    async def withdraw(self, number):
        mine = self.receipts[number]
        await erase.withdraw_comment(self.service, mine.id, mine.edit_token)


@pytest.fixture
def harness(database_url):
    clock, stack = Clock(), AsyncExitStack()
    with asyncio.Runner() as runner:
        opened = a_service(database_url, clock, moderation=Mode.NONE, edit_minutes=60)
        yield runner.run, runner.run(stack.enter_async_context(opened)), clock
        runner.run(stack.aclose())


async def memory_of(service):
    rows = [*await everything_in(service, "memory"), *await everything_in(service, "memory_key")]
    return sorted(str(sorted(row.items())) for row in rows)


@given(texts=st.lists(TEXTS, min_size=3, max_size=3), steps=st.lists(STEPS, min_size=6, max_size=20))
@histories(40)
def test_memory_is_what_the_decisions_say_after_any_history(harness, texts, steps):
    run, service, clock = harness

    async def live_through():
        await Conversation(service, clock).live_through(texts, steps)
        before = await memory_of(service)
        await empty_memory(service)
        service.parts.pop(fill.Progress, None)
        await fill.fill_memory(service)
        assert await memory_of(service) == before

    run(live_through())
