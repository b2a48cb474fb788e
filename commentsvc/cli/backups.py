"""Run the commands that back up, check and restore the database."""

import argparse
import re
from pathlib import Path
from typing import Final

from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.config.settings import Config
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.operations import backup, restore
from commentsvc.operations.backup import Backup
from commentsvc.service import Service

MOST_KEPT: Final = 3650
COMMENT_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def _back_up(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    keep = arguments.keep
    if keep is not None and not 1 <= keep <= MOST_KEPT:
        raise Invalid(FieldError("--keep", "invalid", f"Give a number from 1 to {MOST_KEPT}."))
    made = await backup.back_up(service, Path(arguments.folder), keep)
    return CommandResult(made, _describe_backup(made))


def _describe_backup(made: Backup) -> str:
    lines = [f"Backup: {made.file} ({made.bytes:,} bytes, {made.rows:,} rows checked)."]
    if made.removed:
        lines.append(f"Deleted older backups: {len(made.removed):,}.")
    place = f"the file {made.key_file}" if made.key_file else "the setting COMMENTSVC_SECRET_KEY"
    lines += [
        f"THE SECRET KEY {made.fingerprint} IS NOT IN THE BACKUP. It is in {place}.",
        "Keep a copy of it in another place. Without it, nobody can read the email addresses in this backup.",
    ]
    return "\n".join(lines)


def names_backup(arguments: argparse.Namespace) -> bool:
    """Return whether ``restore`` was called with a backup, not with ids of comments."""
    if arguments.check or arguments.without_key:
        return True
    others = [one for one in arguments.ids if one != "-" and not COMMENT_ID.fullmatch(one)]
    return len(arguments.ids) == 1 == len(others) or any(Path(one).is_file() for one in others)


async def restore_backup(config: Config, arguments: argparse.Namespace) -> CommandResult:
    """Check a backup, and unless ``--check`` was given, put it in the place of the database.

    Raises:
        Invalid: several files were named.
    """
    if len(arguments.ids) != 1:
        raise Invalid(FieldError("FILE", "invalid", "Name one backup."))
    file = Path(arguments.ids[0])
    if arguments.check:
        return await _check(config, file)
    done = await restore.restore(config, file, without_key=arguments.without_key)
    lines = [f"Restored {done.file} to {done.database} ({done.rows:,} rows checked)."]
    if done.replaced:
        lines.append(f"The database that it replaced is kept at {done.replaced}. Delete it when all is well.")
    lines.append("Start the service. It erases again what the journal of erasures lists.")
    return CommandResult(done, "\n".join([*lines, *(f"Warning: {fault}." for fault in done.faults)]))


async def _check(config: Config, file: Path) -> CommandResult:
    found = await restore.check_backup(config, file)
    if not found.faults:
        return CommandResult(found, f"ok: {found.rows:,} rows, secret key {found.fingerprint}")
    faults = "\n".join(f"- {fault}" for fault in found.faults)
    return CommandResult(found, faults, f"{file} is not usable as it is. Faults: {len(found.faults):,}.")


COMMANDS: Final[Commands] = {("backup", "backup"): _back_up}
