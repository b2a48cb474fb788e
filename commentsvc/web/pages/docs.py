"""The API reference as a page."""

from functools import cache

import msgspec
from aiohttp import web

from commentsvc.config.settings import Config
from commentsvc.web.api.health import DOCUMENT
from commentsvc.web.pages.templates import ENGLISH, html, render_template
from commentsvc.web.server import problems
from commentsvc.web.server.routing import SERVICE


async def docs(request: web.Request) -> web.Response:
    """Show the API reference."""
    document, config = msgspec.json.encode(request.app[DOCUMENT]), request.app[SERVICE].config
    return html(_render_reference(document, config), private=False)


@cache
def _render_reference(document: bytes, config: Config) -> str:
    # Cached: rendering takes 0.1 s, and every other request would wait for it.
    decoded = msgspec.json.decode(document)
    return render_template("docs.html", ENGLISH, config, document=decoded, problems=_error_codes())


def _error_codes() -> list[tuple[int, str, str]]:
    """Return status, code and title of every error."""
    ours = [(status, error.code, error.title) for error, status in problems.STATUS_OF_ERROR.items()]
    codes = {code for _, code, _ in ours}
    framework = [(status, code, title) for status, (code, title) in problems.FRAMEWORK.items() if code not in codes]
    return sorted({code: (status, code, title) for status, code, title in framework + ours}.values())
