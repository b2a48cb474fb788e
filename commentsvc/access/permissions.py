"""What a principal may do and see."""

from commentsvc.domain.errors import Forbidden, NotFound
from commentsvc.domain.models import Comment, Principal, Scope
from commentsvc.storage import comments
from commentsvc.storage.database import PublicRead


def require_scope(who: Principal, scope: Scope) -> Principal:
    """Let whoever has the scope pass.

    Raises:
        Forbidden: they have not.
    """
    if not who.may(scope):
        raise Forbidden(f"This needs a key with scope {scope.value}.")
    return who


async def load_comment(unit: PublicRead, who: Principal, comment_id: str) -> Comment:
    """A comment on one of this principal's sites.

    Raises:
        NotFound: there is none.
    """
    comment = await comments.get(unit, comment_id)
    if comment is None or not who.reaches(comment.site_id):
        raise NotFound
    return comment
