"""Handlers of the API for operators: keys, moderators, sites and the data of persons."""

from aiohttp import web

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import (
    CreatedKey,
    KeyList,
    KeyRotation,
    ModeratorChange,
    ModeratorList,
    ModeratorRecord,
    NewKey,
)
from commentsvc.privacy import requests
from commentsvc.privacy.schemas import PersonErasure, PersonExport, PersonRequest
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, RemovedSite, SiteChange, SiteList, SiteRecord, SiteRemoval
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


async def rotate_key(request: web.Request, rotation: KeyRotation) -> CreatedKey:
    """Replace an API key. The old one can stay valid for a grace time."""
    return await keys.rotate_key(request.app[SERVICE], request[WHO], request.match_info["id"], rotation)


async def list_moderators(request: web.Request) -> ModeratorList:
    """Return the moderators and their email addresses."""
    return await moderators.read_moderators(request.app[SERVICE], request[WHO])


async def change_moderator(request: web.Request, change: ModeratorChange) -> ModeratorRecord:
    """Change the email address of a moderator, or which mails they get."""
    return await moderators.change_moderator(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def list_sites(request: web.Request) -> SiteList:
    """Return the sites and their origins."""
    return await manage.list_sites(request.app[SERVICE], request[WHO])


async def add_site(request: web.Request, new: NewSite) -> SiteRecord:
    """Add a site, or more origins to an existing site."""
    return await manage.add_site(request.app[SERVICE], request[WHO], new)


async def change_site(request: web.Request, change: SiteChange) -> SiteRecord:
    """Change the name, origins or settings of a site."""
    return await manage.change_site(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def remove_site(request: web.Request, query: SiteRemoval) -> RemovedSite:
    """Remove a site, and permanently erase its comments."""
    return await removal.remove_site(request.app[SERVICE], request[WHO], request.match_info["id"], query)


async def answer_person(request: web.Request, wanted: PersonRequest) -> PersonExport | PersonErasure:
    """Export or permanently erase everything that is stored about an email address."""
    return await requests.answer_request(request.app[SERVICE], request[WHO], wanted)
