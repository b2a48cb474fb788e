"""Show the state of the learned filters of sites, and rebuild them."""

from commentsvc.domain.models import Principal
from commentsvc.service import Service, private_read
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.spam import training
from commentsvc.spam.filter import LEAST_GOOD, LEAST_SPAM
from commentsvc.spam.schemas import FilterList, FilterQuery, FilterRecord
from commentsvc.storage import spam_filters
from commentsvc.storage.database import PrivateRead, Row


@private_read
async def list_filters(unit: PrivateRead, who: Principal, query: FilterQuery) -> FilterList:
    """Return the filter of a site, or of all sites that a principal has access to.

    Raises:
        Invalid: for the field ``site``.
    """
    directory = await resolve.read_directory.within(unit)
    reached = resolve.reachable_sites(directory, who, query.site)
    stored = {row["site_id"]: row for row in await spam_filters.list_filters(unit, reached)}
    sites = sorted(_find_sites(directory, reached), key=lambda site: site[1])
    return FilterList([_build_record(name, stored.get(id_)) for id_, name in sites])


def _find_sites(directory: SiteDirectory, reached: tuple[str, ...] | None) -> list[tuple[str, str]]:
    return [(site.id, site.name) for site in directory.sites if reached is None or site.id in reached]


def _build_record(name: str, row: Row | None) -> FilterRecord:
    good, spam = (row["good"], row["spam"]) if row else (0, 0)
    missing_good, missing_spam = max(0, LEAST_GOOD - good), max(0, LEAST_SPAM - spam)
    return FilterRecord(
        site=name,
        good=good,
        spam=spam,
        ready=not (missing_good or missing_spam),
        missing_good=missing_good,
        missing_spam=missing_spam,
        learned_at=row["learned_at"] if row else None,
    )


async def rebuild_filters(service: Service, who: Principal, query: FilterQuery) -> FilterList:
    """Make the filter of a site, or of all sites of a principal, again from the decisions in memory; return them.

    It takes some seconds for each site with thousands of decisions. The old filter scores comments until then.

    Raises:
        Invalid: for the field ``site``.
    """
    for site_id in await _list_site_ids(service, who, query):
        await training.train_site(service, site_id, afresh=True)
    return await list_filters(service, who, query)


@private_read
async def _list_site_ids(unit: PrivateRead, who: Principal, query: FilterQuery) -> list[str]:
    directory = await resolve.read_directory.within(unit)
    return [id_ for id_, _ in _find_sites(directory, resolve.reachable_sites(directory, who, query.site))]
