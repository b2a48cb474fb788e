"""A PostgreSQL server for measuring: unlike that of the tests, it waits for the disk at each commit."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import as_owner, find_tools, owner


@contextmanager
def open_reachable_folder() -> Iterator[Path]:
    """Yield an empty folder on a real disk that other users may enter: PostgreSQL refuses to run as root."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def start_postgres(folder: Path) -> Iterator[str]:
    """Run a server with its data in a folder and the defaults of PostgreSQL; yield the URL of its database.

    Raises:
        SystemExit: PostgreSQL is not installed.
        RuntimeError: the server did not start. The text has its log.
    """
    tools = find_tools()
    if tools is None:
        raise SystemExit("PostgreSQL is not installed. Install it with: scripts/debian-packages bench")
    home = folder / "postgres"
    home.mkdir()
    shutil.chown(home, owner())
    data, log = home / "data", home / "log"

    def run(tool: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
        command = as_owner(tools / tool, "-D", data, *options)
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=home)

    made = run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
    if made.returncode:
        raise RuntimeError(f"initdb failed:\n{made.stderr}")
    # Without -l the server would keep our pipes open.
    if run("pg_ctl", "-w", "-l", log, "-o", f"-c listen_addresses= -k {home}", "start").returncode:
        raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8')}")
    try:
        yield f"postgresql://postgres@/postgres?host={home}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
