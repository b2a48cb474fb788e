"""Translations of the interface.

They are gettext catalogues: a translator edits ``locales/*/LC_MESSAGES/commentsvc.po``, and ``make words`` adds new
messages to it and compiles it. English is in the templates and in the code.
"""

import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Self

from markupsafe import Markup

from commentsvc.domain.messages import FormattedMessage, Message, PluralMessage, Value, translatable
from commentsvc.domain.timestamps import parse_time

DOMAIN: Final = "commentsvc"
ENGLISH: Final = "en"
LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "uk", "ar", "he", "fa", "zh", "ja", "ko")
# As speakers of a language call it: they may read no other.
LANGUAGE_NAMES: Final = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português", "it": "Italiano",
    "nl": "Nederlands", "pl": "Polski", "uk": "Українська", "ar": "العربية", "he": "עברית", "fa": "فارسی",
    "zh": "中文", "ja": "日本語", "ko": "한국어",
}  # fmt: skip
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he"})
# Unicode CLDR, group separators; a comma in every other language.
GROUP_SEPARATORS: Final = {
    "de": ".", "fr": "\u202f", "es": ".", "pt": ".", "it": ".", "nl": ".", "pl": "\u00a0", "uk": "\u00a0",
}  # fmt: skip
# A language range and its weight (RFC 9110, 12.4.2 and 12.5.4).
RANGE: Final = re.compile(
    r"\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)
MONTHS: Final = (
    translatable("Jan"),
    translatable("Feb"),
    translatable("Mar"),
    translatable("Apr"),
    translatable("May"),
    translatable("Jun"),
    translatable("Jul"),
    translatable("Aug"),
    translatable("Sep"),
    translatable("Oct"),
    translatable("Nov"),
    translatable("Dec"),
)


@dataclass(frozen=True)
class Locale:
    """One language. ``gettext`` and ``ngettext`` are what Jinja2 calls newstyle: every message is a format."""

    lang: str
    _catalogue: gettext.NullTranslations

    @property
    def dir(self) -> str:
        """The direction of its script, as a value of HTML's ``dir``."""
        return "rtl" if self.lang in RIGHT_TO_LEFT else "ltr"

    def gettext(self, message: str, /, **values: Any) -> Markup:
        """Translate a template's message, which may contain HTML; the values of its ``%(places)s`` are escaped."""
        return _fill(self._catalogue.gettext(message), values)

    def ngettext(self, one: str, many: str, number: int, /, **values: Any) -> Markup:
        """Translate a template's message about a number, which is ``%(num)s`` in it."""
        return _fill(self._catalogue.ngettext(one, many, number), {"num": LocalNumber(number, self)} | values)

    def plain_gettext(self, message: str, /, **values: Any) -> str:
        """Translate a message of a plain text. Nothing is escaped."""
        return self._catalogue.gettext(message) % _plain(values)

    def plain_ngettext(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Translate a message of a plain text about a number, which is ``%(num)s`` in it."""
        return self._catalogue.ngettext(one, many, number) % _plain({"num": LocalNumber(number, self)} | values)

    def translate(self, message: Message) -> str:
        """Translate a message marked in the code. The result is plain text; an unknown message stays as it is."""
        if isinstance(message, str):
            return self._catalogue.gettext(message) if message else ""  # gettext's "" is a catalogue's header
        if isinstance(message, PluralMessage):
            template = self._catalogue.ngettext(message.one, message.many, message.number)
        else:
            template = self._catalogue.gettext(message.template)
        return template % {name: self._format_value(value) for name, value in message.values.items()}

    def _format_value(self, value: Value) -> str:
        if isinstance(value, FormattedMessage | PluralMessage):
            return self.translate(value)
        return self.format_number(value) if isinstance(value, int) else value

    def format_number(self, number: int) -> str:
        """Return a number with the language's separators between thousands."""
        return f"{number:,}".replace(",", GROUP_SEPARATORS.get(self.lang, ","))

    def format_day(self, text: str) -> Markup:
        """Return the day of a stored time, in UTC."""
        moment = parse_time(text)
        month = self.translate(MONTHS[moment.month - 1])
        return self.gettext("%(day)s %(month)s %(year)s", day=moment.day, month=month, year=moment.year)

    def format_time(self, text: str) -> Markup:
        """Return a stored time as date and time in UTC."""
        moment = parse_time(text)
        return self.gettext(
            "%(day)s %(month)s %(year)s, %(time)s UTC",
            day=moment.day,
            month=self.translate(MONTHS[moment.month - 1]),
            year=moment.year,
            time=f"{moment:%H:%M}",
        )


class LocalNumber(int):
    """A number that ``%s`` shows with the separators of a language."""

    _text: str

    def __new__(cls, number: int, locale: Locale) -> Self:
        """Keep the number's text."""
        local = super().__new__(cls, number)
        local._text = locale.format_number(number)
        return local

    def __str__(self) -> str:
        return self._text


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.unescape() if isinstance(value, Markup) else value for name, value in values.items()}


def _fill(message: str, values: dict[str, Any]) -> Markup:
    return Markup(message) % values  # noqa: S704 -- messages come from our own catalogues


def find_locale(lang: str | None = None, accept_language: str | None = None) -> Locale:
    """Return the translations for the language asked for, else for the one the reader prefers, else English.

    Tags are looked up as in RFC 4647, 3.4: ``de-Latn-AT``, then ``de-Latn``, then ``de``.
    """
    for tag in (*([lang] if lang else []), *_preferred(accept_language or "")):
        found = _look_up(tag)
        if found is not None:
            return _load(found)
    return _load(ENGLISH)


def knows_language(lang: str) -> bool:
    """Return whether there are translations for a language tag."""
    return _look_up(lang) is not None


def _preferred(header: str) -> list[str]:
    """Return the languages of an ``Accept-Language``, best first. ``*`` matches nothing here, so it means English."""
    ranges = [match for part in header.split(",") if (match := RANGE.fullmatch(part))]
    weighed = [(float(match[2] or 1), match[1]) for match in ranges]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def _look_up(tag: str) -> str | None:
    return next((shorter for shorter in _shorten(tag.lower().replace("_", "-")) if shorter in LANGUAGES), None)


def _shorten(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


@cache
def _load(lang: str) -> Locale:
    if lang == ENGLISH:
        return Locale(lang, gettext.NullTranslations())
    file = resources.files("commentsvc.web").joinpath("locales", lang, "LC_MESSAGES", f"{DOMAIN}.mo")
    with file.open("rb") as opened:
        return Locale(lang, gettext.GNUTranslations(opened))
