"""Adding, changing and listing sites."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from commentsvc.audit import log, undoable_changes
from commentsvc.domain import urls
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Actor, ManagedSite, Principal, Site
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.sites.schemas import NewSite, SiteChange, SiteList, SiteRecord
from commentsvc.storage import installation, sites
from commentsvc.storage.database import PrivateRead, Write

INVALID_ORIGIN: Final = FieldError(
    "origins",
    "invalid_origin",
    translatable("Use scheme and host without a path, such as https://blog.example or https://*.netlify.app."),
)
ORIGIN_TAKEN: Final = FieldError("origins", "origin_taken", translatable("One of these hosts belongs to another site."))
ORIGIN_IN_SETTINGS: Final = FieldError(
    "origins",
    "origin_in_settings",
    translatable("COMMENTSVC_SITES has an origin that you remove. Remove it there first."),
)
NAME_TAKEN: Final = FieldError("name", "name_taken", translatable("Another site has or had this name. Choose another."))


async def log_site(unit: Write, actor: Actor, site: Site, origins: str | None) -> None:
    """Add an entry to the audit log: a site was added, or got more origins (separated by spaces)."""
    body, texts = {"site": site.id}, {"origins": origins}
    await log.add_entry(unit, actor=actor, verb="site_add", site_id=site.id, body=body, texts=texts)


async def insert_site(unit: Write, name: str) -> ManagedSite:
    """Insert a site without origins.

    Raises:
        Conflict: the name is taken.
    """
    site = ManagedSite(unit.new_id(), name, created_at=unit.now())
    if not await sites.add(unit, site):
        raise Conflict(f"A site named {name} already exists.")
    return site


@private_read
async def list_sites(unit: PrivateRead, who: Principal) -> SiteList:
    """Return the sites that a principal has access to, oldest first."""
    directory = await resolve.read_directory.within(unit)
    reached = [site.id for site in directory.sites if who.reaches(site.id)]
    return SiteList([_site_record(directory, site) for site in (await sites.get_many(unit, reached)).values()])


async def _load_record(unit: PrivateRead, site_id: str) -> SiteRecord:
    directory = await resolve.read_directory.within(unit)
    return _site_record(directory, (await sites.get_many(unit, [site_id]))[site_id])


def _site_record(directory: resolve.SiteDirectory, site: ManagedSite) -> SiteRecord:
    return SiteRecord(
        id=site.id,
        name=site.name,
        earlier_names=[*filter(None, site.earlier_names.split("\n"))],
        origins=directory.origins_of(site),
        created_at=site.created_at,
        mode=site.mode,
        email_required=site.email_required,
        website_field=site.website_field,
        privacy_url=site.privacy_url,
        consent_required=site.consent_required,
        time_zone=site.time_zone,
    )


def find_site(directory: resolve.SiteDirectory, who: Principal, site_id: str) -> Site:
    """Return the site with this id.

    Raises:
        NotFound: the site does not exist, or the principal has no access to it.
    """
    site = next((site for site in directory.sites if site.id == site_id and who.reaches(site.id)), None)
    if site is None:
        raise NotFound
    return site


def require_all_sites(who: Principal, purpose: str) -> None:
    """Check that a principal is not limited to some sites.

    Raises:
        Forbidden: it is; ``purpose`` completes the sentence.
    """
    if who.sites is not None:
        raise Forbidden(f"This key is limited to some sites. Use a key for all sites to {purpose}.")


@write
async def change_site(unit: Write, who: Principal, site_id: str, change: SiteChange) -> SiteRecord:
    """Change a site's name, origins, moderation mode, or what its form asks for.

    Its earlier names still find it.

    Raises:
        NotFound: the site does not exist, or the principal has no access to it.
        Forbidden: the origins change, and the principal is limited to some sites.
        Invalid: for the field ``name``: another site has or had it, or one that looks like it; for ``origins``: see
            ``add_site``; or COMMENTSVC_SITES has one that would be removed.
    """
    await installation.lock_names(unit)
    directory = await resolve.read_directory.within(unit)
    site = (await sites.get_many(unit, [find_site(directory, who, site_id).id]))[site_id]
    if change.origins is not UNSET:
        require_all_sites(who, "change origins")
        await _set_origins(unit, who.actor, directory, site, change.origins)
    was = undoable_changes.undoable_state("site", site)
    became = was | {name: value for name in was if (value := getattr(change, name)) is not UNSET and value != was[name]}
    action = None
    if became != was:
        if became["name"] != site.name and {one.id for one in directory.list_alike(became["name"])} - {site.id}:
            raise Invalid(NAME_TAKEN)
        await sites.update(unit, site, msgspec.structs.replace(site, **became))
        subject = ("site", site.id, site.id)
        action = await undoable_changes.record_change(unit, who, "site_change", subject, was, became)
    return msgspec.structs.replace(await _load_record(unit, site.id), action=action)


async def add_site(service: Service, who: Principal, new: NewSite) -> SiteRecord:
    """Add a site. If the name exists, add the origins to that site.

    Raises:
        Forbidden: the principal is limited to some sites.
        Invalid: for the field ``origins``: a value is not an origin, or its host belongs to another site; for ``name``:
            a site has another name that looks like it.
    """
    require_all_sites(who, "add one")
    return await _add_site(service, who, new)


@write
async def _add_site(unit: Write, who: Principal, new: NewSite) -> SiteRecord:
    await installation.lock_names(unit)
    directory = await resolve.read_directory.within(unit)
    site = directory.by_name(new.name)
    if site is None:
        if directory.list_alike(new.name):
            raise Invalid(NAME_TAKEN)
        site = await insert_site(unit, new.name)
    origins = parse_origins(new.origins)
    await _add_origins(unit, directory, site, origins)
    await log_site(unit, who.actor, site, " ".join(origins))
    return await _load_record(unit, site.id)


def parse_origins(texts: Sequence[str]) -> list[str]:
    """Return origins in canonical form, each once.

    Raises:
        Invalid: for the field ``origins``: a value is not an origin.
    """
    try:
        return list(dict.fromkeys(urls.parse_site_origin(text) for text in texts))
    except ValueError:
        raise Invalid(INVALID_ORIGIN) from None


async def _add_origins(unit: Write, directory: resolve.SiteDirectory, site: Site, origins: Sequence[str]) -> None:
    for origin in origins:
        # http and https of one host show the same pages, so one site has both.
        if directory.owner_of_host(urls.host_of(origin)) not in {None, site.id}:
            raise Invalid(ORIGIN_TAKEN)
        await sites.add_origin(unit, site.id, origin)


async def _set_origins(
    unit: Write, actor: Actor, directory: resolve.SiteDirectory, site: Site, texts: Sequence[str]
) -> None:
    origins, present = parse_origins(texts), directory.origins_of(site)
    removed = [origin for origin in present if origin not in origins]
    if not removed and set(origins) == set(present):
        return
    if not set(removed).isdisjoint(unit.config.origins):
        raise Invalid(ORIGIN_IN_SETTINGS)  # the next start would add it again
    await _add_origins(unit, directory, site, origins)
    for origin in removed:
        await sites.remove_origin(unit, site.id, origin)
    body, text = {"site": site.id, "removed": len(removed)}, " ".join(origins)
    await log.add_entry(unit, actor=actor, verb="site_origins", site_id=site.id, body=body, texts={"origins": text})
