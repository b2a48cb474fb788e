"""A decision on a comment counts for comments like it, until somebody undoes it or the comment is erased."""

import pytest

from commentsvc.comments import edit
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.markdown import render
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Effect, Mode, Principal, Scope, Status, StatusFilter
from commentsvc.domain.reasons import reason_text
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.schemas import Action, CommentUpdate, QueueQuery
from commentsvc.service import private_read
from commentsvc.spam.features import sample_of
from commentsvc.spam.near_text import read_fingerprint
from commentsvc.storage import decisions
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post, visit

PILLS = "Buy our wonderful blue pills today, they are cheap and they work at once"
NEARLY = "Buy our wonderful blue pills tonight!! They are cheap, and they work at once :)"
KIND = "Thank you for this article, it helped me to repair my old bicycle"
PROGRAM = Principal(Actor(ActorKind.PROGRAM, None, "script"), frozenset(Scope), None)


async def act(service, verb, *ids, who=EVERYTHING):
    return await actions.apply_action(service, who, Action(action=verb, ids=list(ids)))


@private_read
async def latest(unit, comment_id):
    return await decisions.get_latest(unit, comment_id)


async def judged(service, text, *, address="192.0.2.1", **more):
    """Post a comment from another network; return its status, and what memory said: effects and sentences."""
    found = await latest(service, await post(service, text, address=address, **more))
    verdicts = [(one.actor, one.effect, one.reason) for one in found.verdicts]
    effect = {Status.SPAM: Effect.SPAM, Status.PENDING: Effect.HOLD, Status.APPROVED: Effect.APPROVE}[found.status]
    reasons = [(effect, found.reason)] if found.actor.name == "repeat" else []
    reasons += [(effect, reason) for actor, effect, reason in verdicts if actor.name == "repeat"]
    return found.status, [(effect, reason_text(reason)) for effect, reason in reasons]


async def test_the_same_text_under_another_name_is_spam_and_the_reason_says_since_when(service):
    await act(service, ActionVerb.SPAM, await post(service, PILLS, name="Eve"))
    assert await judged(service, PILLS.upper(), name="Mallory") == (
        Status.SPAM,
        [(Effect.SPAM, "The same text was marked as spam on 22 November 2026.")],
    )


async def test_nearly_the_same_text_is_held_with_the_number_of_comments_like_it(service):
    await act(service, ActionVerb.SPAM, await post(service, PILLS), await post(service, f"{PILLS}, really"))
    assert await judged(service, NEARLY) == (
        Status.PENDING,
        [(Effect.HOLD, "2 comments like this were marked as spam.")],
    )
    assert await judged(service, KIND) == (Status.PENDING, [])


@pytest.mark.parametrize("text", ["assalamualaikum", "Nice post!", "+1", "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍"])
async def test_a_short_text_that_was_spam_is_a_note_only(database_url, clock, text):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await act(service, ActionVerb.SPAM, await post(service, text, name="Eve"))
        status, reasons = await judged(service, text, name="Ravi")
        assert status is Status.APPROVED
        assert (Effect.NOTE, "The same text was marked as spam on 22 November 2026.") in reasons


async def test_a_text_that_somebody_approved_is_never_spam_by_memory(service):
    await act(service, ActionVerb.APPROVE, await post(service, PILLS, name="Ada"))
    await act(service, ActionVerb.SPAM, await post(service, PILLS, name="Eve"))
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])


async def test_an_approval_that_was_taken_back_by_the_same_moderator_still_counts(service):
    id_ = await post(service, PILLS)
    await act(service, ActionVerb.APPROVE, id_)
    await act(service, ActionVerb.SPAM, id_)
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])


@pytest.mark.parametrize("who", [EVERYTHING, PROGRAM], ids=["by a person", "by a program"])
@pytest.mark.parametrize("verb", [ActionVerb.HOLD, ActionVerb.TRASH])
async def test_an_approved_text_that_was_held_or_deleted_later_was_approved_once(service, verb, who):
    id_ = await post(service, PILLS, name="Ada")
    await act(service, ActionVerb.APPROVE, id_)
    await act(service, ActionVerb.SPAM, await post(service, PILLS, name="Eve"))
    await act(service, verb, id_, who=who)
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])
    assert [row["label"] for row in await everything_in(service, "memory")] == ["spam"]


