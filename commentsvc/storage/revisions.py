"""Comments' earlier words."""

from collections.abc import Sequence

from commentsvc.domain.models import Comment
from commentsvc.storage.database import Row, Transaction, in_list


async def add(tx: Transaction, comment: Comment, edited_by: str, now: str) -> None:
    """Keep a comment's present words before they change."""
    await tx.run(
        """
        INSERT INTO revision (comment_id, version, name, text, edited_by, created_at)
        VALUES (:id, :version, :name, :text, :edited_by, :now)
        """,
        id=comment.id,
        version=comment.version,
        name=comment.name,
        text=comment.text,
        edited_by=edited_by,
        now=now,
    )


async def list_of_comment(tx: Transaction, comment_id: str) -> Sequence[Row]:
    """A comment's earlier words, oldest first."""
    return await tx.all(
        """
        SELECT version, name, text, edited_by, created_at FROM revision WHERE comment_id = :id ORDER BY version
        """,
        id=comment_id,
    )


async def get_many(tx: Transaction, comment_ids: Sequence[str]) -> dict[tuple[str, int], Row]:
    """The earlier words of many comments, by comment and the version that they stood at."""
    ids, values = in_list("id", comment_ids)
    rows = await tx.all(f"SELECT comment_id, version, name, text FROM revision WHERE comment_id IN {ids}", **values)
    return {(row["comment_id"], row["version"]): row for row in rows}
