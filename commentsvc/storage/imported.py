"""Which comments of which archives were imported, so that a second import adds nothing, not even what was erased."""

from collections.abc import Mapping, Sequence

from commentsvc.storage.database import PrivateRead, Write, in_list


async def find(unit: PrivateRead, site_id: str, source: str, source_ids: Sequence[str]) -> dict[str, str]:
    """Return the ids of comments here by their ids in an archive; those that were never imported are missing."""
    ids, values = in_list("id", source_ids)
    rows = await unit.all(
        f"""
        SELECT source_id, comment_id FROM imported WHERE site_id = :site_id AND source = :source AND source_id IN {ids}
        """,
        site_id=site_id,
        source=source,
        **values,
    )
    return {row["source_id"]: row["comment_id"] for row in rows}


async def add(unit: Write, rows: Sequence[Mapping[str, str]]) -> None:
    """Note what was imported: ``site_id, source, source_id, comment_id``."""
    await unit.run_many(
        """
        INSERT INTO imported (site_id, source, source_id, comment_id)
        VALUES (:site_id, :source, :source_id, :comment_id) ON CONFLICT (site_id, source, source_id) DO NOTHING
        """,
        rows,
    )
