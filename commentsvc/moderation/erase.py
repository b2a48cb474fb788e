"""A moderator erases a comment for good."""

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
    """Take away a comment's words and all that is private of its writer, for good.

    Raises:
        NotFound: there is no such comment on this key's sites.
        Conflict: it is neither spam nor trash, or was erased already.
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
