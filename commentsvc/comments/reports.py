"""A reader reports a comment."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments.schemas import NewReport, ReportReceipt
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import Actor, ActorKind, Comment, Decision, Status, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.reasons import Reason
from commentsvc.service import write
from commentsvc.sites import resolve
from commentsvc.storage import comments, decisions, reports, threads
from commentsvc.storage.database import PublicRead, Write

REPORTS: Final = Actor(ActorKind.RULE, None, "reports")
REPORTS_TO_HOLD: Final = 3  # so many readers hold a comment that no person has approved


@write
async def report_comment(unit: Write, comment_id: str, said: NewReport, visit: Visit) -> ReportReceipt:
    """Take a reader's word that a comment should be looked at, once from each network.

    Enough of them hold a comment, unless a person approved it as it stands: then they only flag it. The answer
    is always the same; it tells neither what came of it, nor how many reported, nor whether this reader had.

    Raises:
        NotFound, Gone: readers do not see it, or not any more.
        ForeignOrigin: a page of another site asks.
        TooFast: the reader's network has reported too much.
    """
    everything = await resolve.read_directory.within(unit)
    site_id = (await _load_public_comment(unit, comment_id)).site_id
    resolve.require_origin(everything, everything.by_id(site_id), visit.origin)
    await rate_limit.check_rate_limit.within(unit, visit, "report ")
    await threads.lock_of_comments(unit, [comment_id])
    comment = await _load_public_comment(unit, comment_id)
    reader = unit.keyring.network_digest(
        f"{comment_id} {truncate_address(visit.address)}", rate_limit.retention_period(unit)
    )
    if await reports.add(unit, comment, reader, said.reason, unit.now()) >= REPORTS_TO_HOLD:
        await _hold_comment(unit, comment)
    return ReportReceipt()


async def _load_public_comment(unit: PublicRead, comment_id: str) -> Comment:
    """A comment that readers see. Unknown, waiting and foreign ones are all alike."""
    comment = await comments.get(unit, comment_id)
    if comment is None or comment.published_at is None:
        raise NotFound
    if comment.status is not Status.APPROVED:
        raise Gone
    return comment


async def _hold_comment(unit: Write, comment: Comment) -> None:
    """Let a comment wait for a person, unless the last to decide on it was one.

    An edit is judged by rules, so that what a person had approved before it is theirs no more.
    """
    latest = await decisions.get_latest(unit, comment.id)
    if latest is not None and latest.actor.kind is ActorKind.PERSON:
        return
    now = unit.now()
    held = await comments.set_status(unit, comment, Status.PENDING, now)
    decision = Decision(Status.PENDING, REPORTS, Reason("reported", {"count": held.reports}))
    await decisions.add(unit, [comment.id], decision)
    await threads.record_change(unit, comment, -1, now)
    await log.add_status_changes(unit, actor=REPORTS, verb="report", changes=[(comment, held)])
