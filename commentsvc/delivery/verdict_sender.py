"""Delivers questions to the external check. Whatever goes wrong, comments stay as they are.

After an outage the worker lets the channel rest, longer each time: nothing is asked then. An answer that is wrong in
form concerns its comment only, so that a strange comment cannot keep others from being checked. A question is tried
again for an hour at most, since a verdict after that helps nobody.
"""

from typing import Final

from commentsvc.config.settings import Config
from commentsvc.delivery.outbox import is_clock_doubtful
from commentsvc.delivery.verdict_answer import NoVerdictError
from commentsvc.delivery.verdict_client import VerdictClient
from commentsvc.delivery.verdict_decision import store_verdict
from commentsvc.delivery.verdict_events import TEACH
from commentsvc.delivery.verdict_question import load_lesson, load_question
from commentsvc.domain.deliveries import Outcome, Parcel, ParcelState
from commentsvc.domain.hook_verdicts import HookVerdict
from commentsvc.service import Service, write
from commentsvc.storage import hook_verdicts
from commentsvc.storage.database import Write

MOST_MINUTES: Final = 60
MOST_ATTEMPTS: Final = 4
NOT_IN_TIME: Final = "It was not asked in time."
DONE: Final = Outcome(state=ParcelState.DELIVERED)
NOTHING: Final = Outcome(state=ParcelState.DELIVERED, was_sent=False)


class VerdictSender:
    """Asks the external check in the settings."""

    def __init__(self, config: Config) -> None:
        """Prepare; the first request opens the session."""
        self._client = VerdictClient(config)

    async def deliver(self, service: Service, parcel: Parcel) -> Outcome:
        """Ask about a comment and store the verdict, or tell Akismet how people decided."""
        try:
            return await (self._teach if parcel.kind == TEACH else self._ask)(service, parcel)
        except NoVerdictError as failure:
            return Outcome(state=ParcelState.WAITING, channel_failed=failure.is_outage, error=str(failure))

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()

    async def _ask(self, service: Service, parcel: Parcel) -> Outcome:
        question = await load_question(service, parcel)
        if question is None:
            return NOTHING
        if parcel.created_at < service.ago(minutes=MOST_MINUTES) and not await is_clock_doubtful(service):
            await store_verdict(service, question.comment, HookVerdict(effect=None, reason=NOT_IN_TIME))
            return NOTHING
        try:
            verdict = await self._client.ask(question, service.clock())
        except NoVerdictError as failure:
            if parcel.attempts < MOST_ATTEMPTS:
                raise
            await store_verdict(service, question.comment, HookVerdict(effect=None, reason=str(failure)))
            return Outcome(state=ParcelState.DELIVERED, was_sent=False, channel_failed=failure.is_outage)
        await store_verdict(service, question.comment, verdict)
        return DONE

    async def _teach(self, service: Service, parcel: Parcel) -> Outcome:
        lesson = await load_lesson(service, parcel)
        if lesson is None:
            return NOTHING
        question, label = lesson
        await self._client.teach(question, label)
        await _note_lesson(service, question.comment.id, label)
        return DONE


@write
async def _note_lesson(unit: Write, comment_id: str, label: str) -> None:
    await hook_verdicts.set_submitted(unit, comment_id, label)
