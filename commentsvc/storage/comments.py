"""Comments: kept, changed, and listed to readers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from commentsvc.domain.models import Comment, ListedComment, Status
from commentsvc.storage import contacts, reports, search, threads
from commentsvc.storage.database import PublicRead, Write, in_list, row_values

COLUMNS: Final = ", ".join(f"comment.{name}" for name in Comment.__struct_fields__)
SHOWN: Final = ", ".join(f"comment.{name}" for name in ListedComment.__struct_fields__)
KEPT: Final = ", ".join(Comment.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Comment.__struct_fields__)

PATH_DIGITS: Final = 6


def path_step(seq: int) -> str:
    """A comment's part of a path: sorts as its number does, up to 16 million in a thread."""
    return f"{seq:0{PATH_DIGITS}x}"


async def add(unit: Write, comment: Comment) -> None:
    """Keep a new comment; its thread counts it, and searches find it."""
    await unit.run(
        f"INSERT INTO comment ({KEPT}) VALUES ({VALUES})",
        **{name: getattr(comment, name) for name in Comment.__struct_fields__},
    )
    await search.add(unit, comment)
    await threads.set_counters(unit, {comment.thread_id: {comment.status: 1}})


async def get(unit: PublicRead, comment_id: str) -> Comment | None:
    """One comment, whatever its status."""
    row = await unit.one(f"SELECT {COLUMNS} FROM comment WHERE id = :id", id=comment_id)
    return msgspec.convert(dict(row), Comment) if row else None


async def get_many(unit: PublicRead, comment_ids: Sequence[str]) -> dict[str, Comment]:
    """Comments by id."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM comment WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Comment) for row in rows}


async def get_by_path(unit: PublicRead, thread_id: str, path: str) -> Comment | None:
    """The comment at this place of a thread's tree."""
    row = await unit.one(
        f"SELECT {COLUMNS} FROM comment WHERE thread_id = :thread_id AND path = :path",
        thread_id=thread_id,
        path=path,
    )
    return msgspec.convert(dict(row), Comment) if row else None


async def set_status(unit: Write, comment: Comment, status: Status, now: str) -> Comment:
    """Give a comment another status and a new version; its place in the listing, counts and searches follow."""
    return (await set_statuses(unit, [comment], status, now))[comment.id]


async def set_statuses(unit: Write, found: Sequence[Comment], status: Status, now: str) -> dict[str, Comment]:
    """The same for many, in hardly more statements than for one; returns them by id."""
    ids = [comment.id for comment in found]
    listed, values = in_list("id", ids)
    await unit.run(
        f"""
        UPDATE comment SET status = :status, version = version + 1,
            status_before = CASE WHEN CAST(:status AS TEXT) IN ('pending', 'approved') THEN NULL
                                 WHEN status IN ('pending', 'approved') THEN status
                                 ELSE status_before END,
            published_at = CASE WHEN CAST(:status AS TEXT) = 'approved' THEN COALESCE(published_at, :now)
                                ELSE published_at END
        WHERE id IN {listed}
        """,
        status=status.value,
        now=now,
        **values,
    )
    await contacts.set_status(unit, ids, status)
    await search.set_status(unit, ids, status)
    await _recount(unit, found, status)
    await _update_listing(unit, ids, now)
    return await get_many(unit, ids)


async def _recount(unit: Write, found: Sequence[Comment], status: Status) -> None:
    """Let threads count comments where they stand now, and no more where they stood."""
    changes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for comment in found:
        changes[comment.thread_id].update({status.value: 1})
        changes[comment.thread_id].subtract({comment.status.value: 1})
    await threads.set_counters(unit, changes)


