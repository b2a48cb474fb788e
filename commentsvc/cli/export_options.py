"""Define the commands that take everything out of the service: export and copy."""

from typing import Any, Final

from commentsvc.archives.export_schemas import ExportFormat
from commentsvc.archives.schemas import Contacts
from commentsvc.cli.options import add_command, add_site_option, format_choices, list_values

EXPORT_HELP: Final = "Formats:\n" + format_choices(
    {
        ExportFormat.JSONL: "everything, as lines of JSON, to import it elsewhere (default)",
        ExportFormat.CSV: "a table of comments for people and spreadsheets",
        ExportFormat.WXR: "comments of one site for WordPress",
    }
)


def add_commands(commands: Any) -> None:
    """Add the commands that take everything out of the service."""
    export = add_command(commands, "export", "write comments and all that belongs to them to a file", EXPORT_HELP)
    add_site_option(export)
    export.add_argument(
        "--format", choices=list_values(ExportFormat), default=ExportFormat.JSONL.value, help="see below"
    )
    export.add_argument(
        "--contacts",
        choices=list_values(Contacts),
        help="email addresses: none, encrypted as they are stored, or in the clear "
        "(default: sealed with jsonl, otherwise none)",
    )
    export.add_argument("--output", metavar="FILE", help="a new file (default: standard output)")
    copy = add_command(commands, "copy", "copy everything to an empty database, also of the other engine")
    copy.add_argument("--to", required=True, metavar="URL", help="its address, as in COMMENTSVC_DATABASE_URL")
