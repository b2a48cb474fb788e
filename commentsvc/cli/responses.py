"""Reply to a comment, edit it, or ban its commenter, during a review in the terminal."""

from commentsvc.cli.bans import choose_ban
from commentsvc.cli.review_state import NextStep, ReviewDecision, ReviewState
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, NotFound, VersionConflict
from commentsvc.domain.models import Status
from commentsvc.domain.text import is_empty
from commentsvc.moderation import actions, replies
from commentsvc.moderation.ban_schemas import DAYS
from commentsvc.moderation.schemas import CommentUpdate, ModeratorComment, NewReply
from commentsvc.moderation.wording import format_count


async def reply(review: ReviewState, card: ModeratorComment) -> NextStep:
    """Let the moderator write a reply; it approves the comment, too. A refused reply is kept for the next try."""
    if review.moderator.moderator_id is None:
        again = command_line("moderate", "--as", "NAME")
        raise Conflict(f"Only a moderator can reply. Start again with: {again}")
    draft = f"r {card.id}"
    text = await review.keys.write_text(review.drafts.get(draft, ""))
    if is_empty(text):
        review.show("Nothing was sent.")
        return NextStep.SHOW_COMMENT
    review.drafts[draft], approve = text, card.status is not Status.APPROVED
    fields = {"comment": text, "approve": approve, "seen": card.version}
    new = validation.validate(NewReply, fields, review.service.config.limits)
    try:
        reply = await replies.post_reply(review.service, review.moderator, card.id, new)
    except (VersionConflict, NotFound):
        review.show(f"{await review.describe_conflict(card)} Press r to send your reply.")
        return NextStep.SHOW_COMMENT
    del review.drafts[draft]
    review.decisions.append(
        ReviewDecision(reply.action, Status.APPROVED, int(approve), review.after, len(review.skipped))
    )
    review.show("Replied, and approved the comment." if approve else "Replied.", reply)
    return NextStep.SHOW_COMMENT if approve else review.skip(card)


async def edit(review: ReviewState, card: ModeratorComment) -> NextStep:
    """Let the moderator edit a comment."""
    draft = f"e {card.id}"
    text = await review.keys.write_text(review.drafts.get(draft, card.comment))
    if is_empty(text) or text == card.comment.strip("\r\n"):
        review.show("The comment was not changed.")
        return NextStep.SHOW_COMMENT
    review.drafts[draft] = text
    change = validation.validate(CommentUpdate, {"comment": text}, review.service.config.limits)
    try:
        done = await actions.update_comment(review.service, review.moderator, card.id, card.version, change)
    except (VersionConflict, NotFound):
        review.show(f"{await review.describe_conflict(card)} Press e to see your text.")
        return NextStep.SHOW_COMMENT
    del review.drafts[draft]
    review.show("Changed. The earlier text is kept in the history.", done)
    return NextStep.SHOW_COMMENT


async def ban(review: ReviewState, card: ModeratorComment) -> NextStep:
    """Ban the commenter."""
    banned = await choose_ban(review.service, review.moderator, card, review.keys, review.show)
    if banned is None:
        review.show("Nobody was banned.")
        return NextStep.READ_KEY
    review.decisions.append(
        ReviewDecision(banned.action, Status.SPAM, banned.marked, review.after, len(review.skipped))
    )
    marked = format_count(banned.marked, "waiting comment")
    review.show(f"Banned for {DAYS} days. {marked} marked as spam. Press u to undo both.", banned)
    return NextStep.SHOW_COMMENT
