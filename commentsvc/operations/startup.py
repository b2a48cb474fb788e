"""Start-up: check the secret key, and create the sites in the settings."""

from typing import Final

from commentsvc.audit import log
from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Site
from commentsvc.operations import key_check
from commentsvc.service import schema_write
from commentsvc.sites import resolve
from commentsvc.sites.manage import insert_site, log_site
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.spam import keys
from commentsvc.storage import installation, sites
from commentsvc.storage.database import Write

FIRST_SITE: Final = "blog"


@schema_write
async def prepare_database(unit: Write) -> None:
    """Check that the secret key matches the database, and create the sites in the settings.

    Raises:
        ConfigurationError: the database is encrypted with a key that is not listed.
    """
    if await installation.get_fingerprint(unit) is None:
        await installation.set_fingerprint(unit, unit.keyring.fingerprints[0], unit.now())
    await key_check.check_keys.within(unit)
    await installation.remove_found_keys(unit, unit.keyring.fingerprints)
    await keys.prepare_key(unit)
    await _create_sites(unit)


async def _create_sites(unit: Write) -> None:
    """Give each origin in the settings that no site has to a site.

    It is the site that has its host, or is named after it, or has no origins yet; otherwise a new one, named after
    the host. A wildcard is added to the only site.

    Raises:
        ConfigurationError: there is a wildcard, and several sites.
    """
    await installation.lock_names(unit)
    directory = await resolve.read_directory.within(unit)
    created: list[tuple[Site, str | None]] = []
    for origin in sorted(dict.fromkeys(unit.config.origins), key=urls.is_wildcard):
        if origin in directory.origins:
            continue
        site = _find_site(directory, origin) or await insert_site(unit, _name_site(origin))
        await sites.add_origin(unit, site.id, origin)
        directory = await resolve.read_directory.within(unit)
        created.append((site, origin))
    if not directory.sites:
        created.append((await insert_site(unit, FIRST_SITE), None))
    for site, origins in created:
        await log_site(unit, log.SETTINGS, site, origins)


def _find_site(directory: SiteDirectory, origin: str) -> Site | None:
    """Return the site that an origin in the settings belongs to; None if it needs a new one."""
    host = urls.host_of(origin)
    owner = directory.owner_of_host(host)
    if owner:
        return directory.by_id(owner)
    if not urls.is_wildcard(origin):
        without_origins = (site for site in directory.sites if not directory.origins_of(site))
        return directory.by_host(host) or directory.by_name(host) or next(without_origins, None)
    if len(directory.sites) > 1:
        raise ConfigurationError(
            "COMMENTSVC_SITES has a wildcard, but there are several sites. Remove the wildcard there. "
            "Then add it to one site: commentsvc site add NAME --origin ORIGIN"
        )
    return next(iter(directory.sites), None)


def _name_site(origin: str) -> str:
    return FIRST_SITE if urls.is_wildcard(origin) else urls.host_of(origin)
