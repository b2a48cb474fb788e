"""Ban a commenter: add a rule, and mark what they wrote before as spam. Both are one action."""

from contextlib import suppress

import msgspec

from commentsvc.domain import validation
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ActionVerb, Principal, RuleKind
from commentsvc.moderation import bulk, queue, sweep
from commentsvc.moderation.actions import MAX_COMMENTS
from commentsvc.moderation.ban_schemas import BanChoice, BanChoices, BanKind, BanQuery, BanRecord, NewBan
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import decide_by_verb
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.sweep import SweepRange, Versions
from commentsvc.moderation.wording import describe_mismatch
from commentsvc.rules import domains, manage, requested
from commentsvc.rules.schemas import NewRule, RuleRecord
from commentsvc.service import Service, write
from commentsvc.storage import threads
from commentsvc.storage.database import Environment, Write


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
    with suppress(ValueError):  # such as localhost
        bans[RuleKind.WEBSITE] = domains.parse_domain(domains.website_host(card.website or "").removeprefix("www."))
    return bans


async def list_choices(service: Service, who: Principal, comment_id: str, query: BanQuery) -> BanChoices:
    """Return the ways to ban the commenter of a comment, and how many comments each would mark.

    Raises:
        NotFound: no comment has this id, or it is on another site.
    """
    card = await queue.get_comment_detail(service, who, comment_id)
    as_of, bans = service.now(), list_bans(card)
    scope = SweepRange(site=None if query.all_sites else card.site, since=_since(service, query.sweep_days))
    found = await sweep.find_sweeps(service, who, comment_id, bans, scope)
    counts = {kind: (len(one.waiting), len(one.public)) for kind, one in found.items()}
    choices = []
    for kind, match in bans.items():
        waiting, public = counts.get(kind, (None, None))
        choices.append(
            BanChoice(kind=msgspec.convert(kind.value, BanKind), match=match, waiting=waiting, public=public)
        )
    return BanChoices(as_of=as_of, bans=choices)


def _since(env: Environment, days: int) -> str | None:
    return env.ago(days=days) if days else None


async def add_ban(service: Service, who: Principal, comment_id: str, new: NewBan) -> BanRecord:
    """Ban the commenter of a comment, and mark the comments whose number is given.

    Raises:
        NotFound: no comment has this id, or it is on another site.
        Invalid: for the field ``kind``, ``effect``, ``all_sites`` or ``as_of``.
        ExpectationFailed: another number of comments would be marked. Nothing was changed.
        Unavailable: the search took too long.
    """
    card = await queue.get_comment_detail(service, who, comment_id)
    kind = RuleKind(new.kind)
    match = list_bans(card).get(kind)
    if match is None:
        raise Invalid(FieldError("kind", "invalid", translatable("This commenter cannot be banned in this way.")))
    if new.all_sites and who.sites is not None:
        message = translatable("This key is limited to some sites. Leave this field out.")
        raise Invalid(FieldError("all_sites", "invalid", message))
    site = None if new.all_sites else card.site
    scope = SweepRange(site=site, since=_since(service, new.sweep_days), as_of=new.as_of)
    rule = NewRule(
        kind=kind,
        match=match,
        effect=new.effect,
        site=site,
        expires_at=service.ahead(days=new.days) if new.days else None,
        note=new.note,
    )
    return await ban_commenter(service, who, rule, await _find_targets(service, who, comment_id, new, match, scope))


async def _find_targets(
    service: Service, who: Principal, comment_id: str, new: NewBan, match: str, scope: SweepRange
) -> Versions:
    """Return the comments to mark. ``Raises`` as ``add_ban``."""
    validation.parse_time_field("as_of", new.as_of)
    if new.waiting is None and new.public is None:
        return {}
    found = await sweep.find_sweep(service, who, comment_id, RuleKind(new.kind), match, scope)
    targets: dict[str, int | None] = {}
    for expected, comments in ((new.waiting, found.waiting), (new.public, found.public)):
        if expected is None:
            continue
        if expected != len(comments):
            raise ExpectationFailed(describe_mismatch(len(comments), MAX_COMMENTS, expected))
        targets |= comments
    return targets


async def ban_commenter(service: Service, who: Principal, new: NewRule, targets: Versions) -> BanRecord:
    """Add a ban, and mark comments as spam. The action of the result undoes both.

    Comments that have another version than the one given are left as they are.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
    """
    await requested.check_match(new.kind, new.match)
    rule, started = await _start(service, who, new, targets)
    done = await bulk.finish(service, started)
    return BanRecord(rule=rule, marked=done.changed, action=started.id)


@write
async def _start(unit: Write, who: Principal, new: NewRule, targets: Versions) -> tuple[RuleRecord, StartedAction]:
    # First, as undo does, so that two units never wait for each other; and no action is dated before its comments.
    if len(targets) <= bulk.PIECE_SIZE:
        await threads.lock_of_comments(unit, sorted(targets))
    frozen, missing = await bulk.freeze(unit, who, targets)
    rule = await manage.add_checked_rule.within(unit, who, new)
    action_id = rule.action or ""  # a new rule has one
    if not targets:
        return rule, StartedAction(action_id, ActionVerb.SPAM, [], running=False)
    piece = bulk.Piece(action_id, ActionVerb.SPAM, who.actor, None, targets)
    decide = decide_by_verb(ActionVerb.SPAM, who.actor, None)
    return rule, await bulk.extend(unit, who, piece, decide, frozen, missing)
