"""Read the answers of the external check. Everything in them is foreign: it is checked, cleaned and shortened."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from commentsvc.delivery.outbound import Answer
from commentsvc.delivery.webhook_sender import describe_status
from commentsvc.domain.hook_verdicts import HookEffect, HookVerdict
from commentsvc.domain.reasons import mask_personal_data
from commentsvc.domain.text import SURROGATE, clean_line, shorten

MOST_BYTES: Final = 64 * 1024
MOST_SHOWN: Final = 200  # characters of a reason
TOO_LARGE: Final = "The answer is larger than 64 KiB."
WRONG_FORM: Final = 'The answer is not in the form {"effect": "spam", "score": 0.97, "reason": "…"}.'


# Statuses that say something about one comment only. With all others, the program cannot answer anything.
OF_COMMENT: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)


class NoVerdictError(Exception):
    """The external check gave no answer that can be used. The text says why, and is fit to be shown.

    ``is_outage``: other questions would have no answer either.
    """

    def __init__(self, text: str, *, is_outage: bool = False) -> None:
        super().__init__(text)
        self.is_outage = is_outage


class _Verdict(Struct, frozen=True):
    """The answer of the standard dialect."""

    effect: HookEffect
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    reason: Annotated[str, Meta(max_length=4000)] | None = None


def require_success(answer: Answer) -> str:
    """Return the body of an answer.

    Raises:
        NoVerdictError: no whole answer came, its status is not 200, or it is too large.
    """
    if answer.error or answer.status is None:
        raise NoVerdictError(answer.error or "The connection failed.", is_outage=True)
    if answer.status != HTTPStatus.OK:
        raise NoVerdictError(describe_status(answer.status), is_outage=answer.status not in OF_COMMENT)
    if answer.is_cut:
        raise NoVerdictError(TOO_LARGE)
    return answer.body


def read_verdict(answer: Answer) -> HookVerdict:
    """Return the verdict in an answer of the standard dialect.

    Raises:
        NoVerdictError: see ``require_success``; or the answer is wrong in form.
    """
    body = require_success(answer)
    try:
        found = msgspec.json.decode(body, type=_Verdict)
        json.loads(body, object_pairs_hook=_require_unique_names)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NoVerdictError(WRONG_FORM) from None
    permille = None if found.score is None else round(found.score * 1000)
    return HookVerdict(effect=found.effect, permille=permille, reason=clean_foreign(found.reason or ""))


def _require_unique_names(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object in which a name comes twice: a comment that a model repeats may have added an effect."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError


def clean_foreign(text: str) -> str:
    """Return a foreign text on one short line, without invisible characters and personal data."""
    line = clean_line(SURROGATE.sub("", text.replace("\0", "")), lenient=True)
    return shorten(mask_personal_data(line), MOST_SHOWN)
