"""A moderator erases a comment for good."""

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionItem, ActionResult
from commentsvc.comments import erase
from commentsvc.domain.errors import Conflict
from commentsvc.domain.models import Decision, Principal, Status
from commentsvc.service import Service
from commentsvc.storage import actions, threads
from commentsvc.storage.database import Transaction


async def erase_permanently(service: Service, who: Principal, comment_id: str) -> ActionResult:
    """Take away a comment's words and all that is private of its writer, for good.

    Raises:
        NotFound: there is no such comment on this key's sites.
        Conflict: it is neither spam nor trash, or was erased already.
    """
    return await service.db.write(_erase_permanently, service, who, comment_id)


async def _erase_permanently(tx: Transaction, service: Service, who: Principal, comment_id: str) -> ActionResult:
    await threads.lock_of_comments(tx, [comment_id])
    comment = await permissions.load_comment(tx, who, comment_id)
    if comment.status not in {Status.SPAM, Status.TRASH}:
        raise Conflict("Only spam and trash can be permanently deleted. Move the comment to the trash first.")
    if comment.erased_at:
        raise Conflict("This comment was already permanently deleted.")
    action_id = service.new_id()
    await actions.add_action(tx, action_id, "erase", who, None, service.now())
    await erase.erase_comment(tx, service, comment, Decision(Status.TRASH, "Permanently deleted.", who.name), action_id)
    item = ActionItem(comment=comment.id, from_=comment.status, to=Status.TRASH, ok=True)
    return ActionResult(id=action_id, action="erase", changed=1, undo_until=None, results=[item])
