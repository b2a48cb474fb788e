"""Time zones by their IANA names, such as Europe/Lisbon.

The standard library reads them from the operating system or from the package ``tzdata``. Without both there is UTC.
"""

import zoneinfo
from datetime import UTC, tzinfo
from functools import cache
from typing import Final

DEFAULT: Final = "UTC"
LONGEST: Final = 64  # characters


@cache
def list_zones() -> frozenset[str]:
    """Return the names of all time zones that this computer knows."""
    return frozenset(zoneinfo.available_timezones()) | {DEFAULT}


def find_zone(name: str) -> tzinfo | None:
    """Return a time zone; None if this computer does not know it."""
    if name == DEFAULT:
        return UTC
    return zoneinfo.ZoneInfo(name) if name in list_zones() else None
