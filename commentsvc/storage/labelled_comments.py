"""Comments with the label that people and imports gave them, for the replay of decisions."""

from collections.abc import Sequence

from commentsvc.storage.database import PrivateRead, Row


async def list_newest(unit: PrivateRead, site_id: str, limit: int) -> Sequence[Row]:
    """Return the comments of a site that were decided last, the newest decision first. Erased ones are left out.

    Each row has ``comment_id, site_id, label, decided_at, status, name, website, html, text, created_at`` and
    ``thread_since``: when its thread became public. ``spam.samples`` makes a sample of it.
    """
    return await unit.all(
        """
        SELECT memory.comment_id, memory.site_id, memory.label, memory.decided_at, comment.status, comment.name,
            comment.website, comment.html, comment.text, comment.created_at, thread.published_at AS thread_since
        FROM memory JOIN comment ON comment.id = memory.comment_id JOIN thread ON thread.id = comment.thread_id
        WHERE memory.site_id = :site_id AND memory.label IS NOT NULL AND comment.erased_at IS NULL
        ORDER BY memory.decided_at DESC, memory.comment_id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        site_id=site_id,
        limit=limit,
    )
