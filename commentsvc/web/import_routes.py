"""The routes of the API for imports. Those of their pages are in ``moderation/routes.py``."""

from typing import Final

from commentsvc.archives import import_schemas as schemas
from commentsvc.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MalformedRequest,
    NotFound,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.web.api import imports
from commentsvc.web.server.routing import Route

FAULTS: Final = (Unauthorized, Forbidden, NotFound, Unavailable)

# fmt: off
IMPORT_ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/v1/imports", handler=imports.list_imports, gives=schemas.ImportList, scope=Scope.ADMIN,
          refuses=(Unauthorized, Forbidden, Unavailable)),
    Route(method="POST", path="/v1/imports", handler=imports.add_import, asks=schemas.ImportQuery, takes_file=True,
          gives=schemas.ImportRecord, status=(202,), scope=Scope.ADMIN,
          refuses=(MalformedRequest, Unauthorized, Forbidden, TooSlow, Conflict, TooLarge, Invalid, Unavailable)),
    Route(method="GET", path="/v1/imports/{id}", handler=imports.get_import, gives=schemas.ImportRecord,
          scope=Scope.ADMIN, refuses=FAULTS),
    Route(method="POST", path="/v1/imports/{id}/start", handler=imports.start_import, gives=schemas.ImportRecord,
          scope=Scope.ADMIN, refuses=(*FAULTS, Conflict)),
    Route(method="DELETE", path="/v1/imports/{id}", handler=imports.cancel_import, status=(204,), scope=Scope.ADMIN,
          refuses=FAULTS),
)
