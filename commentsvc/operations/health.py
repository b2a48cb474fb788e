"""Health checks."""

from contextlib import suppress

from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service
from commentsvc.storage import installation, schema
from commentsvc.storage.database import Transaction


async def check_writable(service: Service) -> None:
    """Try a write, and take it back.

    Raises:
        Unavailable: it cannot be done, or the schema is not the one this program needs.
    """
    with suppress(_RollBack):
        await service.db.write(_check_writable, service)


class _RollBack(Exception):  # noqa: N818 -- rolls a unit of work back, and is no error
    pass


async def _check_writable(tx: Transaction, service: Service) -> None:
    if not await schema.is_current(tx):
        raise Unavailable("The database's schema is not current. Run: commentsvc migrate")
    await installation.set_fingerprint(tx, await installation.get_fingerprint(tx) or "", service.now())
    raise _RollBack
