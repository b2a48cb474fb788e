"""Health checks."""

from contextlib import suppress

from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service, write
from commentsvc.storage import installation, schema
from commentsvc.storage.database import Write


async def check_writable(service: Service) -> None:
    """Try a write, and take it back.

    Raises:
        Unavailable: it cannot be done, or the schema is not the one this program needs.
    """
    with suppress(_RollBack):
        await _check_writable(service)


class _RollBack(Exception):  # noqa: N818 -- rolls a unit of work back, and is no error
    pass


@write
async def _check_writable(unit: Write) -> None:
    if not await schema.is_current(unit):
        raise Unavailable("The database's schema is not current. Run: commentsvc migrate")
    await installation.set_fingerprint(unit, await installation.get_fingerprint(unit) or "", unit.now())
    raise _RollBack
