"""Checks of what a principal may do and see."""

from commentsvc.domain.errors import Forbidden, NotFound
from commentsvc.domain.messages import translatable_format
from commentsvc.domain.models import Comment, Principal, Scope
from commentsvc.storage import comments
from commentsvc.storage.database import PrivateRead


def require_scope(who: Principal, scope: Scope) -> Principal:
    """Return the principal, if it has the scope.

    Raises:
        Forbidden: it does not have the scope.
    """
    if not who.may(scope):
        raise Forbidden(translatable_format("This needs a key with scope %(scope)s.", scope=scope.value))
    return who


async def load_comment(unit: PrivateRead, who: Principal, comment_id: str) -> Comment:
    """Return a comment on one of this principal's sites.

    Raises:
        NotFound: no comment has this id, or it is on another site.
    """
    comment = await comments.get(unit, comment_id)
    if comment is None or not who.reaches(comment.site_id):
        raise NotFound
    return comment
