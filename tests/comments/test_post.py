"""A visitor posts, edits and withdraws a comment."""

import asyncio

import pytest

from commentsvc.comments import edit, erase, post, read
from commentsvc.comments.schemas import CommentEdit, ThreadQuery
from commentsvc.domain.errors import (
    Duplicate,
    Gone,
    Invalid,
    NotAuthor,
    NotFound,
    RateLimited,
    SubmissionReused,
    ThreadClosed,
)
from commentsvc.domain.models import ActionVerb, Mode, Status
from commentsvc.moderation import actions, threads
from commentsvc.moderation.queue import get_comment_detail, search_comments
from commentsvc.moderation.schemas import Action, QueueQuery, ThreadChange, ThreadListQuery
from commentsvc.service import private_read
from tests.conftest import EVERYTHING, a_service, draft, visit


async def approve(service, *receipts):
    action = Action(action=ActionVerb.APPROVE, ids=[receipt.id for receipt in receipts])
    return await actions.apply_action(service, EVERYTHING, action)


async def shown(service, thread="/a-page/", **query):
    page = await read.list_thread(service, ThreadQuery(thread=thread, **query), visit())
    return page.listing


async def everything_in(service, table):
    async def select(tx):
        return [dict(row) for row in await tx.all(f"SELECT * FROM {table}")]

    return await private_read(select)(service)


async def standing(service):
    """Return the status of each comment by its text."""
    return {row["text"]: row["status"] for row in await everything_in(service, "comment")}


async def test_a_new_comment_is_stored_as_pending(service):
    receipt = await post.post_comment(service, draft(), visit())

    assert receipt.status == "pending"
    assert (await shown(service)).comments == []
    queue = await search_comments(service, EVERYTHING, QueueQuery())
    assert [(card.comment, card.email) for card in queue.comments] == [
        ("I have been wondering about this too.", "mia@example.com")
    ]


async def test_every_reader_sees_an_approved_comment(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)

    listing = await shown(service)
    assert [comment.name for comment in listing.comments] == ["Mia"]
    assert listing.thread.count == 1


async def test_a_reply_is_listed_under_its_parent(service):
    first = await post.post_comment(service, draft(), visit())
    await approve(service, first)
    reply = await post.post_comment(service, draft(parent=first.id, comment="So have I."), visit())
    await approve(service, reply)

    (top,) = (await shown(service)).comments
    assert [below.id for below in top.replies] == [reply.id]
    assert top.replies[0].depth == 1


async def test_a_refused_reply_stores_nothing(service):
    with pytest.raises(Invalid) as refused:
        await post.post_comment(service, draft(parent="no-such-comment"), visit())

    assert refused.value.faults[0].field == "parent"
    for table in ("thread", "comment", "contact", "submission", "decision"):
        assert await everything_in(service, table) == []


async def test_a_visitor_cannot_reply_to_a_pending_comment(service):
    waiting = await post.post_comment(service, draft(), visit())

    with pytest.raises(Invalid):
        await post.post_comment(service, draft(parent=waiting.id, comment="Me first."), visit())


async def test_a_visitor_cannot_reply_to_a_comment_of_another_thread(service):
    elsewhere = await post.post_comment(service, draft(thread="/elsewhere/"), visit())
    await approve(service, elsewhere)

    with pytest.raises(Invalid):
        await post.post_comment(service, draft(parent=elsewhere.id), visit())


async def test_a_reply_below_the_depth_limit_is_placed_at_the_deepest_level(database_url, clock):
    async with a_service(database_url, clock, nesting=2, moderation=Mode.NONE) as service:
        parent = None
        depths = []
        for number in range(5):
            receipt = await post.post_comment(service, draft(comment=f"level {number}", parent=parent), visit())
            parent = receipt.id
            listing = await shown(service, view="flat")
            depths.append(listing.comments[-1].depth)

    assert depths == [0, 1, 2, 2, 2]


async def test_a_visitor_cannot_comment_on_a_closed_thread(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, record.id, ThreadChange(closed=True))

    with pytest.raises(ThreadClosed):
        await post.post_comment(service, draft(comment="Too late."), visit())


async def test_a_visitor_cannot_post_the_same_text_again_within_a_day(service, clock):
    await post.post_comment(service, draft(), visit())

    with pytest.raises(Duplicate):
        await post.post_comment(service, draft(email="other@example.com"), visit())

    clock.move(hours=25)
    await post.post_comment(service, draft(), visit())


async def test_the_service_keeps_one_of_many_concurrent_duplicates(service):
    posts = [post.post_comment(service, draft(), visit()) for _ in range(12)]
    outcomes = await asyncio.gather(*posts, return_exceptions=True)

    assert sum(isinstance(outcome, Duplicate) for outcome in outcomes) == 11
    assert len(await everything_in(service, "comment")) == 1


async def test_a_repeated_submission_gets_the_same_answer_and_creates_one_comment(service):
    once = await post.post_comment(service, draft(submission="form-0001"), visit())
    again = await post.post_comment(service, draft(submission="form-0001"), visit())

    assert again == once
    assert len(await everything_in(service, "comment")) == 1


async def test_concurrent_repeats_of_a_submission_get_the_same_answer(service):
    posts = [post.post_comment(service, draft(submission="form-0001"), visit()) for _ in range(12)]
    receipts = await asyncio.gather(*posts)

    assert all(receipt == receipts[0] for receipt in receipts)
    assert len(await everything_in(service, "comment")) == 1


