"""Comments and threads as readers see them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from commentsvc.comments.schemas import PublicThread, Stub, TreeComment
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import ListedComment, ReadableComment, ReadableThread, Status
from commentsvc.storage import comments

CommentT = TypeVar("CommentT", bound=ReadableComment)


def require_public(comment: CommentT | None) -> CommentT:
    """Return the comment if readers see it. A comment that was never public looks like an unknown one.

    Raises:
        NotFound: the comment does not exist, or was never public.
        Gone: the comment was public, but is not any more.
    """
    if comment is None or comment.published_at is None:
        raise NotFound
    if comment.status is not Status.APPROVED:
        raise Gone
    return comment


def public_thread(thread: ReadableThread | None, name: str) -> PublicThread:
    """Return the public data of a thread. Before the first approval it is only the name from the request."""
    if thread is None or thread.published_at is None:
        return PublicThread(name, None, None, thread is not None and thread.closed_at is not None, 0)
    return PublicThread(thread.key, thread.url, thread.title, thread.closed_at is not None, thread.approved)


def public_fields(comment: ListedComment, own: str | None = None) -> dict[str, Any]:
    """Return the public fields of a comment. One that is not approved appears as deleted.

    The comment with the id ``own`` appears with its content, as pending.
    """
    is_public = comment.status == Status.APPROVED
    is_own_pending = not is_public and comment.id == own
    visible = is_public or is_own_pending
    fields: dict[str, Any] = {
        "id": comment.id,
        "parent": comment.parent_id,
        "in_reply_to": comment.answered_id or comment.parent_id,
        "depth": comment.depth,
        "name": comment.name if visible else None,
        "hue": comment.hue if visible else None,
        "website": comment.website if visible else None,
        "html": comment.html if visible else None,
        "created_at": comment.created_at,
        "edited_at": comment.edited_at if visible else None,
        "by_moderator": comment.moderator_id is not None,
        "deleted": not visible,
    }
    return fields | {"status": Status.PENDING.value} if is_own_pending else fields


def nest(page: Sequence[ListedComment], stubs: Mapping[str, str], own: str | None) -> list[TreeComment | Stub]:
    """Return the tree of a page: replies inside their parents. ``stubs`` has the ids of other ancestors, by path."""
    roots: list[TreeComment | Stub] = []
    by_path: dict[str, TreeComment | Stub] = {}
    for comment in page:
        node = TreeComment(**public_fields(comment, own))
        by_path[comment.path] = node
        _attach(node, comment.path, by_path, roots, stubs)
    return roots


def _attach(
    node: TreeComment | Stub,
    path: str,
    by_path: dict[str, TreeComment | Stub],
    roots: list[TreeComment | Stub],
    stubs: Mapping[str, str],
) -> None:
    above = path[: -comments.PATH_DIGITS]
    if not above:
        roots.append(node)
        return
    if above not in by_path:
        by_path[above] = Stub(id=stubs[above])
        _attach(by_path[above], above, by_path, roots, stubs)
    by_path[above].replies.append(node)
