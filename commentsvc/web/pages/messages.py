"""Refusals in the reader's language. Messages that are not translated stay English."""

from dataclasses import dataclass
from typing import Final

from commentsvc.domain.errors import Invalid, NotFound, Refusal, TooLarge, UnsupportedMediaType
from commentsvc.domain.messages import translatable
from commentsvc.web.pages.i18n import Locale

# What happened and what to do, for people, where a refusal has words for programmers: title and advice.
WORDS_FOR_PEOPLE: Final = {
    NotFound: (
        translatable("Page not found"),
        translatable("No page has this address. Check it for mistakes."),
    ),
    TooLarge: (translatable("Too much text"), translatable("Shorten your text, then send it again.")),
    UnsupportedMediaType: (
        translatable("Your form could not be read"),
        translatable("The page sent it in a wrong format. Please tell the owner of the page."),
    ),
}


@dataclass(frozen=True)
class Explanation:
    """Why a request was refused, as a person reads it: title, detail, and the first error of each field."""

    title: str
    detail: str
    fields: dict[str, str]


def explain_refusal(locale: Locale, refused: Refusal) -> Explanation:
    """Return a refusal's texts in this language."""
    if not isinstance(refused, Invalid):
        return Explanation(locale.translate(refused.title), locale.translate(refused.message), {})
    errors = [(error.field, locale.translate(error.message)) for error in refused.faults]
    detail = " ".join(text for _, text in errors)
    return Explanation(locale.translate(refused.title), detail, dict(reversed(errors)))


def explain_to_person(locale: Locale, refused: Refusal) -> Explanation:
    """Return a refusal's texts for a page, without words that only programmers understand."""
    words = WORDS_FOR_PEOPLE.get(type(refused))
    if words is None or (isinstance(refused, NotFound) and refused.detail != refused.title):
        return explain_refusal(locale, refused)
    title, advice = map(locale.translate, words)
    return Explanation(title, advice, {})


@dataclass(frozen=True)
class FaultText:
    """The error of one field in the reader's language."""

    field: str
    detail: str


@dataclass(frozen=True)
class RefusalTexts:
    """A refusal in the reader's language, with the names that templates know from ``Refusal``."""

    code: str
    title: str
    detail: str


@dataclass(frozen=True)
class InvalidTexts(RefusalTexts):
    """An ``Invalid`` in the reader's language."""

    faults: list[FaultText]


def show_texts(locale: Locale, refused: Refusal) -> RefusalTexts:
    """Return a refusal with its texts in this language."""
    explanation = explain_to_person(locale, refused)
    if not isinstance(refused, Invalid):
        return RefusalTexts(refused.code, explanation.title, explanation.detail)
    faults = [FaultText(error.field, locale.translate(error.message)) for error in refused.faults]
    return InvalidTexts(refused.code, explanation.title, explanation.detail, faults)
