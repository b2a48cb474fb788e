"""Define the commands that look at a service: ``doctor`` and ``config``."""

from typing import Any

from commentsvc.cli.options import add_command


def add_commands(commands: Any) -> None:
    """Add the commands that find faults, and that print the settings."""
    doctor = add_command(
        commands,
        "doctor",
        "check settings, computer and database, and what browsers meet; change nothing",
        "Exit code 0: no fault was found; 1: there are faults, each with what mends it.",
    )
    doctor.add_argument("url", nargs="?", metavar="URL", help="also check this page of your blog as a browser sees it")
    doctor.add_argument(
        "--inside", action="store_true", help="ask nothing over the network but database and mail server"
    )
    add_command(commands, "config", "print every setting and where it came from; secrets are hidden")
