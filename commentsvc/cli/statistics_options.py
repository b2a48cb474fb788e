"""Define the command that shows statistics, and its options."""

from typing import Any

from commentsvc.cli.options import add_command, add_site_option, list_values
from commentsvc.moderation.statistics_schemas import Span


def add_commands(commands: Any) -> None:
    """Add the command for statistics."""
    stats = add_command(commands, "stats", "show comments by day, waiting times, rules and threads")
    add_site_option(stats)
    stats.add_argument("--from", dest="first", metavar="DATE", help="first day (default: 29 days before the last)")
    stats.add_argument("--to", dest="last", metavar="DATE", help="last day (default: today)")
    stats.add_argument("--by", choices=list_values(Span), default=Span.DAY.value, help="length of the periods")
