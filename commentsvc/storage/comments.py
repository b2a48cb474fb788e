"""Comments: insert, change, and list for readers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.models import Comment, ListedComment, ReadableComment, Status
from commentsvc.domain.row_digest import digest_row
from commentsvc.storage import contacts, decision_links, events, parcels, reports, search, subscriptions, threads
from commentsvc.storage.database import PrivateRead, PublicRead, Row, Write, in_list, row_values

COLUMNS: Final = ", ".join(f"comment.{name}" for name in Comment.__struct_fields__)
SHOWN: Final = ", ".join(f"comment.{name}" for name in ListedComment.__struct_fields__)
READABLE: Final = ", ".join(f"comment.{name}" for name in ReadableComment.__struct_fields__)
PLAIN_COLUMNS: Final = ", ".join(Comment.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Comment.__struct_fields__)
PATH_DIGITS: Final = 6
# What ``row_digests`` checks, in the order of ids.
DIGESTED: Final = """
    SELECT id, name, text, html, created_at, row_digest FROM comment
    WHERE id > CAST(:after AS TEXT) ORDER BY id LIMIT CAST(:limit AS BIGINT)
"""


def path_step(seq: int) -> str:
    """Return a comment's part of a path. Parts sort by number, up to 16 million comments in a thread."""
    return f"{seq:0{PATH_DIGITS}x}"


def digest_comment(comment: Comment) -> str:
    """Return the digest that is stored with a comment: of what people read."""
    return digest_row(comment.id, comment.name, comment.text, comment.html, comment.created_at)


async def add(unit: Write, comment: Comment, posted_digest: str | None = None, language: str | None = None) -> None:
    """Insert a comment; ``language`` is that of its form.

    ``thread_numbers.count_new`` counts it; its decision adds it to the search index.
    """
    await unit.later(
        f"""
        INSERT INTO comment ({PLAIN_COLUMNS}, posted_digest, row_digest)
        VALUES ({VALUES}, :posted_digest, :row_digest)
        """,
        **{name: getattr(comment, name) for name in Comment.__struct_fields__},
        posted_digest=posted_digest,
        row_digest=digest_comment(comment),
    )
    detail = {"status": comment.status.value} | ({"language": language} if language else {})
    await events.add_of_comment(unit, EventKind.COMMENT_CREATED, comment, detail)


async def get_readable(unit: PublicRead, comment_id: str) -> ReadableComment | None:
    """Return a comment with any status, as public connections may read it."""
    row = await unit.one(f"SELECT {READABLE} FROM comment WHERE id = :id", id=comment_id)
    return msgspec.convert(dict(row), ReadableComment) if row else None


async def get(unit: PrivateRead, comment_id: str) -> Comment | None:
    """Return a comment with any status."""
    row = await unit.one(f"SELECT {COLUMNS} FROM comment WHERE id = :id", id=comment_id)
    return msgspec.convert(dict(row), Comment) if row else None


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Comment]:
    """Return comments by id; unknown ids are missing."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM comment WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Comment) for row in rows}


async def get_greatest_id(unit: PublicRead) -> str | None:
    """Return the greatest id of a comment; None if there is no comment."""
    row = await unit.one("SELECT MAX(id) AS id FROM comment")
    return row["id"] if row else None


async def list_versions(unit: PublicRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``id, site_id, version, created_at, edited_at`` of these comments."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"SELECT id, site_id, version, created_at, edited_at FROM comment WHERE id IN {ids}", **values
    )


async def get_by_path(unit: PublicRead, thread_id: str, path: str) -> ReadableComment | None:
    """Return the comment with this path in a thread, as public connections may read it."""
    row = await unit.one(
        f"SELECT {READABLE} FROM comment WHERE thread_id = :thread_id AND top = :top AND path = :path",
        thread_id=thread_id,
        top=path[:PATH_DIGITS],
        path=path,
    )
    return msgspec.convert(dict(row), ReadableComment) if row else None


async def set_status(unit: Write, comment: Comment, status: Status, now: str) -> Comment:
    """Set a comment's status, increase its version, and update listing and counters."""
    return (await set_statuses(unit, [comment], status, now))[comment.id]


async def set_statuses(unit: Write, found: Sequence[Comment], status: Status, now: str) -> dict[str, Comment]:
    """Set the status of comments, as ``set_status`` does; return them by id. The number of statements hardly grows."""
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
    await events.add_decisions(unit, found, status)
    await _recount(unit, found, status)
    await _update_listing(unit, ids, now)
    return await get_many(unit, ids)


async def _recount(unit: Write, found: Sequence[Comment], status: Status) -> None:
    """Move comments from the counters of their earlier status to those of this one."""
    changes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for comment in found:
        changes[comment.thread_id].update({status.value: 1})
        changes[comment.thread_id].subtract({comment.status.value: 1})
    await threads.set_counters(unit, changes)


