"""Refusals in the reader's language. Messages that are not translated stay English."""

from dataclasses import dataclass

from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.web.pages.i18n import Locale


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
