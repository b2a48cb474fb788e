"""Tell a PostgreSQL server that is away for now from settings that are wrong."""

import re
import ssl
from typing import Final

import asyncpg

# https://www.postgresql.org/docs/current/errcodes-appendix.html: stopping, crashed, starting; no connection is free.
AWAY_STATES: Final = ("57P01", "57P02", "57P03", "53300", "08000", "08001", "08003", "08004", "08006")
# A pooler gives one of these states to wrong settings too.
WRONG_SETTINGS: Final = re.compile(
    r"statement pooling|no such (?:user|database)|does not exist|unsupported startup parameter|auth\w* failed"
)


def is_away(error: BaseException) -> bool:
    """Return whether the server may accept the same settings later: it is down, starting, full or unreachable."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in AWAY_STATES and not WRONG_SETTINGS.search(str(error))
    wrong = isinstance(error, ssl.SSLError | PermissionError) or "rejected SSL upgrade" in str(error)
    return isinstance(error, OSError) and not wrong
