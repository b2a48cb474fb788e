"""Start-up: check the secret key, and create the sites in the settings."""

from typing import Final
from urllib.parse import urlsplit

from commentsvc.audit import log
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Site
from commentsvc.service import private_read, schema_write
from commentsvc.sites import resolve
from commentsvc.sites.manage import insert_site, log_site
from commentsvc.storage import installation, sites
from commentsvc.storage.database import PrivateRead, Write

FIRST_SITE: Final = "blog"


@schema_write
async def prepare_database(unit: Write) -> None:
    """Check that the secret key matches the database, and create the sites in the settings.

    Raises:
        ConfigurationError: the database is encrypted with a key that is not listed.
    """
    if await installation.get_fingerprint(unit) is None:
        await installation.set_fingerprint(unit, unit.keyring.fingerprints[0], unit.now())
    await check_key.within(unit)
    await _create_sites(unit)


@private_read
async def is_new(unit: PrivateRead) -> bool:
    """Return whether no start has finished on this database. Then no secret key belongs to it yet."""
    return await installation.get_fingerprint(unit) is None


@private_read
async def check_key(unit: PrivateRead) -> None:
    """Check that the secret key matches the database.

    Raises:
        ConfigurationError: the database is encrypted with a key that is not listed, or its first start did not finish.
    """
    known = await installation.get_fingerprint(unit)
    if known is None:
        raise ConfigurationError("The first start of the service did not finish. Run: commentsvc migrate")
    if known not in unit.keyring.fingerprints:
        raise ConfigurationError(
            "COMMENTSVC_SECRET_KEY does not match this database, so its email addresses cannot be read. "
            "Add the old key after the new one, separated by a space. Then run: commentsvc reseal"
        )


async def _create_sites(unit: Write) -> None:
    """Create a site, named after its host, for each origin in the settings that no site has.

    A site without origins, created before any were set, gets the first of these origins instead.
    """
    directory = await resolve.read_directory.within(unit)
    without_origins = [site for site in directory.sites if not directory.origins_of(site)]
    created: list[tuple[Site, str | None]] = []
    for origin in dict.fromkeys(unit.config.origins):
        if origin in directory.origins:
            continue
        name = urlsplit(origin).netloc
        known = (await resolve.read_directory.within(unit)).by_name(name)
        site = known or (without_origins.pop() if without_origins else await insert_site(unit, name))
        await sites.add_origin(unit, site.id, origin)
        created.append((site, origin))
    if not directory.sites and not unit.config.origins:
        created.append((await insert_site(unit, FIRST_SITE), None))
    for site, origins in created:
        await log_site(unit, log.SETTINGS, site, origins)
