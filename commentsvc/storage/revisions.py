"""Comments' earlier words."""

from collections.abc import Sequence

from commentsvc.domain.models import Actor, Comment
from commentsvc.storage.actors import COLUMNS, VALUES, actor_values
from commentsvc.storage.database import PrivateRead, Row, Write, in_list


async def add(unit: Write, comment: Comment, actor: Actor, now: str) -> None:
    """Keep a comment's present words before they change."""
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
    """A comment's earlier words, oldest first."""
    return await unit.all(
        f"""
        SELECT version, name, text, {COLUMNS}, created_at FROM revision WHERE comment_id = :id ORDER BY version
        """,
        id=comment_id,
    )


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[tuple[str, int], Row]:
    """The earlier words of many comments, by comment and the version that they stood at."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT comment_id, version, name, text, html, text_digest FROM revision WHERE comment_id IN {ids}", **values
    )
    return {(row["comment_id"], row["version"]): row for row in rows}
