"""A moderator answers a comment."""

from typing import Any

import msgspec

from commentsvc.access import permissions
from commentsvc.audit import log
from commentsvc.comments import placement, read
from commentsvc.comments.placement import Author, Placement
from commentsvc.domain import comment_text
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Conflict, Forbidden, NotFound, VersionConflict
from commentsvc.domain.models import Comment, Decision, Principal, Status
from commentsvc.moderation.decide import record_decision
from commentsvc.moderation.schemas import NewReply, ReplyReceipt
from commentsvc.service import Service, write
from commentsvc.storage import actions, decisions, moderators, threads
from commentsvc.storage.database import PrivateRead, PublicRead, Write


async def post_reply(service: Service, who: Principal, comment_id: str, new: NewReply) -> ReplyReceipt:
    """Keep a moderator's own reply; it is shown at once, under their name, also where the thread is closed.

    With the approval of what it answers, where that is asked for, it is one action and is undone whole.

    Raises:
        Forbidden: the key is no moderator's own.
        NotFound: there is no such comment on this key's sites.
        VersionPassed: it is not as it was seen.
        Conflict: the comment was erased; or it is not approved, and is not to be.
    """
    return await _post_reply(service, who, comment_id, new, await comment_text.render(new.comment))


@write
async def _post_reply(unit: Write, who: Principal, comment_id: str, new: NewReply, text: CommentText) -> ReplyReceipt:
    writer = await _writer(unit, who)
    await threads.lock_of_comments(unit, [comment_id])
    answered = await permissions.load_comment(unit, who, comment_id)
    if new.seen is not None and new.seen != answered.version:
        raise VersionConflict(f"The comment is now at version {answered.version}. Read it again, then reply.")
    _refuse_hidden(answered, new)
    action_id, now, decision = unit.new_id(), unit.now(), Decision(Status.APPROVED, who.actor)
    await actions.add_action(unit, action_id, "reply", who, None, now)
    approved = answered
    if new.approve:
        approved = (await record_decision(unit, [answered], decision, action_id))[answered.id]
    spot = await _spot(unit, approved)
    made = placement.build_comment(unit.new_id(), spot, writer, text, Status.APPROVED, now)
    await placement.save_comment(unit, made)
    await decisions.add(unit, [made.id], decision, action_id)
    await _record(unit, who, action_id, made, (answered, approved))
    return await _made(unit, made, action_id)


async def _writer(unit: PrivateRead, who: Principal) -> Author:
    """The moderator whose own key this is. They have no contact: there is nothing private to keep."""
    name = await moderators.get_name(unit, who.moderator_id) if who.moderator_id else None
    if who.moderator_id is None or name is None:
        raise Forbidden("Only a moderator's own key can reply. Create one after signing in with a sign-in link.")
    return Author(who.moderator_id, name, moderator_id=who.moderator_id)


def _refuse_hidden(answered: Comment, new: NewReply) -> None:
    if answered.erased_at:
        raise Conflict("This comment was permanently deleted.")
    if answered.status is not Status.APPROVED and not new.approve:
        raise Conflict("This comment is not public. Approve it first, or send approve: true.")


async def _spot(unit: Write, answered: Comment) -> Placement:
    thread = await threads.get(unit, answered.thread_id)
    seq = await threads.next_seq(unit, answered.thread_id, even_closed=True)
    if thread is None or seq is None:
        raise NotFound
    return Placement(thread, await placement.find_parent(unit, answered), seq)


async def _record(unit: Write, who: Principal, action_id: str, made: Comment, parent: tuple[Comment, Comment]) -> None:
    """Keep what the action did. To undo the reply is to move it to the trash, so that is where it came from."""
    changed = [parent] if parent[0].version != parent[1].version else []
    unmade = msgspec.structs.replace(made, status=Status.TRASH, status_before=Status.APPROVED, version=0)
    await actions.add_items(unit, action_id, [*changed, (unmade, made)])
    body: dict[str, Any] = {"action": action_id, "reply": made.id}
    body["items"] = [log.change_item(*change) for change in changed]
    await log.add_entry(unit, actor=who.actor, verb="reply", site_id=made.site_id, body=body)


async def _made(unit: PublicRead, made: Comment, action_id: str) -> ReplyReceipt:
    thread = await threads.get(unit, made.thread_id)
    fields: dict[str, Any] = read.public_fields(made) | {"status": made.status, "comment": made.text}
    public = read.public_thread(thread, thread.key if thread else "")
    return ReplyReceipt(**fields, thread=public, version=made.version, action=action_id)
