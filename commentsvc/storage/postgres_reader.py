"""The PostgreSQL role of readers: it can read public columns only, so a mistake in our code shows no private data."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final

import asyncpg

from commentsvc.storage.postgres_errors import quote_name
from commentsvc.storage.postgres_login import Login, explained
from commentsvc.storage.public_columns import PUBLIC_COLUMNS

SCRAM_ROUNDS: Final = 4096  # PostgreSQL's default; the password has 256 random bits
TABLES: Final = (*PUBLIC_COLUMNS, "contact")
PUBLIC: Final = tuple(f"{table}.{column}" for table, columns in PUBLIC_COLUMNS.items() for column in columns)
# Of a user, with the arguments ``TABLES`` and ``PUBLIC``: which columns it can read.
RIGHTS: Final = """
    WITH readable AS (
        SELECT name || '.' || attname AS place FROM unnest($1::text[]) AS name
        JOIN pg_attribute ON attrelid = to_regclass(name) AND attnum > 0 AND NOT attisdropped
        WHERE has_column_privilege(attrelid, attnum, 'SELECT')
    )
    SELECT session_user::text AS user,
        EXISTS (SELECT 1 FROM readable WHERE place <> ALL ($2::text[])) AS reads_private,
        (SELECT COUNT(*) FROM readable WHERE place = ANY ($2::text[])) = cardinality($2::text[]) AS reads_public
"""
IS_OTHER_USER: Final = """
    SELECT $1 <> current_user AND $1 <> session_user
        AND $1 <> (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('comment'))
"""


@dataclass(frozen=True)
class Rights:
    """The user that a reader logs in as, and the columns that it may read."""

    user: str
    reads_public: bool
    reads_private: bool

    @property
    def problem(self) -> str | None:
        """Return why this user must not or cannot read for us; None if it can."""
        if self.reads_private:
            return f"The user {self.user} can read private data."
        return None if self.reads_public else f"The user {self.user} cannot read all public data."


async def find_rights(reader: Login) -> Rights:
    """Log in as the reader.

    Raises:
        ConfigurationError: the server refuses.
    """
    connection = await reader.connect()
    try:
        with explained(reader.address):
            return Rights(**await connection.fetchrow(RIGHTS, TABLES, PUBLIC, timeout=reader.address.timeout))
    finally:
        connection.terminate()


async def role_exists(connection: asyncpg.Connection, name: str) -> bool:
    """Return whether the server has this role."""
    return bool(await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name))


async def create_role(connection: asyncpg.Connection, reader: Login) -> None:
    """Create the role of this login if it does not exist. It finds the tables that this connection finds."""
    name = reader.address.user
    if not await role_exists(connection, name):
        verifier = scram_verifier(reader.password or "", os.urandom(16))
        await connection.execute(f"CREATE ROLE {quote_name(name)} LOGIN PASSWORD '{verifier}'")
    schema, database = await connection.fetchrow("SELECT current_schema(), current_database()")
    if schema != "public":
        place = f"{quote_name(name)} IN DATABASE {quote_name(database)}"
        await connection.execute(f"ALTER ROLE {place} SET search_path = {quote_name(schema)}")


async def grant_reading(connection: asyncpg.Connection, user: str) -> None:
    """Let a user read the public columns, and no others of their tables."""
    schema = quote_name(await connection.fetchval("SELECT current_schema()"))
    await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {quote_name(user)}")
    # A right to a whole table includes the columns that it gets later. The owner and this connection need theirs.
    if await connection.fetchval(IS_OTHER_USER, user):
        await connection.execute(f"REVOKE SELECT ON {', '.join(PUBLIC_COLUMNS)} FROM {quote_name(user)}")
    for table, columns in PUBLIC_COLUMNS.items():
        await connection.execute(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {quote_name(user)}")


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL stores of a password (RFC 5803), so that no log of statements shows the password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ROUNDS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ROUNDS, *parts)
