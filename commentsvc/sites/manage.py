"""Adding, changing and listing sites."""

import msgspec
from msgspec import UNSET

from commentsvc.audit import log, undoable_changes
from commentsvc.domain import urls
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from commentsvc.domain.models import Actor, Principal, Site
from commentsvc.service import Service, public_read, write
from commentsvc.sites import resolve
from commentsvc.sites.schemas import NewSite, SiteChange, SiteList, SiteRecord
from commentsvc.storage import sites
from commentsvc.storage.database import PublicRead, Write


async def log_site(unit: Write, actor: Actor, site: Site, origins: str | None) -> None:
    """Add an entry to the audit log: a site was added, or got more origins (separated by spaces)."""
    body, texts = {"site": site.id}, {"origins": origins}
    await log.add_entry(unit, actor=actor, verb="site_add", site_id=site.id, body=body, texts=texts)


async def insert_site(unit: Write, name: str) -> Site:
    """Insert a site without origins.

    Raises:
        Conflict: the name is taken.
    """
    site = Site(unit.new_id(), name, unit.now())
    if not await sites.add(unit, site):
        raise Conflict(f"A site named {name} already exists.")
    return site


@public_read
async def list_sites(unit: PublicRead, who: Principal) -> SiteList:
    """Return the sites that a principal has access to, oldest first."""
    directory = await resolve.read_directory.within(unit)
    return SiteList([_site_record(directory, site) for site in directory.sites if who.reaches(site.id)])


def _site_record(directory: resolve.SiteDirectory, site: Site) -> SiteRecord:
    return SiteRecord(
        id=site.id,
        name=site.name,
        origins=directory.origins_of(site),
        created_at=site.created_at,
        mode=site.mode,
    )


@write
async def change_site(unit: Write, who: Principal, site_id: str, change: SiteChange) -> SiteRecord:
    """Change a site's moderation mode.

    Raises:
        NotFound: the site does not exist, or the principal has no access to it.
    """
    directory = await resolve.read_directory.within(unit)
    site = next((site for site in directory.sites if site.id == site_id and who.reaches(site.id)), None)
    if site is None:
        raise NotFound
    record = _site_record(directory, site)
    if change.mode is UNSET or change.mode == site.mode:
        return record
    await sites.set_mode(unit, site.id, change.mode)
    was, became = {"mode": site.mode}, {"mode": change.mode}
    action = await undoable_changes.record_change(unit, who, "site_change", ("site", site.id, site.id), was, became)
    return msgspec.structs.replace(record, mode=change.mode, action=action)


async def add_site(service: Service, who: Principal, new: NewSite) -> SiteRecord:
    """Add a site. If the name exists, add the origins to that site.

    Raises:
        Forbidden: the principal is limited to some sites.
        Invalid: for the field ``origins``: a value is not an origin, or belongs to another site.
    """
    if who.sites is not None:
        raise Forbidden("This key is limited to some sites. Use a key for all sites to add one.")
    return await _add_site(service, who, new)


@write
async def _add_site(unit: Write, who: Principal, new: NewSite) -> SiteRecord:
    directory = await resolve.read_directory.within(unit)
    site = directory.by_name(new.name) or await insert_site(unit, new.name)
    for text in new.origins:
        try:
            origin = urls.parse_origin(text)
        except ValueError:
            raise Invalid(
                FieldError(
                    "origins",
                    "invalid_origin",
                    "An origin looks like https://blog.example: scheme and host, without a path.",
                )
            ) from None
        if not await sites.add_origin(unit, site.id, origin):
            raise Invalid(FieldError("origins", "origin_taken", "One of these origins belongs to another site."))
    await log_site(unit, who.actor, site, " ".join(new.origins))
    return _site_record(await resolve.read_directory.within(unit), site)
