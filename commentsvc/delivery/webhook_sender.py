"""Calls webhooks: one request for each parcel, signed; and switches off those that only fail."""

import email.utils
import time
from collections.abc import Sequence
from datetime import UTC
from http import HTTPStatus
from typing import Final

import msgspec

from commentsvc.audit import log
from commentsvc.delivery import signature
from commentsvc.delivery.outbound import Answer, Outbound
from commentsvc.delivery.outbox import is_clock_doubtful
from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, Parcel, ParcelState
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Actor, ActorKind
from commentsvc.service import Service, private_read, write
from commentsvc.storage import moderators, parcels, webhooks
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.webhooks import DisabledFor, Webhook

FAILING_DAYS: Final = 5  # of failures only, until a webhook is switched off
MOST_RETRY_AFTER: Final = 12 * 3600  # seconds that a receiver may ask for
REST_SECONDS: Final = 60.0  # a receiver that did not answer in time is left alone, so that others need not wait
SWITCHED_OFF: Final = "The webhook is switched off."
UNREADABLE: Final = "No listed secret key opens the webhook. Add the key, or add the webhook again."
DELIVERY: Final = Actor(ActorKind.SYSTEM, None, "delivery")
DISABLED_MAIL: Final = "webhook_disabled"


class WebhookSender:
    """Delivers parcels to webhooks."""

    def __init__(self, outbound: Outbound, *, rest_seconds: float = REST_SECONDS) -> None:
        """Prepare; the first request opens the session."""
        self._outbound = outbound
        self._rest_seconds = rest_seconds
        self._rests_until: dict[str, float] = {}  # webhooks that did not answer in time

    async def deliver(self, service: Service, parcel: Parcel) -> Outcome:
        """Send a request. The answer of the receiver is in the outcome."""
        webhook = await _get_webhook(service, parcel.owner or "")
        if webhook is None:
            return Outcome(state=ParcelState.DELIVERED, was_sent=False)  # deleted: there is nobody to tell
        if webhook.disabled_at:
            return Outcome(state=ParcelState.DEAD, error=SWITCHED_OFF)
        if self._rests_until.get(webhook.id, 0) > time.monotonic():
            return Outcome(state=ParcelState.WAITING, error="Other requests to this webhook had no answer in time.")
        answer = await self._send(service, webhook, parcel)
        if answer is None:
            return Outcome(state=ParcelState.DEAD, error=UNREADABLE)
        self._rests_until.pop(webhook.id, None)
        if answer.timed_out:
            self._rests_until[webhook.id] = time.monotonic() + self._rest_seconds
        outcome = read_outcome(service, answer)
        try:
            return await self._note(service, webhook, outcome)
        except Unavailable:  # the database has gone away since: a request must not be sent again for that
            return outcome

    async def close(self) -> None:
        """Close the session."""
        await self._outbound.close()

    async def _send(self, service: Service, webhook: Webhook, parcel: Parcel) -> Answer | None:
        body = service.keyring.decrypt_text(parcel.detail)
        return await send(service, self._outbound, webhook, parcel.id, body.encode()) if body is not None else None

    async def _note(self, service: Service, webhook: Webhook, outcome: Outcome) -> Outcome:
        """Store whether the webhook works; switch it off if its receiver is gone, or has failed for days."""
        if outcome.state is ParcelState.DELIVERED:
            if webhook.failing_since:
                await _note_success(service, webhook.id)
            return outcome
        reason: DisabledFor | None = None
        if outcome.status_code == HTTPStatus.GONE:
            reason = "gone"
        elif webhook.failing_since and webhook.failing_since < service.ago(days=FAILING_DAYS):
            reason = None if await is_clock_doubtful(service) else "failing"
        if reason is None:
            if not webhook.failing_since:
                await _note_failure(service, webhook.id)
            return outcome
        await switch_off(service, webhook.id, reason)
        return msgspec.structs.replace(outcome, state=ParcelState.DEAD, retry_after=None)


