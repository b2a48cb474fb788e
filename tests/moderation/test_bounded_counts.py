"""Pages for moderators count and list a limited number of things, so that they stay fast."""

from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope
from commentsvc.moderation import actions, queue, queue_cards, threads
from commentsvc.moderation.schemas import Action, CommentUpdate, QueueQuery, ThreadListQuery
from commentsvc.service import private_read
from commentsvc.storage import actions as stored_actions
from commentsvc.storage import contacts, decisions, reports, revisions
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post


async def test_the_record_of_a_commenter_is_counted_up_to_a_limit(service, monkeypatch):
    ids = [await post(service, f"Number {number}") for number in range(6)]
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=ids[:4]))
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=ids[4:5]))
    digests = sorted({row["email_digest"] for row in await everything_in(service, "contact")})

    async def count(unit, most, digests):
        rows = await contacts.count_by_email(unit, digests, None, most)
        return {row["status"]: row["number"] for row in rows}

    assert await private_read(count)(service, 3, digests) == {"approved": 3, "spam": 1}
    assert await private_read(count)(service, 9, digests) == {"approved": 4, "spam": 1}
    assert await private_read(count)(service, 9, []) == {}
    monkeypatch.setattr(queue_cards, "MAX_RECORD", 2)
    (card,) = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments
    assert (card.author.approved, card.author.spam) == (2, 1)


async def test_a_moderator_without_sites_finds_nothing_without_reading(service):
    await post(service, "Some words")
    nobody = Principal(Actor(ActorKind.PERSON, None, "noa"), frozenset(Scope), ())
    for query in (QueueQuery(), QueueQuery(q="words")):
        assert (await queue.search_comments(service, nobody, query)).comments == []
    for query in (ThreadListQuery(), ThreadListQuery(q="words")):
        assert (await threads.list_threads(service, nobody, query)).threads == []


async def test_a_moderator_sees_the_latest_entries_of_a_long_history(service, monkeypatch):
    comment = await post(service, "version 1")
    await actions.update_comment(service, EVERYTHING, comment, 1, CommentUpdate(comment="version 2"))
    await actions.update_comment(service, EVERYTHING, comment, 2, CommentUpdate(comment="version 3"))
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[comment]))
    whole = await queue.get_comment_detail(service, EVERYTHING, comment)
    for module in (decisions, revisions, reports, stored_actions):
        monkeypatch.setattr(module, "MAX_HISTORY", 1)
    short = await queue.get_comment_detail(service, EVERYTHING, comment)
    for name, number in {"decisions": 2, "actions": 3, "revisions": 2}.items():
        assert len(getattr(whole, name)) == number
        assert getattr(short, name) == getattr(whole, name)[-1:]
