"""Ban a commenter: add a rule, and mark what they wrote before as spam. Both are one action."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from commentsvc.access import permissions
from commentsvc.domain import validation
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.models import ActionVerb, Comment, Principal, RuleKind, Status
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.actions import MAX_COMMENTS
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import decide_by_verb
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.rules import manage, requested
from commentsvc.rules.schemas import NewRule, RuleRecord
from commentsvc.service import Service, search_read, write
from commentsvc.storage import threads
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.queue import list_versions, list_versions_by_author

Versions = Mapping[str, int | None]


@dataclass(frozen=True)
class Sweep:
    """Earlier comments of a banned commenter with their versions, at most ``MAX_COMMENTS`` of each status."""

    waiting: Versions
    public: Versions


@dataclass(frozen=True, kw_only=True)
class SweepRange:
    """Which comments a sweep looks at: on one site, written at or after ``since``, and not after ``as_of``."""

    site: str | None = None
    since: str | None = None
    as_of: str | None = None


def list_bans(card: ModeratorComment) -> dict[RuleKind, str]:
    """Return the ways to ban the commenter, each with the match of its rule."""
    bans: dict[RuleKind, str] = {}
    if card.network:
        bans[RuleKind.NETWORK] = card.network
    if not card.by_moderator:
        bans[RuleKind.AUTHOR] = card.id
    if card.email and "…" not in card.email and card.email != UNREADABLE.reveal():
        bans[RuleKind.EMAIL] = card.email
        bans[RuleKind.EMAIL_DOMAIN] = card.email.rpartition("@")[2]
    host = urlsplit(card.website or "").hostname
    if host:
        bans[RuleKind.WEBSITE] = host
    return bans


@search_read
async def find_sweeps(
    unit: PrivateRead, who: Principal, comment_id: str, bans: Mapping[RuleKind, str], scope: SweepRange
) -> dict[RuleKind, Sweep]:
    """Return what each way to ban the commenter would sweep. ``bans`` holds the match of each.

    Email domains and websites are not indexed: these sweep the comment alone.

    Raises:
        NotFound: no comment has this id, or it is on another site.
        Invalid: for the field ``site`` or a time.
        Unavailable: the search took too long.
    """
    comment = await permissions.load_comment(unit, who, comment_id)
    return {
        kind: Sweep(
            waiting=await _list_comments(unit, who, comment, kind, match, scope, Status.PENDING),
            public=await _list_comments(unit, who, comment, kind, match, scope, Status.APPROVED),
        )
        for kind, match in bans.items()
    }


async def _list_comments(
    unit: PrivateRead,
    who: Principal,
    comment: Comment,
    kind: RuleKind,
    match: str,
    scope: SweepRange,
    status: Status,
) -> Versions:
    where = {"status": status, "site": scope.site, "since": scope.since, "as_of": scope.as_of}
    if kind in {RuleKind.NETWORK, RuleKind.EMAIL}:
        where[kind] = match
    found = validation.validate(
        PrivateCommentFilter, {name: one for name, one in where.items() if one}, unit.config.limits
    )
    search = await queue.build_search(unit, who, found)
    if kind in {RuleKind.NETWORK, RuleKind.EMAIL}:
        return await list_versions(unit, search, MAX_COMMENTS)
    if kind is RuleKind.AUTHOR:
        return await list_versions_by_author(unit, comment.author_id, search, MAX_COMMENTS)
    return {comment.id: comment.version} if comment.status is status else {}


async def ban_commenter(service: Service, who: Principal, new: NewRule, targets: Versions) -> RuleRecord:
    """Add a ban, and mark comments as spam. The action of the result undoes both.

    Comments that have another version than the one given are left as they are.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
    """
    await requested.check_match(new.kind, new.match)
    rule, started = await _start(service, who, new, targets)
    if started:
        await bulk.finish(service, started)
    return rule


@write
async def _start(
    unit: Write, who: Principal, new: NewRule, targets: Versions
) -> tuple[RuleRecord, StartedAction | None]:
    # First, as undo does, so that two units never wait for each other; and no action is dated before its comments.
    if len(targets) <= bulk.PIECE_SIZE:
        await threads.lock_of_comments(unit, sorted(targets))
    frozen, missing = await bulk.freeze(unit, who, targets)
    rule = await manage.add_checked_rule.within(unit, who, new)
    if not targets or rule.action is None:
        return rule, None
    piece = bulk.Piece(rule.action, ActionVerb.SPAM, who.actor, None, targets)
    decide = decide_by_verb(ActionVerb.SPAM, who.actor, None)
    return rule, await bulk.extend(unit, who, piece, decide, frozen, missing)