async def test_a_program_teaches_nothing(service):
    await act(service, ActionVerb.SPAM, await post(service, PILLS), who=PROGRAM)
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])


async def test_a_host_that_was_in_spam_holds_and_one_that_was_good_too_does_not(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        spam = await post(
            service, "Look at https://pills.example/a and https://video.example/", website="https://www.win.example"
        )
        await act(service, ActionVerb.SPAM, spam)
        assert await judged(service, "I read this: https://PILLS.example/other?x=1") == (
            Status.PENDING,
            [(Effect.HOLD, "Links to pills.example, seen only in spam so far.")],
        )
        assert await judged(service, "I am new here", website="http://win.example/me") == (
            Status.PENDING,
            [(Effect.HOLD, "Website on win.example, seen only in spam so far.")],
        )
        fine = await post(service, "A talk about bicycles: https://video.example/watch")
        await act(service, ActionVerb.APPROVE, fine)
        assert await judged(service, "Another talk: https://video.example/bikes") == (Status.APPROVED, [])


@pytest.mark.parametrize(
    "link",
    [
        "Https://Pills.example/a",  # as phones write it
        "HTTP://PILLS.EXAMPLE:8080",
        "www.pills.example",
        "[a](https://user@pills.example.)",
        "https://\uff50ills.example/",
    ],
)
def test_a_host_is_the_same_however_it_is_written(link):
    html = render(link)
    assert read_fingerprint(html, None).hosts == sample_of("Eve", None, html, 0).link_hosts == ("pills.example",)


@pytest.mark.parametrize(
    "link", ["https://m\u00fcller.example/a", "Www.M\u00dcLLER.example", "http://xn--mller-kva.example"]
)
def test_a_host_with_letters_of_a_language_is_the_same_as_its_name_in_ascii(link):
    html = render(link)
    assert (
        read_fingerprint(html, None).hosts == sample_of("Eve", None, html, 0).link_hosts == ("xn--mller-kva.example",)
    )
    website = "https://m\u00fcller.example/"
    assert (
        read_fingerprint("", website).website
        == sample_of("Eve", website, "", 0).website_host
        == "xn--mller-kva.example"
    )


@pytest.mark.parametrize(
    "link",
    [
        "[wiki](https://wiki.example/X%0Ahttps://hidden.example/)",
        "<https://wiki.example/X%0D%0Ahttps://hidden.example/>",
        "[wiki](https://hidden.example%2f@wiki.example/)",
        '[wiki](https://wiki.example/ "https://hidden.example/")',
        '[wiki](https://wiki.example/ "X\nhttps://hidden.example/")',
        "[wiki](https://wiki.example/?u=https://hidden.example/)",
    ],
)
async def test_a_link_teaches_nothing_about_a_host_to_which_it_does_not_lead(database_url, clock, link):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await act(service, ActionVerb.SPAM, await post(service, f"Read it here: {link}", name="Eve"))
        assert (await judged(service, "As I said on https://wiki.example/other"))[0] is Status.PENDING
        assert await judged(service, "As I said on https://hidden.example/other") == (Status.APPROVED, [])
    sample = sample_of("Mia", None, render(link), 0.0)
    assert sample.link_hosts == ("wiki.example",)


async def test_links_to_the_sites_own_pages_are_never_held(served):
    service = await served(moderation=Mode.NONE, sites="https://blog.example")
    await act(service, ActionVerb.SPAM, await post(service, "See https://blog.example/a-page/ and buy my pills"))
    assert (await judged(service, "As https://blog.example/other/ says, it rains"))[0] is Status.APPROVED


async def test_another_site_remembers_its_own_decisions_only(served):
    service = await served(moderation=Mode.NONE, sites="https://one.example https://two.example")
    spam = await post(service, PILLS, thread="https://one.example/a", name="Eve")
    await act(service, ActionVerb.SPAM, spam)
    assert (await judged(service, PILLS, thread="https://one.example/b"))[0] is Status.SPAM
    assert await judged(service, PILLS, thread="https://two.example/b") == (Status.APPROVED, [])


async def test_the_network_and_the_commenter_are_reasons_that_decide_nothing(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        receipt = await post_comment(service, draft(comment=PILLS), visit(address="203.0.113.9"))
        await act(service, ActionVerb.SPAM, receipt.id)
        author = {"author_token": receipt.author_token}
        assert await judged(service, "Good morning to all of you", address="203.0.113.80", **author) == (
            Status.APPROVED,
            [
                (Effect.NOTE, "1 comment from this network was marked as spam."),
                (Effect.NOTE, "1 comment by this commenter was marked as spam."),
            ],
        )


async def test_undo_forgets_and_its_undo_remembers_again(service):
    id_ = await post(service, PILLS, name="Eve")
    marked = await act(service, ActionVerb.SPAM, id_)
    undone = await undo.undo_action(service, EVERYTHING, marked.id)
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])
    await undo.undo_action(service, EVERYTHING, undone.id)
    assert (await judged(service, PILLS, name="Cy"))[0] is Status.SPAM


