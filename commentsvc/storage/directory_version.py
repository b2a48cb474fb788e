"""The version of the directory: sites, their origins, and what rules say about them."""

import secrets
from typing import Final

from commentsvc.storage.database import PublicRead, Write

VERSION: Final = "(SELECT version FROM directory WHERE id = 1)"
STATEMENT: Final = f"SELECT {VERSION} AS version"


async def renew(unit: Write) -> None:
    """Give the directory a new version. Call it after every change of a site, an origin or a rule.

    The version is random: a counter could give the version of a rolled-back change to another one.
    """
    await unit.run(
        """
        INSERT INTO directory (id, version) VALUES (1, CAST(:version AS BIGINT))
        ON CONFLICT (id) DO UPDATE SET version = excluded.version
        """,
        version=secrets.randbits(62),
    )


async def get(unit: PublicRead) -> int | None:
    """Return the version of the directory; None before the first site is added."""
    row = await unit.one(STATEMENT)
    return row["version"] if row else None
