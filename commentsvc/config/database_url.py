"""Find what is wrong with the address of a database, without connecting to it."""

import os
import re
from typing import Final

from commentsvc.config.postgres_url import SCHEME as POSTGRES

SQLITE: Final = "sqlite:///"
SCHEME: Final = re.compile(r"([a-z]+)(\+\w+)?:(/*)", re.IGNORECASE)
USUAL_FILE: Final = "commentsvc.db"


def find_fault(url: str) -> str | None:
    """Return what is wrong, as the rest of a sentence that begins with the name of the setting.

    This checks only the scheme of a PostgreSQL address: ``parse_postgres_url`` finds the rest.
    """
    if re.search(r"[\x00-\x1f\x7f]", url):
        return "has a line break or another control character. Set one address on one line."
    if url.startswith(SQLITE):
        return _find_fault_of_file(url.removeprefix(SQLITE))
    return None if POSTGRES.match(url) else _describe_scheme(url)


def _describe_scheme(url: str) -> str:
    required = f"must start with {SQLITE} or postgresql://, followed by the database."
    match = SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if match is None and re.fullmatch(r"\S*/\S*|\S+\.(?:db|sqlite3?)", url):
        return f"{required} To name a file, write {SQLITE} before its path."
    if match is None or scheme not in {"sqlite", "postgres", "postgresql"}:
        return required
    start = SQLITE if scheme == "sqlite" else "postgresql://"
    if match[2]:
        return f"{required} Leave out the driver: write {start}."
    if match[3].startswith(start.partition(":")[2]):
        return f"{required} Use small letters: write {start}."
    return f"{required} Write {start} with {start.count('/')} slashes."


def _find_fault_of_file(path: str) -> str | None:
    if "?" in path or "#" in path:
        return "has parameters such as ?mode=. SQLite takes none here: remove everything from the ? or # on."
    if path in {"", ":memory:"}:
        return f"must name a file, because comments are kept. Example: {SQLITE}data/{USUAL_FILE}"
    if path.startswith("~"):
        return f"has a ~, which only a shell replaces. Write the full path: {SQLITE}/home/…"
    if path.startswith("file:"):
        return f"has file: before the path. Leave it out: {SQLITE}data/{USUAL_FILE}"
    if path.endswith(("/", "/.", "/..")) or os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        return f"names a folder. Add the name of a file, such as {USUAL_FILE}."
    return None
