"""Refusals in the reader's language. Messages that are not translated stay English."""

from dataclasses import dataclass

from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.web.pages.i18n import Words


@dataclass(frozen=True)
class Explanation:
    """Why a request was refused, as a person reads it: title, detail, and the first error of each field."""

    title: str
    detail: str
    fields: dict[str, str]


def explained(words: Words, refused: Refusal) -> Explanation:
    """Return a refusal's texts in this language."""
    if not isinstance(refused, Invalid):
        return Explanation(words.translate(refused.title), words.translate(refused.message), {})
    errors = [(error.field, words.translate(error.message)) for error in refused.faults]
    detail = " ".join(text for _, text in errors)
    return Explanation(words.translate(refused.title), detail, dict(reversed(errors)))
