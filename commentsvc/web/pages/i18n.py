"""The words of the interface, in the reader's language.

They are gettext catalogues: ``locales/*/LC_MESSAGES/commentsvc.po`` is what a translator edits, ``make words``
brings it up to date and compiles it. English stands in the templates and in the code.
"""

import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from markupsafe import Markup

from commentsvc.domain.timestamps import parse_time

DOMAIN: Final = "commentsvc"
ENGLISH: Final = "en"
LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "uk", "ar", "he", "fa", "zh", "ja", "ko")
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he"})
# A language range and its weight (RFC 9110, 12.4.2 and 12.5.4).
RANGE: Final = re.compile(
    r"\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)


def marked(message: str) -> str:
    """A message that is translated later, when it is said. ``make words`` finds messages by this name."""
    return message


MONTHS: Final = (
    marked("Jan"),
    marked("Feb"),
    marked("Mar"),
    marked("Apr"),
    marked("May"),
    marked("Jun"),
    marked("Jul"),
    marked("Aug"),
    marked("Sep"),
    marked("Oct"),
    marked("Nov"),
    marked("Dec"),
)


@dataclass(frozen=True)
class Words:
    """One language. ``gettext`` and ``ngettext`` are what Jinja2 calls newstyle: every message is a format."""

    lang: str
    _catalogue: gettext.NullTranslations

    @property
    def dir(self) -> str:
        """Which way it is written, as HTML says it."""
        return "rtl" if self.lang in RIGHT_TO_LEFT else "ltr"

    def gettext(self, message: str, /, **values: Any) -> Markup:
        """A message, with values in their ``%(places)s``. The message is ours and may hold HTML; values are escaped."""
        return _filled(self._catalogue.gettext(message), values)

    def ngettext(self, one: str, many: str, number: int, /, **values: Any) -> Markup:
        """A message about so many things; ``%(num)s`` is the number."""
        return _filled(self._catalogue.ngettext(one, many, number), {"num": number} | values)

    def when(self, text: str) -> Markup:
        """A time as it is kept, for people."""
        moment = parse_time(text)
        return self.gettext(
            "%(day)s %(month)s %(year)s, %(time)s UTC",
            day=moment.day,
            month=self.gettext(MONTHS[moment.month - 1]),
            year=moment.year,
            time=f"{moment:%H:%M}",
        )


def _filled(message: str, values: dict[str, Any]) -> Markup:
    return Markup(message) % values  # noqa: S704 -- of a catalogue of ours


def words_for(lang: str | None = None, accept_language: str | None = None) -> Words:
    """The words a page is written in: of the language that is asked for, else that its reader likes best, else English.

    Tags are looked up as RFC 4647, 3.4 has it: of ``de-Latn-AT`` what there is, from the end.
    """
    asked = [lang.replace("_", "-")] if lang else []
    for wanted in (*asked, *_liked(accept_language or "")):
        found = _looked_up(wanted.lower())
        if found is not None:
            return _words(found)
    return _words(ENGLISH)


def _liked(header: str) -> list[str]:
    """The languages of an ``Accept-Language``, the best first. ``*`` stands for whatever there is, so for English."""
    ranges = [match for part in header.split(",") if (match := RANGE.fullmatch(part))]
    weighed = [(float(match[2] or 1), match[1]) for match in ranges]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def _looked_up(tag: str) -> str | None:
    return next((shorter for shorter in _shortened(tag) if shorter in LANGUAGES), None)


def _shortened(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


@cache
def _words(lang: str) -> Words:
    if lang == ENGLISH:
        return Words(lang, gettext.NullTranslations())
    file = resources.files("commentsvc.web").joinpath("locales", lang, "LC_MESSAGES", f"{DOMAIN}.mo")
    with file.open("rb") as opened:
        return Words(lang, gettext.GNUTranslations(opened))
