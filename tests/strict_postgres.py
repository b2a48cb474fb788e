"""A PostgreSQL server that asks for passwords and offers TLS, and a PgBouncer before it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from commentsvc.domain.crypto import Keyring
from tests.certificates import make_certificate
from tests.conftest import SECRET
from tests.postgres import as_owner, owned_folder, owner, run_as_owner
from tests.proxies import free_port

PASSWORD = "p@ss/w?rd#1%"
ESCAPED = "p%40ss%2Fw%3Frd%231%25"
READER, READER_PASSWORD = Keyring([SECRET]).reader_login
USERS = {"app": PASSWORD, READER: READER_PASSWORD}
# The first line that matches decides.
LOGINS = f"""
local     all  postgres  trust
local     all  peered    peer
local     all  all       scram-sha-256
hostssl   all  tls       all  scram-sha-256
hostnossl all  plain     all  scram-sha-256
host      all  app,other,reader,nologin,nobody,{READER}  all  scram-sha-256
"""
ROLES = f"""
CREATE ROLE app LOGIN CREATEROLE PASSWORD '{PASSWORD}';
CREATE ROLE other LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE tls LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE peered LOGIN;
CREATE ROLE nologin PASSWORD '{PASSWORD}';
"""


@dataclass(frozen=True)
class StrictServer:
    """A running server; ``psql`` runs statements as its superuser."""

    folder: Path
    port: int
    tools: Path

    @property
    def authority(self) -> Path:
        """The certificate that signs itself."""
        return self.folder / "server.crt"

    def psql(self, statements: str, database: str = "postgres") -> str:
        """Run statements, each in a transaction of its own; return what they print."""
        command = [
            shutil.which("psql", path=f"{self.tools}:{os.environ['PATH']}"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.folder,
        ]
        command += ["-p", str(self.port), "-U", "postgres", "-d", database]
        done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def url(self, database: str, user: str = "app", password: str = ESCAPED, port: int = 0, more: str = "") -> str:
        """Return the URL of a database for a user."""
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}{more}"

    def create_database(self, name: str, owner: str = "app", more: str = "") -> str:
        """Create an empty database; return its name."""
        self.psql(f"CREATE DATABASE {name} OWNER {owner} {more}")
        return name


@contextmanager
def strict_server(tools: Path) -> Iterator[StrictServer]:
    """Run the server on a free port of 127.0.0.1 and ::1, and on a socket."""
    with owned_folder() as folder:
        cluster = ["-A", "trust", "-U", "postgres", "--no-sync", "--encoding=UTF8"]
        run_as_owner(folder, tools / "initdb", "-D", "data", *cluster)
        (folder / "data" / "pg_hba.conf").write_text(LOGINS, encoding="utf-8")
        _make_server_certificate(folder)
        found = StrictServer(folder, free_port(), tools)
        options = (
            f"-c listen_addresses=127.0.0.1,::1 -c port={found.port} -k {folder} -c fsync=off -c ssl=on "
            f"-c ssl_cert_file={folder}/server.crt -c ssl_key_file={folder}/server.key -c log_statement=all"
        )
        run_as_owner(folder, tools / "pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        try:
            found.psql(ROLES)
            yield found
        finally:
            run_as_owner(folder, tools / "pg_ctl", "-D", "data", "-m", "immediate", "stop")


@contextmanager
def pgbouncer(server: StrictServer, mode: str = "transaction", users: dict[str, str] = USERS) -> Iterator[int]:
    """Run PgBouncer before the server, and yield its port. It knows these users and their passwords."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert program is not None
    with owned_folder() as folder, ExitStack() as stack:
        port = free_port()
        settings = f"""
            [databases]
            * = host={server.folder} port={server.port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {folder}/users
            pool_mode = {mode}
            default_pool_size = 3
            logfile = {folder}/log
        """
        known = "".join(f'"{name}" "{password}"\n' for name, password in users.items())
        (folder / "users").write_text(known, encoding="utf-8")
        (folder / "pgbouncer.ini").write_text(settings.replace("            ", ""), encoding="utf-8")
        process = subprocess.Popen(
            as_owner(program, "-q", folder / "pgbouncer.ini"), cwd=folder, stderr=subprocess.DEVNULL
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        _wait_for(port, process)
        yield port


def _wait_for(port: int, process: subprocess.Popen) -> None:
    while process.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("PgBouncer has ended")


def _make_server_certificate(folder: Path) -> None:
    files = folder / "server.crt", folder / "server.key"
    make_certificate(*files, authority=True)
    for file in files:
        file.chmod(0o600)
        shutil.chown(file, owner())
