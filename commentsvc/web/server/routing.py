"""A row of the route table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from commentsvc.access.sessions import Session
from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import Principal, Scope, Visit
from commentsvc.service import Service

SERVICE: Final = web.AppKey("service", Service)
WHO: Final = web.RequestKey("who", Principal)
VISIT: Final = web.RequestKey("visit", Visit)
SESSION: Final = web.RequestKey("session", Session)

JSON: Final = "application/json"
HTML: Final = "text/html"
FORM: Final = "application/x-www-form-urlencoded"
GZIP: Final = "-gzip"  # what marks the tag of a compressed answer
MOST_BYTES: Final = 64 * 1024


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row of the route table, read by people, by the router, and by the OpenAPI document."""

    method: str
    path: str
    handler: Handler
    asks: type[msgspec.Struct] | None = None  # the query string
    takes: type[msgspec.Struct] | None = None  # the body
    form: bool = False  # the body may be a plain form
    gives: Any = None  # the body of a success
    kind: str = JSON  # what that body is
    status: tuple[int, ...] = (200,)
    scope: Scope | None = None  # what a key must allow; None: open to anybody
    session_scope: Scope | None = None  # what a session must allow; None: not part of the moderation page
    edit_token: bool = False  # takes a writer's edit token
    etag: bool = False
    cors: bool = False  # pages of the sites' origins may call it
    page: bool = False  # HTML, for people
    most_bytes: int = MOST_BYTES  # of the body
    again: Handler | None = None  # shows a refusal to a browser without script, its form filled in again
    refuses: tuple[type[Refusal], ...] = ()

    def says(self) -> str:
        """What it is for: the first line of its handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]
