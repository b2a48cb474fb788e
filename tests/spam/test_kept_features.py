"""The filter can be made again after spam was erased for its age, and not from what a person erased."""

from commentsvc.domain.email_address import Email
from commentsvc.operations import maintenance
from commentsvc.privacy.erase import erase_person
from commentsvc.spam import manage
from commentsvc.spam.features import Sample, weigh_features
from commentsvc.spam.kept_features import pack_values, unpack_values
from commentsvc.spam.schemas import FilterQuery
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service
from tests.spam.teaching import teach
from tests.spam.test_training import the_filter


def test_packed_features_are_the_same_again():
    values = weigh_features(Sample(text="A casino, and кино 賭場!", name="Mia", link_hosts=("a.example",), links=1))
    assert unpack_values(pack_values(values)) == dict(values)


async def test_pruned_spam_is_learned_again_by_a_rebuild(database_url, clock):
    async with a_service(database_url, clock, spam_days=30) as service:
        await teach(service)
        before = await the_filter(service)
        clock.move(days=31)
        await maintenance.delete_expired(service)
        assert sum(row["features"] is not None for row in await everything_in(service, "memory")) == 8
        assert not [row for row in await everything_in(service, "comment") if "casino" in row["text"]]
        await manage.rebuild_filters(service, EVERYTHING, FilterQuery())
        assert (await the_filter(service))["state"] == before["state"]


async def test_a_filter_forgets_pruned_spam_when_its_days_in_memory_are_over(database_url, clock):
    async with a_service(database_url, clock, spam_days=30, memory_days=60) as service:
        await teach(service)
        clock.move(days=31)
        await maintenance.delete_expired(service)
        clock.move(days=30)
        await maintenance.delete_expired(service)
        found = await the_filter(service)
        assert (found["good"], found["spam"]) == (24, 0)
        assert [row for row in await everything_in(service, "memory") if row["features"]] == []


async def test_a_person_who_asks_for_erasure_leaves_nothing_in_memory_and_in_the_filter(service):
    await teach(service)
    before = await the_filter(service)
    await erase_person(service, Email("reader1@example.org"))
    after = await the_filter(service)
    assert (after["good"], after["spam"]) == (23, 7)  # of each template, one was theirs
    assert after["state"] != before["state"]
    assert len(await everything_in(service, "memory")) == 30
