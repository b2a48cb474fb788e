"""Comments: kept, changed, and listed to readers."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from commentsvc.model import Comment, Shown, Status
from commentsvc.store import Row, Transaction, among, in_order, within

COLUMNS: Final = ", ".join(f"comment.{name}" for name in Comment.__struct_fields__)
SHOWN: Final = ", ".join(f"comment.{name}" for name in Shown.__struct_fields__)
KEPT: Final = ", ".join(Comment.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Comment.__struct_fields__)

PATH_DIGITS: Final = 6


def step(seq: int) -> str:
    """A comment's part of a path: sorts as its number does, up to 16 million in a thread."""
    return f"{seq:0{PATH_DIGITS}x}"


async def add(tx: Transaction, comment: Comment) -> None:
    """Keep a new comment."""
    await tx.run(
        f"INSERT INTO comment ({KEPT}) VALUES ({VALUES})",
        **{name: getattr(comment, name) for name in Comment.__struct_fields__},
    )


async def get(tx: Transaction, comment_id: str) -> Comment | None:
    """One comment, whatever its status."""
    row = await tx.one(f"SELECT {COLUMNS} FROM comment WHERE id = :id", id=comment_id)
    return msgspec.convert(dict(row), Comment) if row else None


async def several(tx: Transaction, comment_ids: Sequence[str]) -> dict[str, Comment]:
    """Comments by id."""
    ids, values = among("id", comment_ids)
    rows = await tx.all(f"SELECT {COLUMNS} FROM comment WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Comment) for row in rows}


async def on_path(tx: Transaction, thread_id: str, path: str) -> Comment | None:
    """The comment at this place of a thread's tree."""
    row = await tx.one(
        f"SELECT {COLUMNS} FROM comment WHERE thread_id = :thread_id AND path = :path",
        thread_id=thread_id,
        path=path,
    )
    return msgspec.convert(dict(row), Comment) if row else None


async def set_status(tx: Transaction, comment: Comment, status: Status, now: str) -> Comment:
    """Give a comment another status and a new version; the listing and the thread's count follow."""
    hidden = status in {Status.SPAM, Status.TRASH}
    before = comment.status if comment.status in {Status.PENDING, Status.APPROVED} else comment.status_before
    await tx.run(
        """
        UPDATE comment SET status = :status, status_before = :before, version = version + 1,
            published_at = CASE WHEN CAST(:status AS TEXT) = 'approved' THEN COALESCE(published_at, :now)
                                ELSE published_at END
        WHERE id = :id
        """,
        id=comment.id,
        status=status.value,
        before=before if hidden else None,
        now=now,
    )
    await relist(tx, comment.id, now)
    return await _fresh(tx, comment.id)


async def set_text(tx: Transaction, comment: Comment, words: Comment, now: str) -> Comment:
    """Give a comment other words (name, text, html, text_digest) and a new version."""
    await tx.run(
        """
        UPDATE comment SET name = :name, text = :text, html = :html, text_digest = :digest, edited_at = :edited_at,
            version = version + 1
        WHERE id = :id
        """,
        id=comment.id,
        name=words.name,
        text=words.text,
        html=words.html,
        digest=words.text_digest,
        edited_at=now,
    )
    return await _fresh(tx, comment.id)


async def remember(tx: Transaction, comment_id: str, before: str | None) -> None:
    """Set which status a hidden comment goes back to when it is restored."""
    await tx.run("UPDATE comment SET status_before = :before WHERE id = :id", id=comment_id, before=before)


async def set_note(tx: Transaction, comment: Comment, note: str | None) -> Comment:
    """Give a comment another note of its moderators', and a new version."""
    await tx.run("UPDATE comment SET note = :note, version = version + 1 WHERE id = :id", id=comment.id, note=note)
    return await _fresh(tx, comment.id)


async def erase(tx: Transaction, comment: Comment, now: str) -> Comment:
    """Take away every word of a comment; only its place, and that it was, stay."""
    await tx.run(
        """
        UPDATE comment SET name = '', website = NULL, page_url = NULL, page_title = NULL, text = '', html = '',
            text_digest = '', note = NULL,
            status = 'trash', status_before = NULL, erased_at = :now, version = version + 1
        WHERE id = :id
        """,
        id=comment.id,
        now=now,
    )
    await relist(tx, comment.id, now)
    return await _fresh(tx, comment.id)


async def relist(tx: Transaction, comment_id: str | None, now: str) -> None:
    """Bring a comment's place in the public listing up to date, and those above it.

    A comment is listed while it is approved, and as a tombstone while a listed reply hangs on it.
    """
    while comment_id:
        row = await tx.one(
            "SELECT parent_id, status, listed_at, listed_replies FROM comment WHERE id = :id", id=comment_id
        )
        if row is None:
            return
        listed = row["status"] == Status.APPROVED or row["listed_replies"] > 0
        if listed == (row["listed_at"] is not None):
            return
        await tx.run(
            "UPDATE comment SET listed_at = :listed_at WHERE id = :id",
            id=comment_id,
            listed_at=now if listed else None,
        )
        await tx.run(
            "UPDATE comment SET listed_replies = listed_replies + CAST(:change AS BIGINT) WHERE id = :id",
            id=row["parent_id"],
            change=1 if listed else -1,
        )
        comment_id = row["parent_id"]


ORDERS: Final = {
    ("tree", "oldest"): ("path > :path", "path"),
    ("tree", "newest"): ("(top < :top OR (top = :top AND path > :path))", "top DESC, path"),
    ("flat", "oldest"): ("id > :id", "id"),
    ("flat", "newest"): ("id < :id", "id DESC"),
}


async def listed(
    tx: Transaction,
    thread_id: str,
    *,
    view: Literal["tree", "flat"],
    order: Literal["oldest", "newest"],
    limit: int,
    after: tuple[str, str] | None,
    since: str | None,
    own: str | None,
) -> list[Shown]:
    """What readers see of a thread, from after (path, id) on; ``own`` is a writer's own waiting comment.

    In a tree, oldest first walks depth first; newest first turns only the top level round.
    """
    past, sorting = ORDERS[view, order]
    path, id_ = after or ("", "")
    rows = await tx.all(
        f"""
        SELECT {SHOWN} FROM comment
        WHERE thread_id = :thread_id AND {"(listed_at IS NOT NULL OR id = :own)" if own else "listed_at IS NOT NULL"}
          {f"AND {past}" if after else ""} {"AND listed_at > :since" if since else ""}
        ORDER BY {sorting} LIMIT CAST(:limit AS BIGINT)
        """,
        thread_id=thread_id,
        path=path,
        top=path[:PATH_DIGITS],
        id=id_,
        since=since,
        own=own,
        limit=limit,
    )
    return [Shown(*in_order(row)) for row in rows]


async def on_paths(tx: Transaction, thread_id: str, paths: Sequence[str]) -> dict[str, str]:
    """Ids of the comments at these places, by path."""
    places, values = among("path", paths)
    rows = await tx.all(
        f"SELECT path, id FROM comment WHERE thread_id = :thread_id AND path IN {places}",
        thread_id=thread_id,
        **values,
    )
    return {row["path"]: row["id"] for row in rows}


async def latest(tx: Transaction, site_id: str, before: str | None, limit: int) -> list[Shown]:
    """A site's approved comments, newest first, from before an id on."""
    rows = await tx.all(
        f"""
        SELECT {SHOWN} FROM comment
        WHERE site_id = :site_id AND status = 'approved' AND (CAST(:before AS TEXT) IS NULL OR id < :before)
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        site_id=site_id,
        before=before,
        limit=limit,
    )
    return [Shown(*in_order(row)) for row in rows]


async def approved_by(tx: Transaction, site_id: str, author_id: str) -> int:
    """How many approved comments an author has on a site; what other sites' moderators think proves nothing here."""
    row = await tx.one(
        """
        SELECT COUNT(*) AS number FROM comment
        WHERE author_id = :author_id AND site_id = :site_id AND status = 'approved'
        """,
        author_id=author_id,
        site_id=site_id,
    )
    return int(row["number"]) if row else 0


async def waiting_in(tx: Transaction, thread_id: str) -> int:
    """How many comments of a thread wait to be read."""
    row = await tx.one(
        "SELECT COUNT(*) AS number FROM comment WHERE thread_id = :thread_id AND status = 'pending'",
        thread_id=thread_id,
    )
    return int(row["number"]) if row else 0


async def totals(tx: Transaction, sites: Sequence[str] | None) -> Sequence[Row]:
    """``status, number`` of what has not been erased."""
    reach, values = within("site_id", sites)
    return await tx.all(
        f"SELECT status, COUNT(*) AS number FROM comment WHERE erased_at IS NULL AND {reach} GROUP BY status",
        **values,
    )


async def _fresh(tx: Transaction, comment_id: str) -> Comment:
    comment = await get(tx, comment_id)
    if comment is None:
        raise LookupError("a comment that was just changed is gone")
    return comment
