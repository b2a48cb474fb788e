"""The filter of a site is always the one that a rebuild gives, whatever people decide, change, undo or erase."""

from hypothesis import given
from hypothesis import strategies as st

from commentsvc.spam import training
from tests.spam.test_memory_properties import STEPS, TEXTS, Conversation, harness, histories
from tests.spam.test_training_races import assert_rebuild_changes_nothing, large

__all__ = ["harness", "large"]  # fixtures

LEARNED_STEPS = st.one_of(STEPS, st.just(("learn", 0)))


class TaughtConversation(Conversation):
    """Comments, and a filter that learns at times."""

    async def learn(self, _):
        await training.train_sites(self.service)


@given(texts=st.lists(TEXTS, min_size=3, max_size=3), steps=st.lists(LEARNED_STEPS, min_size=6, max_size=20))
@histories(25)
def test_a_rebuild_changes_nothing_after_any_history(harness, texts, steps):
    run, service, clock = harness

    async def live_through():
        await TaughtConversation(service, clock).live_through(texts, steps)
        await assert_rebuild_changes_nothing(service)

    run(live_through())
