"""The route of the API for statistics, and the style of their page, whose routes are in ``moderation/routes.py``."""

from typing import Final

from commentsvc.domain.errors import Forbidden, Invalid, MalformedRequest, Unauthorized, Unavailable
from commentsvc.domain.models import Scope
from commentsvc.moderation.statistics_schemas import Statistics, StatisticsQuery
from commentsvc.web.api import statistics
from commentsvc.web.pages import assets
from commentsvc.web.server.routing import Route

# fmt: off
STATISTICS_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/stats", handler=statistics.read_statistics, asks=StatisticsQuery, gives=Statistics,
          scope=Scope.READ, refuses=(MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)),
    Route(method="GET", path="/statistics.css", handler=assets.statistics_stylesheet, page=True, status=(200, 304)),
)
