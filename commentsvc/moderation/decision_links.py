"""Links in mails that decide on a comment without a sign-in.

A link is for one moderator, one comment and one decision, and works for seven days. Opening it changes nothing.
The links of one mail work once, together: who used one can undo that, but not decide again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from commentsvc.access import moderators, preferences
from commentsvc.access.permissions import load_comment
from commentsvc.audit.lookup import ActionSummary, find_actions
from commentsvc.domain.errors import Conflict, FieldError, Invalid, NotFound, VersionConflict
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope, Status, StatusFilter
from commentsvc.domain.timestamps import parse_time
from commentsvc.moderation import actions, bulk, queue, queue_cards, undo
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import decide_by_verb
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.service import Service, private_read, search_read, write
from commentsvc.storage import decision_links, decisions, threads
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.decision_links import StoredLink
from commentsvc.storage.queue import list_versions

VERBS: Final = (ActionVerb.APPROVE, ActionVerb.SPAM, ActionVerb.TRASH)  # in the order of the links
DECIDERS: Final = frozenset({ActorKind.PERSON, ActorKind.PROGRAM})
SIMPLE: Final = frozenset(VERBS)  # actions that change a status, and nothing else


@dataclass(frozen=True)
class LastDecision:
    """The latest decision on a comment, if a person or a program made it."""

    actor: Actor
    created_at: str
    action: ActionSummary | None


@dataclass(frozen=True)
class OpenLink:
    """A valid link, and its comment as it is now."""

    stored: StoredLink
    verb: ActionVerb
    who: Principal
    language: str  # that the moderator chose; "": none
    comment: ModeratorComment
    decided: LastDecision | None
    did: ActionSummary | None  # what this link, or another one of its mail, did

    @property
    def is_edited(self) -> bool:
        """Return whether the comment has another text than in the mail."""
        return self.comment.version != self.stored.version and (self.comment.edited_at or "") > self.stored.created_at


def create_link_token(env: Environment, link_id: str, verb: ActionVerb, expires_at: str) -> str:
    """Return the token of a link. The same arguments always give the same token."""
    return env.keyring.token("decide", link_id, parse_time(expires_at), site_id=verb.value)


@private_read
async def open_link(unit: PrivateRead, token: str) -> OpenLink:
    """Return what a link is about. Nothing changes.

    Raises:
        NotFound: the link is forged or expired, the moderator may not decide any more, or the comment was deleted.
    """
    verb, stored = await _find_link(unit, token)
    who = await moderators.load_principal(unit, stored.moderator_id)
    if who is None:
        raise NotFound
    who = msgspec.structs.replace(who, scopes=frozenset({Scope.MODERATE}))
    comment = await load_comment(unit, who, stored.comment_id)
    if comment.erased_at:
        raise NotFound
    (card,) = await queue_cards.build_cards(unit, who, [comment])
    latest = await decisions.get_latest(unit, comment.id)
    ids = [id_ for id_ in (stored.action_id, latest.action_id if latest else None) if id_]
    known = await find_actions.within(unit, who, ids) if ids else {}
    decided = None
    if latest is not None and latest.actor.kind in DECIDERS:
        decided = LastDecision(latest.actor, latest.created_at, known.get(latest.action_id or ""))
    return OpenLink(
        stored,
        verb,
        who,
        (await preferences.read_preferences(unit, who)).language,
        ModeratorComment(**card),
        decided,
        known.get(stored.action_id or ""),
    )


async def _find_link(unit: PrivateRead, token: str) -> tuple[ActionVerb, StoredLink]:
    for verb in VERBS:
        link_id = unit.keyring.subject("decide", token, unit.clock(), site_id=verb.value)
        stored = await decision_links.get(unit, link_id) if link_id else None
        if stored is not None and stored.expires_at > unit.now():
            return verb, stored
    raise NotFound


async def decide(service: Service, link: OpenLink, verb: ActionVerb, seen: int) -> None:
    """Decide on the comment of a link, if it waits and its version is ``seen``. The links of the mail are used up.

    Raises:
        VersionConflict: the comment was changed, or somebody decided on it.
        Conflict: a link of this mail was used before.
    """
    await _decide(service, link, verb, seen, {link.comment.id: seen})


async def mark_network_as_spam(service: Service, link: OpenLink, seen: int, as_of: str) -> None:
    """Mark the comment of a link as spam, with all that waited from its network at a time.

    Raises:
        Invalid: the network is not stored any more.
        VersionConflict, Conflict: see ``decide``.
    """
    targets = await _list_from_network(service, link, as_of)
    started = await _decide(service, link, ActionVerb.SPAM, seen, targets | {link.comment.id: seen})
    await bulk.finish(service, started)


@search_read
async def _list_from_network(unit: PrivateRead, link: OpenLink, as_of: str) -> dict[str, int | None]:
    if link.comment.network is None:
        missing = translatable("The network of this comment is no longer stored.")
        raise Invalid(FieldError("act", "network_forgotten", missing))
    where = PrivateCommentFilter(status=StatusFilter.PENDING, as_of=as_of, network=link.comment.network)
    return await list_versions(unit, await queue.build_search(unit, link.who, where), actions.MAX_COMMENTS - 1)


@write
async def _decide(
    unit: Write, link: OpenLink, verb: ActionVerb, seen: int, targets: Mapping[str, int | None]
) -> StartedAction:
    await threads.lock_of_comments(unit, sorted(targets) if len(targets) <= bulk.PIECE_SIZE else [link.comment.id])
    comment = await load_comment(unit, link.who, link.comment.id)
    if comment.version != seen or comment.status is not Status.PENDING:
        raise VersionConflict
    apply = decide_by_verb(verb, link.who.actor, None)
    started = await bulk.start(unit, link.who, verb.value, None, targets, apply)
    await _use(unit, link, started.id)
    return started


async def _use(unit: Write, link: OpenLink, action_id: str) -> None:
    if not await decision_links.use(unit, link.stored.id, action_id, unit.now()):
        raise Conflict(translatable("This link was used before."))


async def undo_own(service: Service, link: OpenLink) -> None:
    """Undo what a link of this mail did.

    Raises:
        Conflict: it did nothing, or that was undone or is too old.
    """
    if link.did is None or link.did.verb == "undo":
        raise Conflict(translatable("There is nothing to undo."))
    await undo.undo_action(service, link.who, link.did.id)


async def undo_others(service: Service, link: OpenLink, seen: int) -> None:
    """Let the comment of a link, on which somebody else decided, wait again. The links of the mail are used up.

    Other comments that the same action changed stay as they are.

    Raises:
        VersionConflict: the comment was changed since its version ``seen``.
        Conflict: a link of this mail was used before, or the decision was undone.
    """
    if link.comment.version != seen or link.stored.used_at or link.decided is None:
        raise VersionConflict
    action = link.decided.action
    if action is not None and action.number == 1 and action.verb in SIMPLE:
        undone = await undo.undo_action(service, link.who, action.id)
        await _note_use(service, link, undone.id)
    else:
        await _hold(service, link, seen)


@write
async def _note_use(unit: Write, link: OpenLink, action_id: str) -> None:
    await _use(unit, link, action_id)


@write
async def _hold(unit: Write, link: OpenLink, seen: int) -> None:
    await threads.lock_of_comments(unit, [link.comment.id])
    comment = await load_comment(unit, link.who, link.comment.id)
    if comment.version != seen or comment.status is Status.PENDING:
        raise VersionConflict
    hold = decide_by_verb(ActionVerb.HOLD, link.who.actor, None)
    started = await bulk.start(unit, link.who, ActionVerb.HOLD.value, None, {comment.id: seen}, hold)
    await _use(unit, link, started.id)