async def set_text(unit: Write, comment: Comment, words: Comment, now: str) -> Comment:
    """Give a comment other words (name, text, html, text_digest) and a new version."""
    await unit.run(
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
    await search.set_words(unit, words)
    return await _fresh(unit, comment.id)


async def set_status_before(unit: Write, comment_ids: Sequence[str], before: str | None) -> None:
    """Set which status hidden comments go back to when they are restored."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"UPDATE comment SET status_before = :before WHERE id IN {ids}", before=before, **values)


async def set_note(unit: Write, comment: Comment, note: str | None) -> Comment:
    """Give a comment another note of its moderators', and a new version."""
    await unit.run("UPDATE comment SET note = :note, version = version + 1 WHERE id = :id", id=comment.id, note=note)
    return await _fresh(unit, comment.id)


async def erase(unit: Write, comment: Comment, now: str) -> Comment:
    """Take away every word of a comment, and what readers said of it; only its place, and that it was, stay."""
    await unit.run(
        """
        UPDATE comment SET name = '', website = NULL, page_url = NULL, page_title = NULL, text = '', html = '',
            text_digest = '', note = NULL, reports = 0,
            status = 'trash', status_before = NULL, erased_at = :now, version = version + 1
        WHERE id = :id
        """,
        id=comment.id,
        now=now,
    )
    await search.erase(unit, comment.id)
    await reports.erase(unit, comment.id)
    await threads.set_counters(unit, {comment.thread_id: {comment.status: -1, "reported": -int(comment.reports > 0)}})
    await update_listing(unit, comment.id, now)
    return await _fresh(unit, comment.id)


async def update_listing(unit: Write, comment_id: str, now: str) -> None:
    """Bring a comment's place in the public listing up to date, and those above it.

    A comment is listed while it is approved, and as a tombstone while a listed reply hangs on it.
    """
    await _update_listing(unit, [comment_id], now)


async def _update_listing(unit: Write, comment_ids: Sequence[str], now: str) -> None:
    listed = "(status = 'approved' OR listed_replies > 0)"
    while comment_ids:
        ids, values = in_list("id", comment_ids)
        turned = await unit.all(
            f"""
            UPDATE comment SET listed_at = CASE WHEN {listed} THEN CAST(:now AS TEXT) END
            WHERE id IN {ids} AND {listed} <> (listed_at IS NOT NULL)
            RETURNING parent_id, listed_at
            """,
            now=now,
            **values,
        )
        replies: Counter[str] = Counter()
        for row in turned:
            if row["parent_id"]:
                replies[row["parent_id"]] += 1 if row["listed_at"] else -1
        for change in sorted(set(replies.values())):
            above, values = in_list("id", [parent for parent, by in replies.items() if by == change])
            await unit.run(
                f"UPDATE comment SET listed_replies = listed_replies + CAST(:by AS BIGINT) WHERE id IN {above}",
                by=change,
                **values,
            )
        comment_ids = sorted(replies)


ORDERS: Final = {
    ("tree", "oldest"): ("path > :path", "path"),
    ("tree", "newest"): ("(top < :top OR (top = :top AND path > :path))", "top DESC, path"),
    ("flat", "oldest"): ("id > :id", "id"),
    ("flat", "newest"): ("id < :id", "id DESC"),
}


async def list_page(
    unit: PublicRead,
    thread_id: str,
    *,
    view: Literal["tree", "flat"],
    order: Literal["oldest", "newest"],
    limit: int,
    after: tuple[str, str] | None,
    since: str | None,
    own: str | None,
) -> list[ListedComment]:
    """What readers see of a thread, from after (path, id) on; ``own`` is a writer's own waiting comment.

    In a tree, oldest first walks depth first; newest first turns only the top level round.
    """
    past, sorting = ORDERS[view, order]
    path, id_ = after or ("", "")
    rows = await unit.all(
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
    return [ListedComment(*row_values(row)) for row in rows]


async def list_ids_by_path(unit: PublicRead, thread_id: str, paths: Sequence[str]) -> dict[str, str]:
    """Ids of the comments at these places, by path."""
    places, values = in_list("path", paths)
    rows = await unit.all(
        f"SELECT path, id FROM comment WHERE thread_id = :thread_id AND path IN {places}",
        thread_id=thread_id,
        **values,
    )
    return {row["path"]: row["id"] for row in rows}


async def list_latest(unit: PublicRead, site_id: str, before: str | None, limit: int) -> list[ListedComment]:
    """A site's approved comments, newest first, from before an id on."""
    rows = await unit.all(
        f"""
        SELECT {SHOWN} FROM comment
        WHERE site_id = :site_id AND status = 'approved' AND (CAST(:before AS TEXT) IS NULL OR id < :before)
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        site_id=site_id,
        before=before,
        limit=limit,
    )
    return [ListedComment(*row_values(row)) for row in rows]


async def count_approved_by(unit: PublicRead, site_id: str, author_id: str, *, before: str, but: str | None) -> int:
    """How many approved comments, but one, an author wrote on a site before a moment.

    What other sites' moderators think proves nothing here.
    """
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM comment
        WHERE author_id = :author_id AND site_id = :site_id AND status = 'approved'
          AND created_at <= :before AND id <> COALESCE(CAST(:but AS TEXT), '')
        """,
        author_id=author_id,
        site_id=site_id,
        before=before,
        but=but,
    )
    return int(row["number"]) if row else 0


async def count_same_text(unit: PublicRead, text_digest: str, thread_id: str, before: str) -> int:
    """How many comments of other threads, on any site, had the same text by then."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM comment
        WHERE text_digest = :text_digest AND thread_id <> :thread_id AND created_at <= :before
        """,
        text_digest=text_digest,
        thread_id=thread_id,
        before=before,
    )
    return int(row["number"]) if row else 0


async def list_pending(unit: PublicRead, thread_id: str) -> int:
    """How many comments of a thread wait to be read."""
    row = await unit.one("SELECT pending FROM thread WHERE id = :id", id=thread_id)
    return int(row["pending"]) if row else 0


async def _fresh(unit: PublicRead, comment_id: str) -> Comment:
    comment = await get(unit, comment_id)
    if comment is None:
        raise LookupError("a comment that was just changed is gone")
    return comment
