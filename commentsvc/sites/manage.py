"""Add and change sites."""

import msgspec
from msgspec import UNSET

from commentsvc.audit import log, undoable_changes
from commentsvc.domain import urls
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from commentsvc.domain.models import Principal, Site
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.schemas import NewSite, SiteChange, SiteList, SiteRecord
from commentsvc.storage import sites
from commentsvc.storage.database import Transaction


async def log_site(tx: Transaction, service: Service, who: str, site: Site, origins: str | None) -> None:
    body, texts = {"site": site.id}, {"origins": origins}
    await log.add_entry(tx, service, who=who, verb="site_add", site_id=site.id, body=body, texts=texts)


async def insert_site(tx: Transaction, service: Service, name: str) -> Site:
    site = Site(service.new_id(), name, service.now())
    if not await sites.add(tx, site):
        raise Conflict(f"There is a site named {name} already.")
    return site


async def list_sites(service: Service, who: Principal) -> SiteList:
    """Every site of this principal's, oldest first."""
    return await service.db.read(_list_sites, service, who)


async def _list_sites(tx: Transaction, service: Service, who: Principal) -> SiteList:
    everything = await resolve.load_directory(tx, service)
    return SiteList([_site_record(everything, site) for site in everything.sites if who.reaches(site.id)])


def _site_record(everything: resolve.SiteDirectory, site: Site) -> SiteRecord:
    return SiteRecord(
        id=site.id,
        name=site.name,
        origins=everything.origins_of(site),
        created_at=site.created_at,
        mode=site.mode,
    )


async def change_site(service: Service, who: Principal, site_id: str, change: SiteChange) -> SiteRecord:
    """Say who is held on a site.

    Raises:
        NotFound: there is no such site among this key's.
    """
    return await service.db.write(_change_site, service, who, site_id, change)


async def _change_site(
    tx: Transaction, service: Service, who: Principal, site_id: str, change: SiteChange
) -> SiteRecord:
    everything = await resolve.load_directory(tx, service)
    site = next((site for site in everything.sites if site.id == site_id and who.reaches(site.id)), None)
    if site is None:
        raise NotFound
    record = _site_record(everything, site)
    if change.mode is UNSET or change.mode == site.mode:
        return record
    await sites.set_mode(tx, site.id, change.mode)
    was, became = {"mode": site.mode}, {"mode": change.mode}
    action = await undoable_changes.record_change(
        tx, service, who, "site_change", ("site", site.id, site.id), was, became
    )
    return msgspec.structs.replace(record, mode=change.mode, action=action)


async def add_site(service: Service, who: Principal, new: NewSite) -> SiteRecord:
    """Serve one more blog; under a known name, serve it from more origins.

    Raises:
        Forbidden: the key is bound to a site.
        Invalid: naming an origin that is none, or that another site has.
    """
    if who.sites is not None:
        raise Forbidden("A key that is bound to a site adds none.")
    return await service.db.write(_add_site, service, who, new)


async def _add_site(tx: Transaction, service: Service, who: Principal, new: NewSite) -> SiteRecord:
    everything = await resolve.load_directory(tx, service)
    site = everything.by_name(new.name) or await insert_site(tx, service, new.name)
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
        if not await sites.add_origin(tx, site.id, origin):
            raise Invalid(FieldError("origins", "origin_taken", "Another site has one of these origins."))
    await log_site(tx, service, who.name, site, " ".join(new.origins))
    return _site_record(await resolve.load_directory(tx, service), site)
