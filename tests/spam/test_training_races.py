"""People decide while a filter learns, and after it: the filter is always the same as one that is made again."""

import asyncio

import pytest

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, erase, undo
from commentsvc.moderation.schemas import CommentUpdate
from commentsvc.service import write
from commentsvc.sites import manage as manage_sites
from commentsvc.sites import removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.spam import manage, training
from commentsvc.spam.schemas import FilterQuery
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, post
from tests.spam.teaching import decide, teach, write_comments
from tests.spam.test_training import the_filter, unlearned

TOLD = "Private words about a clinic and a diagnosis, number {number}."


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """Every filter is large enough to learn new decisions alone."""
    monkeypatch.setattr(training, "FEW", 1)


async def assert_rebuild_changes_nothing(service):
    """Learn what there is, then compare the filter with one that is made again."""
    while await training.train_sites(service):
        pass
    (kept,) = await everything_in(service, "spam_filter")
    assert kept["stale"] == 0
    assert not await unlearned(service)
    await manage.rebuild_filters(service, EVERYTHING, FilterQuery())
    (rebuilt,) = await everything_in(service, "spam_filter")
    assert (kept["good"], kept["spam"]) == (rebuilt["good"], rebuilt["spam"])
    assert kept["state"] == rebuilt["state"]


class Lesson:
    """A filter that learns, in two steps: others act in between."""

    def __init__(self, service, site_id):
        self.service, self.site_id = service, site_id

    async def read(self):
        self.task = await training._find_task(self.service, self.site_id, afresh=False)
        self.learned = await training._begin(self.task)
        await training._learn(self.service, self.learned, self.task.examples)

    async def store(self):
        return await training._store(self.service, self.site_id, self.learned, self.task)


@pytest.fixture
async def taught(service, clock):
    """A service with a filter, and a lesson of the next decision."""
    await teach(service)
    site_id = (await the_filter(service))["site_id"]
    clock.move(minutes=1)
    return Lesson(service, site_id)


async def test_a_comment_that_is_erased_while_the_filter_learns_it_leaves_nothing_in_it(service, taught):
    before = await the_filter(service)
    (told,) = await write_comments(service, TOLD, 1)
    await decide(service, ActionVerb.SPAM, [told])
    await taught.read()
    await erase.erase_permanently(service, EVERYTHING, told)
    assert await taught.store()
    assert (await the_filter(service))["state"] == before["state"]
    assert told not in {row["comment_id"] for row in await everything_in(service, "memory")}
    await assert_rebuild_changes_nothing(service)


async def test_a_decision_that_is_undone_or_changed_while_the_filter_learns_it_is_unlearned(service, taught, clock):
    undone, changed = await write_comments(service, TOLD, 2)
    action = await decide(service, ActionVerb.SPAM, [undone])
    await decide(service, ActionVerb.SPAM, [changed])
    await taught.read()
    clock.move(minutes=1)
    await undo.undo_action(service, EVERYTHING, action)
    await decide(service, ActionVerb.APPROVE, [changed])
    assert await taught.store()
    await assert_rebuild_changes_nothing(service)
    found = await the_filter(service)
    assert (found["good"], found["spam"]) == (25, 8)


async def test_a_text_that_a_moderator_amends_is_unlearned_also_while_the_filter_learns_it(service, taught, clock):
    before, during = await write_comments(service, TOLD, 2)
    await decide(service, ActionVerb.APPROVE, [before, during])
    await training.train_sites(service)
    for number, comment_id in enumerate((before, during)):
        if comment_id == during:
            clock.move(minutes=1)
            await decide(service, ActionVerb.APPROVE, await write_comments(service, "One more letter.", 1))
            await taught.read()
        text = CommentUpdate(comment=f"A letter about bicycles and bread, from {number}.")
        await actions.update_comment(service, EVERYTHING, comment_id, range(99), text)
        if comment_id == during:
            assert await taught.store()
        await assert_rebuild_changes_nothing(service)


async def test_of_two_servers_that_learn_the_slower_one_stores_nothing(service, taught):
    await decide(service, ActionVerb.SPAM, await write_comments(service, TOLD, 3))
    await taught.read()
    await training.train_sites(service)
    stored = await everything_in(service, "spam_filter")
    assert not await taught.store()
    assert await everything_in(service, "spam_filter") == stored
    await assert_rebuild_changes_nothing(service)


async def test_a_process_that_dies_after_the_first_piece_of_many_leaves_a_filter_that_is_made_again(
    service, taught, monkeypatch
):
    monkeypatch.setattr(training, "PIECE", 4)
    await decide(service, ActionVerb.SPAM, await write_comments(service, TOLD, 10))
    await taught.read()
    state = await asyncio.to_thread(taught.learned.encode)
    noted = taught.task.noted[:4]
    assert await training._save(service, taught.site_id, taught.learned, state, taught.task, noted, last=False)
    (kept,) = await everything_in(service, "spam_filter")
    assert (kept["stale"], len(await unlearned(service))) == (1, 6)
    await assert_rebuild_changes_nothing(service)


async def test_a_decision_that_comes_back_after_later_ones_is_learned_in_its_order(service, taught, clock):
    first, *others = await write_comments(service, TOLD, 8)
    action = await decide(service, ActionVerb.SPAM, [first])
    undone = await undo.undo_action(service, EVERYTHING, action)
    clock.move(minutes=1)
    await decide(service, ActionVerb.APPROVE, others)
    await training.train_sites(service)
    await undo.undo_action(service, EVERYTHING, undone.id)
    await assert_rebuild_changes_nothing(service)


async def test_a_disk_that_is_too_full_for_the_filter_stops_no_comments(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        long = [await post(service, " ".join(f"word{page}x{at}" for at in range(400))) for page in range(10)]
        await decide(service, ActionVerb.APPROVE, long[:5])
        await decide(service, ActionVerb.SPAM, long[5:])
        (pages,) = await (await service.db._writer.execute("PRAGMA page_count")).fetchone()
        await service.db._writer.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(Unavailable):
            await training.train_sites(service)
        await post(service, "There is room for a comment.")
        assert await everything_in(service, "spam_filter") == []
        await service.db._writer.execute("PRAGMA max_page_count = 100000")
        await assert_rebuild_changes_nothing(service)


async def test_a_site_that_is_removed_while_its_filter_learns_stays_removed(service, taught):
    other = await manage_sites.add_site(service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    told = await write_comments(service, TOLD, 1, site="other")
    await decide(service, ActionVerb.SPAM, told)
    lesson = Lesson(service, other.id)
    await lesson.read()
    await removal.remove_site(service, EVERYTHING, other.id, SiteRemoval(expect=1))
    assert not await lesson.store()
    assert [row["site_id"] for row in await everything_in(service, "spam_filter")] == [taught.site_id]
    assert await training.train_sites(service) == 0


@write
async def damage_features(unit, comment_id):
    await unit.run("UPDATE memory SET features = 'damaged' WHERE comment_id = :id", id=comment_id)


async def test_a_filter_that_cannot_learn_keeps_no_other_from_learning(service, taught, caplog):
    await manage_sites.add_site(service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    damaged = await write_comments(service, TOLD, 1, site="blog")
    await decide(service, ActionVerb.SPAM, damaged)
    await decide(service, ActionVerb.SPAM, await write_comments(service, TOLD, 1, site="other"))
    await damage_features(service, damaged[0])
    assert await training.train_sites(service) == 2
    assert [row["site_id"] for row in await unlearned(service)] == [taught.site_id]
    assert "did not learn; next attempt later" in caplog.text
