"""The routes of the API for learned filters, and the style of their panel on the pages of rules."""

from typing import Final

from commentsvc.domain.models import Scope
from commentsvc.spam.schemas import FilterList, FilterQuery
from commentsvc.web.api import filters
from commentsvc.web.pages import assets
from commentsvc.web.server.refusals import ASK_FAULTS
from commentsvc.web.server.routing import Route

# fmt: off
FILTER_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/filters", handler=filters.list_filters, asks=FilterQuery, gives=FilterList,
          scope=Scope.READ, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/filters/rebuild", handler=filters.rebuild_filters, takes=FilterQuery,
          gives=FilterList, scope=Scope.MODERATE, refuses=ASK_FAULTS),
    Route(method="GET", path="/rules.css", handler=assets.rules_stylesheet, page=True, status=(200, 304)),
)
