"""Read the address of a PostgreSQL database: the URL that ``psql`` takes, and parameters that hosting providers add.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import difflib
import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlencode

from commentsvc.config import PREFIX
from commentsvc.domain.errors import ConfigurationError

SCHEME: Final = re.compile(r"postgres(?:ql)?://")
# Characters of a user name or password that end a part of an address (RFC 3986, 2.2 and 3.2).
ESCAPES: Final = {"@": "%40", "/": "%2F", "?": "%3F", "#": "%23", "%": "%25", "[": "%5B", "]": "%5D", " ": "%20"}
UNESCAPED: Final = re.compile(r"[@/?#\[\] ]|%(?![0-9A-Fa-f]{2})")
# Characters that no part of an address may have; here they are the end of a password that was cut.
NEVER: Final = re.compile(r"[\s\x00-\x1f\x7f#]|%(?![0-9A-Fa-f]{2})|%00")
PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
MAX_PORT: Final = 65_535
HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%]+\]|[^\[\]:]+)(?::(?P<port>[^:]*))?")
TIMEOUT_SECONDS: Final = 4.0
REPLICA: Final = f"{PREFIX}READ_DATABASE_URL"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Parameters that the driver understands.
DRIVER: Final = _words(
    "host port user password dbname passfile service sslmode sslcert sslkey sslrootcert sslcrl sslpassword "
    "sslnegotiation ssl_min_protocol_version ssl_max_protocol_version target_session_attrs krbsrvname"
)
# Settings of the server, sent when a connection starts.
SERVER: Final = _words(
    "application_name options search_path statement_timeout lock_timeout idle_in_transaction_session_timeout"
)
# Other names of the same: of JDBC and of object mappers.
ALIASES: Final = {
    "database": "dbname",
    "schema": "search_path",
    "currentschema": "search_path",
    "fallback_application_name": "application_name",
    "applicationname": "application_name",
    "hostaddr": "host",
    "connecttimeout": "connect_timeout",
}
# Parameters of libpq and of other drivers that change nothing here.
IGNORED: Final = _words(
    "channel_binding client_encoding gssencmode gssdelegation gsslib keepalives keepalives_idle keepalives_interval "
    "keepalives_count load_balance_hosts max_protocol_version min_protocol_version replication require_auth "
    "requirepeer requiressl servicefile ssl sslcertmode sslcompression sslcrldir sslkeylogfile sslsni "
    "tcp_user_timeout connection_limit pool_timeout pool_size pool_mode max_overflow socket_timeout "
    "sockettimeout logintimeout tcpkeepalive binary_parameters supa"
)
# How other drivers are told to keep no prepared statements, and whether it is by turning the parameter on or off.
POOLERS: Final = {
    "pgbouncer": True,
    "prepared_statements": False,
    "statement_cache_size": False,
    "prepared_statement_cache_size": False,
    "prepare_threshold": False,
    "preparethreshold": False,
}
OFF: Final = frozenset({"", "0", "false", "off", "no", "none", "disabled"})

CHOICES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
ESCAPING: Final = "Write @ as %40, / as %2F, ? as %3F, # as %23, % as %25 and a space as %20."
ESCAPE: Final = f"has a special character that is not escaped, perhaps in the password. {ESCAPING}"


class Host(NamedTuple):
    """A host, or the folder of a socket."""

    name: str
    port: int | None  # None: the usual one


@dataclass(frozen=True)
class PostgresAddress:
    """The address of a database, and the user who logs in. Its text does not show the password."""

    variable: str  # the setting that it comes from, for messages
    url: str = field(repr=False)  # for the driver
    place: str  # hosts and ports, for messages
    user: str  # empty: the user of the operating system
    database: str  # empty: named like the user
    server_settings: dict[str, str]
    timeout: float  # seconds
    system_certificates: bool  # whether to check the server's certificate with those of the operating system
    pooler: bool  # whether the URL asks to keep no prepared statements
    hosts: tuple[Host, ...] = ()  # to choose from; empty: the driver chooses, or there is only one


def parse_postgres_url(variable: str, text: str) -> PostgresAddress:
    """Return the address that a URL names. ``variable`` is the name of its setting.

    Raises:
        ConfigurationError: the URL is wrong. The message never has a part that could be the password.
    """
    try:
        return _parse(variable, text)
    except ValueError as error:
        raise ConfigurationError(f"{variable} {error}") from None


def _parse(variable: str, text: str) -> PostgresAddress:
    scheme = SCHEME.match(text)
    if not scheme:
        raise ValueError("must start with postgresql://, followed by the database.")
    rest = text[scheme.end() :]
    if not rest:
        raise ValueError("must name a server and a database: postgresql://user:password@host/database")
    _check_escapes(rest)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest.removeprefix(authority).partition("?")
    login, at, hosts = authority.rpartition("@")
    parameters = _read_parameters(query)
    names = [_check_host(host) for host in unquote(hosts).split(",")] if hosts else []
    if "host" in parameters:
        names = names or parameters["host"].split(",")
    _check_choices(parameters)
    if len(names) > 1:
        # The service writes, so a standby is no use, except to read from.
        parameters.setdefault("target_session_attrs", "standby" if variable == REPLICA else "read-write")
    system = parameters.get("sslrootcert") == "system"  # https://www.postgresql.org/docs/16/libpq-connect.html
    if system:
        del parameters["sslrootcert"]
        parameters.pop("sslmode", None)
    user, _, password = login.partition(":")
    identity = ":".join(quote(unquote(part), safe="") for part in (user, password) if part)
    known = {name: value for name, value in parameters.items() if name in DRIVER}
    return PostgresAddress(
        variable=variable,
        url=f"postgresql://{identity}{at}{hosts}{path}?{urlencode(known, quote_via=quote)}".rstrip("?"),
        place=", ".join(names) or "the local socket",
        user=unquote(user) or parameters.get("user", ""),
        database=unquote(path.removeprefix("/")) or parameters.get("dbname", ""),
        server_settings={name: value for name, value in parameters.items() if name in SERVER},
        timeout=_read_timeout(parameters.get("connect_timeout")) * max(1, len(names)),
        system_certificates=system,
        pooler="pooler" in parameters,
        hosts=_list_hosts(names, "" if hosts else parameters.get("port", ""), parameters),
    )


def _list_hosts(names: list[str], ports: str, parameters: dict[str, str]) -> tuple[Host, ...]:
    given = ports.split(",") if ports else []
    if len(names) < 2 or parameters.get("target_session_attrs") == "prefer-standby":  # noqa: PLR2004
        return ()
    if len(given) == 1:
        given *= len(names)
    if given and len(given) != len(names):
        return ()  # the driver says so
    found = []
    for place, name in enumerate(names):
        match = None if name.startswith("/") else HOST.fullmatch(name)
        own = match["port"] if match else None
        port = given[place] if given else own
        found.append(Host(match["name"].strip("[]") if match else name, int(port) if port else None))
    return tuple(found)


def _check_escapes(rest: str) -> None:
    unescaped = sorted(set(UNESCAPED.findall(_find_user(rest))))
    if unescaped:
        names = ["a space" if one == " " else one for one in unescaped]
        cures = [f"{name} as {ESCAPES[one]}" for name, one in zip(names, unescaped, strict=True)]
        raise ValueError(f"has {' and '.join(names)} in its user name or password. Write {', '.join(cures)}.")
    if NEVER.search(rest):
        raise ValueError(ESCAPE)


def _find_user(rest: str) -> str:
    """Return user name and password; the last @ before the database ends them, whatever they contain."""
    before_query = rest.partition("?")[0]
    if "@" in before_query:
        return before_query.rpartition("@")[0]
    port = re.split(r"[/#]", before_query, maxsplit=1)[0].rpartition("]")[2].partition(":")[2]
    if re.fullmatch(r"[\d,:]*", port):
        return ""  # an @ in a parameter, such as user=me@example
    return rest.rpartition("@")[0]  # a password with a ?: what looks like a port is not a number


def _read_parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in query.split("&") if query else []:
        written, equals, text = part.partition("=")
        name, value = unquote(written), unquote(text)
        name = ALIASES.get(name.lower(), name if name in DRIVER | SERVER else name.lower())
        if name in DRIVER | SERVER or name == "connect_timeout":
            if name == written or name not in found:  # an alias does not replace the name itself
                found[name] = value
        elif name in POOLERS:
            if (value.lower() not in OFF) is POOLERS[name]:
                found["pooler"] = value
        elif name == "ssl" and value.lower() not in OFF:
            found.setdefault("sslmode", "require")
        elif name not in IGNORED:
            raise ValueError(_describe_unknown(name, part if equals else "@"))
    return found


def _describe_unknown(name: str, part: str) -> str:
    # A name that is not one may be the end of a password with "?" in it.
    similar = difflib.get_close_matches(name, DRIVER | SERVER | IGNORED | {"connect_timeout"}, n=1)
    if "@" in part:
        return ESCAPE
    which = f"the unknown parameter {name}" if name.isidentifier() else "an unknown parameter"
    return f"has {which}. " + (f"Did you mean {similar[0]}?" if similar else "Remove it. See docs/operating.md.")


def _check_host(text: str) -> str:
    if text.startswith("/"):
        return text  # the folder of a socket
    match = HOST.fullmatch(text)
    if not match:
        raise ValueError("has a host that cannot be read. Write an IPv6 address in brackets: [::1]:5432.")
    port = match["port"]
    if port and not (PORT.fullmatch(port) and int(port) <= MAX_PORT):
        raise ValueError(f"has a wrong port. Use a number from 1 to {MAX_PORT}. In a password write : as %3A.")
    return text


def _check_choices(parameters: dict[str, str]) -> None:
    for name, allowed in CHOICES.items():
        if parameters.get(name, allowed[0]) not in allowed:
            raise ValueError(f"has a wrong {name}. Use one of: {', '.join(allowed)}.")
    for port in parameters.get("port", "1").split(","):
        if not PORT.fullmatch(port) or int(port) > MAX_PORT:
            raise ValueError(f"has a wrong port. Use a number from 1 to {MAX_PORT}.")


def _read_timeout(text: str | None) -> float:
    if text is None:
        return TIMEOUT_SECONDS
    if not re.fullmatch(r"-?\d{1,6}", text):
        raise ValueError("has a wrong connect_timeout. Use a number of seconds.")
    return float(text) if int(text) > 0 else TIMEOUT_SECONDS
