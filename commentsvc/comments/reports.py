"""Report a comment as a reader."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments.schemas import NewReport, ReportReceipt
from commentsvc.comments.shown import require_public
from commentsvc.domain.models import Actor, ActorKind, Comment, Decision, Status, Visit
from commentsvc.domain.networks import widen_address
from commentsvc.domain.reasons import Reason
from commentsvc.service import Service, write
from commentsvc.sites import resolve
from commentsvc.spam import memory
from commentsvc.storage import comments, decisions, reports, threads
from commentsvc.storage.database import Environment, PrivateRead, Write

REPORTS: Final = Actor(ActorKind.RULE, None, "reports")
REPORT: Final = "report "  # counted apart from comments
HOLDING: Final = "holding report "
HOLDING_REPORTS: Final = (5, 3600)  # a network's reports that count towards holding, and seconds: the rest only flag
DAYS_NEW: Final = 1  # older comments need more reports


async def report_comment(service: Service, comment_id: str, report: NewReport, visit: Visit) -> ReportReceipt:
    """Store a report. Each network (/24 or /48) counts once for a comment.

    The setting ``reports_to_hold`` says how many reports hold a comment, unless a person has approved its current text.
    An old comment needs twice as many, one with replies too; both together need three times as many. A network helps
    to hold ``HOLDING_REPORTS`` comments; its other reports are shown to moderators only. The result is always the same:
    it does not reveal the effect, the number of reports, or whether this reader had reported before.

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
    site_id = require_public(await comments.get(unit, comment_id)).site_id
    resolve.require_origin(directory, directory.by_id(site_id), visit.origin)
    await rate_limit.check_rate_limit.within(unit, visit, REPORT)
    await threads.lock_of_comments(unit, [comment_id])
    comment = require_public(await comments.get(unit, comment_id))
    await _add_report(unit, comment, report, visit)
    return ReportReceipt()


async def _add_report(unit: Write, comment: Comment, report: NewReport, visit: Visit) -> None:
    network, period = widen_address(visit.address), rate_limit.retention_period(unit)
    # With the digest of the last period, so that nobody counts twice because a new period began.
    digests = [unit.keyring.network_digest(f"{comment.id} {network}", one) for one in (period, period - 1)]
    if await reports.is_reported(unit, comment.id, digests):
        return
    can_hold = bool(unit.config.reports_to_hold) and not await _is_approved_by_person(unit, comment)
    holds = can_hold and await rate_limit.take_wide(unit, visit, HOLDING, HOLDING_REPORTS)
    await reports.add(unit, comment, digests[0], report.reason, unit.now(), holds=holds)
    if holds and await reports.count_holding(unit, comment.id) >= _reports_to_hold(unit, comment):
        await _hold_comment(unit, comment)


def _reports_to_hold(env: Environment, comment: Comment) -> int:
    """Return how many reports hold a comment. Readers who answered an old one saw nothing wrong with it."""
    is_old = (comment.published_at or comment.created_at) < env.ago(days=DAYS_NEW)
    return env.config.reports_to_hold * (1 + is_old + (comment.listed_replies > 0))


async def _is_approved_by_person(unit: PrivateRead, comment: Comment) -> bool:
    """Return whether a person made the latest decision on an approved comment. An edit is a decision by rules."""
    latest = await decisions.get_latest(unit, comment.id)
    return latest is not None and latest.actor.kind is ActorKind.PERSON


async def _hold_comment(unit: Write, comment: Comment) -> None:
    now = unit.now()
    after = await comments.set_status(unit, comment, Status.PENDING, now)
    decision = Decision(Status.PENDING, REPORTS, Reason("reported", {"count": after.reports}))
    await decisions.add(unit, [comment.id], decision)
    await memory.remember_decisions(unit, [comment.id])
    await threads.record_change(unit, comment, -1, now)
    await log.add_status_changes(unit, actor=REPORTS, verb="report", changes=[(comment, after)])