async def test_a_comment_that_already_waits_shows_how_many_like_it_are_spam_by_now(service):
    waiting = await post(service, PILLS, name="Eve")
    other = await post(service, KIND)
    like = [await post(service, f"{PILLS} {number}", name="Eve") for number in range(12)]
    await act(service, ActionVerb.SPAM, *like)

    page = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.PENDING))
    assert {card.id: card.like_spam for card in page.comments} == {waiting: 12, other: 0}
    shown = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.SPAM))
    assert {card.like_spam for card in shown.comments} == {0}
    await act(service, ActionVerb.APPROVE, await post(service, PILLS, name="Ada"))
    page = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.PENDING))
    assert {card.like_spam for card in page.comments} == {0}


async def edited(service, receipt, text):
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment=text), visit())


async def posted(service, text, **changed):
    return await post_comment(service, draft(comment=text, **changed), visit())


async def test_an_edit_is_compared_too_but_not_with_the_comment_itself(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await act(service, ActionVerb.SPAM, await post(service, PILLS, name="Eve"))
        mine = await posted(service, KIND, name="Mallory")
        await act(service, ActionVerb.APPROVE, mine.id)
        await edited(service, mine, f"{KIND}!")
        assert (await latest(service, mine.id)).status is Status.APPROVED
        await edited(service, mine, PILLS)
        assert (await latest(service, mine.id)).status is Status.SPAM


async def test_a_spammer_cannot_teach_memory_a_kind_text_by_an_edit(service):
    mine = await posted(service, PILLS, name="Eve")
    await act(service, ActionVerb.SPAM, mine.id)
    await edited(service, mine, KIND)
    assert await judged(service, KIND, name="Ravi") == (Status.PENDING, [])


async def test_an_approval_before_an_edit_does_not_protect_the_new_text(service, clock):
    mine = await posted(service, KIND, name="Eve")
    await act(service, ActionVerb.APPROVE, mine.id)
    clock.move(minutes=1)
    await edited(service, mine, PILLS)
    clock.move(minutes=1)
    await act(service, ActionVerb.SPAM, mine.id)
    assert (await judged(service, PILLS, name="Bo"))[0] is Status.SPAM


async def test_memory_follows_the_text_when_a_moderator_changes_it_and_when_undo_restores_it(service):
    id_ = await post(service, PILLS, name="Eve")
    await act(service, ActionVerb.SPAM, id_)
    changed = await actions.update_comment(service, EVERYTHING, id_, range(9), CommentUpdate(comment=KIND))
    assert (await judged(service, KIND, name="Bo"))[0] is Status.SPAM
    assert await judged(service, PILLS, name="Bo") == (Status.PENDING, [])
    await undo.undo_action(service, EVERYTHING, changed.id)
    assert (await judged(service, PILLS, name="Cy"))[0] is Status.SPAM
    assert await judged(service, KIND, name="Cy") == (Status.PENDING, [])


async def test_nothing_can_be_read_back_from_the_database_without_the_secret_key(service):
    await act(service, ActionVerb.SPAM, await post(service, f"{PILLS} https://pills.example/"))
    (state,) = await everything_in(service, "memory_state")
    key = service.keyring.decrypt_text(state["key_sealed"])
    assert key not in str(state)
    rows = await everything_in(service, "memory_key")
    assert rows
    assert not [row for row in rows if "pills" in str(row)]
    assert all(-(2**63) <= row["key"] < 2**63 for row in rows)
