"""Look up the facts that rules can use."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from commentsvc.domain import confusables
from commentsvc.domain.comment_text import visible_digest
from commentsvc.domain.models import Draft, Site, Thread
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.domain.visible_text import read_visible_text
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.storage import comments, contacts, moderators
from commentsvc.storage.database import PrivateRead, PublicRead

DAY: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The circumstances of a comment: where, when and by whom it was sent."""

    site: Site
    thread: Thread
    author_id: str
    at: str
    address: str | None
    network: str | None
    comment_id: str | None = None  # of a stored comment, which must not count against itself
    by_email: bool = True  # whether rules by email address run
    form_token: FormTokenState = FormTokenState.VALID
    proof_of_work: ProofState = ProofState.NOT_REQUIRED
    honeypot_filled: bool = False


async def collect_context(
    unit: PrivateRead, draft: Draft, html: str, submission: Submission, needs: Collection[Fact]
) -> Context:
    """Return the facts about a draft, whose comment is shown as this HTML.

    Facts that are not in ``needs`` keep their default.
    """
    approved = await comments.count_approved_by(
        unit, submission.site.id, submission.author_id, before=submission.at, but=submission.comment_id
    )
    names, addresses = await _moderator_identities(unit)
    since, number = await _recent_activity(unit, submission) if Fact.PACE in needs else (None, 0)
    email = draft.email if submission.by_email else None
    digests = frozenset(unit.keyring.digests(email) if email else ())
    return Context(
        visible=read_visible_text(html),
        approved_comments=approved,
        address=submission.address,
        author_id=submission.author_id,
        email_digests=digests,
        email_domain=email.domain() if email else "",
        has_moderator_email=not addresses.isdisjoint(digests),
        has_moderator_name=confusables.impression(draft.name) in names,
        seconds_since_last=since,
        comments_last_hour=number,
        same_text_comments=await _count_same_text(unit, html, submission) if Fact.SAME_TEXT in needs else 0,
        thread_age_days=_thread_age(submission),
        form_token=submission.form_token,
        proof_of_work=submission.proof_of_work,
        honeypot_filled=submission.honeypot_filled,
    )


def _thread_age(submission: Submission) -> float:
    """Return the days since the thread became public; 0 while a moderator keeps it open."""
    thread, at = submission.thread, submission.at
    if thread.open_until and thread.open_until >= at:
        return 0.0
    return _seconds_between(thread.published_at or at, at) / DAY


async def _moderator_identities(unit: PrivateRead) -> tuple[frozenset[str], frozenset[str]]:
    """Return the moderators' names, as ``confusables.impression``, and the digests of their email addresses."""
    rows = await moderators.list_all(unit)
    names = frozenset(confusables.impression(row["name"]) for row in rows)
    return names, frozenset(row["email_digest"] for row in rows if row["email_digest"])


async def _recent_activity(unit: PrivateRead, submission: Submission) -> tuple[float | None, int]:
    """Return the seconds since the last comment from the same network, and their number in the last hour."""
    if submission.network is None:
        return None, 0
    day_ago, hour_ago = (format_time(parse_time(submission.at) - timedelta(hours=hours)) for hours in (24, 1))
    last, number = await contacts.recent_activity(
        unit, submission.network, day_ago=day_ago, hour_ago=hour_ago, before=submission.at, but=submission.comment_id
    )
    return (_seconds_between(last, submission.at) if last else None), number


async def _count_same_text(unit: PublicRead, html: str, submission: Submission) -> int:
    return await comments.count_same_text(unit, visible_digest(html), submission.thread.id, before=submission.at)


def _seconds_between(earlier: str, later: str) -> float:
    return (parse_time(later) - parse_time(earlier)).total_seconds()
