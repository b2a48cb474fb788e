"""The site and thread that a request means, and the origins that may use them."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from commentsvc.domain import urls
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.errors import FieldError, Invalid, OriginNotAllowed
from commentsvc.domain.models import Principal, Site
from commentsvc.domain.tracking import STANDARD, DroppedParameters
from commentsvc.domain.urls import ThreadRef
from commentsvc.service import Service, public_read
from commentsvc.storage import directory_version, sites
from commentsvc.storage.database import PublicRead

UNKNOWN_SITE: Final = FieldError("site", "unknown_site", "There is no site of this name.")
FOREIGN_THREAD: Final = FieldError(
    "thread",
    "foreign_thread",
    "This page does not belong to a site of this service. "
    "The operator can add its origin with COMMENTSVC_SITES or with: commentsvc site add",
)
FOREIGN_ORIGIN: Final = (
    "This page's origin does not belong to the site. "
    "The operator can add it with COMMENTSVC_SITES or with: commentsvc site add"
)


@dataclass(frozen=True)
class SiteDirectory:
    """All sites and their origins. A site without origins owns the pages on this computer.

    Many requests share one directory, so it is never changed.
    """

    sites: tuple[Site, ...]
    origins: dict[str, str]  # origin -> site id
    own_origin: str
    dropped: DroppedParameters = STANDARD  # query parameters of page addresses that do not count

    def by_name(self, name: str) -> Site | None:
        """Return the site that has this name, or had it."""
        return self._by_name.get(name)

    def list_alike(self, name: str) -> list[Site]:
        """Return the sites that have or had a name that looks like this one."""
        looks = skeleton(name)
        return [site for site in self.sites if looks in map(skeleton, site.names)]

    def by_id(self, site_id: str) -> Site:
        """Return the site with this id."""
        return self._by_id[site_id]

    @cached_property
    def _by_id(self) -> dict[str, Site]:
        return {site.id: site for site in self.sites}

    @cached_property
    def _by_name(self) -> dict[str, Site]:
        # Of two sites, the one that was added first.
        return {name: site for site in reversed(self.sites) for name in site.names}

    @cached_property
    def _origins_by_site(self) -> dict[str, list[str]]:
        listed: defaultdict[str, list[str]] = defaultdict(list)
        for origin, owner in self.origins.items():
            listed[owner].append(origin)
        return listed

    def by_host(self, host: str) -> Site | None:
        """Return the site that has a host[:port] as an origin, with http or https, or else by a wildcard."""
        owner = self.owner_of_host(host) or self.owner_of_host(urls.wildcard_of(host))
        if owner:
            return self.by_id(owner)
        return self._site_without_origins if urls.is_local(host) else None

    def owner_of_host(self, host: str) -> str | None:
        """Return the id of the site that lists a host[:port] itself, with http or https. ``*.`` is a wildcard."""
        ports = ("",) if re.search(r":\d+$", host) else ("", *(f":{port}" for port in urls.DEFAULT_PORTS.values()))
        listed = (f"{scheme}://{host}{port}" for scheme in urls.DEFAULT_PORTS for port in ports)
        return next((self.origins[origin] for origin in listed if origin in self.origins), None)

    def by_origin(self, origin: str) -> Site | None:
        """Return the site that owns an origin. One that is listed itself comes before a wildcard."""
        canonical = _canonical_origin(origin)
        if canonical is None:
            return None
        owner = self.origins.get(canonical) or self.origins.get(urls.wildcard_of(canonical))
        if owner:
            return self.by_id(owner)
        return self._site_without_origins if urls.is_local(urls.host_of(canonical)) else None

    def requesting_site(self, origin: str) -> Site | None:
        """Return the site that a request comes from. Our own pages are a site's only if it has our origin too."""
        if self.is_own(origin) and self.own_origin not in self.origins:
            return None
        return self.by_origin(origin)

    def is_by_wildcard(self, origin: str) -> bool:
        """Return whether only a wildcard gives an origin to its site: strangers may have pages there."""
        canonical = _canonical_origin(origin)
        return canonical is not None and canonical not in self.origins and urls.wildcard_of(canonical) in self.origins

    def vouches_for(self, ref: ThreadRef, origin: str | None) -> bool:
        """Return whether the page's address and title can be believed: no wildcard is needed for page and origin."""
        by_wildcard = ref.host and not self.owner_of_host(ref.host) and self.owner_of_host(urls.wildcard_of(ref.host))
        return not by_wildcard and not (origin and self.is_by_wildcard(origin))

    def is_own(self, origin: str) -> bool:
        """Return whether an origin is the service's own."""
        return _canonical_origin(origin) == self.own_origin

    def allows(self, origin: str) -> bool:
        """Return whether pages of an origin may use the service."""
        return self.is_own(origin) or self.by_origin(origin) is not None

    def origins_of(self, site: Site) -> list[str]:
        """Return the origins of a site, with its wildcards."""
        return list(self._origins_by_site.get(site.id, ()))

    def only_origin(self, site: Site) -> str | None:
        """Return the origin of a site that has exactly one, without a wildcard."""
        origins = self.origins_of(site)
        return origins[0] if len(origins) == 1 and self.hosts_of(site) == origins else None

    def hosts_of(self, site: Site) -> list[str]:
        """Return the origins of a site without its wildcards: addresses that links can use."""
        return [origin for origin in self.origins_of(site) if not urls.is_wildcard(origin)]

    @cached_property
    def _site_without_origins(self) -> Site | None:
        return next((site for site in self.sites if site.id not in self._origins_by_site), None)


