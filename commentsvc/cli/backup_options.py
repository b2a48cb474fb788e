"""Define the commands about backups, and their options."""

import argparse
from typing import Any, Final

from commentsvc.cli.options import add_command, add_site_option

EPILOG: Final = "A backup does not contain the secret key: see docs/backups.md"
RESTORE: Final = "move comments out of spam or trash; or, with a FILE, replace the SQLite database by a backup"
RESTORE_HELP: Final = f"""\
A word that is not an ID is a FILE: a backup. Stop the service first; --check works at any time.
{EPILOG}
"""


def add_commands(commands: Any) -> None:
    """Add the commands that back up, restore and shrink the database."""
    backup = add_command(commands, "backup", "back up the SQLite database, also while the service runs", EPILOG)
    backup.add_argument("folder", metavar="FOLDER", help="where the backup goes; it is created if it is missing")
    backup.add_argument(
        "--keep", type=int, metavar="N", help="then delete older backups in this folder; keep N (default: keep all)"
    )
    _add_restore_options(commands.choices["restore"])
    prune = add_command(commands, "prune", "permanently erase old comments in spam and trash")
    prune.add_argument("--spam", metavar="DAYS", help="erase spam that was decided so long ago, such as 30d")
    prune.add_argument("--trash", metavar="DAYS", help="erase comments that are in the trash for so long, such as 30d")
    add_site_option(prune)
    how = prune.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="only count them")
    how.add_argument("--expect", type=int, metavar="NUMBER", help="how many comments match; others are refused")
    how.add_argument("--yes", action="store_true", help="erase them, however many match")


def _add_restore_options(restore: argparse.ArgumentParser) -> None:
    """Let the command that restores comments also restore a backup: both are called so."""
    restore.description, restore.epilog = RESTORE, RESTORE_HELP
    restore.add_argument("--check", action="store_true", help="only check the backup; change nothing")
    restore.add_argument(
        "--without-key", action="store_true", help="restore a backup although its secret key is not here"
    )
