"""Admit public requests that cannot be answered from memory: few at once, and first those that need little time.

A request that needs five milliseconds should wait for fifty at most, one that needs fifty for half a second.
So an honest reader does not wait behind everything that hostile clients have asked for before, only behind what runs.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from commentsvc.access.work_budget import WorkBudget
from commentsvc.domain import networks
from commentsvc.domain.errors import RateLimited, Unavailable
from commentsvc.service import Service
from commentsvc.storage.patience import present_patience
from commentsvc.web.server import security
from commentsvc.web.server.routing import VISIT, WHO

AT_ONCE: Final = 3  # more would only wait for the interpreter, and for the connections of readers
STRETCH: Final = 10  # how long a request should wait at most, in units of the time that it needs
AT_ONCE_OF_NETWORK: Final = 2
MAX_WAITING: Final = 500
MAX_WAITING_OF_NETWORK: Final = 50


class Admission:
    """The requests that are in work, and those that wait for it."""

    def __init__(self, service: Service) -> None:
        self._config = service.config
        self.budget = WorkBudget(service.config)
        self._at_once = AT_ONCE if service.config.sqlite_path else max(AT_ONCE, service.config.reader_connections)
        self._working: Counter[str] = Counter()
        self._waiting: dict[asyncio.Future[None], tuple[float, str]] = {}  # until when it should wait, its network

    def network_of(self, request: web.Request) -> str:
        """Return the network that a request is counted for: /24 or /48."""
        if VISIT not in request:
            request[VISIT] = security.visit(request, self._config)
        return networks.widen_address(request[VISIT].address)

    def require_budget(self, request: web.Request) -> None:
        """Check that the network of a request without a key or session has some of its budget left.

        Raises:
            RateLimited: it has not.
        """
        if WHO not in request:
            self.budget.require(self.network_of(request))

    def charge(self, request: web.Request, seconds: float) -> None:
        """Count the processor time that a request took, unless it has a key or session."""
        if WHO not in request:
            self.budget.charge(self.network_of(request), _kind(request), seconds)

    @asynccontextmanager
    async def enter(self, request: web.Request, *, limited: bool = True) -> AsyncIterator[None]:
        """Wait until a request may work. Those with a key or session need not wait.

        Raises:
            RateLimited: its network has used up its budget (if ``limited``), or has too many requests that wait.
            Unavailable: too many wait, or it has waited too long.
        """
        if WHO in request:
            yield
            return
        network = self.network_of(request)
        if limited:
            self.budget.require(network)
        if self._has_room(network):
            self._working[network] += 1
        else:
            await self._wait(network, _kind(request))
        try:
            if request.transport is None:
                raise ConnectionResetError("the client has gone")
            if limited:
                self.budget.require(network)
            yield
        finally:
            self._leave(network)

    def _has_room(self, network: str) -> bool:
        return self._working.total() < self._at_once and self._working[network] < AT_ONCE_OF_NETWORK

    async def _wait(self, network: str, kind: str) -> None:
        if sum(other == network for _, other in self._waiting.values()) >= MAX_WAITING_OF_NETWORK:
            raise RateLimited(1)
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = time.monotonic() + STRETCH * self.budget.expected(network, kind), network
        try:
            # The time that a request waits here is part of the five seconds within which it is answered.
            async with asyncio.timeout(present_patience().begin() - time.monotonic()):
                await turn
        except BaseException as error:  # noqa: BLE001 -- also that the request is cancelled
            if self._waiting.pop(turn, None) is None:  # it was its turn at this moment
                self._leave(network)
            raise (Unavailable if isinstance(error, TimeoutError) else error) from None

    def _leave(self, network: str) -> None:
        """Let the next one work: of those that wait, the one that should wait least."""
        self._working[network] -= 1
        if not self._working[network]:
            del self._working[network]
        ready = [
            (until, turn)
            for turn, (until, other) in self._waiting.items()
            if not turn.done() and self._has_room(other)  # done: it gave up at this moment
        ]
        if ready:
            _, turn = min(ready, key=lambda pair: pair[0])
            _, chosen = self._waiting.pop(turn)
            self._working[chosen] += 1
            turn.set_result(None)


def _kind(request: web.Request) -> str:
    """Return the route of a request."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical}" if resource else ""


ADMISSION: Final = web.AppKey("admission", Admission)
