"""Define the commands about sessions of the moderation page, and their options."""

from typing import Any

from commentsvc.cli.options import add_command, add_group


def add_commands(commands: Any) -> None:
    """Add the commands that list sessions, and end one."""
    session = add_group(commands, "session", "list who is signed in to the moderation page, and end sessions")
    add_command(session, "list", "list sessions, newest first")
    end = add_command(session, "end", "end a session; to end all of a moderator: commentsvc moderator sign-out")
    end.add_argument("id", metavar="SESSION", help="the id of the session: see `commentsvc session list`")
