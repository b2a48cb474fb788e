"""What operators call."""

from aiohttp import web

from commentsvc import administering, admitting
from commentsvc.shapes import Keys, MadeKey, NewKey, NewSite, SiteChange, SiteRecord, Sites
from commentsvc.web.endpoint import SERVICE, WHO


async def list_keys(request: web.Request) -> Keys:
    """Read the API keys, without the keys themselves."""
    return await admitting.list_keys(request.app[SERVICE], request[WHO])


async def make_key(request: web.Request, new: NewKey) -> MadeKey:
    """Make an API key. It is shown this once."""
    return await admitting.make_key(request.app[SERVICE], request[WHO], new)


async def revoke_key(request: web.Request) -> None:
    """End an API key at once."""
    await admitting.revoke_key(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_sites(request: web.Request) -> Sites:
    """Read the sites and their origins."""
    return await administering.list_sites(request.app[SERVICE], request[WHO])


async def add_site(request: web.Request, new: NewSite) -> SiteRecord:
    """Serve one more blog, or a known one from more origins."""
    return await administering.add_site(request.app[SERVICE], request[WHO], new)


async def change_site(request: web.Request, change: SiteChange) -> SiteRecord:
    """Say who is held on a site."""
    return await administering.change_site(request.app[SERVICE], request[WHO], request.match_info["id"], change)
