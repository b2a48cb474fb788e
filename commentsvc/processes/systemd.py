"""Talk to systemd: take the socket that it opened, and tell it the state of the service.

Each protocol is a few lines: sd_listen_fds(3), sd_notify(3).
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from commentsvc.domain.errors import ConfigurationError

FIRST_DESCRIPTOR: Final = 3
VARIABLES: Final = ("LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")


def take_socket(environment: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket that systemd passed to this process; None if it passed none.

    Raises:
        ConfigurationError: it passed several sockets, or one of another kind.
    """
    number = environment.get("LISTEN_FDS", "0")
    if environment.get("LISTEN_PID") != str(os.getpid()) or number == "0":
        return None
    if number != "1":
        raise ConfigurationError("systemd passed several sockets. Keep one ListenStream= line in the socket unit.")
    try:
        listener = socket.socket(fileno=FIRST_DESCRIPTOR)
        listener.set_inheritable(False)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listens = 0
    if not listens:
        raise ConfigurationError(
            "systemd passed a socket that does not listen. Use ListenStream= and Accept=no in the socket unit."
        )
    return listener


class Notifier:
    """Tells systemd the state of the service. Without systemd it does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "") if watched else ""
        # Twice as often as systemd asks for, as sd_watchdog_enabled(3) recommends.
        self.watchdog_seconds = int(microseconds) / 2_000_000 if microseconds.isdecimal() else None

    def ready(self) -> None:
        """Say that the service has started, or has been reloaded."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload begins."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service stops."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Say that the main process is not stuck."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client, suppress(OSError):
            client.setblocking(False)  # a systemd that does not read must not stop the service
            client.sendto(state.encode(), self._address)
