"""Routes, and the keys under which requests and the application store values."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from commentsvc.access.sessions import Session
from commentsvc.domain.errors import RateLimited, Refusal
from commentsvc.domain.models import Principal, Scope, Visit
from commentsvc.service import Service
from commentsvc.storage.public_state import Basis

SERVICE: Final = web.AppKey("service", Service)
WHO: Final = web.RequestKey("who", Principal)
VISIT: Final = web.RequestKey("visit", Visit)
SESSION: Final = web.RequestKey("session", Session)
BASIS: Final = web.RequestKey("basis", Basis)  # what the response depends on, if it may be kept in memory
UNFILLED: Final = web.RequestKey("unfilled", bytes)  # its body with the blanks that each reader gets filled in
WHOLE: Final = web.RequestKey("whole", bool)  # answer in full, even if the client has it: the answer will be kept
ONLY_ORIGIN: Final = web.RequestKey("only_origin", str)  # whose pages can show the response, for every request
BODY: Final = web.RequestKey("body", bytes)  # as much of it as was read; a form is urlencoded, in UTF-8

REQUEST_ID_HEADER: Final = "X-Request-ID"
JSON: Final = "application/json"
HTML: Final = "text/html"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
TEXT: Final = "text/plain"
FILE: Final = "application/octet-stream"
FORMS: Final = frozenset({FORM, MULTIPART})  # the kinds of forms that are accepted
GZIP: Final = "-gzip"  # suffix of the entity tag of a compressed response
MOST_BYTES: Final = 64 * 1024
FEEDBACK_BYTES: Final = 1024 * 1024  # a mail provider reports many events at once
RULE_BYTES: Final = 2 * 1024 * 1024  # a word list may be long


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """A row of the route table, from which the router and the OpenAPI document are made."""

    method: str
    path: str
    handler: Handler
    asks: type[msgspec.Struct] | None = None  # schema of the query string
    takes: type[msgspec.Struct] | None = None  # schema of the request body
    takes_events: bool = False  # the body is JSON of any shape, which the handler reads
    takes_file: bool = False  # the body is a file of any size, which the handler reads, also the token of a form
    form: bool = False  # the body may be an HTML form
    gives: Any = None  # schema of the response body
    kind: str = JSON  # media type of the response body
    other_kinds: tuple[str, ...] = ()  # that a parameter chooses
    status: tuple[int, ...] = (200,)
    scope: Scope | None = None  # that a key must have; None: no key needed
    session_scope: Scope | None = None  # that a session must have; None: not on the moderation page
    edit_token: bool = False  # accepts an author's edit token
    etag: bool = False
    kept: bool = False  # answers that show public data only are kept in memory
    cors: bool = False  # pages of the sites may call it
    page: bool = False  # not in the OpenAPI document
    free: bool = False  # never refused because its network asked for much: for monitoring, and to sign in
    most_bytes: int = MOST_BYTES  # of the request body
    again: Handler | None = None  # shows an error to a browser without scripts, with the form filled in again
    more_faults: Handler | None = None  # adds errors of fields that only the database shows
    refuses: tuple[type[Refusal], ...] = ()

    @property
    def shared(self) -> bool:
        """Tell whether people or feed readers share its address: others may add parameters to it."""
        return self.page or (self.kind != JSON and self.scope is None)

    @property
    def strict(self) -> bool:
        """Return whether only programs send its requests: parameters and fields that it does not know are mistakes."""
        return not self.page and (self.scope is not None or self.edit_token)

    @property
    def limited(self) -> bool:
        """Tell whether requests that cannot be read count against a rate limit: those that readers send to write."""
        return RateLimited in self.refuses and self.scope is None

    @property
    def admitted(self) -> bool:
        """Tell whether its requests wait until they may work. Those that write have a rate limit and a queue."""
        return not (self.free or self.limited)

    def says(self) -> str:
        """Return the summary: the first line of the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]


def list_paths(path: str, base_path: str) -> list[str]:
    """Return the paths under which proxies ask for a path: they keep the path of ``PUBLIC_URL`` or remove it.

    nginx makes ``//t`` of ``/comments/t`` if its ``location`` ends without a slash and its ``proxy_pass`` with one.
    """
    if not base_path:
        return [path]
    return [base_path + path, f"/{path}", path, *([base_path] if path == "/" else [])]


def as_pattern(path: str, others: Iterable[str]) -> str:
    """Return a path for aiohttp's router: an id is never the name of another path, so each has its own methods."""
    head, found, tail = path.partition("{id}")
    names = [other.removeprefix(head) for other in others if other.startswith(head)]
    names = [re.escape(name) for name in names if name.isalpha()]
    return f"{head}{{id:(?!(?:{'|'.join(names)})$)[^{{}}/]+}}" if found and names and not tail else path
