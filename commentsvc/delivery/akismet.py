"""Akismet's protocol: https://akismet.com/developers/detailed-docs/comment-check/."""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import commentsvc
from commentsvc.config.settings import Config
from commentsvc.delivery.outbound import Answer
from commentsvc.delivery.verdict_answer import NoVerdictError, clean_foreign, require_success
from commentsvc.delivery.verdict_question import GOOD, SPAM, Question
from commentsvc.domain.hook_verdicts import HookEffect, HookVerdict

HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    # Application and plugin, as the documentation wants it.
    "User-Agent": f"commentsvc/{commentsvc.__version__} | commentsvc/{commentsvc.__version__}",
}
SUBMIT: Final = {SPAM: "submit-spam", GOOD: "submit-ham"}
NO_NETWORK: Final = "The network of the commenter is not stored any more. Akismet requires it."


def build_body(config: Config, question: Question) -> bytes:
    """Return the form of a question, or of a lesson.

    Raises:
        NoVerdictError: the comment has no network.
    """
    if question.network is None:
        raise NoVerdictError(NO_NETWORK)
    comment = question.comment
    fields = {
        "api_key": config.verdict_secret,
        "blog": _find_blog(config, question),
        "user_ip": str(ipaddress.ip_network(question.network).network_address),
        "permalink": question.page,
        "comment_type": "reply" if comment.parent_id else "comment",
        "comment_author": comment.name,
        "comment_author_email": question.email,
        "comment_author_url": comment.website,
        "comment_content": comment.text,
        "comment_date_gmt": comment.created_at,
        "blog_lang": question.language,
        "blog_charset": "UTF-8",
        "recheck_reason": "edit" if comment.edited_at else None,
    }
    return _encode(fields)


def _encode(fields: Mapping[str, str | None]) -> bytes:
    return urlencode({name: value for name, value in fields.items() if value}).encode()


def _find_blog(config: Config, question: Question) -> str:
    parts = urlsplit(question.page or "")
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else f"{config.own_url}/"


def read_verdict(answer: Answer) -> HookVerdict:
    """Return the verdict in an answer to ``comment-check``.

    ``false`` is no approval: it says that nothing was found.

    Raises:
        NoVerdictError: the answer is neither ``true`` nor ``false``.
    """
    text = require_success(answer).strip()
    if text == "true":
        tip = "discard" if answer.headers.get("x-akismet-pro-tip", "").strip() == "discard" else ""
        return HookVerdict(effect=HookEffect.SPAM, reason=f"Akismet, {tip}" if tip else "Akismet")
    if text == "false":
        return HookVerdict(effect=HookEffect.NONE, reason="Akismet")
    raise NoVerdictError(_explain(answer))


def require_thanks(answer: Answer) -> None:
    """Check the answer to a lesson.

    Raises:
        NoVerdictError: Akismet refused it.
    """
    if require_success(answer).strip().lower().startswith("invalid"):
        raise NoVerdictError(_explain(answer))


def build_key_check(config: Config) -> bytes:
    """Return the form that asks whether the API key is valid."""
    return _encode({"api_key": config.verdict_secret, "blog": f"{config.own_url}/"})


def require_valid_key(answer: Answer) -> None:
    """Check the answer to ``verify-key``.

    Raises:
        NoVerdictError: the key is not valid.
    """
    if require_success(answer).strip() != "valid":
        raise NoVerdictError(_explain(answer))


def _explain(answer: Answer) -> str:
    found = (answer.headers.get(name) for name in ("x-akismet-debug-help", "x-akismet-alert-msg"))
    help_ = clean_foreign(next(filter(None, found), ""))
    return f"Akismet refused the request: {help_}" if help_ else "Akismet refused the request."
