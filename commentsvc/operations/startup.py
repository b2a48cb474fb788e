"""An operator starts the service, keeps its sites, and turns its secret key."""

from typing import Final
from urllib.parse import urlsplit

from commentsvc.audit import log
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Site
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.manage import insert_site, log_site
from commentsvc.storage import installation, sites
from commentsvc.storage.database import Transaction

FIRST_SITE: Final = "blog"


async def prepare_database(service: Service) -> None:
    """Check that the secret key is this database's, and make the sites that the settings name.

    Raises:
        Misconfigured: the database was sealed with a key that is not listed, or sites are at odds.
    """
    await service.db.alone(_prepare_database, service)


async def _prepare_database(tx: Transaction, service: Service) -> None:
    known = await installation.get_fingerprint(tx)
    if known is None:
        await installation.set_fingerprint(tx, service.keyring.fingerprints[0], service.now())
    elif known not in service.keyring.fingerprints:
        raise ConfigurationError(
            "COMMENTSVC_SECRET_KEY is not the key this database was sealed with, so no email in it could be read. "
            "Give the old key too, after the new one, separated by a space; then run: commentsvc reseal"
        )
    await _make_sites(tx, service)


async def _make_sites(tx: Transaction, service: Service) -> None:
    """Each origin of the settings that no site has yet gets one, named after its host.

    A first site without origins takes the first of them: it was made before anything was set.
    """
    everything = await resolve.load_directory(tx, service)
    unbound = [site for site in everything.sites if not everything.origins_of(site)]
    made: list[tuple[Site, str | None]] = []
    for origin in dict.fromkeys(service.config.origins):
        if origin in everything.origins:
            continue
        name = urlsplit(origin).netloc
        known = (await resolve.load_directory(tx, service)).by_name(name)
        site = known or (unbound.pop() if unbound else await insert_site(tx, service, name))
        await sites.add_origin(tx, site.id, origin)
        made.append((site, origin))
    if not everything.sites and not service.config.origins:
        made.append((await insert_site(tx, service, FIRST_SITE), None))
    for site, origins in made:
        await log_site(tx, service, log.OPERATOR, site, origins)
