"""The script and the styles that pages load, made once from the files in ``static/``."""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

from commentsvc.domain.errors import NotFound
from commentsvc.web.server.cache_headers import takes_gzip
from commentsvc.web.server.responses import tags_of
from commentsvc.web.server.routing import GZIP

SHORT: Final = "public, max-age=300, stale-while-revalidate=86400"
FOR_EVER: Final = "public, max-age=31536000, immutable"
SCRIPT: Final = "text/javascript"
STYLE: Final = "text/css"
# Texts and templates of a script, which stay as they are. Regular expressions stay too: there is no space in them.
LITERAL: Final = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)""")
SPACED: Final = re.compile(r" ?([=(){}\[\],:;<>?&|*!]) ?")


@dataclass(frozen=True)
class Asset:
    """A file as it is served, and what names this very state of it."""

    kind: str
    body: bytes
    packed: bytes
    digest: str  # in its immutable name, and its tag
    integrity: str  # for integrity="…" (Subresource Integrity)


@cache
def embed() -> Asset:
    """The widget: its script, with its style inside."""
    return _asset(SCRIPT, _script(_text("embed.js")).replace('"thread.css"', json.dumps(_style(_text("thread.css")))))


@cache
def thread_style() -> Asset:
    """The widget's style alone, for pages that have a thread's HTML and no script."""
    return _asset(STYLE, _style(_text("thread.css")))


@cache
def page_style() -> Asset:
    """The style of our own pages."""
    return _asset(STYLE, _style(_text("page.css")))


@cache
def moderate() -> Asset:
    """The moderation page's script."""
    return _asset(SCRIPT, _script(_text("moderate.js")))


@cache
def moderate_style() -> Asset:
    """The style of the moderation page."""
    return _asset(STYLE, _style(_text("moderate.css")))


def _text(name: str) -> str:
    return (resources.files("commentsvc.web") / "static" / name).read_text(encoding="utf-8")


def _script(text: str) -> str:
    """A script without its comments, which stand on lines of their own, and without the spaces of its style.

    Lines stay, since they end statements; so do texts and regular expressions, and spaces beside + and -.
    """
    lines = [line.strip() for line in text.splitlines()]
    parts = LITERAL.split("\n".join(line for line in lines if line and not line.startswith("//")))
    return "".join(part if number % 2 else SPACED.sub(r"\1", part) for number, part in enumerate(parts))


def _style(text: str) -> str:
    """A style sheet without comments, and without the spaces of its style. It has no texts that hold such."""
    text = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    return re.sub(r"(?<=[{;])([a-z-]+): ", r"\1:", text).replace(";}", "}").strip()


def _asset(kind: str, text: str) -> Asset:
    body = text.encode()
    digest = hashlib.sha384(body).digest()
    return Asset(
        kind=kind,
        body=body,
        packed=gzip.compress(body, compresslevel=9, mtime=0),
        digest=digest.hex()[:16],
        integrity=f"sha384-{base64.b64encode(digest).decode()}",
    )


async def embed_script(request: web.Request) -> web.Response:
    """The widget: one line to paste."""
    return _served(request, embed(), SHORT)


async def embed_script_for_ever(request: web.Request) -> web.Response:
    """The widget under a name that changes with it, for pages that check its integrity."""
    if request.match_info["digest"] != embed().digest:
        raise NotFound
    return _served(request, embed(), FOR_EVER)


async def thread_stylesheet(request: web.Request) -> web.Response:
    """The widget's style, for pages that have a thread's HTML and no script."""
    return _served(request, thread_style(), SHORT)


async def page_stylesheet(request: web.Request) -> web.Response:
    """The style of these pages."""
    return _served(request, page_style(), SHORT)


async def moderate_script(request: web.Request) -> web.Response:
    """The moderation page's script."""
    return _served(request, moderate(), SHORT)


async def moderate_stylesheet(request: web.Request) -> web.Response:
    """The style of the moderation page."""
    return _served(request, moderate_style(), SHORT)


def _served(request: web.Request, asset: Asset, keep: str) -> web.Response:
    """Any page may load it: there is nothing of anybody's in it."""
    held = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))(asset.digest)
    packs = takes_gzip(request)
    headers = {
        hdrs.CACHE_CONTROL: keep,
        hdrs.VARY: "Accept-Encoding",
        hdrs.ETAG: f'"{held or asset.digest + (GZIP if packs else "")}"',
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if held:
        return web.Response(status=304, headers=headers)
    if packs:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = asset.packed if packs else asset.body
    return web.Response(body=body, content_type=asset.kind, charset="utf-8", headers=headers)
