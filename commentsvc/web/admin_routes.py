"""The routes of the API for operators: keys, moderators, sites, deliveries, and the data of a person."""

from typing import Final

from commentsvc.access import schemas as access
from commentsvc.delivery.schemas import DeliveryPage, DeliveryQuery, DeliveryRecord, RetriedDeliveries, RetryRequest
from commentsvc.domain.errors import (
    Conflict,
    ExpectationFailed,
    Forbidden,
    Invalid,
    MalformedRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.privacy.schemas import PersonErasure, PersonExport, PersonRequest
from commentsvc.sites.schemas import NewSite, RemovedSite, SiteChange, SiteList, SiteRecord, SiteRemoval
from commentsvc.web.api import admin, deliveries
from commentsvc.web.export_routes import EXPORT_ROUTES
from commentsvc.web.import_routes import IMPORT_ROUTES
from commentsvc.web.server.refusals import ASK_FAULTS, CHANGE_FAULTS, LIST_FAULTS
from commentsvc.web.server.routing import Route
from commentsvc.web.webhook_routes import WEBHOOK_ROUTES

# fmt: off
ADMIN_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/keys", handler=admin.list_keys, gives=access.KeyList, scope=Scope.ADMIN,
          refuses=LIST_FAULTS),
    Route(method="POST", path="/v1/keys", handler=admin.create_key, takes=access.NewKey, gives=access.CreatedKey,
          status=(201,), scope=Scope.ADMIN, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/keys/{id}/rotate", handler=admin.rotate_key, takes=access.KeyRotation,
          gives=access.CreatedKey, scope=Scope.ADMIN, refuses=CHANGE_FAULTS),
    Route(method="DELETE", path="/v1/keys/{id}", handler=admin.revoke_key, status=(204,),
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Unavailable)),
    Route(method="GET", path="/v1/moderators", handler=admin.list_moderators, gives=access.ModeratorList,
          scope=Scope.ADMIN, refuses=LIST_FAULTS),
    Route(method="PATCH", path="/v1/moderators/{id}", handler=admin.change_moderator, takes=access.ModeratorChange,
          gives=access.ModeratorRecord, scope=Scope.ADMIN, refuses=CHANGE_FAULTS),
    Route(method="GET", path="/v1/sites", handler=admin.list_sites, gives=SiteList, scope=Scope.ADMIN,
          refuses=LIST_FAULTS),
    Route(method="POST", path="/v1/sites", handler=admin.add_site, takes=NewSite, gives=SiteRecord,
          status=(201,), scope=Scope.ADMIN, refuses=ASK_FAULTS),
    Route(method="PATCH", path="/v1/sites/{id}", handler=admin.change_site, takes=SiteChange,
          gives=SiteRecord, scope=Scope.ADMIN, refuses=CHANGE_FAULTS),
    Route(method="DELETE", path="/v1/sites/{id}", handler=admin.remove_site, asks=SiteRemoval, gives=RemovedSite,
          scope=Scope.ADMIN, refuses=(*CHANGE_FAULTS, Conflict, ExpectationFailed)),
    *WEBHOOK_ROUTES,
    *IMPORT_ROUTES,
    *EXPORT_ROUTES,
    Route(method="GET", path="/v1/deliveries", handler=deliveries.list_deliveries, asks=DeliveryQuery,
          gives=DeliveryPage, scope=Scope.ADMIN, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/deliveries/retry", handler=deliveries.retry_dead_deliveries, takes=RetryRequest,
          gives=RetriedDeliveries, scope=Scope.ADMIN, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/deliveries/{id}/retry", handler=deliveries.retry_delivery, gives=DeliveryRecord,
          scope=Scope.ADMIN, refuses=(Unauthorized, Forbidden, NotFound, Conflict, Unavailable)),
    Route(method="POST", path="/v1/privacy", handler=admin.answer_person, takes=PersonRequest,
          gives=PersonExport | PersonErasure, scope=Scope.ADMIN,
          refuses=(MalformedRequest, Unauthorized, Forbidden, Conflict, ExpectationFailed, Invalid, Unavailable)),
)
