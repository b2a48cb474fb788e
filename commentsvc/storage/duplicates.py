"""Recognise a comment that is sent twice, by the digest of what was posted."""

from commentsvc.domain.models import Thread
from commentsvc.storage.database import PrivateRead


async def is_posted(unit: PrivateRead, digest: str, text_digest: str, thread: Thread, after: str, before: str) -> bool:
    """Return whether a comment with this digest was posted in a thread between two times.

    The caller has locked the thread.

    The comment is found by its text, for which an index is kept anyway. Only edited comments, whose text is another one
    now, are found by the digest itself: an index of all digests would cost 8 kB of writes for each comment.
    """
    row = await unit.one(
        """
        SELECT 1 AS found FROM comment
        WHERE text_digest = :text_digest AND status IN ('pending', 'approved', 'spam', 'trash')
            AND thread_id = :thread_id AND posted_digest = :digest AND created_at > :after
            AND created_at < :before
        UNION ALL
        SELECT 1 AS found FROM comment
        WHERE edited_at IS NOT NULL AND posted_digest = :digest AND created_at > :after AND created_at < :before
        LIMIT 1
        """,
        text_digest=text_digest,
        thread_id=thread.id,
        digest=digest,
        after=after,
        before=before,
    )
    return row is not None


async def count_same_text(unit: PrivateRead, text_digest: str, thread: Thread, before: str) -> int:
    """Return how many comments in other threads of the same site had the same text up to a time."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM comment
        WHERE text_digest = :text_digest AND thread_id <> :thread_id AND site_id = :site_id AND created_at <= :before
        """,
        text_digest=text_digest,
        thread_id=thread.id,
        site_id=thread.site_id,
        before=before,
    )
    return int(row["number"]) if row else 0
