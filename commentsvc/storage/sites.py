"""Sites and where their pages live."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Mode, Site
from commentsvc.storage.database import PublicRead, Row, Write

COLUMNS: Final = ", ".join(Site.__struct_fields__)


async def add(unit: Write, site: Site) -> bool:
    """Keep a new site; False if its name is taken."""
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
    """Let pages of an origin embed; False if another site has it."""
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
    """All sites, oldest first."""
    return [msgspec.convert(dict(row), Site) for row in await unit.all(f"SELECT {COLUMNS} FROM site ORDER BY id")]


async def list_origins(unit: PublicRead) -> Sequence[Row]:
    """``origin, site_id`` of every site."""
    return await unit.all("SELECT origin, site_id FROM site_origin ORDER BY origin")


async def set_mode(unit: Write, site_id: str, mode: Mode | None) -> None:
    """Say who is held on a site; None leaves it to the setting."""
    await unit.run("UPDATE site SET mode = :mode WHERE id = :id", id=site_id, mode=mode.value if mode else None)
