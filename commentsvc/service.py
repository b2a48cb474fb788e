"""What a verb may touch: the database, the settings, the keys, the clock, and new ids."""

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from commentsvc.config import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.timestamps import format_time
from commentsvc.rules.engine import CompiledRule
from commentsvc.storage.database import Database


class Ids:
    """UUIDv7 (RFC 9562, 5.7): sorted as they were made, also within a millisecond (6.2, method 1)."""

    def __init__(self, milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._milliseconds = milliseconds
        self._last = 0

    def __call__(self) -> str:
        """A new id, greater than every earlier one."""
        # 48 bits of milliseconds and 12 of a counter are one number that only grows.
        self._last = max(self._last + 1, self._milliseconds() << 12)
        number = (self._last >> 12) << 80 | 7 << 76 | (self._last & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=number))


@dataclass(frozen=True)
class Service:
    """Handed to every verb."""

    db: Database
    config: Config
    keyring: Keyring
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = field(default_factory=Ids)
    # Of each site, ready to be asked, and for which version of its rules.
    rules: dict[str, tuple[int, tuple[CompiledRule, ...]]] = field(default_factory=dict)

    def now(self) -> str:
        """The present moment as text."""
        return format_time(self.clock())

    def ago(self, **amount: float) -> str:
        """The moment so long ago, as text: ``ago(hours=24)``."""
        return format_time(self.clock() - timedelta(**amount))

    def ahead(self, **amount: float) -> str:
        """The moment so far ahead, as text."""
        return format_time(self.clock() + timedelta(**amount))
