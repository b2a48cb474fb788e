"""The socket that the service listens on: an IP address, all addresses of both families, or a socket file."""

import errno
import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from commentsvc.config import PREFIX
from commentsvc.config.checks import HOST_EXAMPLES, find_socket_faults
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError

LOG: Final = logging.getLogger(__name__)
BACKLOG: Final = 1024
ALL_ADDRESSES: Final = ("::", "*")


@contextmanager
def open_listener(config: Config) -> Iterator[socket.socket]:
    """Listen as the settings say. A socket file is removed again on exit.

    Raises:
        ConfigurationError: that is not possible; the message names the setting to change.
    """
    path = config.socket_path
    listener = _listen_on_address(config) if path is None else _listen_on_file(path, int(config.socket_mode, 8))
    with keep_listener(config, listener):
        yield listener


@contextmanager
def keep_listener(config: Config, listener: socket.socket) -> Iterator[socket.socket]:
    """Yield a socket that listens as the settings say. A socket file is removed again on exit."""
    path = config.socket_path
    listener.setblocking(False)
    created = path.lstat() if path else None
    try:
        yield listener
    finally:
        listener.close()
        if path and created:
            _remove_own(path, created)


def describe_listener(config: Config, listener: socket.socket) -> Config:
    """Return the settings with the place where the socket listens: port 0 asks for any, and systemd chose its own."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return msgspec.structs.replace(config, host=f"unix:{os.fsdecode(name)}")
    return msgspec.structs.replace(config, port=name[1])


def name_place(config: Config) -> str:
    """Return where the service listens, for the log."""
    return config.host if config.socket_path else f"port {config.port}"


def _remove_own(path: Path, created: os.stat_result) -> None:
    with suppress(OSError):
        now = path.lstat()
        # Another server may have replaced it, and inode numbers are used again.
        if os.path.samestat(now, created) and now.st_mtime_ns == created.st_mtime_ns:
            path.unlink()


def _listen_on_address(config: Config) -> socket.socket:
    host = config.host[1:-1] if config.host.startswith("[") and config.host.endswith("]") else config.host
    try:
        if host in ALL_ADDRESSES and socket.has_dualstack_ipv6():
            return _create_server(("::", config.port), socket.AF_INET6, both=True)
        if host in ALL_ADDRESSES:
            LOG.warning("this computer has no IPv6; listening on IPv4 only")
            host = "0.0.0.0"  # noqa: S104 -- what the setting asks for
        family, address = _resolve(config.host, host, config.port)
        return _create_server(address, family)
    except OSError as error:
        raise ConfigurationError(_explain_address(error, config)) from None


def _create_server(address: Any, family: int, *, both: bool = False) -> socket.socket:
    return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _resolve(setting: str, host: str, port: int) -> tuple[int, Any]:
    """Return the family and address of a host. A name with both families means its IPv4 address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError(
            f"{PREFIX}HOST: {setting} is not an address of this computer. {HOST_EXAMPLES}"
        ) from None
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _explain_address(error: OSError, config: Config) -> str:
    place = f"{config.host} port {config.port}"
    if error.errno == errno.EADDRINUSE:
        return f"Cannot listen on {place}: another program uses it. Stop that program, or change {PREFIX}PORT."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Cannot listen on {place}: this user may not. Set {PREFIX}PORT to 1024 or more."
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"{PREFIX}HOST: {config.host} is not an address of this computer. {HOST_EXAMPLES}"
    if config.host.lower().lstrip("[").startswith("fe80:") and "%" not in config.host:
        return f"{PREFIX}HOST: {config.host} needs its network interface. Write it after a percent sign: fe80::1%eth0."
    reason = os.strerror(error.errno or 0)
    return f"Cannot listen on {place}: {reason}. Change {PREFIX}HOST or {PREFIX}PORT."


def _listen_on_file(path: Path, mode: int) -> socket.socket:
    for fault in find_socket_faults(path):
        raise ConfigurationError(fault)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(str(path))
        path.chmod(mode)  # before listening: nobody connects who may not
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_explain_file(error, path)) from None
    except ConfigurationError:
        listener.close()
        raise
    return listener


def _explain_file(error: OSError, path: Path) -> str:
    if error.errno == errno.ENOENT:
        return f"{PREFIX}HOST: the folder {path.parent} does not exist. Create it, and make it writable for this user."
    reason = os.strerror(error.errno or 0)
    return f"Cannot listen on {path}: {reason}. Make {path.parent} writable for this user, or change {PREFIX}HOST."


def _remove_stale(path: Path) -> None:
    """Remove the socket file that a killed server left.

    Raises:
        ConfigurationError: a server listens on it, or it is another kind of file.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ConfigurationError(f"{PREFIX}HOST: {path} is not a socket. Remove it, or choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # it listens, and many are waiting
    raise ConfigurationError(f"Cannot listen on {path}: a server uses it. Stop that server, or change {PREFIX}HOST.")
