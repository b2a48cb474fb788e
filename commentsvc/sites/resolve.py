"""Which site and which thread somebody means."""

from dataclasses import dataclass

import msgspec

from commentsvc.domain import urls
from commentsvc.domain.errors import FieldError, Invalid, OriginNotAllowed
from commentsvc.domain.models import Principal, Site, Thread
from commentsvc.domain.urls import ThreadRef
from commentsvc.service import Service, public_read
from commentsvc.storage import sites
from commentsvc.storage.database import Environment, PublicRead


@dataclass(frozen=True)
class SiteDirectory:
    """Every site, and the origins it owns. A site without origins owns the pages of this very machine."""

    sites: tuple[Site, ...]
    origins: dict[str, str]  # origin -> site id
    own_origin: str

    def by_name(self, name: str) -> Site | None:
        """The site of this name."""
        return next((site for site in self.sites if site.name == name), None)

    def by_id(self, site_id: str) -> Site:
        """The site with this id."""
        return next(site for site in self.sites if site.id == site_id)

    def by_host(self, host: str) -> Site | None:
        """The site whose pages live at host[:port], by http or https."""
        owner = next((owner for origin, owner in self.origins.items() if urls.host_of(origin) == host), None)
        if owner:
            return self.by_id(owner)
        return self._unbound() if urls.is_local(host) else None

    def by_origin(self, origin: str) -> Site | None:
        """The site to which a page of this origin belongs."""
        if origin in self.origins:
            return self.by_id(self.origins[origin])
        try:
            host = urls.host_of(origin)
        except ValueError:
            return None
        return self._unbound() if urls.is_local(host) else None

    def welcomes(self, origin: str) -> bool:
        """Whether browsers may let a page of this origin talk to the service."""
        return origin == self.own_origin or self.by_origin(origin) is not None

    def origins_of(self, site: Site) -> list[str]:
        """The origins of a site."""
        return [origin for origin, owner in self.origins.items() if owner == site.id]

    def _unbound(self) -> Site | None:
        return next((site for site in self.sites if site.id not in self.origins.values()), None)


@dataclass(frozen=True)
class ThreadPlace:
    """A site, and a name within it."""

    site: Site
    ref: ThreadRef


@public_read
async def read_directory(unit: PublicRead) -> SiteDirectory:
    """Return every site as it is now."""
    origins = {row["origin"]: row["site_id"] for row in await sites.list_origins(unit)}
    return SiteDirectory(tuple(await sites.list_all(unit)), origins, unit.config.own_origin)


def resolve_thread(everything: SiteDirectory, thread: str, site_name: str | None, origin: str | None) -> ThreadPlace:
    """Read a thread's name.

    Raises:
        Invalid: naming ``thread`` or ``site``.
        ForeignOrigin: a page of another origin asks.
    """
    ref = urls.parse_thread(thread)
    site = everything.by_host(ref.host) if ref.host else resolve_site(everything, site_name, origin)
    if site is None:
        raise Invalid(
            FieldError(
                "thread",
                "foreign_thread",
                "This page is on no site that is served here. An operator adds its origin with COMMENTSVC_SITES "
                "or with: commentsvc site add",
            )
        )
    if site_name and site.name != site_name:
        raise Invalid(FieldError("site", "wrong_site", "The thread's address belongs to another site. Leave site out."))
    require_origin(everything, site, origin)
    return ThreadPlace(site, ref)


def resolve_site(everything: SiteDirectory, site_name: str | None, origin: str | None) -> Site:
    """The site that was named, or that the asking page belongs to, or the only one.

    Raises:
        Invalid: naming ``site``.
    """
    if site_name:
        site = everything.by_name(site_name)
        if site is None:
            raise Invalid(FieldError("site", "unknown_site", "There is no site of this name."))
        return site
    asking = everything.by_origin(origin) if origin and origin != everything.own_origin else None
    if asking is not None:
        return asking
    if len(everything.sites) != 1:
        raise Invalid(FieldError("site", "required", "Several sites are served here. Say which with site=…"))
    return everything.sites[0]


def require_site(everything: SiteDirectory, who: Principal, name: str) -> Site:
    """Return the site of this name.

    Raises:
        Invalid: naming ``site``: there is none, or the principal does not reach it.
    """
    site = everything.by_name(name)
    if site is None or not who.reaches(site.id):
        raise Invalid(FieldError("site", "unknown_site", "There is no site of this name."))
    return site


def reachable_sites(everything: SiteDirectory, who: Principal, name: str | None) -> tuple[str, ...] | None:
    """Return the ids of the sites that a query covers: the named one, else all of the principal's; None: every site.

    Raises:
        Invalid: naming ``site``.
    """
    return (require_site(everything, who, name).id,) if name else who.sites


def require_origin(everything: SiteDirectory, site: Site, origin: str | None) -> None:
    """Let a page of the site's own in, or of the service's own.

    Raises:
        ForeignOrigin: it is neither.
    """
    if origin is None or origin == everything.own_origin:
        return
    asking = everything.by_origin(origin)
    if asking is None or asking.id != site.id:
        raise OriginNotAllowed(
            "The page that sent this is not on one of the site's origins. An operator adds its origin with "
            "COMMENTSVC_SITES or with: commentsvc site add"
        )


def close_by_age(env: Environment, site: Site, thread: Thread | None) -> Thread | None:
    """A thread as it is by now: on sites whose rules say so, closed so many days after it became public."""
    if thread is None or thread.closed_at or thread.published_at is None or site.closes_after_days is None:
        return thread
    if thread.published_at >= env.ago(days=site.closes_after_days):
        return thread
    return msgspec.structs.replace(thread, closed_at=thread.published_at)


async def is_allowed_origin(service: Service, origin: str) -> bool:
    """Whether browsers may let a page of this origin talk to the service."""
    return (await read_directory(service)).welcomes(origin)
