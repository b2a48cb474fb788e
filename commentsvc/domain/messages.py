"""Messages for people: written once, in English, where they are raised, and translated when they are shown.

``make words`` finds them by the names ``translatable``, ``translatable_format``, ``translatable_plural`` and
``Plural``. A value that is a message is translated too; any other text among the values stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, Union


def translatable(text: str) -> str:
    """Return the text unchanged. One with ``%(places)s`` is the template of a ``FormattedMessage``."""
    return text


@dataclass(frozen=True)
class FormattedMessage:
    """A message with values in its ``%(places)s``."""

    template: str
    values: Mapping[str, "Value"]

    def __str__(self) -> str:
        return self.template % {name: format_value(value) for name, value in self.values.items()}


@dataclass(frozen=True)
class PluralMessage:
    """A message about a number, with values in its ``%(places)s``; ``%(num)s`` is the number it is about."""

    one: str
    many: str
    number: int
    others: Mapping[str, "Value"] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, "Value"]:
        """Every value by its place."""
        return {"num": self.number, **self.others}

    def __str__(self) -> str:
        template = self.one if self.number == 1 else self.many
        return template % {name: format_value(value) for name, value in self.values.items()}


Message: TypeAlias = str | FormattedMessage | PluralMessage
Value: TypeAlias = Union[str, int, FormattedMessage, PluralMessage]  # noqa: UP007 -- the classes above name it


def format_value(value: Value) -> str:
    """Return a value of a message in English."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def translatable_format(template: str, **values: Value) -> FormattedMessage:
    """Return a message with values in its ``%(places)s``."""
    return FormattedMessage(template, values)


def translatable_plural(one: str, many: str, number: int, **others: Value) -> PluralMessage:
    """Return a message about ``number``; gettext's plural rules choose its form in each language."""
    return PluralMessage(one, many, number, others)


class Plural(NamedTuple):
    """Two English forms of a message about a number. ``number`` is the place of that number."""

    singular: str
    plural: str
    number: str = "num"

    def about(self, number: int, **others: Value) -> PluralMessage:
        """Return the message about a number."""
        return PluralMessage(self.singular, self.plural, number, others)
