"""Health checks."""

from contextlib import suppress

from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service, write
from commentsvc.storage import installation, schema
from commentsvc.storage.database import Write


async def check_writable(service: Service) -> None:
    """Check that the database accepts writes: write, then roll back.

    Raises:
        Unavailable: the write failed, or the schema is not the one that this program needs.
    """
    with suppress(_RollBack):
        await _check_writable(service)


class _RollBack(Exception):  # noqa: N818 -- it rolls back a unit of work, and is not an error
    pass


@write
async def _check_writable(unit: Write) -> None:
    if not await schema.is_current(unit):
        raise Unavailable("The database schema is not up to date. Run: commentsvc migrate")
    # Any write would do; this one changes nothing even if it were committed.
    await installation.set_fingerprint(unit, await installation.get_fingerprint(unit) or "", unit.now())
    raise _RollBack
