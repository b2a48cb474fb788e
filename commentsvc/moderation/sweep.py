"""Find what a ban would mark: the earlier comments of a commenter, waiting and public."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from commentsvc.access import permissions
from commentsvc.domain import validation
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Comment, Principal, RuleKind, Status
from commentsvc.moderation.actions import MAX_COMMENTS
from commentsvc.rules import domains
from commentsvc.service import Service, search_read
from commentsvc.sites import resolve
from commentsvc.storage import contacts, sweeps
from commentsvc.storage.database import PrivateRead, Row
from commentsvc.storage.sweeps import Range

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


async def find_sweeps(
    service: Service, who: Principal, comment_id: str, bans: Mapping[RuleKind, str], scope: SweepRange
) -> dict[RuleKind, Sweep]:
    """Return what each way to ban the commenter would sweep. A way whose search took too long is missing.

    Raises:
        NotFound, Invalid: see ``find_sweep``.
    """
    found = {}
    for kind, match in bans.items():
        with suppress(Unavailable):
            found[kind] = await find_sweep(service, who, comment_id, kind, match, scope)
    return found


async def find_sweep(
    service: Service, who: Principal, comment_id: str, kind: RuleKind, match: str, scope: SweepRange
) -> Sweep:
    """Return what a ban with this match, one of ``ban.list_bans``, would sweep.

    Email domains cannot be searched: these sweep the comment alone.

    Raises:
        NotFound: no comment has this id, or it is on another site.
        Invalid: for the field ``site`` or a time.
        Unavailable: the search took too long.
    """
    found = []
    for status in (Status.PENDING, Status.APPROVED):
        rows = await _list_comments(service, who, comment_id, kind, match, scope, status)
        if kind is RuleKind.WEBSITE:
            rows = await asyncio.to_thread(_list_at_domain, rows, domains.parse_domain(match))
        found.append({row["id"]: row["version"] for row in rows})
    return Sweep(*found)


def _list_at_domain(rows: Sequence[Row], domain: str) -> Sequence[Row]:
    return [row for row in rows if domains.is_within(domains.website_host(row["website"]), domain)]


@search_read
async def _list_comments(
    unit: PrivateRead,
    who: Principal,
    comment_id: str,
    kind: RuleKind,
    match: str,
    scope: SweepRange,
    status: Status,
) -> Sequence[Row]:
    comment = await permissions.load_comment(unit, who, comment_id)
    directory = await resolve.read_directory.within(unit)
    where = Range(
        status=status,
        sites=resolve.reachable_sites(directory, who, scope.site),
        since=validation.parse_time_field("since", scope.since),
        as_of=validation.parse_time_field("as_of", scope.as_of),
    )
    match kind:
        case RuleKind.NETWORK:
            return await sweeps.list_by_network(unit, match, where, MAX_COMMENTS)
        case RuleKind.AUTHOR:
            return await sweeps.list_by_author(unit, comment.author_id, where, MAX_COMMENTS)
        case RuleKind.WEBSITE:
            spelled = domains.spellings(domains.parse_domain(match))
            return await sweeps.list_with_website(unit, spelled, where, MAX_COMMENTS)
        case RuleKind.EMAIL:
            return await _list_by_address(unit, comment, where)
        case _:
            return _itself(comment, status)


async def _list_by_address(unit: PrivateRead, comment: Comment, where: Range) -> Sequence[Row]:
    """Return the comments with the address of a comment that a ban may mark.

    Anybody can type an address. Unless the banned commenter confirmed it, it may be another person's, whose public and
    confirmed comments must stay: so only comments that wait, and that nobody confirmed, are theirs as far as we know.
    """
    contact = (await contacts.get_many(unit, [comment.id])).get(comment.id)
    if contact is None or contact.email_sealed is None:
        return []
    digests = unit.keyring.digests(unit.keyring.unseal(contact.email_sealed))
    if where.status is Status.PENDING:
        verified = (True, False) if contact.verified else (False,)
        return await sweeps.list_by_address(unit, digests, verified, where, MAX_COMMENTS)
    if contact.verified:
        return await sweeps.list_by_address(unit, digests, (True,), where, MAX_COMMENTS)
    return _itself(comment, where.status) if comment.created_at >= (where.since or "") else []


def _itself(comment: Comment, status: Status) -> Sequence[Row]:
    return [{"id": comment.id, "version": comment.version}] if comment.status is status else []
