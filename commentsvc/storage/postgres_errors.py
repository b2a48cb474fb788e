"""Say in one sentence why PostgreSQL, or a pooler before it, refused, and in another what to do.

It also tells a server that is away for now from settings that are wrong.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import errno
import re
import socket
import ssl
from collections.abc import Callable
from typing import Final

import asyncpg

from commentsvc.config.postgres_url import ESCAPING, PostgresAddress
from commentsvc.domain.errors import ConfigurationError, DatabaseAway

Explanation = Callable[[PostgresAddress, str], str]
# Stopping, crashed, starting; no connection is free.
AWAY_STATES: Final = ("57P01", "57P02", "57P03", "53300", "08000", "08001", "08003", "08004", "08006")
# A pooler gives one of these states to wrong settings too.
WRONG_SETTINGS: Final = re.compile(
    r"statement pooling|no such (?:user|database)|does not exist|unsupported startup parameter|auth\w* failed"
)


def is_away(error: BaseException) -> bool:
    """Return whether the server may accept the same settings later: it is down, starting, full or unreachable."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in AWAY_STATES and not WRONG_SETTINGS.search(str(error))
    wrong = isinstance(error, ssl.SSLError | PermissionError) or "rejected SSL upgrade" in str(error)
    return isinstance(error, OSError) and not wrong


def refusal_of(error: BaseException, address: PostgresAddress) -> ConfigurationError | None:
    """Return the error to show to the operator; None if it is not a matter of settings.

    Messages name the host, the user and the database, and never the password.
    """
    state, text = getattr(error, "sqlstate", None), str(error)
    explain = EXPLANATIONS.get(str(state)) or CLASSES.get(str(state)[:2])
    if state and explain:
        sentence = explain(address, text)
    elif state:
        return None
    else:
        sentence = _explain_connection(error, address)
    file_missing = isinstance(error, FileNotFoundError) and "/" not in address.place  # a certificate, not the socket
    kind = DatabaseAway if is_away(error) and not file_missing else ConfigurationError
    return kind(f"{address.variable}: {sentence}")


