"""Dates in sentences, to translate."""

from datetime import date
from typing import Final

from commentsvc.domain.messages import FormattedMessage, Message, translatable

# Whole dates, since languages order and inflect their parts in their own ways.
TEMPLATES: Final = (
    translatable("%(day)s January %(year)s"),
    translatable("%(day)s February %(year)s"),
    translatable("%(day)s March %(year)s"),
    translatable("%(day)s April %(year)s"),
    translatable("%(day)s May %(year)s"),
    translatable("%(day)s June %(year)s"),
    translatable("%(day)s July %(year)s"),
    translatable("%(day)s August %(year)s"),
    translatable("%(day)s September %(year)s"),
    translatable("%(day)s October %(year)s"),
    translatable("%(day)s November %(year)s"),
    translatable("%(day)s December %(year)s"),
)


def word_date(text: str) -> Message:
    """Return an ISO date as a message: 26 November 2026. Any other text stays as it is."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return FormattedMessage(TEMPLATES[day.month - 1], {"day": str(day.day), "year": str(day.year)})
