"""Revisions: earlier texts of comments."""

from collections.abc import Sequence

from commentsvc.domain.models import Actor, Comment
from commentsvc.storage.actors import COLUMNS, VALUES, actor_values
from commentsvc.storage.database import MAX_HISTORY, PrivateRead, Row, Write, in_list


async def add(unit: Write, comment: Comment, actor: Actor, now: str) -> None:
    """Save a comment's current name and text as a revision, before they change."""
    await unit.run(
        f"""
        INSERT INTO revision (comment_id, version, name, text, html, text_digest, {COLUMNS}, created_at)
        VALUES (:id, :version, :name, :text, :html, :text_digest, {VALUES}, :now)
        """,
        id=comment.id,
        version=comment.version,
        name=comment.name,
        text=comment.text,
        html=comment.html,
        text_digest=comment.text_digest,
        now=now,
        **actor_values(actor),
    )


async def list_of_comment(unit: PrivateRead, comment_id: str) -> Sequence[Row]:
    """Return the latest revisions of a comment, oldest first."""
    rows = await unit.all(
        f"""
        SELECT version, name, text, {COLUMNS}, created_at FROM revision WHERE comment_id = :id
        ORDER BY version DESC LIMIT {MAX_HISTORY}
        """,
        id=comment_id,
    )
    return rows[::-1]


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[tuple[str, int], Row]:
    """Return the revisions of comments, by (comment id, version)."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT comment_id, version, name, text, html, text_digest FROM revision WHERE comment_id IN {ids}", **values
    )
    return {(row["comment_id"], row["version"]): row for row in rows}
