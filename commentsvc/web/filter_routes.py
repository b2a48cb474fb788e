"""The routes of the API for spam filters."""

from typing import Final

from commentsvc.domain.models import Scope
from commentsvc.spam.schemas import FilterList, FilterQuery
from commentsvc.web.api import filters
from commentsvc.web.server.refusals import ASK_FAULTS
from commentsvc.web.server.routing import Route

# fmt: off
FILTER_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/filters", handler=filters.list_filters, asks=FilterQuery, gives=FilterList,
          scope=Scope.READ, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/filters/rebuild", handler=filters.rebuild_filters, takes=FilterQuery,
          gives=FilterList, scope=Scope.MODERATE, refuses=ASK_FAULTS),
)
