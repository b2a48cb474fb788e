"""The address of a page with a slash too many at its end leads to the page."""

import re
from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web

from commentsvc.web.server.routing import SERVICE, Route

PAGES: Final = web.AppKey("pages", re.Pattern[str])


def compile_pages(routes: Iterable[Route]) -> re.Pattern[str]:
    """Return a pattern that matches the paths of pages for people."""
    paths = (route.path for route in routes if route.page and route.method == "GET" and "." not in route.path)
    return re.compile("|".join(re.sub(r"\{\w+\}", r"[\\w-]{1,200}", path) for path in paths), re.ASCII)


def find_page(request: web.Request) -> web.Response | None:
    """Return a redirect to the page that a reader meant; None if no page has this address.

    The address is one of our own, so nobody can send readers to another site with it.
    """
    path, base = request.rel_url.raw_path, request.app[SERVICE].config.base_path
    if request.method not in {"GET", "HEAD"} or not path.endswith("/"):
        return None
    path = path.removeprefix(base) if path.startswith(f"{base}/") else path
    page = f"/{path.strip('/')}"
    if not request.app[PAGES].fullmatch(page):
        return None
    query = request.rel_url.raw_query_string
    return web.Response(
        status=308,
        headers={hdrs.LOCATION: f"{page}?{query}" if query else page, hdrs.CACHE_CONTROL: "no-store"},
    )
