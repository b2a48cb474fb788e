"""Sites and their origins."""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import ManagedSite, Site
from commentsvc.storage import directory_version
from commentsvc.storage.database import PrivateRead, PublicRead, Row, Write, in_list

COLUMNS: Final = ", ".join(Site.__struct_fields__)
MANAGED_COLUMNS: Final = ", ".join(ManagedSite.__struct_fields__)


async def add(unit: Write, site: ManagedSite) -> bool:
    """Insert a site; return False if its name is taken."""
    row = await unit.one(
        """
        INSERT INTO site (id, name, created_at) VALUES (:id, :name, :created_at)
        ON CONFLICT (name) DO NOTHING RETURNING id
        """,
        id=site.id,
        name=site.name,
        created_at=site.created_at,
    )
    if row:
        await directory_version.renew(unit)
    return row is not None


async def add_origin(unit: Write, site_id: str, origin: str) -> bool:
    """Give a site an origin; return False if another site has it."""
    row = await unit.one(
        """
        INSERT INTO site_origin (origin, site_id) VALUES (:origin, :site_id)
        ON CONFLICT (origin) DO UPDATE SET site_id = excluded.site_id WHERE site_origin.site_id = excluded.site_id
        RETURNING origin
        """,
        origin=origin,
        site_id=site_id,
    )
    await directory_version.renew(unit)
    return row is not None


async def list_all(unit: PublicRead) -> list[Site]:
    """Return all sites, oldest first."""
    rows = await unit.all(f"SELECT {COLUMNS} FROM site ORDER BY id")
    return [msgspec.convert(dict(row), Site, strict=False) for row in rows]  # the databases have numbers for booleans


async def get_many(unit: PrivateRead, site_ids: Sequence[str]) -> dict[str, ManagedSite]:
    """Return sites with what only operators see, by id; unknown ids are missing."""
    ids, values = in_list("id", site_ids)
    rows = await unit.all(f"SELECT {MANAGED_COLUMNS} FROM site WHERE id IN {ids} ORDER BY id", **values)
    return {row["id"]: msgspec.convert(dict(row), ManagedSite, strict=False) for row in rows}


async def list_origins(unit: PublicRead) -> Sequence[Row]:
    """Return ``origin, site_id`` of every origin, in the order of code points of the origins."""
    rows = await unit.all("SELECT origin, site_id FROM site_origin ORDER BY origin")
    return sorted(rows, key=lambda row: str(row["origin"]))  # each PostgreSQL has its own order


async def update(unit: Write, site: ManagedSite, changed: ManagedSite) -> None:
    """Store the name and the settings of a changed site. Its earlier names stay.

    Servers keep the mode with the rules, so both have one version.
    """
    earlier = [*filter(None, site.earlier_names.split("\n")), site.name]
    await unit.run(
        "UPDATE site SET name = :name, earlier_names = :earlier, mode = :mode, email_required = :email_required, "
        "website_field = :website_field, privacy_url = :privacy_url, consent_required = :consent_required, "
        "time_zone = :time_zone, "
        "rules_version = CAST(:version AS BIGINT) WHERE id = :id",
        id=site.id,
        name=changed.name,
        earlier="\n".join(one for one in dict.fromkeys(earlier) if one != changed.name),
        mode=changed.mode.value if changed.mode else None,
        email_required=int(changed.email_required),
        website_field=int(changed.website_field),
        privacy_url=changed.privacy_url,
        consent_required=int(changed.consent_required),
        time_zone=changed.time_zone,
        version=secrets.randbits(62),
    )
    await directory_version.renew(unit)


async def remove_origin(unit: Write, site_id: str, origin: str) -> None:
    """Take an origin from a site."""
    await unit.run("DELETE FROM site_origin WHERE origin = :origin AND site_id = :id", origin=origin, id=site_id)
    await directory_version.renew(unit)
