"""Sites and their origins."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Site
from commentsvc.storage.database import PublicRead, Row, Write

COLUMNS: Final = ", ".join(Site.__struct_fields__)


async def add(unit: Write, site: Site) -> bool:
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
    return row is not None


async def list_all(unit: PublicRead) -> list[Site]:
    """Return all sites, oldest first."""
    rows = await unit.all(f"SELECT {COLUMNS} FROM site ORDER BY id")
    return [msgspec.convert(dict(row), Site, strict=False) for row in rows]  # the databases have numbers for booleans


async def list_origins(unit: PublicRead) -> Sequence[Row]:
    """Return ``origin, site_id`` of every origin, sorted by origin."""
    return await unit.all("SELECT origin, site_id FROM site_origin ORDER BY origin")


async def update(unit: Write, site: Site, changed: Site) -> None:
    """Store the name and the settings of a changed site. Its earlier names stay."""
    earlier = [*filter(None, site.earlier_names.split("\n")), site.name]
    await unit.run(
        "UPDATE site SET name = :name, earlier_names = :earlier, mode = :mode, email_required = :email_required "
        "WHERE id = :id",
        id=site.id,
        name=changed.name,
        earlier="\n".join(one for one in dict.fromkeys(earlier) if one != changed.name),
        mode=changed.mode.value if changed.mode else None,
        email_required=int(changed.email_required),
    )


async def remove_origin(unit: Write, site_id: str, origin: str) -> None:
    """Take an origin from a site."""
    await unit.run("DELETE FROM site_origin WHERE origin = :origin AND site_id = :id", origin=origin, id=site_id)