async def send(
    environment: Environment, outbound: Outbound, webhook: Webhook, parcel_id: str, body: bytes
) -> Answer | None:
    """Sign a body and send it; None if no listed secret key opens the webhook."""
    keyring, secrets = environment.keyring, [webhook.secret_sealed]
    if webhook.old_secret_sealed and (webhook.old_secret_until or "") > environment.now():
        secrets.append(webhook.old_secret_sealed)
    url, keys = keyring.decrypt_text(webhook.url_sealed), [keyring.decrypt_text(sealed) for sealed in secrets]
    if url is None or keys[0] is None:
        return None
    headers = _sign(environment, parcel_id, body, [key for key in keys if key])
    return await outbound.post(url, body, headers)


def _sign(environment: Environment, parcel_id: str, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    timestamp = int(environment.clock().timestamp())
    return dict(signature.signed_headers(signature.message_id(parcel_id), timestamp, body, keys))


def read_outcome(environment: Environment, answer: Answer) -> Outcome:
    """Return what an answer means: delivered with any status of success; otherwise it is tried again.

    The status counts, also if the connection broke within the body.
    """
    response = environment.keyring.encrypt_text(answer.body) if answer.body else None
    delivered = answer.status is not None and HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    failed = answer.error if answer.status is None else describe_status(answer.status)
    return Outcome(
        state=ParcelState.DELIVERED if delivered else ParcelState.WAITING,
        keep=True,
        retry_after=None if delivered else _seconds_to_wait(environment, answer.retry_after),
        status_code=answer.status,
        response=response,
        error=None if delivered else failed,
    )


def describe_status(status: int) -> str:
    """Return why a status means that a request was not accepted."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"Status {status}: redirects are not followed. Enter the address that it leads to."
    return f"Status {status}: the receiver did not accept the request."


def _seconds_to_wait(environment: Environment, text: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` (RFC 9110, 10.2.3), up to ``MOST_RETRY_AFTER``."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MOST_RETRY_AFTER)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter: of a time zone with many digits
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - environment.clock()).total_seconds(), 0), MOST_RETRY_AFTER)


@private_read
async def _get_webhook(unit: PrivateRead, webhook_id: str) -> Webhook | None:
    return await webhooks.get(unit, webhook_id)


@write
async def _note_success(unit: Write, webhook_id: str) -> None:
    await webhooks.note_success(unit, webhook_id)


@write
async def _note_failure(unit: Write, webhook_id: str) -> None:
    await webhooks.note_failure(unit, webhook_id, unit.now())


@write
async def switch_off(unit: Write, webhook_id: str, reason: DisabledFor) -> None:
    """Switch a webhook off, give up what waits for it, and tell the moderators who have its site."""
    if not await webhooks.disable(unit, webhook_id, reason, unit.now()):
        return
    await parcels.give_up_of_owner(unit, webhook_id, SWITCHED_OFF)
    webhook = await webhooks.get(unit, webhook_id)
    if webhook is None:
        return
    if unit.config.smtp_url:
        await _tell_moderators(unit, webhook)
    body = {"webhook": webhook.id, "reason": reason}
    await log.add_entry(unit, actor=DELIVERY, verb="webhook_disable", site_id=webhook.site_id, body=body)


async def _tell_moderators(unit: Write, webhook: Webhook) -> None:
    sites = await moderators.list_all_sites(unit)
    for row in await moderators.list_all(unit):
        own = sites.get(row["id"])
        if row["email_sealed"] and (own is None or webhook.site_id in own):
            await parcels.add(
                unit,
                NewParcel(
                    channel=Channel.MAIL,
                    kind=DISABLED_MAIL,
                    site_id=webhook.site_id,
                    owner=row["id"],
                    email_sealed=row["email_sealed"],
                    email_digest=row["email_digest"],
                    detail=msgspec.json.encode({"webhook": webhook.id}).decode(),
                ),
            )
