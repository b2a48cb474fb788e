"""Find what is wrong with the address of a database, without connecting to it."""

import os
import re
from collections.abc import Iterator
from typing import Final

SQLITE: Final = "sqlite:///"
POSTGRES: Final = re.compile(r"postgres(?:ql)?://")
SCHEME: Final = re.compile(r"([a-z]+)(\+\w+)?:(/*)", re.IGNORECASE)
USUAL_FILE: Final = "commentsvc.db"
# Characters of a user name or password that end a part of an address (RFC 3986, 2.2 and 3.2).
ESCAPES: Final = {"@": "%40", "/": "%2F", "?": "%3F", "#": "%23", "%": "%25", "[": "%5B", "]": "%5D", " ": "%20"}
UNESCAPED: Final = re.compile(r"[@/?#\[\] ]|%(?![0-9A-Fa-f]{2})")


def find_faults(url: str) -> Iterator[str]:
    """Yield each fault of an address as the rest of a sentence that begins with the name of the setting."""
    if re.search(r"[\x00-\x1f\x7f]", url):
        yield "has a line break or another control character. Set one address on one line."
    elif url.startswith(SQLITE):
        yield from _find_faults_of_file(url.removeprefix(SQLITE))
    elif POSTGRES.match(url):
        yield from _find_faults_of_server(POSTGRES.sub("", url, count=1))
    else:
        yield _describe_scheme(url)


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


def _find_faults_of_file(path: str) -> Iterator[str]:
    if "?" in path or "#" in path:
        yield "has parameters such as ?mode=. SQLite takes none here: remove everything from the ? or # on."
    elif path in {"", ":memory:"}:
        yield f"must name a file, because comments are kept. Example: {SQLITE}data/{USUAL_FILE}"
    elif path.startswith("~"):
        yield f"has a ~, which only a shell replaces. Write the full path: {SQLITE}/home/…"
    elif path.startswith("file:"):
        yield f"has file: before the path. Leave it out: {SQLITE}data/{USUAL_FILE}"
    elif path.endswith(("/", "/.", "/..")) or os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        yield f"names a folder. Add the name of a file, such as {USUAL_FILE}."


def _find_faults_of_server(rest: str) -> Iterator[str]:
    unescaped = sorted(set(UNESCAPED.findall(_find_user(rest))))
    if not rest:
        yield "must name a server and a database: postgresql://user:password@host/database"
    elif unescaped:
        names = ["a space" if one == " " else one for one in unescaped]
        cures = [f"{name} as {ESCAPES[one]}" for name, one in zip(names, unescaped, strict=True)]
        yield f"has {' and '.join(names)} in its user name or password. Write {', '.join(cures)}."


def _find_user(rest: str) -> str:
    """Return user name and password; the last @ before the database ends them, whatever they contain."""
    before_query = rest.partition("?")[0]
    if "@" in before_query:
        return before_query.rpartition("@")[0]
    port = re.split(r"[/#]", before_query, maxsplit=1)[0].rpartition("]")[2].partition(":")[2]
    if re.fullmatch(r"[\d,:]*", port):
        return ""  # an @ in a parameter, such as user=me@example
    return rest.rpartition("@")[0]  # a password with a ?: what looks like a port is not a number
