"""The route of the API for exports."""

from typing import Final

from commentsvc.archives.export_formats import KINDS
from commentsvc.archives.export_schemas import ExportFormat, ExportQuery
from commentsvc.domain.errors import Forbidden, Invalid, MalformedRequest, Unauthorized, Unavailable
from commentsvc.domain.models import Scope
from commentsvc.web.api import exports
from commentsvc.web.server.routing import Route

# fmt: off
EXPORT_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/export", handler=exports.export_comments, asks=ExportQuery, gives=str,
          kind=KINDS[ExportFormat.CSV], other_kinds=(KINDS[ExportFormat.JSONL], KINDS[ExportFormat.WXR]),
          scope=Scope.MODERATE,
          refuses=(MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)),
)
