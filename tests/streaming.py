"""A PostgreSQL primary and its streaming standby, as docs/scaling.md sets them up."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.postgres import owned_folder, run_as_owner
from tests.proxies import free_port

PASSWORD = "of-the-tests"
LOGIN = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=password"]
OPTIONS = "-c fsync=off -c max_standby_streaming_delay=100ms"  # a query on the standby does not stop the replay
DATA = "/var/lib/postgresql/data"  # in the documented commands
SCALING = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")


def documented_command(tool: str, changes: dict[str, str]) -> list[str]:
    """Return the arguments of a command that operators are told to type, with other values."""
    (command,) = re.findall(rf"^{tool} ((?:.*\\\n)*.*)$", SCALING, re.MULTILINE)
    for theirs, ours in changes.items():
        assert command.count(theirs) == 1, theirs
        command = command.replace(theirs, ours)
    return shlex.split(command.replace("\\\n", " "))


def documented_sql(named: str) -> list[str]:
    """Return the statements of the block of SQL with this name that operators are told to run."""
    (block,) = [block for block in re.findall(r"```sql\n(.*?)```", SCALING, re.DOTALL) if named in block]
    return block.strip().removesuffix(";").split(";\n")


@dataclass(frozen=True)
class Node:
    """A server in a folder of its own. It listens on a port of loopback; without one, only on a socket in its folder.

    The socket asks for no password.
    """

    folder: Path
    tools: Path
    port: int | None

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        if self.port is None:
            return f"postgresql://postgres@/{database}?host={self.folder}"
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and return when the server accepts connections. A killed process loses nothing that was written."""
        address = "listen_addresses=''" if self.port is None else f"listen_addresses=127.0.0.1 -c port={self.port}"
        options = f"-c {address} -k {self.folder} {OPTIONS}"
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, as a crash does."""
        self.run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def promote(self) -> None:
        """Make the standby a primary."""
        self.run("pg_ctl", *documented_command("pg_ctl", {DATA: "data"}))

    def run(self, tool: str, *arguments: str) -> None:
        """Run a tool of PostgreSQL in the folder of the server."""
        environment = {"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]}
        run_as_owner(self.folder, self.tools / tool, *arguments, environment=environment)

    async def fetch(self, statement: str):
        """Run a statement; return the first value of its answer."""
        connection = await asyncpg.connect(self.url())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@contextmanager
def _node(tools: Path, port: int | None) -> Iterator[Node]:
    with owned_folder() as folder:
        node = Node(folder, tools, port)
        try:
            yield node
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                node.stop()


@contextmanager
def primary_server(tools: Path, port: int | None = None) -> Iterator[Node]:
    """Run a server that a standby can follow."""
    with _node(tools, port) as node:
        (node.folder / "password").write_text(PASSWORD, encoding="utf-8")
        (node.folder / "password").chmod(0o644)
        node.run("initdb", "-D", "data", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", *LOGIN)
        node.start()
        yield node


@contextmanager
def standby_of(primary: Node, port: int | None = None) -> Iterator[Node]:
    """Run an asynchronous standby: it applies what the primary writes."""
    with _node(primary.tools, port) as node:
        address = {
            "5432": str(primary.port or 5432),
            "db1": str(primary.folder) if primary.port is None else "127.0.0.1",
            "replicator": "postgres",
            DATA: "data",
        }
        command = documented_command("pg_basebackup", address)
        node.run("pg_basebackup", *command, "--checkpoint=fast", "--no-sync")
        node.start()
        yield node


@contextmanager
def primary_and_standby(tools: Path) -> Iterator[tuple[Node, Node]]:
    """Run both on ports."""
    with primary_server(tools, free_port()) as primary, standby_of(primary, free_port()) as standby:
        yield primary, standby


def both(primary: Node, standby: Node) -> str:
    """Return the address that a service needs to find whichever of them accepts writes."""
    return primary.url().replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
