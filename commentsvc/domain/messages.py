"""Messages for people: written once, in English, where they are raised, and translated when they are shown.

``make words`` finds them by the names ``translatable`` and ``translatable_plural``.
"""

from dataclasses import dataclass, field
from typing import TypeAlias


def translatable(text: str) -> str:
    """Return the text unchanged. Plain text, never a format string."""
    return text


@dataclass(frozen=True)
class PluralMessage:
    """A message about a number, with numbers in its ``%(places)s``; ``%(num)s`` is the one it is about."""

    one: str
    many: str
    number: int
    others: dict[str, int] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, int]:
        """Every number by its place."""
        return {"num": self.number, **self.others}

    def __str__(self) -> str:
        template = self.one if self.number == 1 else self.many
        return template % {name: f"{value:,}" for name, value in self.values.items()}


def translatable_plural(one: str, many: str, number: int, **others: int) -> PluralMessage:
    """Return a message about ``number``; gettext's plural rules choose its form in each language."""
    return PluralMessage(one, many, number, others)


Message: TypeAlias = str | PluralMessage
