"""Define the commands of moderators and their options."""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from commentsvc.audit.schemas import AuditQuery
from commentsvc.cli.field_options import add_field_options
from commentsvc.cli.options import (
    add_command,
    add_expiry_option,
    add_group,
    add_moderator_option,
    add_site_option,
    format_choices,
    list_values,
)
from commentsvc.cli.rule_options import add_rule_file_commands
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.domain.text import is_empty
from commentsvc.moderation.ban_schemas import NewBan
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.moderation.wording import EFFECTS, RULE_KINDS
from commentsvc.spam.schemas import FilterQuery

EXAMPLES: Final = {RuleKind.AUTHOR: "the id of the comment", RuleKind.DISPOSABLE: "no MATCH"}
KINDS: Final = {
    kind.value: f"{one.name}: {one.matches}{f' ({example})' if example else ''}"
    for kind, one in RULE_KINDS.items()
    for example in (one.example or EXAMPLES.get(kind, ""),)
}
RULE_HELP: Final = f"""\
Kinds, with an example of what to match:
{format_choices(KINDS)}

Effects; the default is hold, for trust approve, and for learned note:
{format_choices({effect.value: str(words) for effect, words in EFFECTS.items()})}

Which effects a kind may have: see docs/moderating.md#rules.
"""


def add_commands(commands: Any) -> None:
    """Add the commands that moderate comments, manage rules and read the audit log."""
    _add_queue_commands(commands)
    _add_action_commands(commands)
    _add_rule_commands(commands)
    _add_filter_commands(commands)
    _add_audit_commands(commands)


def _add_queue_commands(commands: Any) -> None:
    moderate = add_command(commands, "moderate", "review comments one by one; one key press decides")
    queue = add_command(commands, "queue", "list pending comments, one per line")
    add_field_options(moderate, QueueQuery, but=("limit", "cursor"))
    add_field_options(queue, QueueQuery)
    add_moderator_option(moderate)
    search = add_command(commands, "search", "find comments by words, in any status unless --status is given")
    search.add_argument("words", nargs="+", metavar="WORD", help="words that the comments contain, all of them")
    add_field_options(search, QueueQuery, but=("q",))


def _add_action_commands(commands: Any) -> None:
    for name, purpose in (
        ("approve", "publish comments"),
        ("hold", "move comments back to pending"),
        ("spam", "mark comments as spam"),
        ("trash", "move comments to trash"),
        ("restore", "move comments out of spam or trash; or restore a backup"),
    ):
        command = add_command(commands, name, purpose)
        command.add_argument("ids", nargs="+", metavar="ID", help="comment ids, up to 500; - reads standard input")
        command.add_argument("--note", metavar="TEXT", help="a note for the audit log")
        add_moderator_option(command)
    ban = add_command(commands, "ban", "ban the commenter of a comment; without --kind, list the ways")
    ban.add_argument("id", metavar="ID", help="the id of one of their comments")
    add_field_options(ban, NewBan)
    add_moderator_option(ban)
    undo = add_command(commands, "undo", "undo an action")
    undo.add_argument("id", metavar="ACTION", help="the id of the action, which the action printed")
    add_moderator_option(undo)


def _add_rule_commands(commands: Any) -> None:
    rule = add_group(commands, "rule", "manage moderation rules")
    add = add_command(rule, "add", "add a rule", RULE_HELP)
    test = add_command(rule, "test", "test a rule on past decisions; changes nothing", RULE_HELP)
    for command in (add, test):
        command.add_argument(
            "kind", choices=list_values(RuleKind), metavar="KIND", help="what the rule checks: one of the kinds below"
        )
        match = command.add_mutually_exclusive_group()
        match.add_argument("match", nargs="?", metavar="MATCH", help="what the rule matches; each kind has its own")
        match.add_argument("--file", type=_read_file, help="read the match from a file; - reads standard input")
        command.add_argument("--effect", choices=list_values(Effect), help="what happens to comments that match")
        add_site_option(command)
    add_expiry_option(add, "when the rule ends")
    add.add_argument("--note", metavar="TEXT", help="a note for moderators")
    test.add_argument(
        "--last",
        type=int,
        metavar="NUMBER",
        help="how many past decisions, 1 to 1000 (default: 200); learned: 1 to 5000 (default: 500)",
    )
    add_site_option(add_command(rule, "list", "list rules"))
    remove = add_command(rule, "remove", "delete a rule")
    remove.add_argument("id", metavar="RULE", help="the id of the rule: see `commentsvc rule list`")
    add_moderator_option(add)
    add_moderator_option(remove)
    add_rule_file_commands(rule)


def _add_filter_commands(commands: Any) -> None:
    group = add_group(commands, "filter", "show and rebuild the learned filters")
    add_field_options(add_command(group, "list", "list what the filter of each site has learned"), FilterQuery)
    rebuild = add_command(group, "rebuild", "learn again from all decisions")
    add_field_options(rebuild, FilterQuery)


def _read_file(file: str) -> str:
    try:
        if is_empty(file):
            raise argparse.ArgumentTypeError("must not be empty")
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError("cannot read this file as UTF-8 text") from None
    if is_empty(text):
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _add_audit_commands(commands: Any) -> None:
    audit = add_group(commands, "audit", "read and check the audit log")
    add_field_options(add_command(audit, "list", "list what was changed, and by whom, newest first"), AuditQuery)
    verify = add_command(audit, "verify", "check that nobody changed the audit log")
    verify.add_argument("--head", metavar="HASH", help="a hash you saved earlier; check that the log still has it")
