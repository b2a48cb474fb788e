"""A reader reports a comment."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments.schemas import Report, Reported
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import Comment, Decision, Status, Visit
from commentsvc.domain.networks import network
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import comments, decisions, reports, threads
from commentsvc.storage.database import Transaction

ENOUGH: Final = 3  # so many readers hold a comment that no person has approved


async def report(service: Service, comment_id: str, said: Report, visit: Visit) -> Reported:
    """Take a reader's word that a comment should be looked at, once from each network.

    Enough of them hold a comment, unless a person approved it as it stands: then they only flag it. The answer
    is always the same; it tells neither what came of it, nor how many reported, nor whether this reader had.

    Raises:
        NotFound, Gone: readers do not see it, or not any more.
        ForeignOrigin: a page of another site asks.
        TooFast: the reader's network has reported too much.
    """
    return await service.db.write(_report, service, comment_id, said, visit)


async def _report(tx: Transaction, service: Service, comment_id: str, said: Report, visit: Visit) -> Reported:
    everything = await resolve.directory(tx, service)
    site_id = (await _visible(tx, comment_id)).site_id
    resolve.admit(everything, everything.by_id(site_id), visit.origin)
    await rate_limit.spend(tx, service, visit, "report ")
    await threads.hold(tx, [comment_id])
    comment = await _visible(tx, comment_id)
    reader = service.keyring.network_digest(f"{comment_id} {network(visit.address)}", rate_limit.period(service))
    if await reports.add(tx, comment, reader, said.reason, service.now()) >= ENOUGH:
        await _hold(tx, service, comment)
    return Reported()


async def _visible(tx: Transaction, comment_id: str) -> Comment:
    """A comment that readers see. Unknown, waiting and foreign ones are all alike."""
    comment = await comments.get(tx, comment_id)
    if comment is None or comment.published_at is None:
        raise NotFound
    if comment.status is not Status.APPROVED:
        raise Gone
    return comment


async def _hold(tx: Transaction, service: Service, comment: Comment) -> None:
    """Let a comment wait for a person, unless the last to decide on it was one.

    An edit is judged by rules, so that what a person had approved before it is theirs no more.
    """
    if (await decisions.latest_maker(tx, comment.id)).startswith("key:"):
        return
    now = service.now()
    held = await comments.set_status(tx, comment, Status.PENDING, now)
    decision = Decision(Status.PENDING, f"{held.reports} readers reported it.", "rule:reports")
    await decisions.decide(tx, service.new_id(), comment.id, decision, now)
    await threads.changed(tx, comment, -1, now)
    await log.note_changes(tx, service, who="rule:reports", verb="report", changes=[(comment, held)])
