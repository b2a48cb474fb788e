"""Define the commands about archives of other systems, and their options."""

from typing import Any, Final

from commentsvc.cli.options import add_command

IMPORT_HELP: Final = """\
FORMAT is auto, or the name of the system that wrote the archive; a wrong name lists all names.
Importing the same archive again adds only what is new. Imported people get no mail.
Exit code 1: something is missing in the sum, or nothing was read.
"""


def add_commands(commands: Any) -> None:
    """Add the commands that read archives."""
    command = add_command(commands, "import", "import the comments of another system", IMPORT_HELP)
    command.add_argument("format", metavar="FORMAT", help="the system that wrote the archive, or auto")
    command.add_argument("files", nargs="+", metavar="FILE", help="a file or folder")
    command.add_argument("--site", metavar="NAME", help="the site of all pages (default: the one that has their host)")
    command.add_argument("--map", metavar="FILE", help="CSV: thread id or address in the archive, address here")
    command.add_argument("--dry-run", action="store_true", help="change nothing; print what an import would do")
    command.add_argument(
        "--zone", metavar="ZONE", help="time zone of times without one, such as Europe/Berlin or +01:00"
    )
    command.add_argument("--merge-duplicates", action="store_true", help="import comments once that are there twice")
    command.add_argument("--keep-spam", action="store_true", help="also import spam and trash, as spam and trash")
