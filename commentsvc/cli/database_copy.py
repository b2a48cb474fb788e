"""Run the command that copies everything to another database."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from commentsvc import app
from commentsvc.audit.verification import AuditLogBroken
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.config import PREFIX, checks
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, FieldError, Invalid
from commentsvc.operations import preparation, secret_file, server_lock
from commentsvc.operations.database_copy import CopiedDatabase, copy_database, is_same_database
from commentsvc.service import Service

OF_OTHER: Final = {"reader_database_url": "", "read_database_url": ""}


async def _copy(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    config = _read_target(service.config, arguments.to)

    def report(table: str) -> None:
        if terminal.interactive and not arguments.json:
            terminal.print_line(f"Copying {table}")

    async with server_lock.enter_database(config) as lock:
        await lock.require_alone()
        copied = await _copy_to(service, config, report)
        lock.mark_used()
    return CommandResult(copied, "\n".join(_describe(service.config, config, copied)))


async def _copy_to(service: Service, config: Config, report: Callable[[str], None]) -> CopiedDatabase:
    path = config.sqlite_path
    is_new = path is not None and not path.exists()
    database = await app.open_database(config)
    is_done = False
    try:
        texts = secret_file.read_secrets(config)
        copied = await copy_database(service, await preparation.build_service(database, config, texts), report)
        is_done = True
    except AuditLogBroken as error:
        raise ConfigurationError(f"The audit log of the copy is broken: {error}") from None
    finally:
        await database.close()
        if path is not None and is_new and not is_done:
            _delete(path)
    return copied


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _read_target(config: Config, url: str) -> Config:
    """Return the settings of the service on the other database, with the same secret key.

    Raises:
        Invalid: for the field ``to``.
    """
    keys = " ".join(secret_file.read_secrets(config))
    target = msgspec.structs.replace(config, database_url=url, secret_key=keys, **OF_OTHER)
    faults = [fault for fault in checks.find_faults(target, set()) if f"{PREFIX}DATABASE_URL" in fault]
    if faults:
        raise Invalid(FieldError("to", "invalid", " ".join(faults).replace(f"{PREFIX}DATABASE_URL", "It")))
    if is_same_database(config, target):
        raise Invalid(FieldError("to", "invalid", "This is the database of the service itself. Name another one."))
    return target


def _describe(source: Config, target: Config, copied: CopiedDatabase) -> list[str]:
    rows = sum(copied.rows.values())
    lines = [
        f"Copied {rows:,} rows, {copied.rows['comment']:,} comments among them.",
        f"The audit log is intact: {copied.audit_entries:,} entries.",
    ]
    if file := secret_file.secret_file(source):
        lines.append(
            f"Both databases need the secret key {copied.fingerprint}, which is in {file}. "
            f"Set {PREFIX}SECRET_KEY to it"
            + (", or copy the file beside the new database." if target.sqlite_path else ".")
        )
    else:
        lines.append(f"Both databases need the secret key {copied.fingerprint}. Keep {PREFIX}SECRET_KEY.")
    lines.append("Comments that a running server stored since are not in the copy. Stop servers before you copy.")
    return lines


COMMANDS: Final[Commands] = {("copy", "copy"): _copy}
