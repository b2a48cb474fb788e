"""PostgreSQL for tests: a server of a worker's own, and on it one database that every test finds empty."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

# A database of its own for each test takes 60 ms to make; this takes 5. TRUNCATE is slower than DELETE on small tables.
PREPARE = """
CREATE SCHEMA tests;
CREATE TABLE tests.ddl (tag TEXT NOT NULL);
CREATE TABLE tests.schema_step AS TABLE public.schema_step;

CREATE FUNCTION tests.note_change() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    -- Every start of the service grants again what readers were granted before.
    INSERT INTO tests.ddl SELECT command_tag FROM pg_event_trigger_ddl_commands()
        WHERE command_tag NOT IN ('GRANT', 'REVOKE');
END $$;
CREATE FUNCTION tests.note_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO tests.ddl VALUES (tg_tag);
END $$;

-- False where the schema was changed since: then only a new database is as the first one was.
CREATE FUNCTION tests.empty() RETURNS boolean LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE
    name TEXT;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    IF EXISTS (SELECT FROM tests.ddl) THEN
        RETURN false;
    END IF;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM public.%I', name);
    END LOOP;
    INSERT INTO public.schema_step TABLE tests.schema_step;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
    RETURN true;
END $$;

CREATE EVENT TRIGGER note_change ON ddl_command_end EXECUTE FUNCTION tests.note_change();
CREATE EVENT TRIGGER note_drop ON sql_drop EXECUTE FUNCTION tests.note_drop();
"""


def find_tools() -> Path | None:
    """Return the folder of initdb, which Debian keeps off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []  # a link may lead to the folder of all tools
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return folders[0] if folders else None


def owner() -> str:
    """Return the user who owns the files of a server. PostgreSQL does not run as root."""
    return "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def as_owner(*command: object) -> list[str]:
    """Return a command that runs as the owner."""
    become = ["runuser", "-u", owner(), "--"] if os.getuid() == 0 else []
    return [*become, *map(str, command)]


def run_as_owner(folder: Path, *command: object, environment: dict[str, str] | None = None) -> None:
    """Run a command in a folder as the owner. It must succeed."""
    done = subprocess.run(
        as_owner(*command), cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, (command, done.stderr)


@contextmanager
def owned_folder() -> Iterator[Path]:
    """Make a folder for the files of a server. Its path is short, as those of sockets must be."""
    folder = Path(tempfile.mkdtemp(prefix="commentsvc-pg-"))
    shutil.chown(folder, owner())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def server(tools: Path) -> Iterator[str]:
    """Run a server on a socket; yields its address without the name of a database."""
    # A collation that knows nothing of ASCII order: what we sort must not depend on it.
    collation = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"]
    with owned_folder() as folder:
        run_as_owner(folder, tools / "initdb", "-D", "data", "-A", "trust", "-U", "postgres", "--no-sync", *collation)
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        run_as_owner(folder, tools / "pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        try:
            yield f"postgresql://postgres@/{{}}?host={folder}"
        finally:
            run_as_owner(folder, tools / "pg_ctl", "-D", "data", "-m", "immediate", "stop")


async def make_database(postgres: str, statement: str) -> None:
    """Run a statement such as CREATE DATABASE."""
    admin = await asyncpg.connect(postgres.format("postgres"))
    await admin.execute(statement)
    await admin.close()


class SharedDatabase:
    """One database for test after test: emptied before each, made again where a test changed its schema."""

    def __init__(self, postgres: str, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self._connection: asyncpg.Connection | None = None

    def empty(self) -> str:
        """Return the address of the database, which now has a schema and not a row."""
        return self._loop.run_until_complete(self._empty())

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    async def _empty(self) -> str:
        if self._connection is None or not await self._connection.fetchval("SELECT tests.empty()"):
            await self._make()
        return self._postgres.format(f"shared{self._number}")

    async def _make(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._number += 1
        name = f"shared{self._number}"
        await make_database(self._postgres, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        self._connection = await asyncpg.connect(self._postgres.format(name))
        await self._connection.execute(PREPARE)
