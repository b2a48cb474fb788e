"""Connect to one of several PostgreSQL hosts, and keep to it: after a failover the old primary may not answer at all.

The driver tries hosts in order within one time limit. A machine that has vanished, such as after a power cut, would
use it up each time, and the new primary would never be reached.
"""

import socket
from contextlib import suppress
from typing import Any, Final

import asyncpg

from commentsvc.config.postgres_url import Host

# The host is down, starts, or is not what the URL asks for; then another one may be.
TRY_NEXT: Final = (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)
SILENT_SECONDS: Final = 15  # a server whose machine does not even confirm a packet for so long has vanished


class Hosts:
    """Hosts in the order in which they are tried: the last that was good first."""

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        self._order = list(hosts)

    async def connect(self, seconds: float, **arguments: Any) -> asyncpg.Connection:
        """Connect to the first host that will do; wait ``seconds`` for each. Errors are those of the driver."""
        failure: Exception | None = None
        for host in tuple(self._order):
            try:
                connection = await asyncpg.connect(host=host.name, port=host.port, timeout=seconds, **arguments)
            except TRY_NEXT as error:
                unlike = isinstance(error, asyncpg.TargetServerAttributeNotMatched)
                failure = failure if failure and unlike else error
            else:
                self._order.remove(host)
                self._order.insert(0, host)
                return connection
        assert failure is not None  # noqa: S101 -- there are hosts
        raise failure


def watch_machine(connection: asyncpg.Connection) -> None:
    """Let a connection fail when the machine at its other end vanishes. By default that takes a quarter of an hour."""
    used: socket.socket = connection._transport.get_extra_info("socket")  # noqa: SLF001 -- asyncpg has no option for it
    if used.family != socket.AF_UNIX:
        with suppress(OSError):
            used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (("TCP_KEEPIDLE", SILENT_SECONDS), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
                if hasattr(socket, name):
                    used.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # https://www.rfc-editor.org/rfc/rfc5482
                used.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)
