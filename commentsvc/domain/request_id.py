"""The id of the request that is being handled; log lines carry it, also those written inside units of work."""

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
