"""Handlers of the API for operators: keys and sites."""

from aiohttp import web

from commentsvc.access import keys
from commentsvc.access.schemas import CreatedKey, KeyList, NewKey
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite, SiteChange, SiteList, SiteRecord
from commentsvc.web.server.routing import SERVICE, WHO


async def list_keys(request: web.Request) -> KeyList:
    """Return the API keys, without the keys themselves."""
    return await keys.list_keys(request.app[SERVICE], request[WHO])


async def create_key(request: web.Request, new: NewKey) -> CreatedKey:
    """Create an API key. It is shown only once."""
    return await keys.create_key(request.app[SERVICE], request[WHO], new)


async def revoke_key(request: web.Request) -> None:
    """Revoke an API key."""
    await keys.revoke_key(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_sites(request: web.Request) -> SiteList:
    """Return the sites and their origins."""
    return await manage.list_sites(request.app[SERVICE], request[WHO])


async def add_site(request: web.Request, new: NewSite) -> SiteRecord:
    """Add a site, or more origins to an existing site."""
    return await manage.add_site(request.app[SERVICE], request[WHO], new)


async def change_site(request: web.Request, change: SiteChange) -> SiteRecord:
    """Change the name, moderation mode or origins of a site."""
    return await manage.change_site(request.app[SERVICE], request[WHO], request.match_info["id"], change)