async def set_text(unit: Write, comment: Comment, new: Comment, now: str) -> Comment:
    """Set a comment's name and text to those of ``new``; increase its version."""
    await unit.run(
        """
        UPDATE comment SET name = :name, hue = :hue, text = :text, html = :html, text_digest = :digest,
            edited_at = :edited_at, version = version + 1, row_digest = :row_digest
        WHERE id = :id
        """,
        id=comment.id,
        name=new.name,
        hue=new.hue,
        text=new.text,
        html=new.html,
        digest=new.text_digest,
        edited_at=now,
        row_digest=digest_row(comment.id, new.name, new.text, new.html, comment.created_at),
    )
    await search.set_words(unit, new)
    await events.add_of_comment(unit, EventKind.COMMENT_EDITED, comment)
    return await _fresh(unit, comment.id)


async def set_status_before(unit: Write, comment_ids: Sequence[str], before: str | None) -> None:
    """Set the status that spam and deleted comments get when they are restored."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"UPDATE comment SET status_before = :before WHERE id IN {ids}", before=before, **values)


async def set_note(unit: Write, comment: Comment, note: str | None) -> Comment:
    """Set the moderators' note of a comment; increase its version."""
    await unit.run("UPDATE comment SET note = :note, version = version + 1 WHERE id = :id", id=comment.id, note=note)
    return await _fresh(unit, comment.id)


async def erase(unit: Write, comment: Comment, now: str) -> Comment:
    """Erase a comment's content and its reports. The row stays, since replies need its place in the tree."""
    await unit.run(
        """
        UPDATE comment SET name = '', website = NULL, page_url = NULL, page_title = NULL, text = '', html = '',
            text_digest = '', posted_digest = NULL, note = NULL, reports = 0,
            status = 'trash', status_before = NULL, erased_at = :now, version = version + 1,
            row_digest = :row_digest
        WHERE id = :id
        """,
        id=comment.id,
        row_digest=digest_row(comment.id, "", "", "", comment.created_at),
        now=now,
    )
    await search.delete_many(unit, [comment.id])
    await events.delete_of_comments(unit, [comment.id])
    await parcels.delete_of_comments(unit, [comment.id])
    await decision_links.delete_of_comments(unit, [comment.id])
    await subscriptions.delete_of_comments(unit, [comment.id])
    await events.add_of_comment(unit, EventKind.COMMENT_DELETED, comment, {"from": comment.status.value})
    await reports.erase(unit, comment.id)
    await threads.set_counters(unit, {comment.thread_id: {comment.status: -1, "reported": -int(comment.reports > 0)}})
    await update_listing(unit, comment.id, now)
    return await _fresh(unit, comment.id)


async def update_listing(unit: Write, comment_id: str, now: str) -> None:
    """Update whether a comment, and its ancestors, are in the public listing.

    A comment is listed while it is approved, or (as a tombstone) while it has a listed reply.
    """
    await _update_listing(unit, [comment_id], now)


async def count_replies(unit: Write, replies: Mapping[str, int], now: str) -> None:
    """Count new listed replies of comments, by comment id, and update whether these are listed."""
    await _add_replies(unit, replies)
    await _update_listing(unit, sorted(replies), now)


async def _add_replies(unit: Write, replies: Mapping[str, int]) -> None:
    for change in sorted(set(replies.values())):
        above, values = in_list("id", [parent for parent, by in replies.items() if by == change])
        await unit.run(
            f"UPDATE comment SET listed_replies = listed_replies + CAST(:by AS BIGINT) WHERE id IN {above}",
            by=change,
            **values,
        )


async def _update_listing(unit: Write, comment_ids: Sequence[str], now: str) -> None:
    listed = "(status = 'approved' OR listed_replies > 0)"
    while comment_ids:
        ids, values = in_list("id", comment_ids)
        changed = await unit.all(
            f"""
            UPDATE comment SET listed_at = CASE WHEN {listed} THEN CAST(:now AS TEXT) END
            WHERE id IN {ids} AND {listed} <> (listed_at IS NOT NULL)
            RETURNING parent_id, listed_at
            """,
            now=now,
            **values,
        )
        replies: Counter[str] = Counter()
        for row in changed:
            if row["parent_id"]:
                replies[row["parent_id"]] += 1 if row["listed_at"] else -1
        await _add_replies(unit, replies)
        comment_ids = sorted(replies)


async def list_latest(unit: PublicRead, site_id: str, before: str | None, limit: int) -> list[ListedComment]:
    """Return a site's approved comments before an id, newest first."""
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


async def find_page_url(unit: PrivateRead, thread_id: str) -> str | None:
    """Return the address of the page that the latest comment of a thread was sent from, if one is known."""
    row = await unit.one(
        """
        SELECT page_url FROM comment WHERE thread_id = :thread_id AND page_url IS NOT NULL ORDER BY id DESC LIMIT 1
        """,
        thread_id=thread_id,
    )
    return row["page_url"] if row else None


async def count_approved_by(unit: PrivateRead, site_id: str, author_id: str, *, before: str, but: str | None) -> int:
    """Return how many comments of an author a site has approved, up to a time, except the comment ``but``.

    Approvals on other sites do not count, since other people moderate there.
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


async def _fresh(unit: PrivateRead, comment_id: str) -> Comment:
    comment = await get(unit, comment_id)
    if comment is None:
        raise LookupError("a comment that was just changed is gone")
    return comment
