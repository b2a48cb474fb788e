"""Scripts and styles that pages load: minified from ``static/`` at first use, then kept in memory."""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import rcssmin
import rjsmin
from aiohttp import hdrs, web

from commentsvc.domain.email_typos import KNOWN
from commentsvc.domain.errors import NotFound
from commentsvc.domain.messages import Message, translatable
from commentsvc.web.pages.i18n import ENGLISH, LANGUAGES, find_locale
from commentsvc.web.server.cache_headers import accepts_gzip
from commentsvc.web.server.responses import match_etag
from commentsvc.web.server.routing import GZIP

SHORT: Final = "public, max-age=300, stale-while-revalidate=86400"
FOR_EVER: Final = "public, max-age=31536000, immutable"
SCRIPT: Final = "text/javascript"
STYLE: Final = "text/css"
# Themes load these for Isso, Remark42 and Cusdis: such a theme works here after a change of the host alone.
NAMES_ELSEWHERE: Final = (
    *("/js/embed.min.js", "/js/embed.dev.js", "/js/count.min.js", "/js/count.dev.js"),
    *("/web/embed.js", "/web/embed.mjs", "/web/counter.js", "/web/counter.mjs"),
    *("/js/cusdis.es.js", "/js/cusdis.umd.js", "/js/cusdis-count.umd.js"),
)
# What the widget says if the service does not answer.
FAILED: Final = (translatable("Comments could not be loaded."), translatable("Try again"))


@dataclass(frozen=True)
class Asset:
    """A file as it is served, with the names of exactly this content."""

    kind: str
    body: bytes
    packed: bytes
    digest: str  # in its immutable name, and its tag
    integrity: str  # for integrity="…" (Subresource Integrity)


@cache
def embed() -> Asset:
    """Return the widget: its script, with its style and the name and integrity of its second script inside."""
    return _asset(SCRIPT, _widget())


@cache
def embed_elsewhere() -> Asset:
    """Return the widget for places of other comment systems. Its names are in folders, below the service."""
    script = _widget().replace('new URL(".",', 'new URL("..",')
    return _asset(SCRIPT, rjsmin.jsmin(_text("embed-places.js")) + ";" + script)


def _widget() -> str:
    style = json.dumps(_widget_style("thread.css"))
    script: str = rjsmin.jsmin(_text("embed.js")).replace('"thread.css"', style)
    form = embed_form()
    script = script.replace('"embed-form.js"', f'"embed-form.{form.digest}.js"')
    return script.replace('"sha384"', f'"{form.integrity}"')


@cache
def embed_form() -> Asset:
    """Return what only some readers need of the widget; its script loads it when somebody first needs it."""
    script = rjsmin.jsmin(_text("embed-more.js") + ";" + _text("embed-form.js"))
    script = script.replace('"thread-form.css"', json.dumps(_widget_style("thread-form.css")))
    script = script.replace('"email_typos.py"', json.dumps(" ".join(KNOWN)))
    return _asset(SCRIPT, script.replace('"words"', _by_language(FAILED)))


def _by_language(messages: tuple[Message, ...]) -> str:
    """Return texts as an object of JavaScript, by language. Languages without translations get the English ones."""
    said = {lang: [find_locale(lang).translate(message) for message in messages] for lang in LANGUAGES}
    shown = {lang: texts for lang, texts in said.items() if lang == ENGLISH or texts != said[ENGLISH]}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


@cache
def thread_style() -> Asset:
    """Return the widget's style alone, for pages that have a thread's HTML and no script."""
    return _asset(STYLE, _widget_style("thread.css", "thread-form.css"))


def _widget_style(*names: str) -> str:
    """Return a style of the widget whose rules weigh more than those of a page for elements inside an id.

    No element has the id in it.
    """
    style: str = rcssmin.cssmin("".join(map(_text, names)))
    return style.replace(".ct ", ".ct:not(#ct) ")


@cache
def page_style() -> Asset:
    """Return the style of the public pages."""
    return _asset(STYLE, rcssmin.cssmin(_text("page.css")))


@cache
def page() -> Asset:
    """Return the script of the front page."""
    return _asset(SCRIPT, rjsmin.jsmin(_text("page.js")))


@cache
def docs() -> Asset:
    """Return the script of the API reference: the search in the page."""
    return _asset(SCRIPT, rjsmin.jsmin(_text("docs.js")))


