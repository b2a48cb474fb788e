"""A moderator's commands: what is done at a terminal that a key does over HTTP."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Final

from commentsvc.access import moderators
from commentsvc.audit import log
from commentsvc.audit.schemas import ActionResult
from commentsvc.cli import cards
from commentsvc.cli.review import Sitting
from commentsvc.cli.terminal import Answer, Terminal
from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Principal, Scope
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.wording import DONE
from commentsvc.service import Service
from commentsvc.sites import manage

# Whoever has the shell has every right. It is a person who decides, as one with a key does.
OPERATOR: Final = Principal(log.OPERATOR, frozenset(Scope), None)
MOST_IDS: Final = 500


async def moderate(service: Service, asked: argparse.Namespace, terminal: Terminal) -> None:
    """Show what waits, one comment at a time, and take a key for each.

    Raises:
        Invalid: naming the site.
    """
    query = _query(service, asked, "status", "site", "reported")
    await Sitting(service, await who_decides(service, asked), terminal, query, json=asked.json).work()


async def _queue(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    query = _query(service, asked, "status", "site", "reported", "q", "limit", "cursor")
    found = await queue.search_comments(service, OPERATOR, query)
    rows = [cards.listed(card, service.clock()) for card in found.comments]
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    return Answer(found, "\n".join(rows) or "There are none.")


def _query(service: Service, asked: argparse.Namespace, *names: str) -> QueueQuery:
    return validation.validate(QueueQuery, {name: getattr(asked, name) for name in names}, service.config.limits)


async def _decide(service: Service, asked: argparse.Namespace, terminal: Terminal) -> Answer:
    ids = [one for word in asked.ids for one in (_typed(terminal) if word == "-" else [word])]
    if not 1 <= len(ids) <= MOST_IDS:
        raise Invalid(FieldError("ids", "invalid", f"Name 1 to {MOST_IDS} comments."))
    wanted = {"action": asked.command, "ids": ids, "note": asked.note}
    action = validation.validate(Action, wanted, service.config.limits)
    return _told(await actions.apply_action(service, await who_decides(service, asked), action))


def _typed(terminal: Terminal) -> list[str]:
    return [word for line in terminal.lines() for word in line.split()]


async def _undo(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    who = await who_decides(service, asked)
    try:
        return _told(await undo.undo_action(service, who, asked.id))
    except NotFound:
        raise NotFound("There is no such action.") from None


def _told(done: ActionResult) -> Answer:
    text = f"{done.changed:,} {DONE[done.action]}."
    already = sum(item.code == "unchanged" for item in done.results)
    if already:
        text += f" {already:,} stood there already."
    if done.changed:
        text += f" To take it back: commentsvc undo {done.id}"
    left = [f"{item.comment} ({item.code})" for item in done.results if not item.ok]
    return Answer(done, text, f"Left as they are: {', '.join(left)}." if left else "")


async def who_decides(service: Service, asked: argparse.Namespace) -> Principal:
    """The moderator who was named, with their sites; else the operator.

    Raises:
        NotFound: there is no such moderator.
    """
    name = asked.moderator
    if name is None:
        return OPERATOR
    found = next((one for one in await moderators.list_moderators(service) if one.name == name), None)
    if found is None:
        raise NotFound("There is no moderator of this name. See: commentsvc moderator list")
    sites = (await manage.list_sites(service, OPERATOR)).sites
    reach = tuple(site.id for site in sites if site.name in found.sites)
    return Principal(f"key:{name}", frozenset({Scope.READ, Scope.MODERATE}), reach or None)


VERBS: Final[dict[tuple[str, str], Callable[[Service, argparse.Namespace, Terminal], Awaitable[Answer]]]] = {
    ("queue", "queue"): _queue,
    **{(verb.value, verb.value): _decide for verb in ActionVerb},
    ("undo", "undo"): _undo,
}
