"""Look up the facts that rules can use."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from commentsvc.domain import staff_names, urls
from commentsvc.domain.comment_text import visible_digest
from commentsvc.domain.models import Draft, Site, Thread
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.domain.visible_text import read_visible_text
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.sites import resolve
from commentsvc.spam.recall import NOTHING, Recalled, recall
from commentsvc.storage import comments, duplicates, moderators, network_contacts
from commentsvc.storage.database import PrivateRead

DAY: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The circumstances of a comment: where, when and by whom it was sent."""

    site: Site
    thread: Thread
    author_id: str | None  # None: an author without a token, who has no earlier comments
    is_verified: bool = False  # whether the author has confirmed the email address of the comment
    address_approved: int = 0  # approved comments with that address, if it is confirmed
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
    approved = await _count_approved(unit, submission)
    names, addresses = await _moderator_identities(unit)
    since, number = await _recent_activity(unit, submission) if Fact.PACE in needs else (None, 0)
    email = draft.email if submission.by_email else None
    digests = frozenset(unit.keyring.digests(email) if email else ())
    return Context(
        visible=read_visible_text(html),
        approved_comments=approved,
        address=submission.address,
        author_id=submission.author_id or "",
        email_digests=digests,
        email_domain=email.domain() if email else "",
        has_moderator_email=not addresses.isdisjoint(digests),
        moderators_have_email=bool(addresses),
        has_moderator_name=not names.isdisjoint(staff_names.looks_of(draft.name)),
        has_staff_name=staff_names.claims_staff(draft.name),
        seconds_since_last=since,
        comments_last_hour=number,
        same_text_comments=await _count_same_text(unit, html, submission) if Fact.SAME_TEXT in needs else 0,
        recalled=await _recall(unit, draft, html, submission) if Fact.MEMORY in needs else NOTHING,
        thread_age_days=_thread_age(submission),
        form_token=submission.form_token,
        proof_of_work=submission.proof_of_work,
        honeypot_filled=submission.honeypot_filled,
    )


async def _count_approved(unit: PrivateRead, submission: Submission) -> int:
    author_id, site_id = submission.author_id, submission.site.id
    if author_id is None:
        return 0
    own = await comments.count_approved_by(unit, site_id, author_id, before=submission.at, but=submission.comment_id)
    return max(own, submission.address_approved)


def _thread_age(submission: Submission) -> float:
    """Return the days since the thread became public; 0 while a moderator keeps it open."""
    thread, at = submission.thread, submission.at
    if thread.open_until and thread.open_until >= at:
        return 0.0
    return _seconds_between(thread.published_at or at, at) / DAY


async def _moderator_identities(unit: PrivateRead) -> tuple[frozenset[str], frozenset[str]]:
    """Return the looks of the moderators' names, and the digests of their email addresses."""
    return _looks_and_digests(tuple(await moderators.list_identities(unit)))


@lru_cache(maxsize=8)  # moderators hardly change, and 20 names take as long as a statement
def _looks_and_digests(identities: tuple[tuple[str, str | None], ...]) -> tuple[frozenset[str], frozenset[str]]:
    names = frozenset[str]().union(*(staff_names.looks_of(name) for name, _ in identities))
    return names, frozenset(digest for _, digest in identities if digest)


async def _recent_activity(unit: PrivateRead, submission: Submission) -> tuple[float | None, int]:
    """Return the seconds since the network's last comment on this site, and their number in the last hour."""
    if submission.network is None:
        return None, 0
    day_ago, hour_ago = (format_time(parse_time(submission.at) - timedelta(hours=hours)) for hours in (24, 1))
    last, number = await network_contacts.recent_activity(
        unit,
        submission.network,
        submission.site.id,
        day_ago=day_ago,
        hour_ago=hour_ago,
        before=submission.at,
        but=submission.comment_id,
    )
    return (_seconds_between(last, submission.at) if last else None), number


async def _count_same_text(unit: PrivateRead, html: str, submission: Submission) -> int:
    return await duplicates.count_same_text(unit, visible_digest(html), submission.thread, before=submission.at)


async def _recall(unit: PrivateRead, draft: Draft, html: str, submission: Submission) -> Recalled:
    async def read_own_hosts() -> frozenset[str]:
        directory = await resolve.read_directory.within(unit)
        return _hosts_of(tuple(directory.origins_of(submission.site)))

    return await recall(
        unit,
        site_id=submission.site.id,
        html=html,
        website=draft.website,
        read_own_hosts=read_own_hosts,
        network=submission.network,
        author_id=submission.author_id,
        comment_id=submission.comment_id,
    )


@lru_cache(maxsize=64)
def _hosts_of(origins: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        urls.host_of(origin).partition(":")[0].removeprefix("*.").removeprefix("www.") for origin in origins
    )


def _seconds_between(earlier: str, later: str) -> float:
    return (parse_time(later) - parse_time(earlier)).total_seconds()
