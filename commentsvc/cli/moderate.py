"""Run the commands of moderators: review, list, decide, ban and undo."""

import argparse
from typing import Final

from commentsvc.access import keys, moderators
from commentsvc.audit import log
from commentsvc.audit.schemas import ActionResult
from commentsvc.cli import bans, cards
from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.review import Review
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope, StatusFilter
from commentsvc.moderation import actions, ban, queue, undo
from commentsvc.moderation.ban_schemas import BanQuery, NewBan
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.verbs import DONE
from commentsvc.moderation.wording import format_count
from commentsvc.service import Service
from commentsvc.sites import manage

# A user of the shell has every right. Their decisions count as a person's, as those of a key do.
OPERATOR: Final = Principal(log.OPERATOR, frozenset(Scope), None)
MAX_IDS: Final = 500


async def review_comments(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Show comments one by one and take a key press for each.

    Raises:
        Invalid: the site is unknown.
        NotFound: the moderator is unknown.
    """
    query = _build_query(service, arguments)
    moderator = await find_principal(service, arguments)
    await Review(service, moderator, terminal, query, json=arguments.json).run()


async def _list_queue(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    query = _build_query(service, arguments)
    found = await queue.search_comments(service, OPERATOR, query)
    rows = cards.format_rows(found.comments, service.clock(), terminal)
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    rows = rows or ["No comments found."]
    if found.recent_reports >= queue.WAVE:
        check = command_line("queue", "--reported")
        rows.append(f"Readers sent {found.recent_reports:,} reports within an hour. Check: {check}")
    return CommandResult(found, "\n".join(rows))


async def _search(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    given = {"status": StatusFilter.ANY.value} | read_field_options(arguments, QueueQuery)
    given["q"] = " ".join(arguments.words)
    query = validation.validate(QueueQuery, given, service.config.limits)
    found = await queue.search_comments(service, OPERATOR, query)
    rows = cards.format_rows(found.comments, service.clock(), terminal)
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    return CommandResult(found, join_rows(rows, "No comments found."))


def _build_query(service: Service, arguments: argparse.Namespace) -> QueueQuery:
    return validation.validate(QueueQuery, read_field_options(arguments, QueueQuery), service.config.limits)


async def _apply_action(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    ids = [one for word in arguments.ids for one in (_read_ids(terminal) if word == "-" else [word])]
    if not 1 <= len(ids) <= MAX_IDS:
        raise Invalid(FieldError("ids", "invalid", f"Give 1 to {MAX_IDS} comment ids."))
    fields = {"action": arguments.command, "ids": ids, "note": arguments.note}
    action = validation.validate(Action, fields, service.config.limits)
    return _describe_action(await actions.apply_action(service, await find_principal(service, arguments), action))


def _read_ids(terminal: Terminal) -> list[str]:
    return [word for line in terminal.read_lines() for word in line.split()]


async def _undo_action(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    moderator = await find_principal(service, arguments)
    try:
        return _describe_action(await undo.undo_action(service, moderator, arguments.id))
    except NotFound:
        raise NotFound("Action not found. Check its id.") from None


def _describe_action(done: ActionResult) -> CommandResult:
    text = f"{done.changed:,} {DONE[done.action]}."
    unchanged = sum(item.code == "unchanged" for item in done.results)
    if unchanged:
        text += f" {unchanged:,} unchanged."
    if done.changed:
        text += f" Undo with: {command_line('undo', done.id)}"
    skipped = [f"{item.comment} ({item.code})" for item in done.results if not item.ok]
    return CommandResult(done, text, f"Skipped: {', '.join(skipped)}." if skipped else "")


async def _ban(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    who = await find_principal(service, arguments)
    if arguments.kind is None:
        return await _list_bans(service, who, arguments)
    new = validation.validate(NewBan, read_field_options(arguments, NewBan), service.config.limits)
    done = await ban.add_ban(service, who, arguments.id, new)
    marked = format_count(done.marked, "comment")
    undo = command_line("undo", done.action)
    return CommandResult(done, f"Banned. {marked} marked as spam. Undo both with: {undo}")


async def _list_bans(service: Service, who: Principal, arguments: argparse.Namespace) -> CommandResult:
    query = validation.validate(BanQuery, read_field_options(arguments, BanQuery), service.config.limits)
    found = await ban.list_choices(service, who, arguments.id, query)
    rows = [f"--kind {one.kind}  {bans.describe_choice(one)}: {bans.count_swept(one)}" for one in found.bans]
    return CommandResult(found, join_rows(rows, "Nothing that identifies this commenter is stored."))


async def find_principal(service: Service, arguments: argparse.Namespace) -> Principal:
    """Return the moderator named by ``--as``, limited to their sites; without it the operator.

    Raises:
        NotFound: no moderator has this name.
    """
    name = arguments.moderator
    if name is None:
        return OPERATOR
    found = next((one for one in await moderators.list_moderators(service) if one.name == name), None)
    if found is None:
        raise NotFound("Moderator not found. See: commentsvc moderator list")
    sites = (await manage.list_sites(service, OPERATOR)).sites
    site_ids = tuple(site.id for site in sites if site.name in found.sites)
    actor = Actor(ActorKind.PERSON, found.id, name)
    return Principal(actor, frozenset(keys.scopes_of(name)), site_ids or None, found.id)


COMMANDS: Final[Commands] = {
    ("queue", "queue"): _list_queue,
    ("search", "search"): _search,
    **{(verb.value, verb.value): _apply_action for verb in ActionVerb},
    ("ban", "ban"): _ban,
    ("undo", "undo"): _undo_action,
}