@cache
def moderate() -> Asset:
    """Return the moderation page's script."""
    return _asset(SCRIPT, rjsmin.jsmin(_text("moderate.js")))


@cache
def moderate_style() -> Asset:
    """Return the moderation page's style."""
    return _asset(STYLE, rcssmin.cssmin(_text("moderate.css")))


@cache
def rules_style() -> Asset:
    """Return the style of the pages of rules, which comes after that of the moderation page."""
    return _asset(STYLE, rcssmin.cssmin(_text("rules.css")))


@cache
def statistics_style() -> Asset:
    """Return the style of the page of statistics, which comes after that of the moderation page."""
    return _asset(STYLE, rcssmin.cssmin(_text("statistics.css")))


@cache
def imports() -> Asset:
    """Return the script of the page for imports: progress without a reload."""
    return _asset(SCRIPT, rjsmin.jsmin(_text("import.js")))


@cache
def imports_style() -> Asset:
    """Return what only the page for imports needs beside the moderation page's style."""
    return _asset(STYLE, rcssmin.cssmin(_text("import.css")))


def _text(name: str) -> str:
    return (resources.files("commentsvc.web") / "static" / name).read_text(encoding="utf-8")


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
    """Serve the widget under its short name, for pages that paste one line."""
    return _served(request, embed(), SHORT)


async def embed_script_elsewhere(request: web.Request) -> web.Response:
    """Serve the widget under a name that a theme loads for another comment system."""
    return _served(request, embed_elsewhere(), SHORT)


async def embed_script_for_ever(request: web.Request) -> web.Response:
    """Serve the widget under a name that changes with it, for pages that check its integrity.

    Raises:
        NotFound: the name is that of another version.
    """
    if request.match_info["digest"] != embed().digest:
        raise NotFound
    return _served(request, embed(), FOR_EVER)


async def embed_form_script(request: web.Request) -> web.Response:
    """Serve the widget's second script, which it loads when somebody first writes.

    Raises:
        NotFound: the name is that of another version.
    """
    if request.match_info["digest"] != embed_form().digest:
        raise NotFound
    return _served(request, embed_form(), FOR_EVER)


async def thread_stylesheet(request: web.Request) -> web.Response:
    """Serve the widget's style, for pages that have a thread's HTML and no script."""
    return _served(request, thread_style(), SHORT)


async def page_stylesheet(request: web.Request) -> web.Response:
    """Serve the style of the public pages."""
    return _served(request, page_style(), SHORT)


async def page_script(request: web.Request) -> web.Response:
    """Serve the script of the front page."""
    return _served(request, page(), SHORT)


async def docs_script(request: web.Request) -> web.Response:
    """Serve the script of the API reference."""
    return _served(request, docs(), SHORT)


async def moderate_script(request: web.Request) -> web.Response:
    """Serve the moderation page's script."""
    return _served(request, moderate(), SHORT)


async def moderate_stylesheet(request: web.Request) -> web.Response:
    """Serve the moderation page's style."""
    return _served(request, moderate_style(), SHORT)


async def rules_stylesheet(request: web.Request) -> web.Response:
    """Serve the style of the pages of rules."""
    return _served(request, rules_style(), SHORT)


async def statistics_stylesheet(request: web.Request) -> web.Response:
    """Serve the style of the page of statistics."""
    return _served(request, statistics_style(), SHORT)


async def import_script(request: web.Request) -> web.Response:
    """Serve the script of the page for imports."""
    return _served(request, imports(), SHORT)


async def import_stylesheet(request: web.Request) -> web.Response:
    """Serve the style of the page for imports."""
    return _served(request, imports_style(), SHORT)


def _served(request: web.Request, asset: Asset, cache_control: str) -> web.Response:
    matched_tag = match_etag(request.headers.get(hdrs.IF_NONE_MATCH))(asset.digest)
    packs = accepts_gzip(request)
    headers = {
        hdrs.CACHE_CONTROL: cache_control,
        hdrs.VARY: "Accept-Encoding",
        hdrs.ETAG: f'"{matched_tag or asset.digest + (GZIP if packs else "")}"',
        # Any page may load it: it holds no personal data.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if matched_tag:
        return web.Response(status=304, headers=headers)
    if packs:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = asset.packed if packs else asset.body
    return web.Response(body=body, content_type=asset.kind, charset="utf-8", headers=headers)
