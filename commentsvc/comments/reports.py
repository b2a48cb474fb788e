"""Report a comment as a reader."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments.schemas import NewReport, ReportReceipt
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import Actor, ActorKind, Comment, Decision, Status, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.reasons import Reason
from commentsvc.service import Service, write
from commentsvc.sites import resolve
from commentsvc.storage import comments, decisions, reports, threads
from commentsvc.storage.database import PublicRead, Write

REPORTS: Final = Actor(ActorKind.RULE, None, "reports")
REPORT: Final = "report "  # counted apart from comments
REPORTS_TO_HOLD: Final = 3  # reports that hold a comment, unless a person approved it


async def report_comment(service: Service, comment_id: str, report: NewReport, visit: Visit) -> ReportReceipt:
    """Store a report. Each network counts once for a comment.

    ``REPORTS_TO_HOLD`` reports hold the comment, unless a person has approved its current text. The result is always
    the same: it does not reveal the effect, the number of reports, or whether this reader had reported before.

    Raises:
        NotFound: the comment does not exist, or was never public.
        Gone: the comment is not public any more.
        OriginNotAllowed: a page of another site sends the request.
        RateLimited: the reader's network has reported too much.
    """
    async with rate_limit.charging_refusals(service, visit, REPORT):
        return await _report_comment(service, comment_id, report, visit)


@write
async def _report_comment(unit: Write, comment_id: str, report: NewReport, visit: Visit) -> ReportReceipt:
    directory = await resolve.read_directory.within(unit)
    site_id = (await _load_public_comment(unit, comment_id)).site_id
    resolve.require_origin(directory, directory.by_id(site_id), visit.origin)
    await rate_limit.check_rate_limit.within(unit, visit, REPORT)
    await threads.lock_of_comments(unit, [comment_id])
    comment = await _load_public_comment(unit, comment_id)
    reader = unit.keyring.network_digest(
        f"{comment_id} {truncate_address(visit.address)}", rate_limit.retention_period(unit)
    )
    if await reports.add(unit, comment, reader, report.reason, unit.now()) >= REPORTS_TO_HOLD:
        await _hold_comment(unit, comment)
    return ReportReceipt()


async def _load_public_comment(unit: PublicRead, comment_id: str) -> Comment:
    """Return an approved comment. A comment that was never public looks like an unknown one."""
    comment = await comments.get(unit, comment_id)
    if comment is None or comment.published_at is None:
        raise NotFound
    if comment.status is not Status.APPROVED:
        raise Gone
    return comment


async def _hold_comment(unit: Write, comment: Comment) -> None:
    """Hold a comment, unless a person made the latest decision on it. An edit counts as a decision by rules."""
    latest = await decisions.get_latest(unit, comment.id)
    if latest is not None and latest.actor.kind is ActorKind.PERSON:
        return
    now = unit.now()
    after = await comments.set_status(unit, comment, Status.PENDING, now)
    decision = Decision(Status.PENDING, REPORTS, Reason("reported", {"count": after.reports}))
    await decisions.add(unit, [comment.id], decision)
    await threads.record_change(unit, comment, -1, now)
    await log.add_status_changes(unit, actor=REPORTS, verb="report", changes=[(comment, after)])
