"""The moderation queue of one site as a feed reader gets it, by the token of a feed.

It has no email addresses, networks or notes, and only if the feed was made so, what commenters wrote.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from commentsvc.access import rate_limit
from commentsvc.domain import crypto
from commentsvc.domain.errors import NotFound, Unavailable
from commentsvc.domain.messages import Message
from commentsvc.domain.models import ActorKind, Comment, RuleKind, Site, Status, Thread, Visit
from commentsvc.domain.reasons import Reason, split_reason, word_reason
from commentsvc.moderation.wording import RULE_KINDS
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import decisions, preferences, queue, queue_feeds, threads
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.decisions import StoredDecision, StoredVerdict
from commentsvc.storage.queue_plan import Search

MAX_ENTRIES: Final = 50
WRONG_FEEDS: Final = "feed "  # counted apart from other refused requests
# Reasons that repeat a part of what a commenter typed, and the kinds of their rules.
QUOTING: Final = {
    "word_listed": RuleKind.WORDS,
    "words_listed": RuleKind.WORDS,
    "too_many_links_to": RuleKind.LINKS,
    "website_banned": RuleKind.WEBSITE,
    "email_domain_banned": RuleKind.EMAIL_DOMAIN,
    "learned": RuleKind.LEARNED,
}
NEVER_QUOTED: Final = frozenset({"email_domain_banned"})


@dataclass(frozen=True)
class WaitingComment:
    """An entry of the feed. ``name`` and ``text`` are None unless the feed shows them."""

    id: str
    page: str
    reasons: list[Message]
    name: str | None
    text: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class QueueFeed:
    """The newest waiting comments of a site. ``language`` is that of the moderator, "" if they chose none."""

    id: str
    site: Site
    language: str
    entries: list[WaitingComment]


async def read_queue_feed(service: Service, token: str, visit: Visit) -> QueueFeed:
    """Return what waits, newest first.

    Raises:
        NotFound: no feed has this token, or its moderator was removed or sees the site no more.
        RateLimited: this network has sent too many wrong tokens.
    """
    found = await _read_feed(service, crypto.hash_token(token))
    if found is None:
        rate_limit.count_in_memory(service, visit, WRONG_FEEDS)
        raise NotFound
    feed, last_used_at = found
    if last_used_at is None or last_used_at < service.ago(hours=1):
        with suppress(Unavailable):  # reading must work on a full disk
            await _touch_feed(service, feed.id)
    return feed


@private_read
async def _read_feed(unit: PrivateRead, token_hash: str) -> tuple[QueueFeed, str | None] | None:
    row = await queue_feeds.find(unit, token_hash)
    if row is None:
        return None
    site = (await resolve.read_directory.within(unit)).by_id(row["site_id"])
    chosen = await preferences.get(unit, row["moderator_id"])
    feed = QueueFeed(row["id"], site, chosen["language"] if chosen else "", await _list_entries(unit, row))
    return feed, row["last_used_at"]


@write
async def _touch_feed(unit: Write, feed_id: str) -> None:
    await queue_feeds.touch(unit, feed_id, unit.now())


async def _list_entries(unit: PrivateRead, feed: Row) -> list[WaitingComment]:
    search = Search(status=Status.PENDING, sites=(feed["site_id"],))
    waiting = await queue.list_page(unit, search, after=None, newest_first=True, limit=MAX_ENTRIES)
    if not waiting:
        return []  # for no ids at all, the statements below find nothing
    ids = [comment.id for comment in waiting]
    latest = await decisions.list_latest(unit, ids)
    by_rules = await decisions.list_latest(unit, ids, by_rules=True)
    by_id = await threads.get_many(unit, sorted({comment.thread_id for comment in waiting}))
    return [
        _entry(
            comment,
            by_id[comment.thread_id],
            [one for one in (latest.get(comment.id), by_rules.get(comment.id)) if one],
            shows_text=bool(feed["shows_text"]),
        )
        for comment in waiting
    ]


def _entry(comment: Comment, thread: Thread, decided: list[StoredDecision], *, shows_text: bool) -> WaitingComment:
    changes = [comment.created_at, comment.edited_at or "", *(one.created_at for one in decided)]
    reasons = {one.seq: one for one in decided}  # the latest one may be by a rule
    return WaitingComment(
        id=comment.id,
        # Until a comment is approved, the title of its page is what its form says.
        page=thread.title or thread.key,
        reasons=list(_word_reasons(list(reasons.values()), shows_text=shows_text)),
        name=comment.name if shows_text else None,
        text=comment.text if shows_text else None,
        created_at=comment.created_at,
        updated_at=max(changes),
    )


def _word_reasons(decided: list[StoredDecision], *, shows_text: bool) -> Iterator[Message]:
    """Yield what rules said. Notes of persons are left out: they may say anything about anybody."""
    for decision in decided:
        found: list[StoredDecision | StoredVerdict] = [decision, *decision.verdicts]
        for one in found:
            if one.actor.kind is ActorKind.RULE and one.reason is not None:
                yield _word_reason(one.reason, shows_text=shows_text)


def _word_reason(reason: Reason, *, shows_text: bool) -> Message:
    if reason.code == "too_many_links_to" and not shows_text:
        reason = Reason("too_many_links", reason.args)
    quoting = [part.code for part in split_reason(reason) if part.code in QUOTING]
    if quoting and (not shows_text or not NEVER_QUOTED.isdisjoint(quoting)):
        return RULE_KINDS[QUOTING.get(reason.code, RuleKind.ALL)].name
    return word_reason(reason)