def quote_name(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _explain_connection(error: BaseException, address: PostgresAddress) -> str:
    # Errors of the driver and the network, which have no SQLSTATE.
    if isinstance(error, ssl.SSLError) or "rejected SSL upgrade" in str(error):
        return _explain_tls(error, address)
    if isinstance(error, OSError):
        return _explain_network(error, address)
    if type(error).__name__ == "TargetServerAttributeNotMatched":
        return f"none of the servers at {address.place} accepts writes. Name the primary among them."
    if "root certificate" in str(error):
        return "sslmode needs a certificate authority. Set sslrootcert to its file, or to system."
    return f"could not connect to {address.place} ({type(error).__name__}). Check the parameters of the URL."


def _explain_tls(error: BaseException, address: PostgresAddress) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the TLS certificate of {address.place} is not valid here ({error.verify_message}). "
            "Set sslrootcert to the file of its authority, and use the host name in the certificate."
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS with {address.place} failed ({error.reason}). Check sslmode and the certificates."
    return f"the server at {address.place} does not offer TLS. Turn it on there, or set sslmode=prefer."


def _explain_network(error: OSError, address: PostgresAddress) -> str:
    place, socket_named = address.place, "/" in address.place
    if isinstance(error, socket.gaierror):
        return f"the host name in {place} is unknown. Check its spelling and the DNS."
    if isinstance(error, TimeoutError):
        return f"{place} did not answer in {address.timeout:g} seconds. Check host, port, firewall and database."
    if isinstance(error, FileNotFoundError | PermissionError):
        what = f"the socket in {place}" if socket_named else "a certificate that the URL names"
        return f"cannot open {what}. Check its path and its permissions."
    if error.errno == errno.ECONNREFUSED or f"Errno {errno.ECONNREFUSED}" in str(error):
        return f"no server listens at {place}. Start PostgreSQL, or correct host and port."
    if isinstance(error, ConnectionError):
        return f"{place} closed the connection before the sign-in. Check port and sslmode."
    return f"{place} cannot be reached ({type(error).__name__}). Check host, port and network."


def _user(address: PostgresAddress) -> str:
    return address.user or "of this process"


def _explain_password(address: PostgresAddress, _text: str) -> str:
    return f"the user {_user(address)} or the password is wrong or missing. Correct the URL. {ESCAPING}"


def _explain_login(address: PostgresAddress, text: str) -> str:
    name = _user(address)
    if "pg_hba.conf" in text and re.search("no encryption|SSL off", text):
        return (
            f"the server does not let {name} in without TLS. Set sslmode=require in the URL, "
            "or allow the connection in pg_hba.conf."
        )
    if "pg_hba.conf" in text:
        return f"the server does not let {name} in from this computer. Add a line to its pg_hba.conf."
    if "peer" in text.lower() or "ident" in text.lower():
        return f"{name} is not the user of this process. Name a host and a password, or change pg_hba.conf."
    return f"the server does not let {name} in. Check that this role exists and has the right LOGIN."


def _explain_database(address: PostgresAddress, _text: str) -> str:
    name = quote_name(address.database or address.user)
    return f"there is no database {name}. Correct the name, or run: CREATE DATABASE {name}"


def _explain_privilege(address: PostgresAddress, text: str) -> str:
    user, found = quote_name(address.user), re.search(r"for (schema|database|table|sequence) (\S+)", text)
    kind, name = (found[1], quote_name(found[2].strip('"'))) if found else ("", "")
    right = {"schema": "USAGE, CREATE", "database": "CONNECT", "sequence": "USAGE"}.get(
        kind, "SELECT, INSERT, UPDATE, DELETE"
    )
    grant = f"GRANT {right} ON {kind.upper()} {name} TO {user}" if kind else "GRANT this right"
    return f"the database user {user} lacks a right ({_first_line(text)}). Run as the owner: {grant}"


def explain_schema(address: PostgresAddress, _text: str) -> str:
    """Say that there is no schema for the tables."""
    user = quote_name(address.user)
    return (
        f"the search_path of {user} names no schema that exists. Create the schema with CREATE SCHEMA, "
        f"or run: ALTER ROLE {user} SET search_path = public"
    )


def _explain_full(_address: PostgresAddress, text: str) -> str:
    return (
        f"the server has no free connection ({_first_line(text)}). "
        "Lower COMMENTSVC_DATABASE_CONNECTIONS, or raise max_connections or the limit of the role."
    )


def explain_standby(address: PostgresAddress, _text: str) -> str:
    """Say that the server is read-only."""
    return f"{address.place} is read-only, perhaps a standby. Name the primary, or set target_session_attrs=read-write."


def _explain_statement(_address: PostgresAddress, _text: str) -> str:
    return "a pooler mixes up prepared statements. Set COMMENTSVC_PREPARED_STATEMENTS=off."


def _explain_protocol(address: PostgresAddress, text: str) -> str:
    parameter = re.search(r"unsupported startup parameter(?: in options)?: (\w+)", text)
    if parameter:
        return (
            f"the pooler does not accept {parameter[1]}. Remove it from the URL. "
            f"Set it in the database instead: ALTER ROLE {quote_name(address.user)} SET …"
        )
    if re.search("authentication failed|no such user|auth failed", text):
        return _explain_password(address, text)
    if re.search('database ".*" does not exist|no such database', text):
        return _explain_database(address, text)
    if "statement pooling" in text:
        return "PgBouncer has pool_mode = statement, which has no transactions. Set pool_mode = transaction."
    return f"the server or pooler refused: {_first_line(text)}. Correct the URL, or the settings of the pooler."


def _explain_parameter(_address: PostgresAddress, text: str) -> str:
    return f"a parameter of the URL is wrong ({_first_line(text)}). Correct or remove it."


def _explain_resources(_address: PostgresAddress, text: str) -> str:
    return f"PostgreSQL cannot work now ({_first_line(text)}). Correct this on the server, then try again."


def _explain_foreign(address: PostgresAddress, text: str) -> str:
    name = quote_name(address.database or address.user)
    return (
        f"the database {name} has a table of another program ({_first_line(text)}). "
        "Name another database, or add ?search_path= and an empty schema to the URL."
    )


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


EXPLANATIONS: Final[dict[str, Explanation]] = {
    "08P01": _explain_protocol,
    "22023": _explain_parameter,
    "25006": explain_standby,
    "26000": _explain_statement,
    "28000": _explain_login,
    "28P01": _explain_password,
    "3D000": _explain_database,
    "3F000": explain_schema,
    "42501": _explain_privilege,
    "42704": _explain_parameter,
    "42P05": _explain_statement,
    "42P07": _explain_foreign,
    "53300": _explain_full,
}
# By the first two characters of the code: connection, limits, object state, operator, system.
CLASSES: Final[dict[str, Explanation]] = {
    "08": _explain_protocol,
    "53": _explain_resources,
    "54": _explain_resources,
    "55": _explain_resources,
    "57": _explain_resources,
    "58": _explain_resources,
}
