"""Define the settings of the server: where it listens, and what its clients may use."""

from typing import Annotated

from msgspec import Meta

from commentsvc.config.metrics_settings import MetricsConfig


class ServerConfig(MetricsConfig, frozen=True, kw_only=True):
    """The settings of the server. See ``Config``."""

    host: Annotated[
        str,
        Meta(
            description="IP address to listen on: `0.0.0.0` for all of IPv4, `::` or `*` for all of IPv4 and IPv6; or "
            "a Unix socket: `unix:/run/commentsvc/http.sock`."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks a free port.")] = 8080
    socket_mode: Annotated[
        str,
        Meta(
            pattern=r"^0?[0-7]{3}$",
            description="Permissions of a Unix socket. `660`: only this user and its group, such as the web server's.",
            extra={"expected": "three octal digits such as 660"},
        ),
    ] = "660"
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Number of processes that serve. From 2 on, a parent process starts them, restarts them, and "
            "reloads them on SIGHUP.",
        ),
    ] = 1
    connections: Annotated[
        int,
        Meta(
            ge=16,
            le=100_000,
            description="Maximum number of open connections in each process; less if the system allows fewer open "
            "files.",
        ),
    ] = 4000
    network_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Maximum number of open connections from one network (/24 or /48) in each process. Trusted "
            "proxies and this computer have no such limit.",
        ),
    ] = 64
    work_limit: Annotated[
        str,
        Meta(
            pattern=r"^(off|[1-9]\d{0,3}/[1-9]\d{0,4})$",
            description="Processor time that one network (/24 or /48) may use for what is not answered from memory, as "
            "`seconds/seconds`. Requests with a key or session do not count. `off`: no limit; also with "
            "`COMMENTSVC_RATE_LIMIT=off`.",
            extra={"expected": "off, or seconds/seconds such as 12/60"},
        ),
    ] = "12/60"
