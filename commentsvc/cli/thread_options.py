"""Define the command that moves threads, and its options."""

from typing import Any, Final

from commentsvc.cli.options import add_command

MOVES: Final = """\
The file has two columns, the old and the new address or path, separated by commas, semicolons or tabs:

  https://blog.example/2026/11/a-post/,https://blog.example/posts/a-post/
  /2026/11/*,/posts/*

With * at the end of both, all threads whose address begins like that are moved, and keep the rest. Earlier addresses
keep working.
"""


def add_move(thread: Any) -> None:
    """Add the command that moves threads to new addresses."""
    move = add_command(thread, "move", "give threads new addresses, after links or the domain have changed", MOVES)
    how = move.add_mutually_exclusive_group(required=True)
    how.add_argument("--csv", metavar="FILE", help="a file with old and new addresses; - reads standard input")
    how.add_argument(
        "--follow-redirects",
        action="store_true",
        help="ask the blog: follow its permanent redirects, within its origins",
    )
    move.add_argument("--site", metavar="NAME", help="the site of paths and keys; required if there are several")
    move.add_argument("--dry-run", action="store_true", help="change nothing; list what would be moved")
