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


async def list_addresses(unit: PrivateRead, address_ids: Sequence[str]) -> list[str]:
    """Return those of these addresses that are in the database."""
    ids, values = in_list("id", address_ids)
    return [row["id"] for row in await unit.all(f"SELECT id FROM address WHERE id IN {ids}", **values)]


async def list_bans(unit: PrivateRead, rule_ids: Sequence[str]) -> list[str]:
    """Return those of these bans that have an email address or a note."""
    ids, values = in_list("id", rule_ids)
    rows = await unit.all(
        f"SELECT id FROM rule WHERE id IN {ids} AND (email_sealed IS NOT NULL OR note IS NOT NULL)", **values
    )
    return [row["id"] for row in rows]


async def list_erased(unit: PrivateRead) -> dict[Kind, list[str]]:
    """Return the ids of erased comments, and of what the audit log says was removed or erased for a person."""
    comments = await unit.all("SELECT id FROM comment WHERE status = 'trash' AND erased_at IS NOT NULL")
    removals = await unit.all(
        "SELECT verb, body FROM audit WHERE verb IN ('thread_remove', 'site_remove', 'person_erase')"
    )
    bodies = [(row["verb"], msgspec.json.decode(row["body"])) for row in removals]
    persons = [body for verb, body in bodies if verb == "person_erase"]
    return {
        "comment": [row["id"] for row in comments],
        "thread": [one for verb, body in bodies if verb == "thread_remove" for one in body["threads"]],
        "site": [body["site"] for verb, body in bodies if verb == "site_remove"],
        "address": [one for body in persons for one in body["addresses"]],
        "ban": [one for body in persons for one in body["bans"]],
    }