async def test_a_visitor_cannot_reuse_a_submission_for_another_comment(service):
    await post.post_comment(service, draft(submission="form-0001"), visit())

    with pytest.raises(SubmissionReused):
        await post.post_comment(service, draft(submission="form-0001", comment="Something else."), visit())


async def test_a_visitor_can_correct_and_resend_a_refused_submission(service):
    with pytest.raises(Invalid):
        await post.post_comment(service, draft(submission="form-0001", parent="nowhere"), visit())

    await post.post_comment(service, draft(submission="form-0001"), visit())


async def test_a_network_over_the_rate_limit_is_told_how_long_to_wait(database_url, clock):
    async with a_service(database_url, clock, rate_limit="3/60") as service:
        for number in range(3):
            await post.post_comment(service, draft(comment=f"number {number}"), visit(address="198.51.100.7"))
        with pytest.raises(RateLimited) as refused:
            await post.post_comment(service, draft(comment="one more"), visit(address="198.51.100.200"))
        await post.post_comment(service, draft(comment="from elsewhere"), visit(address="203.0.113.1"))

        clock.move(seconds=refused.value.retry_after - 1)
        with pytest.raises(RateLimited):
            await post.post_comment(service, draft(comment="one more"), visit())
        clock.move(seconds=1)
        await post.post_comment(service, draft(comment="one more"), visit())

    assert refused.value.retry_after == 20


async def test_an_author_edits_an_approved_comment_and_it_becomes_pending(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)

    edited = await edit.edit_comment(
        service, receipt.id, receipt.edit_token, CommentEdit(comment="I *have* been wondering."), visit()
    )

    assert edited.html == "<p>I <em>have</em> been wondering.</p>"
    assert edited.status == "pending"
    assert (await shown(service)).comments == []
    detail = await get_comment_detail(service, EVERYTHING, receipt.id)
    assert [revision.comment for revision in detail.revisions] == ["I have been wondering about this too."]


async def test_an_edit_does_not_restore_a_comment_that_a_moderator_marked_as_spam(service):
    receipt = await post.post_comment(service, draft(), visit())
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[receipt.id]))

    edited = await edit.edit_comment(
        service, receipt.id, receipt.edit_token, CommentEdit(comment="Quite harmless now."), visit()
    )

    assert edited.status == "pending", "the author must not learn that the comment is spam"
    assert (await get_comment_detail(service, EVERYTHING, receipt.id)).status is Status.SPAM


async def test_an_author_cannot_edit_a_comment_after_the_edit_time(service, clock):
    receipt = await post.post_comment(service, draft(), visit())
    clock.move(minutes=15)

    with pytest.raises(NotAuthor):
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="Too late."), visit())


async def test_an_edit_token_is_valid_only_for_its_own_comment(service):
    mine = await post.post_comment(service, draft(), visit())
    theirs = await post.post_comment(service, draft(name="Noa"), visit())

    for token in (theirs.edit_token, mine.author_token, mine.edit_token[:-2], "ct_", "nonsense"):
        with pytest.raises(NotAuthor):
            await erase.withdraw_comment(service, mine.id, token)


async def test_a_withdrawn_comment_is_erased(service):
    receipt = await post.post_comment(service, draft(comment="Too personal after all."), visit())
    await edit.edit_comment(
        service, receipt.id, receipt.edit_token, CommentEdit(comment="Too personal, still."), visit()
    )

    await erase.withdraw_comment(service, receipt.id, receipt.edit_token)

    for table in ("comment", "contact", "revision"):
        assert "ersonal" not in str(await everything_in(service, table))
    assert await everything_in(service, "contact") == []
    with pytest.raises(Gone):
        await erase.withdraw_comment(service, receipt.id, receipt.edit_token)
    with pytest.raises(NotFound):
        await read.get_comment(service, receipt.id, None)


async def test_a_withdrawn_comment_with_replies_stays_as_a_tombstone(service):
    first = await post.post_comment(service, draft(), visit())
    await approve(service, first)
    reply = await post.post_comment(service, draft(parent=first.id, comment="So have I."), visit())
    await approve(service, reply)

    await erase.withdraw_comment(service, first.id, first.edit_token)

    (top,) = (await shown(service)).comments
    assert (top.deleted, top.name, top.html, top.edited_at) == (True, None, None, None)
    assert [below.id for below in top.replies] == [reply.id]
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[reply.id]))
    assert (await shown(service)).comments == [], "the tombstone has no replies left"


async def test_an_approved_author_with_a_token_is_published_in_mode_trusted(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        first = await post.post_comment(service, draft(), visit())
        assert first.status == "pending"
        typed = await post.post_comment(service, draft(comment="Same name, no proof."), visit())
        await approve(service, first)

        proven = draft(comment="It is me again.", author_token=first.author_token)
        stranger = draft(comment="It is me, honestly.")
        assert (await post.post_comment(service, proven, visit())).status == "approved"
        assert (await post.post_comment(service, stranger, visit())).status == "pending"
        assert typed.status == "pending"


async def test_an_edit_does_not_publish_a_comment_that_a_moderator_held(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        receipt = await post.post_comment(service, draft(), visit())
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.HOLD, ids=[receipt.id]))
        edited = await edit.edit_comment(
            service, receipt.id, receipt.edit_token, CommentEdit(comment="Harmless."), visit()
        )
        assert edited.status == "pending"


async def test_a_comment_never_renders_as_empty_html(service):
    receipt = await post.post_comment(service, draft(comment="[a]: https://example.com"), visit())
    assert "example.com" in receipt.html
