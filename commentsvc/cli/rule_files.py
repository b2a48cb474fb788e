"""Run the commands that export rules to a file, apply such a file, and undo what one rule did."""

import argparse
from pathlib import Path
from typing import Final

from commentsvc.cli.escape import escape_line
from commentsvc.cli.moderate import find_principal
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid, NotFound
from commentsvc.moderation import rule_undo
from commentsvc.moderation.wording import format_count
from commentsvc.rules import apply
from commentsvc.rules.apply import AppliedFile, FileScope
from commentsvc.rules.schemas import RuleUndo
from commentsvc.service import Service

STANDARD_INPUT: Final = "-"
BYTE_ORDER_MARK: Final = "\ufeff"  # editors on Windows write it


async def _export_rules(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found = await apply.export_rules(service, await find_principal(service, arguments), _read_scope(arguments))
    if arguments.json:
        return CommandResult(found, "")
    terminal.write_bytes(found.text.encode())
    terminal.print_error(f"{format_count(found.rules, 'rule')} exported.{_describe_left_out(found.left_out)}")
    return CommandResult(None, "")


def _read_scope(arguments: argparse.Namespace) -> FileScope:
    return FileScope(site=arguments.site, contacts=arguments.contacts)


def _describe_left_out(number: int) -> str:
    return f" Left out: {format_count(number, 'rule')} (bans of people, or expired)." if number else ""


async def _apply_rules(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    text, scope = _read_file(arguments.file, terminal), _read_scope(arguments)
    who = await find_principal(service, arguments)
    if arguments.dry_run:
        return CommandResult(*_describe(await apply.preview_file(service, who, text, scope), is_dry_run=True))
    done = await apply.apply_file(service, who, text, scope, expect=arguments.expect)
    return CommandResult(*_describe(done, is_dry_run=False))


def _read_file(name: str, terminal: Terminal) -> str:
    if name == STANDARD_INPUT:
        return "".join(terminal.read_lines()).removeprefix(BYTE_ORDER_MARK)
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(FieldError("file", "invalid", f"The file cannot be read: {error}")) from None


def _describe(done: AppliedFile, *, is_dry_run: bool) -> tuple[AppliedFile, str]:
    counts = f"Rules added: {done.added:,}, changed: {done.changed:,}, deleted: {done.removed:,}, "
    total = f"{counts}unchanged: {done.unchanged:,}.{_describe_left_out(done.left_out)}"
    if is_dry_run:
        expect = f" with --expect {done.removed}" if done.removed else ""
        total += f" Nothing was changed. To apply it, leave out --dry-run{expect}."
    elif done.action:
        total += f" Undo with: {command_line('undo', done.action)}"
    return done, "\n".join([*map(escape_line, done.difference.splitlines()), total])


async def _undo_rule(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    who = await find_principal(service, arguments)
    fields = {"since": arguments.since} | ({} if arguments.expect is None else {"expect": arguments.expect})
    undo = validation.validate(RuleUndo, fields, service.config.limits)
    try:
        done = await rule_undo.undo_rule(service, who, arguments.id, undo)
        if arguments.yes:
            again = RuleUndo(since=undo.since, expect=done.matching)
            done = await rule_undo.undo_rule(service, who, arguments.id, again)
    except NotFound:
        raise NotFound("Rule not found. See: commentsvc rule list") from None
    if done.action:
        freed = f"{format_count(done.action.changed, 'comment')} decided again, without the rule."
        return CommandResult(done, f"{freed} Undo with: {command_line('undo', done.action.id)}")
    matching = format_count(done.matching, "comment")
    if arguments.dry_run:
        return CommandResult(done, f"{matching} would be decided again, without the rule. Nothing was changed.")
    raise ExpectationFailed(f"{matching} would be decided again, without the rule. Add: --expect {done.matching}")


COMMANDS: Final[Commands] = {
    ("rule", "export"): _export_rules,
    ("rule", "apply"): _apply_rules,
    ("rule", "undo"): _undo_rule,
}
