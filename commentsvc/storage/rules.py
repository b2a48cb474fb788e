"""Moderators' rules. Removed rules are kept for a while, so that removing them can be undone."""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Rule, RuleKind
from commentsvc.storage import directory_version, sealed
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = ", ".join(Rule.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Rule.__struct_fields__)
CHANGES: Final = ", ".join(f"{name} = :{name}" for name in Rule.__struct_fields__ if name != "id")
# A word list may be long, so lists of rules contain only its start.
LISTED_CHARACTERS: Final = 200


async def add(unit: Write, rule: Rule) -> None:
    """Insert a rule."""
    await unit.run(f"INSERT INTO rule ({COLUMNS}) VALUES ({VALUES})", **msgspec.structs.asdict(rule))
    await _update_sites(unit, rule.site_id)


async def get(unit: PrivateRead, rule_id: str) -> Rule | None:
    """Return a rule, even if it was removed."""
    row = await unit.one(f"SELECT {COLUMNS} FROM rule WHERE id = :id", id=rule_id)
    return msgspec.convert(dict(row), Rule) if row else None


async def get_many(unit: PrivateRead, rule_ids: Sequence[str]) -> dict[str, Rule]:
    """Return rules by id, even removed ones; unknown ids are missing."""
    ids, values = in_list("id", rule_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM rule WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Rule) for row in rows}


async def lock(unit: Write, rule_id: str) -> None:
    """Lock a rule until this unit of work ends."""
    await unit.run("UPDATE rule SET version = version WHERE id = :id", id=rule_id)


async def delete_removed(unit: Write, before: str) -> None:
    """Delete rules that were removed before this time."""
    await unit.run("DELETE FROM rule WHERE removed_at < :before", before=before)


async def update(unit: Write, rule: Rule) -> None:
    """Update a rule that was changed, removed or restored."""
    await unit.run(f"UPDATE rule SET {CHANGES} WHERE id = :id", **msgspec.structs.asdict(rule))
    await _update_sites(unit, rule.site_id)


async def find_of_kind(unit: PrivateRead, kind: RuleKind, site_id: str | None) -> Rule | None:
    """Return the oldest rule of a kind for exactly this site; None: for all sites. Removed ones are left out."""
    row = await unit.one(
        f"""
        SELECT {COLUMNS} FROM rule
        WHERE kind = :kind AND COALESCE(site_id, '') = :site_id AND removed_at IS NULL ORDER BY id LIMIT 1
        """,
        kind=kind.value,
        site_id=site_id or "",
    )
    return msgspec.convert(dict(row), Rule) if row else None


async def list_active(unit: PrivateRead, site_id: str) -> list[Rule]:
    """Return the rules for a site and for all sites, without removed ones, oldest first."""
    rows = await unit.all(
        f"""
        SELECT {COLUMNS} FROM rule
        WHERE (site_id = :site_id OR site_id IS NULL) AND removed_at IS NULL ORDER BY id
        """,
        site_id=site_id,
    )
    return [msgspec.convert(dict(row), Rule) for row in rows]


async def sum_lengths(unit: PrivateRead, site_id: str | None, but: str) -> int:
    """Return the characters of all rules that apply to a site, or to all sites (None), except one rule."""
    row = await unit.one(
        """
        SELECT COALESCE(SUM(LENGTH(matching)), 0) AS number FROM rule
        WHERE removed_at IS NULL AND (site_id IS NULL OR site_id = CAST(:site_id AS TEXT)) AND id <> :but
        """,
        site_id=site_id,
        but=but,
    )
    return int(row["number"]) if row else 0


async def list_own(unit: PrivateRead, site_id: str | None) -> list[Rule]:
    """Return the rules of a site alone, or those for all sites (None), without removed ones, oldest first."""
    rows = await unit.all(
        f"""
        SELECT {COLUMNS} FROM rule
        WHERE (site_id = :site_id OR (CAST(:site_id AS TEXT) IS NULL AND site_id IS NULL)) AND removed_at IS NULL
        ORDER BY id
        """,
        site_id=site_id,
    )
    return [msgspec.convert(dict(row), Rule) for row in rows]


async def list_page(unit: PrivateRead, sites: Sequence[str] | None, after: str | None, limit: int) -> Sequence[Row]:
    """Return rules for these sites and for all sites, after an id, oldest first.

    ``size`` is the length of ``matching``, which is cut.
    """
    on_sites, values = site_condition("site_id", sites)
    columns = COLUMNS.replace("matching", f"SUBSTR(matching, 1, {LISTED_CHARACTERS}) AS matching")
    return await unit.all(
        f"""
        SELECT {columns}, LENGTH(matching) AS size FROM rule
        WHERE removed_at IS NULL AND (site_id IS NULL OR {on_sites}) AND (CAST(:after AS TEXT) IS NULL OR id > :after)
        ORDER BY id LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        limit=limit,
        **values,
    )


async def list_sealed(unit: PrivateRead) -> Sequence[Row]:
    """Return ``id, email_sealed`` of each rule with an email address."""
    return await unit.all("SELECT id, email_sealed FROM rule WHERE email_sealed IS NOT NULL ORDER BY id")


async def count_by_key(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted emails of each secret key, except these keys."""
    return await sealed.count_by_key(unit, "rule", "email_digest", but, "email_sealed IS NOT NULL")


async def reseal(unit: Write, rule_id: str, email_sealed: str, digest: str) -> None:
    """Replace an encrypted email address and its digest."""
    await unit.run(
        "UPDATE rule SET email_sealed = :sealed, email_digest = :digest, version = version + 1 WHERE id = :id",
        id=rule_id,
        sealed=email_sealed,
        digest=digest,
    )
    await _update_sites(unit, None)


async def _update_sites(unit: Write, site_id: str | None) -> None:
    """Set a new ``rules_version``, at which every server reloads the rules, and ``closes_after_days``.

    The version is random: a counter could give the version of a rolled-back change to other rules.
    """
    await unit.run(
        """
        UPDATE site SET rules_version = CAST(:version AS BIGINT), closes_after_days = (
            SELECT MIN(CAST(rule.matching AS BIGINT)) FROM rule
            WHERE rule.kind = 'closing_age' AND rule.effect = 'refuse' AND rule.removed_at IS NULL
              AND (rule.site_id = site.id OR rule.site_id IS NULL)
        )
        WHERE CAST(:site_id AS TEXT) IS NULL OR id = :site_id
        """,
        version=secrets.randbits(62),
        site_id=site_id,
    )
    await directory_version.renew(unit)
