"""The filter of a site is always the one that a rebuild gives, whatever people decide, change, undo or erase."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.spam import training
from tests.conftest import MORE_EXAMPLES
from tests.spam.test_memory import posted
from tests.spam.test_memory_properties import STEPS, TEXTS, Conversation, harness
from tests.spam.test_training_races import assert_rebuild_changes_nothing, large

__all__ = ["harness", "large"]  # fixtures

LEARNED_STEPS = st.one_of(STEPS, st.just(("learn", 0)))


class TaughtConversation(Conversation):
    """Comments, and a filter that learns at times."""

    async def learn(self, _):
        await training.train_sites(self.service)


@given(texts=st.lists(TEXTS, min_size=3, max_size=3), steps=st.lists(LEARNED_STEPS, min_size=6, max_size=20))
@settings(
    max_examples=25 * MORE_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_rebuild_changes_nothing_after_any_history(harness, texts, steps):
    run, service, clock = harness

    async def live_through():
        receipts = [
            await posted(service, f"{text} #{clock.time.timestamp()}-{number}", name=f"N{number}")
            for number, text in enumerate(texts)
        ]
        told = TaughtConversation(service, clock, receipts)
        for step in steps:
            await told.take(step)
        clock.move(minutes=1)
        await assert_rebuild_changes_nothing(service)

    run(live_through())
