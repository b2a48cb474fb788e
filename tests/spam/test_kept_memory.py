"""Memory outlives spam that is pruned, for as long as the operator says; what a person erases is forgotten at once."""

import dataclasses

import pytest

from commentsvc.comments import erase
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Mode, Status
from commentsvc.moderation import erase as moderators_erase
from commentsvc.operations import database_copy, maintenance, secrets
from commentsvc.privacy.erase import erase_person
from commentsvc.service import Service
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.spam import fill
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_service, open_database, post
from tests.spam.test_memory import KIND, NEARLY, PILLS, act, judged, posted


async def remembered(service):
    """Return how many comments and how many keys memory has."""
    return len(await everything_in(service, "memory")), len(await everything_in(service, "memory_key"))


async def test_spam_that_was_pruned_is_still_recognised_until_its_memory_is_too_old(database_url, clock):
    async with a_service(database_url, clock, spam_days=30, memory_days=100, moderation=Mode.NONE) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS, name="Eve"))
        clock.move(days=31)
        await maintenance.delete_expired(service)
        assert not [row for row in await everything_in(service, "comment") if row["text"]]
        assert (await judged(service, PILLS, name="Bo"))[0] is Status.SPAM
        assert (await judged(service, NEARLY, name="Bo"))[0] is Status.PENDING
        clock.move(days=70)
        await maintenance.delete_expired(service)
        assert await remembered(service) == (0, 0)
        assert await judged(service, f"{PILLS}.", name="Cy") == (Status.APPROVED, [])


async def test_an_approved_text_goes_with_its_comment_from_the_trash(database_url, clock):
    async with a_service(database_url, clock, trash_days=30, memory_days=100) as service:
        id_ = await post(service, PILLS)
        for verb in (ActionVerb.APPROVE, ActionVerb.TRASH):
            await act(service, verb, id_)
        assert await remembered(service) == (0, 1)
        clock.move(days=31)
        await maintenance.delete_expired(service)
        assert await remembered(service) == (0, 0)


async def test_without_days_for_memory_it_goes_with_the_comment(database_url, clock):
    async with a_service(database_url, clock, spam_days=30, memory_days=0) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS))
        clock.move(days=29)
        await maintenance.delete_expired(service)
        assert (await remembered(service))[0] == 1
        clock.move(days=2)
        await maintenance.delete_expired(service)
        assert await remembered(service) == (0, 0)


async def test_memory_of_comments_that_are_still_here_has_no_end(service, clock):
    await act(service, ActionVerb.SPAM, await post(service, PILLS))
    clock.move(days=4000)
    await maintenance.delete_expired(service)
    assert (await judged(service, PILLS, name="Bo"))[0] is Status.SPAM


async def erased_by_the_person(service, receipt):
    await erase_person(service, Email("mia@example.com"))


async def deleted_by_its_author(service, receipt):
    await erase.withdraw_comment(service, receipt.id, receipt.edit_token)


async def erased_by_a_moderator(service, receipt):
    await moderators_erase.erase_permanently(service, EVERYTHING, receipt.id)


async def gone_with_its_site(service, receipt):
    (site,) = (await manage.list_sites(service, EVERYTHING)).sites
    await manage.add_site(service, EVERYTHING, NewSite(name="another", origins=["https://another.example"]))
    await removal.remove_site(service, EVERYTHING, site.id, SiteRemoval(expect=1))


@pytest.mark.parametrize(
    "remove", [erased_by_the_person, deleted_by_its_author, erased_by_a_moderator, gone_with_its_site]
)
async def test_what_people_erase_is_forgotten(service, remove):
    receipt = await posted(service, f"{PILLS} https://pills.example/")
    await act(service, ActionVerb.SPAM, receipt.id)
    assert (await remembered(service))[1] > 2
    await remove(service, receipt)
    assert await remembered(service) == (0, 0)


async def test_a_new_secret_key_leaves_memory_as_it_was(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS))
        before = await everything_in(service, "memory_key")
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        await secrets.reseal_emails(service)
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        assert await everything_in(service, "memory_key") == before
        assert (await judged(service, PILLS, name="Bo"))[0] is Status.SPAM


async def test_an_interrupted_reseal_leaves_memory_with_the_newest_key(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS))
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        await secrets._begin_reseal(service)
        opened = dataclasses.replace(service, keyring=Keyring([SECRET]), parts={})
        assert (await judged(opened, PILLS, name="Bo"))[0] is Status.SPAM


async def test_a_lost_secret_key_makes_memory_start_again_from_the_comments_that_are_here(database_url, clock, caplog):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS))
        before = await everything_in(service, "memory_key")
    async with a_service(database_url, clock, secrets=[OLD_SECRET], secret_key=SECRET) as service:
        opened = dataclasses.replace(service, keyring=Keyring([SECRET]), parts={})
        assert await judged(opened, KIND) == (Status.PENDING, []), "it works without memory"
        await secrets.accept_loss(opened, alone=True)
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        assert "memory of decisions: a new one was made" in caplog.text
        assert await everything_in(service, "memory_key") == []
        assert await fill.fill_memory(service) == 1
        after = await everything_in(service, "memory_key")
        assert len(after) == len(before)
        assert {row["key"] for row in after}.isdisjoint(row["key"] for row in before)
        assert (await judged(service, PILLS, name="Bo"))[0] is Status.SPAM


async def test_memory_moves_with_a_copy_to_another_database(service, tmp_path, clock):
    await act(service, ActionVerb.SPAM, await post(service, PILLS))
    url = f"sqlite:///{tmp_path}/copy.db"
    database = await open_database(url)
    target = Service(db=database, config=service.config, keyring=service.keyring, clock=clock)
    await database_copy.copy_database(service, target, lambda _: None)
    await database.close()
    async with a_service(url, clock) as copied:
        assert (await judged(copied, PILLS, name="Bo"))[0] is Status.SPAM
