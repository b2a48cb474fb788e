"""What searches look through: each comment's words and reasons in lower case, apart from all else.

So nothing has to be made lower case while searching, for which SQLite would ask Python at every row, and little
is read. ``LIKE`` is not used: PostgreSQL goes by it character by character, and by ``REPLACE`` thrice as fast.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.models import Comment, Status
from commentsvc.storage.database import Write, in_list

TABLE: Final = "comment_search"


async def add(unit: Write, comment: Comment) -> None:
    """Let a new comment be found."""
    await unit.run(
        "INSERT INTO comment_search (comment_id, status, words) VALUES (:id, :status, :words)",
        id=comment.id,
        status=comment.status.value,
        words=_words(comment),
    )


async def set_words(unit: Write, comment: Comment) -> None:
    """Let a comment be found by the words it has now."""
    await unit.run(
        "UPDATE comment_search SET words = :words WHERE comment_id = :id", id=comment.id, words=_words(comment)
    )


async def set_status(unit: Write, comment_ids: Sequence[str], status: Status) -> None:
    """Let comments be found where they stand now."""
    ids, values = in_list("id", comment_ids)
    await unit.run(
        f"UPDATE comment_search SET status = :status WHERE comment_id IN {ids}", status=status.value, **values
    )


async def set_reasons(unit: Write, comment_ids: Sequence[str], reasons: str) -> None:
    """Let comments be found by the reasons of their latest decision, and not by earlier ones."""
    ids, values = in_list("id", comment_ids)
    await unit.run(
        f"UPDATE comment_search SET reasons = :reasons WHERE comment_id IN {ids}", reasons=reasons.lower(), **values
    )


async def erase(unit: Write, comment_id: str) -> None:
    """Let a comment be found by nothing it said."""
    await unit.run("DELETE FROM comment_search WHERE comment_id = :id", id=comment_id)


def _words(comment: Comment) -> str:
    return f"{comment.name}\n{comment.text}".lower()
