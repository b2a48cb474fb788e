"""The routes of the API for webhooks. Those of their pages are in ``moderation/routes.py``."""

from typing import Final

from commentsvc.delivery import webhook_schemas as schemas
from commentsvc.domain.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.web.api import webhooks
from commentsvc.web.server.refusals import ASK_FAULTS, CHANGE_FAULTS, LIST_FAULTS
from commentsvc.web.server.routing import Route

# fmt: off
WEBHOOK_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/webhooks", handler=webhooks.list_webhooks, gives=schemas.WebhookList,
          scope=Scope.ADMIN, refuses=LIST_FAULTS),
    Route(method="POST", path="/v1/webhooks", handler=webhooks.add_webhook, takes=schemas.NewWebhook,
          gives=schemas.CreatedWebhook, status=(201,), scope=Scope.ADMIN, refuses=(*ASK_FAULTS, Conflict)),
    Route(method="PATCH", path="/v1/webhooks/{id}", handler=webhooks.change_webhook, takes=schemas.WebhookChange,
          gives=schemas.WebhookRecord, scope=Scope.ADMIN, refuses=CHANGE_FAULTS),
    Route(method="DELETE", path="/v1/webhooks/{id}", handler=webhooks.remove_webhook, status=(204,),
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="POST", path="/v1/webhooks/{id}/rotate", handler=webhooks.rotate_webhook_secret,
          gives=schemas.CreatedWebhook, scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="POST", path="/v1/webhooks/{id}/test", handler=webhooks.test_webhook, gives=schemas.WebhookTest,
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="GET", path="/v1/webhooks/{id}/deliveries", handler=webhooks.list_webhook_deliveries,
          asks=schemas.WebhookDeliveryQuery, gives=schemas.WebhookDeliveryList, scope=Scope.ADMIN,
          refuses=CHANGE_FAULTS),
    Route(method="POST", path="/v1/webhooks/{id}/deliveries/{delivery}/retry", handler=webhooks.retry_webhook_delivery,
          gives=schemas.WebhookDelivery, scope=Scope.ADMIN,
          refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
)
