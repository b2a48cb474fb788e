"""A reader reports a comment."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments.schemas import NewReport, ReportReceipt
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import Comment, Decision, Status, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import comments, decisions, reports, threads
from commentsvc.storage.database import Transaction

REPORTS_TO_HOLD: Final = 3  # so many readers hold a comment that no person has approved


async def report_comment(service: Service, comment_id: str, said: NewReport, visit: Visit) -> ReportReceipt:
    """Take a reader's word that a comment should be looked at, once from each network.

    Enough of them hold a comment, unless a person approved it as it stands: then they only flag it. The answer
    is always the same; it tells neither what came of it, nor how many reported, nor whether this reader had.

    Raises:
        NotFound, Gone: readers do not see it, or not any more.
        ForeignOrigin: a page of another site asks.
        TooFast: the reader's network has reported too much.
    """
    return await service.db.write(_report_comment, service, comment_id, said, visit)


async def _report_comment(
    tx: Transaction, service: Service, comment_id: str, said: NewReport, visit: Visit
) -> ReportReceipt:
    everything = await resolve.load_directory(tx, service)
    site_id = (await _load_public_comment(tx, comment_id)).site_id
    resolve.require_origin(everything, everything.by_id(site_id), visit.origin)
    await rate_limit.check_rate_limit(tx, service, visit, "report ")
    await threads.lock_of_comments(tx, [comment_id])
    comment = await _load_public_comment(tx, comment_id)
    reader = service.keyring.network_digest(
        f"{comment_id} {truncate_address(visit.address)}", rate_limit.retention_period(service)
    )
    if await reports.add(tx, comment, reader, said.reason, service.now()) >= REPORTS_TO_HOLD:
        await _hold_comment(tx, service, comment)
    return ReportReceipt()


async def _load_public_comment(tx: Transaction, comment_id: str) -> Comment:
    """A comment that readers see. Unknown, waiting and foreign ones are all alike."""
    comment = await comments.get(tx, comment_id)
    if comment is None or comment.published_at is None:
        raise NotFound
    if comment.status is not Status.APPROVED:
        raise Gone
    return comment


async def _hold_comment(tx: Transaction, service: Service, comment: Comment) -> None:
    """Let a comment wait for a person, unless the last to decide on it was one.

    An edit is judged by rules, so that what a person had approved before it is theirs no more.
    """
    if (await decisions.get_latest_actor(tx, comment.id)).startswith("key:"):
        return
    now = service.now()
    held = await comments.set_status(tx, comment, Status.PENDING, now)
    decision = Decision(Status.PENDING, f"{held.reports} readers reported it.", "rule:reports")
    await decisions.add_decision(tx, service.new_id(), comment.id, decision, now)
    await threads.record_change(tx, comment, -1, now)
    await log.add_status_changes(tx, service, who="rule:reports", verb="report", changes=[(comment, held)])
