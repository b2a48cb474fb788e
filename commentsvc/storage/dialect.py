"""Statements that SQLite and PostgreSQL write differently: triggers, full-text indexes, tables without row numbers.

``schema.sql`` and the statements here are written for SQLite. ``schema_in_postgres`` and ``in_postgres`` translate.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from commentsvc.storage.postgres_triggers import TRIGGERS


class Indexed(NamedTuple):
    """The key of a table with tokens, and its columns that are in its full-text index."""

    key: str
    columns: tuple[str, ...]

    @property
    def listed(self) -> str:
        """Return the columns as a list of SQL."""
        return ", ".join(self.columns)


INDEXED: Final = {
    "comment_search": Indexed("comment_id", ("words", "marks")),
    "thread_search": Indexed("thread_id", ("words",)),
}

# Both drivers number the parameters of a statement, which have names in its text.
NAMED_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


def number_parameters(sql: str, sign: str) -> tuple[str, tuple[str, ...]]:
    """Return the statement with a sign and number for each ``:name``, and the names in the order of their numbers."""
    places: dict[str, int] = {}
    text = NAMED_PARAMETER.sub(lambda found: f"{sign}{places.setdefault(found[1], len(places) + 1)}", sql)
    return text, tuple(places)


def _index_of(table: str) -> str:
    return table.replace("search", "index")


INDEX_NAMES: Final = tuple(map(_index_of, INDEXED))

# Add rows to the index of a table, and remove them before they change. PostgreSQL does both by itself. With SQLite,
# triggers cannot: a database that trusts no schema (PRAGMA trusted_schema) allows no virtual table in them.
INDEX: Final = {
    table: f"INSERT INTO {_index_of(table)} (rowid, {one.listed}) "
    f"SELECT seq, {one.listed} FROM {table} WHERE {one.key} IN :ids"
    for table, one in INDEXED.items()
}
UNINDEX: Final = {
    table: f"INSERT INTO {_index_of(table)} ({_index_of(table)}, rowid, {one.listed}) "
    f"SELECT 'delete', seq, {one.listed} FROM {table} WHERE {one.key} IN :ids"
    for table, one in INDEXED.items()
}
# The keys of rows that match ``:match``: FTS5's terms in double quotes, `*` for beginnings, AND, OR and parentheses.
MATCHING: Final = {
    table: f"SELECT {one.key} AS id FROM {_index_of(table)} "
    f"CROSS JOIN {table} ON {table}.seq = {_index_of(table)}.rowid "
    f"WHERE {_index_of(table)} MATCH :match"
    for table, one in INDEXED.items()
}


def _vector(columns: Sequence[str]) -> str:
    return f"array_to_tsvector(string_to_array(BTRIM({' || '.join(columns)}), ' '))"


_QUERY: Final = """CAST(REPLACE(REPLACE(REPLACE(REPLACE(CAST(:match AS TEXT),
    '" *', '":*'), '"', ''''), ' AND ', ' & '), ' OR ', ' | ') AS tsquery)"""
_MATCHING_IN_POSTGRES: Final = {
    MATCHING[table]: f"SELECT {one.key} AS id FROM {table} WHERE {_vector(one.columns)} @@ {_QUERY}"
    for table, one in INDEXED.items()
}


# New rows wait in a list of at most 1 MB, which is read by each search: the index grows in few large writes.
_CREATED: Final = TRIGGERS | {
    _index_of(table): f"CREATE INDEX {_index_of(table)} ON {table} USING gin ({_vector(one.columns)}) "
    "WITH (fastupdate = on, gin_pending_list_limit = 1024);\n"
    for table, one in INDEXED.items()
}
_FOR_SQLITE: Final = re.compile(r"CREATE (?:TRIGGER|VIRTUAL TABLE) (\w+) .*?;\n", re.DOTALL)
# Build an index of SQLite from its table again.
REBUILD: Final = tuple(f"INSERT INTO {name} ({name}) VALUES ('rebuild')" for name in INDEX_NAMES)
# Statements that PostgreSQL does not need: it updates indexes by itself, and VACUUM cleans them up.
_ONLY_SQLITE: Final = re.compile(r"\s*INSERT INTO (?:\w+_index|search_cleanup)\b")


# Continue to number the rows of a table after its last one. SQLite does so by itself.
CONTINUE_NUMBERS: Final = "SELECT MAX(seq) AS last_number FROM {table}"
_LAST_NUMBER: Final = re.compile(re.escape(CONTINUE_NUMBERS).replace(r"\{table\}", r"(\w+)"))
_SET_NUMBER: Final = r"SELECT setval(pg_get_serial_sequence('\1', 'seq'), MAX(seq)) AS last_number FROM \1"


def schema_in_postgres(script: str) -> str:
    """Return statements of the schema for PostgreSQL."""
    script = _FOR_SQLITE.sub(lambda found: _CREATED[found[1]], script).replace(") WITHOUT ROWID", ")")
    return script.replace("COLLATE BINARY", 'COLLATE "C"')


def in_postgres(statement: str) -> str:
    """Return a statement for PostgreSQL; an empty one if it has nothing to do there."""
    if _ONLY_SQLITE.match(statement):
        return ""
    for lite, its_own in _MATCHING_IN_POSTGRES.items():
        statement = statement.replace(lite, its_own)
    return _LAST_NUMBER.sub(_SET_NUMBER, statement).replace("INSTR(", "STRPOS(")
