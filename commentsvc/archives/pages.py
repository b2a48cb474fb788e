"""Find the pages that the threads of an archive belong to."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from commentsvc.archives.records import ThreadRecord
from commentsvc.archives.staging import Staging
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import Site
from commentsvc.domain.urls import ThreadRef, parse_thread
from commentsvc.sites.resolve import SiteDirectory


class Addresses(Struct, frozen=True):
    """The site of a thread, and the addresses of its page on this site, the best first."""

    site: Site
    refs: list[ThreadRef]


class PageFinder:
    """Finds the pages of threads: by the map of the person who imports, or else by the links in the archive.

    ``site`` is the site that all pages are on; without one, it is the site that has the host of the link, or else the
    only one. So the pages of a blog that changed its host are found by their paths.
    """

    def __init__(self, directory: SiteDirectory, site: Site | None, thread_map: Mapping[str, str]) -> None:
        self._directory = directory
        self._site = site
        only = directory.sites[0] if len(directory.sites) == 1 else None
        self._default = site or only
        self._map = dict(thread_map)
        for written, target in thread_map.items():
            if ref := self._parse(written):
                self._map.setdefault(f"{ref.host or ''} {ref.name}", target)

    def find(self, thread: ThreadRecord) -> Addresses | None:
        """Return the site and the addresses of a thread; None if it names no page, or one that is on no site here."""
        found: list[tuple[Site, ThreadRef]] = []
        for written in self._list_addresses(thread):
            ref = self._parse(written)
            site = self._find_site(ref) if ref else None
            if ref and site:
                found.append((site, ref))
        if not found:
            return None
        site = found[0][0]
        refs = [ref for own, ref in found if own.id == site.id]
        return Addresses(site, sorted(refs, key=lambda ref: ref.name.startswith("/?")))

    def _list_addresses(self, thread: ThreadRecord) -> Iterator[str]:
        links = [*thread.links, *([thread.id] if thread.id.startswith(("/", "http://", "https://")) else [])]
        for written in (thread.id, *links):
            ref = self._parse(written)
            names = (written, f"{ref.host or ''} {ref.name}", f" {ref.name}") if ref else (written,)
            mapped = next((self._map[name] for name in names if name in self._map), None)
            if mapped is not None:
                yield mapped
                break
        yield from links

    def _find_site(self, ref: ThreadRef) -> Site | None:
        owner = self._directory.by_host(ref.host) if ref.host else None
        if self._site is not None:
            return self._site if owner in {None, self._site} else None
        return owner or self._default

    def _parse(self, written: str) -> ThreadRef | None:
        try:
            return parse_thread(written, self._directory.dropped) if written else None
        except Invalid:
            return None

    def alias(self, thread_id: str) -> str | None:
        """Return the name that a thread keeps: its id in the archive."""
        ref = self._parse(thread_id)
        return ref.name if ref else None

    def public_url(self, site: Site, ref: ThreadRef) -> str | None:
        """Return the address of a page if it is an address of the site."""
        is_here = ref.host is not None and self._directory.by_host(ref.host) == site
        return ref.url if is_here and self._directory.vouches_for(ref, None) else None


def find_pages(staging: Staging, finder: PageFinder) -> None:
    """Find the page of each thread in an archive. Several threads may be about one page."""
    aliases: list[tuple[int, str, str]] = []
    for source, thread in list(staging.list_threads()):
        found = finder.find(thread)
        if found is None:
            continue
        names = list(dict.fromkeys(ref.name for ref in found.refs))
        page = staging.find_page(found.site.id, names)
        if page is None:
            url = next(filter(None, (finder.public_url(found.site, ref) for ref in found.refs)), None)
            page = staging.add_page(found.site.id, names[0], url, thread.title, is_closed=thread.is_closed)
        staging.join_page(page, source, thread)
        staging.add_names(page, found.site.id, names, is_link=True)
        alias = finder.alias(thread.id)
        if alias:
            aliases.append((page, found.site.id, alias))
    for page, site_id, alias in aliases:  # after all links, which come first
        staging.add_names(page, site_id, [alias], is_link=False)
    staging.finish_pages()
