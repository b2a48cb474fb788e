"""Erase a comment permanently as a moderator."""

from commentsvc.access import permissions
from commentsvc.audit.erasures import note_erasures
from commentsvc.audit.schemas import ActionItem, ActionResult
from commentsvc.comments import erase
from commentsvc.domain.errors import Conflict
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Decision, Principal, Status
from commentsvc.domain.reasons import Reason
from commentsvc.service import Service, write
from commentsvc.storage import actions, threads
from commentsvc.storage.database import Write


async def erase_permanently(service: Service, who: Principal, comment_id: str) -> ActionResult:
    """Erase the content of a comment and the private data of its author. This cannot be undone.

    Raises:
        NotFound: no comment has this id, or it is on another site.
        Conflict: the comment is neither spam nor trash, or was already erased.
    """
    erased = await _erase_permanently(service, who, comment_id)
    await note_erasures(service, "comment", [comment_id])
    return erased


@write
async def _erase_permanently(unit: Write, who: Principal, comment_id: str) -> ActionResult:
    await threads.lock_of_comments(unit, [comment_id])
    comment = await permissions.load_comment(unit, who, comment_id)
    if comment.status not in {Status.SPAM, Status.TRASH}:
        raise Conflict(
            translatable("Only spam and trash can be permanently deleted. Move the comment to the trash first.")
        )
    if comment.erased_at:
        raise Conflict(translatable("This comment was already permanently deleted."))
    action_id = unit.new_id()
    await actions.add_action(unit, action_id, "erase", who, None, unit.now())
    await erase.erase_comment(unit, comment, Decision(Status.TRASH, who.actor, Reason("erased")), action_id, "erase")
    item = ActionItem(comment=comment.id, from_=comment.status, to=Status.TRASH, ok=True)
    return ActionResult(id=action_id, action="erase", changed=1, undo_until=None, results=[item])
