"""Erase a comment permanently as a moderator."""

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionItem, ActionResult
from commentsvc.comments import erase
from commentsvc.domain.errors import Conflict
from commentsvc.domain.models import Decision, Principal, Status
from commentsvc.domain.reasons import Reason
from commentsvc.service import write
from commentsvc.storage import actions, threads
from commentsvc.storage.database import Write


@write
async def erase_permanently(unit: Write, who: Principal, comment_id: str) -> ActionResult:
    """Erase the content of a comment and the private data of its author. This cannot be undone.

    Raises:
        NotFound: no comment has this id, or it is on another site.
        Conflict: the comment is neither spam nor trash, or was already erased.
    """
    await threads.lock_of_comments(unit, [comment_id])
    comment = await permissions.load_comment(unit, who, comment_id)
    if comment.status not in {Status.SPAM, Status.TRASH}:
        raise Conflict("Only spam and trash can be permanently deleted. Move the comment to the trash first.")
    if comment.erased_at:
        raise Conflict("This comment was already permanently deleted.")
    action_id = unit.new_id()
    await actions.add_action(unit, action_id, "erase", who, None, unit.now())
    await erase.erase_comment(unit, comment, Decision(Status.TRASH, who.actor, Reason("erased")), action_id)
    item = ActionItem(comment=comment.id, from_=comment.status, to=Status.TRASH, ok=True)
    return ActionResult(id=action_id, action="erase", changed=1, undo_until=None, results=[item])
