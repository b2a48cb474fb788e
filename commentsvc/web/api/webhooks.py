"""Handlers of the API for webhooks."""

from aiohttp import web

from commentsvc.delivery import webhook_deliveries, webhooks
from commentsvc.delivery.webhook_schemas import (
    CreatedWebhook,
    NewWebhook,
    WebhookChange,
    WebhookDelivery,
    WebhookDeliveryList,
    WebhookDeliveryQuery,
    WebhookList,
    WebhookRecord,
    WebhookTest,
)
from commentsvc.web.server.routing import SERVICE, WHO


async def list_webhooks(request: web.Request) -> WebhookList:
    """Return the webhooks, without their secrets."""
    return await webhooks.list_webhooks(request.app[SERVICE], request[WHO])


async def add_webhook(request: web.Request, new: NewWebhook) -> CreatedWebhook:
    """Add a webhook. Its secret is shown only once."""
    return await webhooks.add_webhook(request.app[SERVICE], request[WHO], new)


async def change_webhook(request: web.Request, change: WebhookChange) -> WebhookRecord:
    """Change a webhook, or switch it on or off."""
    return await webhooks.change_webhook(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def remove_webhook(request: web.Request) -> None:
    """Delete a webhook with its deliveries."""
    await webhooks.remove_webhook(request.app[SERVICE], request[WHO], request.match_info["id"])


async def rotate_webhook_secret(request: web.Request) -> CreatedWebhook:
    """Give a webhook a new secret. The old one signs too for 24 hours."""
    return await webhooks.rotate_secret(request.app[SERVICE], request[WHO], request.match_info["id"])


async def test_webhook(request: web.Request) -> WebhookTest:
    """Send a test request to a webhook now, and return what it answers."""
    return await webhook_deliveries.test_webhook(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_webhook_deliveries(request: web.Request, query: WebhookDeliveryQuery) -> WebhookDeliveryList:
    """Return the newest requests to a webhook, and what it answered."""
    return await webhook_deliveries.list_deliveries(request.app[SERVICE], request[WHO], request.match_info["id"], query)


async def retry_webhook_delivery(request: web.Request) -> WebhookDelivery:
    """Send a request to a webhook again, with the same webhook-id."""
    webhook_id, delivery_id = request.match_info["id"], request.match_info["delivery"]
    return await webhook_deliveries.retry_delivery(request.app[SERVICE], request[WHO], webhook_id, delivery_id)
