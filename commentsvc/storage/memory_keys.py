"""Keyed hashes of what comments in memory have in common with new ones, and the state of memory as a whole."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from commentsvc.storage import network_contacts, spam_filters
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

MOST_COUNTED: Final = 100  # comments with one key: nobody decides otherwise after more


async def replace(unit: Write, comment_ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the keys of comments. Each row has ``key, label, comment_id``."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM memory_key WHERE comment_id IN {ids}", **values)
    if rows:
        await unit.run_many("INSERT INTO memory_key (key, label, comment_id) VALUES (:key, :label, :comment_id)", rows)


async def count(unit: PrivateRead, asked: Mapping[str, Sequence[int]]) -> Sequence[Row]:
    """Return the rows of ``recall`` for keys that are given by the comment that has them."""
    pairs = [(comment_id, key) for comment_id, keys in asked.items() for key in keys]
    if not pairs:
        return []
    values: dict[str, Any] = {f"c{at}": pair[0] for at, pair in enumerate(pairs)}
    values |= {f"k{at}": pair[1] for at, pair in enumerate(pairs)}
    known = _list_known([f"(CAST(:c{at} AS TEXT), CAST(:k{at} AS BIGINT))" for at in range(len(pairs))])
    return await unit.all(f"{known} ORDER BY comment_id, key", **values)


async def recall(
    unit: PrivateRead, own: str, keys: Sequence[int], *, site_id: str, network: str | None, author_id: str | None
) -> tuple[Sequence[Row], Row]:
    """Return what memory knows of the keys of a comment, and ``of_network, of_author, filter_version``.

    These are the numbers of spam comments of its network and by its author, and the version of the site's filter.
    Each row of the keys has ``comment_id, key``, the numbers of other comments with that key that people called spam
    (``spam``), that were spam in an archive (``imported``) and that were good (``good``), and ``marked_at``: when the
    newest one was called spam. No number is above ``MOST_COUNTED``; unknown keys are left out. It is one statement.
    """
    given = {f"k{at}": key for at, key in enumerate(keys)}
    rows = await unit.all(
        _build_recall(len(keys)), own=own, site_id=site_id, network=network, author_id=author_id, **given
    )
    (sender,) = [row for row in rows if row["key"] is None]
    return [row for row in rows if row["key"] is not None], sender


@lru_cache(maxsize=64)  # it is long, and every new comment needs it
def _build_recall(keys: int) -> str:
    known = _list_known([f"(CAST(:own AS TEXT), CAST(:k{at} AS BIGINT))" for at in range(keys)])
    return f"""
        {f"{known} UNION ALL" if keys else ""}
        SELECT CAST(:own AS TEXT) AS comment_id, CAST(NULL AS BIGINT) AS key, 0 AS spam, 0 AS imported, 0 AS good,
            CAST(NULL AS TEXT) AS marked_at, of_network, of_author, {spam_filters.VERSION} AS filter_version
        FROM (SELECT {network_contacts.MARKED}) AS sender
        ORDER BY key
    """


def _list_known(asked: Sequence[str]) -> str:
    return f"""
        WITH asked (comment_id, key) AS (VALUES {", ".join(asked)})
        SELECT comment_id, key,
            {_number("spam")} AS spam, {_number("import")} AS imported, {_number("good", 1)} AS good, (
                SELECT MAX(memory.decided_at) FROM memory WHERE memory.comment_id = (
                    SELECT MAX(known.comment_id) FROM memory_key AS known
                    WHERE known.key = asked.key AND known.label = 'spam' AND known.comment_id <> asked.comment_id
                )
            ) AS marked_at, 0 AS of_network, 0 AS of_author, CAST(NULL AS BIGINT) AS filter_version
        FROM asked WHERE EXISTS (SELECT 1 FROM memory_key AS known WHERE known.key = asked.key)
    """


def _number(label: str, most: int = MOST_COUNTED) -> str:
    return f"""
        (
            SELECT COUNT(*) FROM (
                SELECT 1 AS found FROM memory_key AS known
                WHERE known.key = asked.key AND known.label = '{label}' AND known.comment_id <> asked.comment_id
                LIMIT {most}
            ) AS counted
        )
    """


async def find_key(unit: PrivateRead) -> str | None:
    """Return the encrypted key of the hashes; None if none was made yet."""
    row = await unit.one("SELECT key_sealed FROM memory_state WHERE id = 1")
    return row["key_sealed"] if row else None


async def add_key(unit: Write, sealed: str) -> None:
    """Store the key of the hashes, unless there is one."""
    await unit.run(
        "INSERT INTO memory_state (id, key_sealed) VALUES (1, :sealed) ON CONFLICT (id) DO NOTHING", sealed=sealed
    )


async def replace_sealed(unit: Write, before: str, sealed: str) -> None:
    """Store the same key encrypted in another way, unless another process has done so."""
    await unit.run(
        "UPDATE memory_state SET key_sealed = :sealed WHERE id = 1 AND key_sealed = :before",
        before=before,
        sealed=sealed,
    )


async def start_again(unit: Write, sealed: str) -> None:
    """Store another key. Hashes with the earlier one are deleted, and memory is filled from the first decision."""
    await unit.run("DELETE FROM memory_key")
    await unit.run("UPDATE memory_state SET key_sealed = :sealed, filled_seq = 0 WHERE id = 1", sealed=sealed)


async def read_progress(unit: PrivateRead) -> tuple[int, int]:
    """Return the number of the decision up to which memory was filled, and that of the latest decision."""
    row = await unit.one(
        """
        SELECT COALESCE((SELECT filled_seq FROM memory_state WHERE id = 1), 0) AS filled,
            COALESCE((SELECT MAX(seq) FROM decision), 0) AS latest
        """
    )
    return (int(row["filled"]), int(row["latest"])) if row else (0, 0)


async def set_filled(unit: Write, seq: int) -> None:
    """Note that memory was filled up to a decision. It never goes back."""
    await unit.run(
        "UPDATE memory_state SET filled_seq = CAST(:seq AS BIGINT) WHERE id = 1 AND filled_seq < CAST(:seq AS BIGINT)",
        seq=seq,
    )


async def list_missing(unit: PrivateRead, after: int, until: int) -> list[str]:
    """Return the comments that people or imports called spam or good in these decisions, and that have no keys."""
    rows = await unit.all(
        """
        SELECT DISTINCT comment_id FROM decision
        WHERE seq > CAST(:after AS BIGINT) AND seq <= CAST(:until AS BIGINT) AND status IN ('spam', 'approved')
            AND actor_kind IN ('person', 'import')
            AND NOT EXISTS (SELECT 1 FROM memory_key WHERE memory_key.comment_id = decision.comment_id)
        ORDER BY comment_id
        """,
        after=after,
        until=until,
    )
    return [row["comment_id"] for row in rows]


async def list_texts(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``id, site_id, html, website`` of comments that are not erased."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"SELECT id, site_id, html, website FROM comment WHERE id IN {ids} AND erased_at IS NULL ORDER BY id",
        **values,
    )
