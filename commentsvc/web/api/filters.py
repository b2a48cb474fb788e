"""Handlers of the API for learned filters."""

from aiohttp import web

from commentsvc.spam import manage
from commentsvc.spam.schemas import FilterList, FilterQuery
from commentsvc.web.server.routing import SERVICE, WHO


async def list_filters(request: web.Request, query: FilterQuery) -> FilterList:
    """Return how many decisions the learned filter of each site has learned, and whether it is ready."""
    return await manage.list_filters(request.app[SERVICE], request[WHO], query)


async def rebuild_filters(request: web.Request, body: FilterQuery) -> FilterList:
    """Rebuild the learned filters from all decisions. This takes some seconds for thousands of them."""
    return await manage.rebuild_filters(request.app[SERVICE], request[WHO], body)
