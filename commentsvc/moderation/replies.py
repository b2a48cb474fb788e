"""Reply to a comment as a moderator."""

from typing import Any

import msgspec

from commentsvc.access import permissions
from commentsvc.audit import log
from commentsvc.comments import shown
from commentsvc.comments.placement import Author, Placement, build_comment, find_place, save_comment
from commentsvc.domain import comment_text
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Conflict, Forbidden, NotFound, VersionConflict
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import Comment, Decision, Principal, Status
from commentsvc.moderation.decide import record_decision
from commentsvc.moderation.schemas import NewReply, ReplyReceipt
from commentsvc.service import Service, write
from commentsvc.storage import actions, decisions, moderators, thread_numbers, threads
from commentsvc.storage.database import PrivateRead, Write


async def post_reply(service: Service, who: Principal, comment_id: str, new: NewReply) -> ReplyReceipt:
    """Publish a reply under the moderator's name, also in a closed thread.

    The reply, and the approval of the comment if requested, are one action; undo takes back both.

    Raises:
        Forbidden: the key does not belong to a moderator.
        NotFound: no comment has this id, or it is on another site.
        VersionConflict: the comment was changed since version ``new.seen``.
        Conflict: the comment was erased, or it is not approved and its approval is not requested.
    """
    return await _post_reply(service, who, comment_id, new, await comment_text.render(new.comment))


@write
async def _post_reply(unit: Write, who: Principal, comment_id: str, new: NewReply, text: CommentText) -> ReplyReceipt:
    author = await _load_author(unit, who)
    await threads.lock_of_comments(unit, [comment_id])
    answered = await permissions.load_comment(unit, who, comment_id)
    if new.seen is not None and new.seen != answered.version:
        raise VersionConflict(
            translatable_format(
                "The comment is now at version %(version)s. Read it again, then reply.", version=answered.version
            )
        )
    _refuse_hidden(answered, new)
    action_id, now, decision = unit.new_id(), unit.now(), Decision(Status.APPROVED, who.actor)
    await actions.add_action(unit, action_id, "reply", who, None, now)
    approved = answered
    if new.approve:
        approved = (await record_decision(unit, [answered], decision, action_id))[answered.id]
    placement = await _find_placement(unit, approved)
    reply = build_comment(unit.new_id(), placement, author, text, Status.APPROVED, now)
    await save_comment(unit, reply, placement.thread)
    await decisions.add(unit, [reply.id], decision, action_id, new=reply)
    await _record_action(unit, who, action_id, reply, (answered, approved))
    return await _create_receipt(unit, reply, action_id)


async def _load_author(unit: PrivateRead, who: Principal) -> Author:
    """Return the moderator as an author. They have no contact row, since nothing private is stored."""
    name = await moderators.get_name(unit, who.moderator_id) if who.moderator_id else None
    if who.moderator_id is None or name is None:
        raise Forbidden(
            translatable("Only a moderator's own key can reply. Ask for a sign-in link: commentsvc moderator invite")
        )
    return Author(who.moderator_id, name, moderator_id=who.moderator_id)


def _refuse_hidden(answered: Comment, new: NewReply) -> None:
    if answered.erased_at:
        raise Conflict(translatable("This comment was permanently deleted."))
    if answered.status is not Status.APPROVED and not new.approve:
        raise Conflict(translatable("This comment is not public. Approve it first, or send approve: true."))


async def _find_placement(unit: Write, answered: Comment) -> Placement:
    thread = await threads.get(unit, answered.thread_id)
    seq = await thread_numbers.next_seq(unit, answered.thread_id)
    if thread is None or seq is None:
        raise NotFound
    parent, answered_id = await find_place(unit, answered)
    return Placement(thread, parent, seq, answered_id=answered_id)


async def _record_action(
    unit: Write, who: Principal, action_id: str, reply: Comment, parent: tuple[Comment, Comment]
) -> None:
    """Store and log the action. The reply's state before it is the trash: there an undo moves it."""
    changed = [parent] if parent[0].version != parent[1].version else []
    before = msgspec.structs.replace(reply, status=Status.TRASH, status_before=Status.APPROVED, version=0)
    await actions.add_items(unit, action_id, [*changed, (before, reply)])
    body: dict[str, Any] = {"action": action_id, "reply": reply.id}
    body["items"] = [log.change_item(*change) for change in changed]
    await log.add_entry(unit, actor=who.actor, verb="reply", site_id=reply.site_id, body=body)


async def _create_receipt(unit: PrivateRead, reply: Comment, action_id: str) -> ReplyReceipt:
    thread = await threads.get(unit, reply.thread_id)
    fields: dict[str, Any] = shown.public_fields(reply) | {"status": reply.status, "comment": reply.text}
    public = shown.public_thread(thread, thread.key if thread else "")
    return ReplyReceipt(**fields, thread=public, version=reply.version, action=action_id)
