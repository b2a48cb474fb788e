"""Define the commands for files of rules and for what a rule did, and their options."""

from typing import Any, Final

from commentsvc.cli.options import add_command, add_moderator_option

SITE_HELP: Final = "a site, for its rules; without it, the rules that apply to all sites"
CONTACTS_HELP: Final = "include bans of email addresses and networks; needs scope admin"
APPLY: Final = """\
The file is what `commentsvc rule export` writes. Afterwards, the site has the rules of the file and no others. Bans of
email addresses and networks stay as they are, unless --contacts is given. A mistake in the file changes nothing.
"""
UNDO: Final = """\
Comments that the rule held or marked as spam get the status that they would have without it. Those that a moderator has
decided on since stay as they are.
"""


def add_rule_file_commands(rule: Any) -> None:
    """Add the commands that export and apply files of rules, and undo what a rule did."""
    export = add_command(rule, "export", "write the rules of a site as a TOML file")
    apply = add_command(rule, "apply", "replace the rules of a site with those of a TOML file", APPLY)
    apply.add_argument("file", metavar="FILE", help="the file; - reads standard input")
    for command in (export, apply):
        command.add_argument("--site", metavar="NAME", help=SITE_HELP)
        command.add_argument("--contacts", action="store_true", help=CONTACTS_HELP)
    how = apply.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="change nothing; show the difference")
    how.add_argument(
        "--expect",
        type=int,
        metavar="NUMBER",
        help="how many rules you expect to be deleted; required if there are any",
    )
    undo = add_command(rule, "undo", "undo what a rule did to comments since a time", UNDO)
    undo.add_argument("id", metavar="RULE", help="the id of the rule; or a name, such as rule:links or rule:honeypot")
    undo.add_argument("--since", metavar="TIME", required=True, help="undo what it did at this time or later")
    confirm = undo.add_mutually_exclusive_group()
    confirm.add_argument("--dry-run", action="store_true", help="only count the comments")
    confirm.add_argument("--expect", type=int, metavar="NUMBER", help="how many comments match; others are refused")
    confirm.add_argument("--yes", action="store_true", help="do it, however many match")
    for command in (export, apply, undo):
        add_moderator_option(command)
