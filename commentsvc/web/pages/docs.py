"""The API reference as a page."""

from functools import cache

import msgspec
from aiohttp import web

from commentsvc.web.api.health import DOCUMENT
from commentsvc.web.pages.templates import ENGLISH, html, rendered
from commentsvc.web.server import problems


async def docs(request: web.Request) -> web.Response:
    """The contract, for people to read."""
    return html(_contract(msgspec.json.encode(request.app[DOCUMENT])), private=False)


@cache
def _contract(document: bytes) -> str:
    """Made once: it takes a tenth of a second, for which everybody else would wait."""
    return rendered("docs.html", ENGLISH, document=msgspec.json.decode(document), problems=_refusals())


def _refusals() -> list[tuple[int, str, str]]:
    """Status, code and title of every refusal."""
    ours = [(status, error.code, error.title) for error, status in problems.STATUS_OF_ERROR.items()]
    codes = {code for _, code, _ in ours}
    framework = [(status, code, title) for status, (code, title) in problems.FRAMEWORK.items() if code not in codes]
    return sorted({code: (status, code, title) for status, code, title in framework + ours}.values())
