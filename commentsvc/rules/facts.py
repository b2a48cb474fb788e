"""Collect what rules may know about a comment."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from commentsvc.domain.crypto import text_digest
from commentsvc.domain.models import Draft, Site, Thread
from commentsvc.domain.text import collapse_whitespace
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.rules import confusables
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.storage import comments, contacts, moderators
from commentsvc.storage.database import PrivateRead, PublicRead

DAY: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Where, when and by whom something is said."""

    site: Site
    thread: Thread
    author_id: str
    at: str
    address: str | None
    network: str | None
    comment_id: str | None = None  # of a comment that is there already, and is no reason against itself
    by_email: bool = True  # whether rules by email are heard
    form: FormTokenState = FormTokenState.WELL
    work: ProofState = ProofState.NOT_ASKED
    trapped: bool = False


async def collect_context(unit: PrivateRead, draft: Draft, occasion: Submission, needs: Collection[Fact]) -> Context:
    """What is known about a draft, looked up as far as some rule asks for it."""
    approvals = await comments.count_approved_by(
        unit, occasion.site.id, occasion.author_id, before=occasion.at, but=occasion.comment_id
    )
    names, addresses = await _moderator_identities(unit)
    since, number = await _recent_activity(unit, occasion) if Fact.PACE in needs else (None, 0)
    digests = frozenset(unit.keyring.digests(draft.email) if occasion.by_email else ())
    return Context(
        proven_approvals=approvals,
        address=occasion.address,
        author_id=occasion.author_id,
        email_digests=digests,
        email_domain=draft.email.domain() if occasion.by_email else "",
        is_moderators_email=not addresses.isdisjoint(digests),
        is_moderators_name=confusables.impression(draft.name) in names,
        seconds_since_last=since,
        within_an_hour=number,
        same_text_elsewhere=await _count_same_text(unit, draft, occasion) if Fact.SAME_TEXT in needs else 0,
        thread_days=_seconds_between(occasion.thread.published_at or occasion.at, occasion.at) / DAY,
        form=occasion.form,
        work=occasion.work,
        trapped=occasion.trapped,
    )


async def _moderator_identities(unit: PrivateRead) -> tuple[frozenset[str], frozenset[str]]:
    """How moderators' names look, and the digests of their addresses."""
    rows = await moderators.list_all(unit)
    names = frozenset(confusables.impression(row["name"]) for row in rows)
    return names, frozenset(row["email_digest"] for row in rows if row["email_digest"])


async def _recent_activity(unit: PrivateRead, occasion: Submission) -> tuple[float | None, int]:
    """Seconds since the last comment of the same network, and how many came within the hour."""
    if occasion.network is None:
        return None, 0
    day_ago, hour_ago = (format_time(parse_time(occasion.at) - timedelta(hours=hours)) for hours in (24, 1))
    last, number = await contacts.recent_activity(
        unit, occasion.network, day_ago=day_ago, hour_ago=hour_ago, before=occasion.at, but=occasion.comment_id
    )
    return (_seconds_between(last, occasion.at) if last else None), number


async def _count_same_text(unit: PublicRead, draft: Draft, occasion: Submission) -> int:
    digest = text_digest(collapse_whitespace(draft.comment))
    return await comments.count_same_text(unit, digest, occasion.thread.id, before=occasion.at)


def _seconds_between(earlier: str, later: str) -> float:
    return (parse_time(later) - parse_time(earlier)).total_seconds()
