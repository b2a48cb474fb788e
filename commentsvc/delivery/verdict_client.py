"""Ask the external check: one request for each question, in one of the two dialects."""

from datetime import datetime
from typing import Any, Final

import msgspec

from commentsvc.config.settings import Config
from commentsvc.delivery import akismet, signature, verdict_answer
from commentsvc.delivery.outbound import Answer, Outbound
from commentsvc.delivery.verdict_answer import MOST_BYTES
from commentsvc.delivery.verdict_question import Question, describe_reasons
from commentsvc.domain.hook_verdicts import HookVerdict
from commentsvc.domain.networks import parse_networks
from commentsvc.domain.timestamps import format_time

# The operator chose the address, so it may be in any network.
EVERYWHERE: Final = parse_networks("0.0.0.0/0 ::/0")
TEST: Final = "webhook.test"


class VerdictClient:
    """A client of the external check in the settings."""

    def __init__(self, config: Config) -> None:
        """Prepare; the first request opens the session."""
        self._config = config
        self._outbound = Outbound(EVERYWHERE, seconds=config.verdict_timeout, most_bytes=MOST_BYTES)

    async def close(self) -> None:
        """Close the session."""
        await self._outbound.close()

    async def ask(self, question: Question, now: datetime) -> HookVerdict:
        """Return the verdict on a comment.

        Raises:
            NoVerdictError: there is no answer that can be used.
        """
        if self._config.verdict_dialect == "akismet":
            body = akismet.build_body(self._config, question)
            return akismet.read_verdict(await self._post_form("comment-check", body))
        payload = {"type": "comment.check", "timestamp": format_time(now), "data": _describe(self._config, question)}
        return verdict_answer.read_verdict(await self._post_signed(question.id, payload, now))

    async def teach(self, question: Question, label: str) -> None:
        """Tell Akismet how people decided on a comment.

        Raises:
            NoVerdictError: it did not accept that.
        """
        body = akismet.build_body(self._config, question)
        akismet.require_thanks(await self._post_form(akismet.SUBMIT[label], body))

    async def test(self, test_id: str, now: datetime) -> None:
        """Check the address and the secret, without a comment.

        Raises:
            NoVerdictError: a question would have no answer.
        """
        if self._config.verdict_dialect == "akismet":
            body = akismet.build_key_check(self._config)
            akismet.require_valid_key(await self._post_form("verify-key", body))
        else:
            payload = {"type": TEST, "timestamp": format_time(now), "data": {}}
            verdict_answer.require_success(await self._post_signed(test_id, payload, now))

    async def _post_form(self, method: str, body: bytes) -> Answer:
        return await self._outbound.post(f"{self._config.verdict_url.rstrip('/')}/{method}", body, akismet.HEADERS)

    async def _post_signed(self, id_: str, payload: dict[str, Any], now: datetime) -> Answer:
        body, keys = msgspec.json.encode(payload), [self._config.verdict_secret]
        headers = signature.signed_headers(signature.message_id(id_), int(now.timestamp()), body, keys)
        return await self._outbound.post(self._config.verdict_url, body, headers)


def _describe(config: Config, question: Question) -> dict[str, Any]:
    """Return the body of a question. Personal data that the settings do not allow is no part of it."""
    comment = question.comment
    personal = {"email": question.email, "network": question.network}
    return {
        "id": comment.id,
        "text": comment.text,
        "name": comment.name,
        "website": comment.website,
        "thread": {"key": question.thread.key, "url": question.page, "title": question.title},
        "site": question.site.name,
        "language": question.language,
        "reasons": describe_reasons(question),
    } | {name: value for name, value in personal.items() if name in config.verdict_sends}
