"""Handlers of the API for deliveries: mails and requests to webhooks."""

from aiohttp import web

from commentsvc.delivery import deliveries
from commentsvc.delivery.schemas import DeliveryPage, DeliveryQuery, DeliveryRecord, RetriedDeliveries, RetryRequest
from commentsvc.web.server.routing import SERVICE, WHO


async def list_deliveries(request: web.Request, query: DeliveryQuery) -> DeliveryPage:
    """Return mails and requests to webhooks that wait or failed, and delivered requests of a week."""
    return await deliveries.list_deliveries(request.app[SERVICE], request[WHO], query)


async def retry_delivery(request: web.Request) -> DeliveryRecord:
    """Try a delivery again now."""
    return await deliveries.retry_delivery(request.app[SERVICE], request[WHO], request.match_info["id"])


async def retry_dead_deliveries(request: web.Request, body: RetryRequest) -> RetriedDeliveries:
    """Try all dead deliveries again now."""
    return await deliveries.retry_dead_deliveries(request.app[SERVICE], request[WHO], body)
