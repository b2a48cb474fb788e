"""Log in to PostgreSQL, directly or through a pooler, and check that the server can hold our data."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncpg

from commentsvc.config.postgres_url import PostgresAddress
from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_errors import explain_schema, explain_standby, quote_name, refusal_of
from commentsvc.storage.postgres_hosts import Hosts, watch_machine

# asyncpg raises these when the server is unreachable, full or starting; other errors are bugs in our statements.
CONNECTION_ERRORS: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed under a running service
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalServerError,  # also: a damaged page or index
    asyncpg.PostgresSystemError,  # such as an I/O error
)
# The driver's own: a URL it cannot read, and a process without a user name.
URL_ERRORS: Final = (ValueError, KeyError)
REFUSALS: Final = (*CONNECTION_ERRORS, *URL_ERRORS, asyncpg.PostgresError)
MIN_VERSION: Final = 12
STATEMENTS_KEPT: Final = 100  # for each connection
CHECK: Final = """
    SELECT pg_backend_pid() AS pid, current_setting('server_encoding') AS encoding,
        current_setting('server_version_num')::int / 10000 AS version, current_schema() AS schema,
        current_setting('transaction_read_only') AS read_only, session_user::text AS user,
        current_database()::text AS database
"""


@dataclass(frozen=True)
class Login:
    """A user at an address."""

    address: PostgresAddress
    password: str | None = field(default=None, repr=False)  # None: the one in the address
    hosts: Hosts | None = field(default=None, repr=False, compare=False)  # all logins at an address share this

    def __post_init__(self) -> None:
        if self.hosts is None and self.address.hosts:
            object.__setattr__(self, "hosts", Hosts(self.address.hosts))

    def as_user(self, name: str, password: str) -> "Login":
        """Return the login of another user at the same address."""
        return Login(replace(self.address, user=name), password, self.hosts)

    async def connect(self) -> Connection:
        """Open a connection that keeps no prepared statements.

        Raises:
            ConfigurationError: the server refuses, or cannot be reached.
        """
        with explained(self.address):
            return await self.open(keep_statements=False)

    async def open(self, *, keep_statements: bool) -> Connection:
        """Open a connection. Errors are those of the driver."""
        kept = STATEMENTS_KEPT if keep_statements else 0
        arguments = self._arguments() | {"statement_cache_size": kept}
        seconds = self.address.timeout
        if self.hosts is None:
            connection: Connection = await asyncpg.connect(timeout=seconds, **arguments)
        else:
            connection = await self.hosts.connect(seconds / len(self.address.hosts), **arguments)
        watch_machine(connection)
        return connection

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "connection_class": Connection,
            "dsn": self.address.url,
            "server_settings": self.address.server_settings,
        }
        if self.address.system_certificates:
            arguments["ssl"] = ssl.create_default_context()
        if self.password is not None:
            arguments |= {"user": self.address.user, "password": self.password}
        return arguments


@dataclass(frozen=True)
class Server:
    """Facts about a server, read from a new connection."""

    address: PostgresAddress  # with the names of the user and the database that the server uses
    pooled: bool  # whether a pooler is between


async def check_server(login: Login) -> Server:
    """Log in, and check that the server can hold our data.

    Raises:
        ConfigurationError: it cannot, or does not let us in.
    """
    connection = await login.connect()
    try:
        with explained(login.address):
            row, process = await connection.fetchrow(CHECK, timeout=login.address.timeout), connection.get_server_pid()
    finally:
        connection.terminate()
    address = replace(login.address, user=row["user"], database=row["database"])
    problem = _find_problem(row, address)
    if problem:
        raise ConfigurationError(f"{address.variable}: {problem}")
    # A pooler gives its clients process ids of its own, since it may give each transaction another server process.
    return Server(address, process != row["pid"])


def _find_problem(row: asyncpg.Record, address: PostgresAddress) -> str | None:
    if row["version"] < MIN_VERSION:
        return f"PostgreSQL {row['version']} is too old. Install {MIN_VERSION} or newer."
    if row["encoding"] != "UTF8":
        name = quote_name(address.database)
        return (
            f"the database {name} has the encoding {row['encoding']}. Create one with UTF-8: "
            f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"
        )
    if row["read_only"] == "on":
        return explain_standby(address, "")
    return explain_schema(address, "") if row["schema"] is None else None


@contextmanager
def explained(
    address: PostgresAddress, but: tuple[type[Exception], ...] = (), only: tuple[type[Exception], ...] = REFUSALS
) -> Iterator[None]:
    """Turn the refusals of the server in this block into errors that say what to do; leave those in ``but``."""
    try:
        yield
    except but:
        raise
    except only as error:
        refusal = refusal_of(error, address)
        if refusal is None:
            raise
        raise refusal from None
