"""The errors with which many routes refuse a request, for their documentation."""

from typing import Final

from commentsvc.domain.errors import Forbidden, Invalid, MalformedRequest, NotFound, Unauthorized, Unavailable

LIST_FAULTS: Final = (Unauthorized, Forbidden, Unavailable)
ASK_FAULTS: Final = (MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)
CHANGE_FAULTS: Final = (*ASK_FAULTS, NotFound)
