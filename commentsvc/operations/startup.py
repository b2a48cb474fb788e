"""An operator starts the service, keeps its sites, and turns its secret key."""

from typing import Final
from urllib.parse import urlsplit

from commentsvc.audit import log
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Site
from commentsvc.service import schema_write
from commentsvc.sites import resolve
from commentsvc.sites.manage import insert_site, log_site
from commentsvc.storage import installation, sites
from commentsvc.storage.database import Write

FIRST_SITE: Final = "blog"


@schema_write
async def prepare_database(unit: Write) -> None:
    """Check that the secret key is this database's, and make the sites that the settings name.

    Raises:
        Misconfigured: the database was sealed with a key that is not listed, or sites are at odds.
    """
    known = await installation.get_fingerprint(unit)
    if known is None:
        await installation.set_fingerprint(unit, unit.keyring.fingerprints[0], unit.now())
    elif known not in unit.keyring.fingerprints:
        raise ConfigurationError(
            "COMMENTSVC_SECRET_KEY is not the key this database was sealed with, so no email in it could be read. "
            "Give the old key too, after the new one, separated by a space; then run: commentsvc reseal"
        )
    await _make_sites(unit)


async def _make_sites(unit: Write) -> None:
    """Each origin of the settings that no site has yet gets one, named after its host.

    A first site without origins takes the first of them: it was made before anything was set.
    """
    everything = await resolve.read_directory.within(unit)
    unbound = [site for site in everything.sites if not everything.origins_of(site)]
    made: list[tuple[Site, str | None]] = []
    for origin in dict.fromkeys(unit.config.origins):
        if origin in everything.origins:
            continue
        name = urlsplit(origin).netloc
        known = (await resolve.read_directory.within(unit)).by_name(name)
        site = known or (unbound.pop() if unbound else await insert_site(unit, name))
        await sites.add_origin(unit, site.id, origin)
        made.append((site, origin))
    if not everything.sites and not unit.config.origins:
        made.append((await insert_site(unit, FIRST_SITE), None))
    for site, origins in made:
        await log_site(unit, log.SETTINGS, site, origins)
