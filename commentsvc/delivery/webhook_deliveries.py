"""Test a webhook, list its deliveries, send one again."""

from typing import Final

import msgspec

from commentsvc.delivery import signature, webhook_sender
from commentsvc.delivery.deliveries import require_retry
from commentsvc.delivery.outbound import Outbound
from commentsvc.delivery.webhook_schemas import (
    WebhookDelivery,
    WebhookDeliveryList,
    WebhookDeliveryQuery,
    WebhookEvent,
    WebhookTest,
)
from commentsvc.delivery.webhooks import load_webhook
from commentsvc.domain.deliveries import Parcel, ParcelState
from commentsvc.domain.errors import Conflict, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.domain.networks import parse_networks
from commentsvc.service import Service, private_read, write
from commentsvc.storage import parcels
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.webhooks import Webhook

TEST_SECONDS: Final = 10.0  # a person waits


async def test_webhook(service: Service, who: Principal, webhook_id: str) -> WebhookTest:
    """Send a request with the type ``webhook.test`` at once, also to a webhook that is switched off.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
    """
    webhook = await _get_stored(service, who, webhook_id)
    payload = {"type": "webhook.test", "timestamp": service.now(), "data": {"webhook": webhook.id}}
    client = Outbound(parse_networks(service.config.outbound_allow), seconds=TEST_SECONDS)
    try:
        answer = await webhook_sender.send(service, client, webhook, service.new_id(), msgspec.json.encode(payload))
    finally:
        await client.close()
    if answer is None:
        return WebhookTest(
            delivered=False, status_code=None, milliseconds=0, response=None, error=webhook_sender.UNREADABLE
        )
    outcome = webhook_sender.read_outcome(service, answer)
    return WebhookTest(
        delivered=outcome.state is ParcelState.DELIVERED,
        status_code=answer.status,
        milliseconds=answer.milliseconds,
        response=answer.body or None,
        error=outcome.error,
    )


@private_read
async def list_deliveries(
    unit: PrivateRead, who: Principal, webhook_id: str, query: WebhookDeliveryQuery
) -> WebhookDeliveryList:
    """Return the newest requests to a webhook.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
    """
    webhook = await load_webhook(unit, who, webhook_id)
    return WebhookDeliveryList(
        [_delivery(unit, one) for one in await parcels.list_of_owner(unit, webhook.id, query.limit)]
    )


@write
async def retry_delivery(unit: Write, who: Principal, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Send a request again, with the same ``webhook-id``.

    Raises:
        NotFound: the principal's sites have no such webhook, or it has no such delivery.
        Conflict: the webhook is switched off, or the request may be on its way.
    """
    webhook, parcel = await load_webhook(unit, who, webhook_id), await parcels.get(unit, delivery_id)
    if parcel is None or parcel.owner != webhook.id:
        raise NotFound
    if webhook.disabled_at:
        raise Conflict(translatable("The webhook is switched off. Switch it on first."))
    await require_retry(unit, parcel.id)
    stored = await parcels.get(unit, parcel.id)
    return _delivery(unit, stored or parcel)


@private_read
async def _get_stored(unit: PrivateRead, who: Principal, webhook_id: str) -> Webhook:
    return await load_webhook(unit, who, webhook_id)


def _delivery(environment: Environment, parcel: Parcel) -> WebhookDelivery:
    keyring = environment.keyring
    return WebhookDelivery(
        id=parcel.id,
        webhook_id=signature.message_id(parcel.id),
        type=WebhookEvent(parcel.kind),
        state=parcel.state,
        attempts=parcel.attempts,
        created_at=parcel.created_at,
        tried_at=parcel.tried_at,
        due_at=parcel.due_at if parcel.state is ParcelState.WAITING else None,
        milliseconds=parcel.milliseconds,
        status_code=parcel.status_code,
        error=parcel.error,
        request=keyring.decrypt_text(parcel.detail),
        response=keyring.decrypt_text(parcel.response) if parcel.response else None,
    )
