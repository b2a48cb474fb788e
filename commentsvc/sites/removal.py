"""Removing a site with its comments. It cannot be undone."""

from typing import Final

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.domain.errors import Conflict, ExpectationFailed
from commentsvc.domain.models import Principal
from commentsvc.service import Service, write
from commentsvc.sites import resolve
from commentsvc.sites.manage import find_site, require_all_sites
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.sites.schemas import RemovedSite, SiteRemoval
from commentsvc.storage import installation, site_removal, threads
from commentsvc.storage.database import Write

PIECE: Final = 100  # comments in one unit of work, so that other writers wait less
ROWS: Final = 1000  # of the outbox


async def remove_site(service: Service, who: Principal, site_id: str, removal: SiteRemoval) -> RemovedSite:
    """Remove a site: erase its comments in pieces, then its threads, rules, keys and origins.

    Its threads are closed and hidden first. If this is interrupted, remove the site again: it goes on.

    Raises:
        NotFound: the site does not exist.
        Forbidden: the principal is limited to some sites.
        Conflict: it is the only site; or COMMENTSVC_SITES has an origin of it; or a moderator has only this site.
        ExpectationFailed: it has another number of comments than ``removal.expect``.
    """
    require_all_sites(who, "remove one")
    number = await _start_removal(service, who, site_id, removal.expect or 0)
    await note_erasures(service, "site", [site_id])
    while True:
        while await _erase_piece(service, site_id):
            pass
        while await _delete_parcels(service, site_id) == ROWS:
            pass
        removed = await _finish_removal(service, who, site_id, number)
        if removed is not None:
            return removed


@write
async def _start_removal(unit: Write, who: Principal, site_id: str, expect: int) -> int:
    await installation.lock_names(unit)
    directory = await resolve.read_directory.within(unit)
    await _require_removable(unit, who, directory, site_id)
    number = await site_removal.count_comments(unit, site_id)
    if number != expect:
        raise ExpectationFailed(
            f"Removing this site permanently erases {number:,} comments. Check them, then send the number as expect."
        )
    await site_removal.hide_threads(unit, site_id, unit.now())
    return number


async def _require_removable(unit: Write, who: Principal, directory: SiteDirectory, site_id: str) -> None:
    site = find_site(directory, who, site_id)
    if len(directory.sites) == 1:
        raise Conflict("This is the only site. Add another one first.")
    if not set(directory.origins_of(site)).isdisjoint(unit.config.origins):
        raise Conflict("COMMENTSVC_SITES has an origin of this site. Remove it there first.")
    if await site_removal.has_own_moderators(unit, site.id):
        # Without a site they would have access to all sites.
        raise Conflict("A moderator has access to this site only. Remove the moderator first.")


@write
async def _erase_piece(unit: Write, site_id: str) -> bool:
    """Erase some comments; return False if none is left."""
    ids = await site_removal.list_leaves(unit, site_id, PIECE)
    if not ids:
        return False
    await threads.lock_of_comments(unit, ids)
    await site_removal.delete_leaves(unit, ids)
    return True


@write
async def _delete_parcels(unit: Write, site_id: str) -> int:
    return await site_removal.delete_parcels(unit, site_id, ROWS)


@write
async def _finish_removal(unit: Write, who: Principal, site_id: str, number: int) -> RemovedSite | None:
    """Delete the site; return None if new comments came in."""
    await installation.lock_names(unit)
    directory = await resolve.read_directory.within(unit)
    await _require_removable(unit, who, directory, site_id)
    if await site_removal.has_comments(unit, site_id):
        return None
    site = find_site(directory, who, site_id)
    await site_removal.delete_site(unit, site_id)
    body = {"site": site_id, "comments": number}
    await log.add_entry(unit, actor=who.actor, verb="site_remove", site_id=site_id, body=body)
    return RemovedSite(id=site.id, name=site.name, comments=number)
