"""Add and change sites."""

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
    body, texts = {"site": site.id}, {"origins": origins}
    await log.add_entry(unit, actor=actor, verb="site_add", site_id=site.id, body=body, texts=texts)


async def insert_site(unit: Write, name: str) -> Site:
    site = Site(unit.new_id(), name, unit.now())
    if not await sites.add(unit, site):
        raise Conflict(f"There is a site named {name} already.")
    return site


@public_read
async def list_sites(unit: PublicRead, who: Principal) -> SiteList:
    """Every site of this principal's, oldest first."""
    everything = await resolve.read_directory.within(unit)
    return SiteList([_site_record(everything, site) for site in everything.sites if who.reaches(site.id)])


def _site_record(everything: resolve.SiteDirectory, site: Site) -> SiteRecord:
    return SiteRecord(
        id=site.id,
        name=site.name,
        origins=everything.origins_of(site),
        created_at=site.created_at,
        mode=site.mode,
    )


@write
async def change_site(unit: Write, who: Principal, site_id: str, change: SiteChange) -> SiteRecord:
    """Say who is held on a site.

    Raises:
        NotFound: there is no such site among this key's.
    """
    everything = await resolve.read_directory.within(unit)
    site = next((site for site in everything.sites if site.id == site_id and who.reaches(site.id)), None)
    if site is None:
        raise NotFound
    record = _site_record(everything, site)
    if change.mode is UNSET or change.mode == site.mode:
        return record
    await sites.set_mode(unit, site.id, change.mode)
    was, became = {"mode": site.mode}, {"mode": change.mode}
    action = await undoable_changes.record_change(unit, who, "site_change", ("site", site.id, site.id), was, became)
    return msgspec.structs.replace(record, mode=change.mode, action=action)


async def add_site(service: Service, who: Principal, new: NewSite) -> SiteRecord:
    """Serve one more blog; under a known name, serve it from more origins.

    Raises:
        Forbidden: the key is bound to a site.
        Invalid: naming an origin that is none, or that another site has.
    """
    if who.sites is not None:
        raise Forbidden("A key that is bound to a site adds none.")
    return await _add_site(service, who, new)


@write
async def _add_site(unit: Write, who: Principal, new: NewSite) -> SiteRecord:
    everything = await resolve.read_directory.within(unit)
    site = everything.by_name(new.name) or await insert_site(unit, new.name)
    for text in new.origins:
        try:
            origin = urls.parse_origin(text)
        except ValueError:
            raise Invalid(
                FieldError(
                    "origins",
                    "invalid_origin",
                    "An origin looks like https://blog.example: scheme and host, no path.",
                )
            ) from None
        if not await sites.add_origin(unit, site.id, origin):
            raise Invalid(FieldError("origins", "origin_taken", "Another site has one of these origins."))
    await log_site(unit, who.actor, site, " ".join(new.origins))
    return _site_record(await resolve.read_directory.within(unit), site)