def _canonical_origin(origin: str) -> str | None:
    # Browsers send the host as it is in the address bar, also with a dot at its end.
    try:
        return urls.parse_origin(origin)
    except ValueError:
        return None


@dataclass(frozen=True)
class ThreadPlace:
    """A site, and the name of a thread on it."""

    site: Site
    ref: ThreadRef
    vouched: bool = True  # the page's address and title can be shown to others


class KeptDirectory:
    """The directory that was read last, and its version. A thousand sites take 20 ms to read, the version 10 µs."""

    def __init__(self) -> None:
        self.latest: tuple[int, SiteDirectory] | None = None

    def of_version(self, version: int | None) -> SiteDirectory | None:
        """Return the directory if it has this version."""
        return self.latest[1] if self.latest and self.latest[0] == version else None


@public_read
async def read_directory(unit: PublicRead) -> SiteDirectory:
    """Return all sites and their origins."""
    version, kept = await directory_version.get(unit), unit.part(KeptDirectory)
    known = kept.of_version(version)
    if known is not None:
        return known
    origins = {row["origin"]: row["site_id"] for row in await sites.list_origins(unit)}
    found = SiteDirectory(tuple(await sites.list_all(unit)), origins, unit.config.own_origin, unit.config.dropped)
    if version is not None:
        kept.latest = version, found
    return found


async def current_directory(service: Service) -> SiteDirectory:
    """Return all sites and their origins, without a unit of work if they are known already.

    Raises:
        Unavailable: the database does not answer.
    """
    (row,) = await service.db.read_rows(directory_version.STATEMENT, {})
    return service.part(KeptDirectory).of_version(row["version"]) or await read_directory(service)


def resolve_thread(directory: SiteDirectory, thread: str, site_name: str | None, origin: str | None) -> ThreadPlace:
    """Return the site and thread that a request names.

    Raises:
        Invalid: for the fields ``thread`` and ``site``, all errors at once.
        OriginNotAllowed: the request comes from an origin of another site, or of none.
    """
    if origin is not None and not directory.allows(origin):
        raise OriginNotAllowed(FOREIGN_ORIGIN)  # before the thread: the pages of this origin have no other problem
    faults: list[FieldError] = []
    try:
        ref: ThreadRef | None = urls.parse_thread(thread, directory.dropped)
    except Invalid as error:
        ref = None
        faults += error.faults
    if ref is not None and ref.host and directory.by_host(ref.host) is None:
        faults.append(FOREIGN_THREAD)
    if site_name and directory.by_name(site_name) is None:
        faults.append(UNKNOWN_SITE)
    if faults or ref is None:
        raise Invalid(*faults)
    site = (directory.by_host(ref.host) if ref.host else None) or resolve_site(directory, site_name, origin)
    if site_name and not site.has_name(site_name):
        raise Invalid(FieldError("site", "wrong_site", "This thread belongs to another site. Omit site."))
    require_origin(directory, site, origin)
    return ThreadPlace(site, ref, directory.vouches_for(ref, origin))


async def find_named_site(unit: PublicRead, name: str | None) -> Site | None:
    """Return the site with this name; None if no name is given.

    Raises:
        Invalid: for the field ``site``.
    """
    if not name:
        return None
    site = (await read_directory.within(unit)).by_name(name)
    if site is None:
        raise Invalid(UNKNOWN_SITE)
    return site


def resolve_site(directory: SiteDirectory, site_name: str | None, origin: str | None) -> Site:
    """Return the named site, or else the site of the request's origin, or else the only site.

    Raises:
        Invalid: for the field ``site``: no site has this name, or several sites are possible.
    """
    if site_name:
        site = directory.by_name(site_name)
        if site is None:
            raise Invalid(UNKNOWN_SITE)
        return site
    requesting = directory.requesting_site(origin) if origin else None
    if requesting is not None:
        return requesting
    if len(directory.sites) != 1:
        raise Invalid(FieldError("site", "required", "This service has several sites. Name one with site=…"))
    return directory.sites[0]


def require_site(directory: SiteDirectory, who: Principal, name: str) -> Site:
    """Return the site with this name.

    Raises:
        Invalid: for the field ``site``: no site has this name, or the principal has no access to it.
    """
    site = directory.by_name(name)
    if site is None or not who.reaches(site.id):
        raise Invalid(UNKNOWN_SITE)
    return site


def reachable_sites(directory: SiteDirectory, who: Principal, name: str | None) -> tuple[str, ...] | None:
    """Return the ids of the named site, or else of the principal's sites; None means every site.

    Raises:
        Invalid: for the field ``site``: no site has this name, or the principal has no access to it.
    """
    return (require_site(directory, who, name).id,) if name else who.sites


def require_origin(directory: SiteDirectory, site: Site, origin: str | None) -> None:
    """Check that a request comes from an origin of the site or of the service, or has none.

    Raises:
        OriginNotAllowed: it comes from another origin.
    """
    if origin is None or directory.is_own(origin):
        return
    requesting = directory.by_origin(origin)
    if requesting is None or requesting.id != site.id:
        raise OriginNotAllowed(FOREIGN_ORIGIN)


async def require_known_origin(service: Service, origin: str | None) -> None:
    """Check that a request comes from an origin of any site or of the service, or has none.

    Raises:
        OriginNotAllowed: it comes from another origin.
    """
    if origin is not None and not await is_allowed_origin(service, origin):
        raise OriginNotAllowed(FOREIGN_ORIGIN)


async def is_allowed_origin(service: Service, origin: str) -> bool:
    """Return whether pages of an origin may use the service."""
    return (await current_directory(service)).allows(origin)
