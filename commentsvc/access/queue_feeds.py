"""Create, list and revoke feeds of the moderation queue."""

from dataclasses import dataclass
from typing import Final

from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.errors import Conflict, Forbidden, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.service import private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import queue_feeds
from commentsvc.storage.database import PrivateRead, Write

MAX_FEEDS: Final = 20  # of one moderator


@dataclass(frozen=True)
class QueueFeedRecord:
    """The data of a feed, without its token."""

    id: str
    site: str
    shows_text: bool
    created_at: str
    last_used_at: str | None  # to the hour


@write
async def create_queue_feed(unit: Write, who: Principal, site_name: str, *, shows_text: bool) -> str:
    """Create a feed of a site's queue; return its URL, which is in this result and nowhere else.

    Like a session it acts for the moderator: it ends when they are removed, not with the key they signed in with.

    Raises:
        Forbidden: the principal is no moderator.
        Invalid: for the field ``site``: no site has this name, or the principal has no access to it.
        Conflict: the moderator has ``MAX_FEEDS`` feeds already.
    """
    if who.moderator_id is None:
        raise Forbidden(translatable("Only a moderator can have a feed. This key belongs to no moderator."))
    site = resolve.require_site(await resolve.read_directory.within(unit), who, site_name)
    if len(await queue_feeds.list_of_moderator(unit, who.moderator_id)) >= MAX_FEEDS:
        raise Conflict(translatable("You have too many feeds. Revoke one, then try again."))
    token, feed_id = crypto.new_token(), unit.new_id()
    await queue_feeds.add(
        unit,
        feed_id,
        crypto.hash_token(token),
        moderator_id=who.moderator_id,
        site_id=site.id,
        shows_text=shows_text,
        now=unit.now(),
    )
    await log.add_entry(unit, actor=who.actor, verb="feed_create", site_id=site.id, body={"feed": feed_id})
    return f"{unit.config.own_url}/queue/{token}.atom"


@private_read
async def list_queue_feeds(unit: PrivateRead, who: Principal) -> list[QueueFeedRecord]:
    """Return the moderator's feeds, oldest first."""
    if who.moderator_id is None:
        return []
    names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    return [
        QueueFeedRecord(
            row["id"], names[row["site_id"]], bool(row["shows_text"]), row["created_at"], row["last_used_at"]
        )
        for row in await queue_feeds.list_of_moderator(unit, who.moderator_id)
    ]


@write
async def revoke_queue_feed(unit: Write, who: Principal, feed_id: str) -> None:
    """Revoke a feed of the moderator.

    Raises:
        NotFound: the moderator has no feed with this id.
    """
    site_id = await queue_feeds.delete(unit, feed_id, who.moderator_id or "")
    if site_id is None:
        raise NotFound(translatable("You have no feed with this id."))
    await log.add_entry(unit, actor=who.actor, verb="feed_revoke", site_id=site_id, body={"feed": feed_id})
