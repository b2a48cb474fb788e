"""Find what was erased, and what came back with a restored backup."""

from collections.abc import Sequence

import msgspec

from commentsvc.storage.database import PrivateRead, in_list
from commentsvc.storage.erasure_journal import Kind


async def list_present(unit: PrivateRead, comment_ids: Sequence[str]) -> list[str]:
    """Return those of these comments that are in the database and not erased."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT id FROM comment WHERE id IN {ids} AND erased_at IS NULL", **values)
    return [row["id"] for row in rows]


async def list_threads(unit: PrivateRead, site_ids: Sequence[str], thread_ids: Sequence[str]) -> list[str]:
    """Return those of these threads that are in the database, and all threads of these sites."""
    found: dict[str, None] = {}
    for column, wanted in (("id", thread_ids), ("site_id", site_ids)):
        if wanted:
            ids, values = in_list("id", wanted)
            rows = await unit.all(f"SELECT id FROM thread WHERE {column} IN {ids} ORDER BY id", **values)
            found |= dict.fromkeys(row["id"] for row in rows)
    return list(found)


async def list_erased(unit: PrivateRead) -> dict[Kind, list[str]]:
    """Return the ids of erased comments, and of threads and sites that the audit log says were removed."""
    comments = await unit.all("SELECT id FROM comment WHERE status = 'trash' AND erased_at IS NOT NULL")
    removals = await unit.all("SELECT verb, body FROM audit WHERE verb IN ('thread_remove', 'site_remove')")
    bodies = [(row["verb"], msgspec.json.decode(row["body"])) for row in removals]
    return {
        "comment": [row["id"] for row in comments],
        "thread": [one for verb, body in bodies if verb == "thread_remove" for one in body["threads"]],
        "site": [body["site"] for verb, body in bodies if verb == "site_remove"],
    }
