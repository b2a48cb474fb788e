"""Rendering of templates in the reader's language."""

import hashlib
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup

import commentsvc
from commentsvc.config.settings import Config
from commentsvc.web.pages.i18n import Locale, find_locale
from commentsvc.web.server import security
from commentsvc.web.server.routing import HTML, SERVICE

ENGLISH: Final = find_locale()  # for developers


def page(request: web.Request, template: str, locale: Locale, *, status: int = 200, **values: Any) -> web.Response:
    """Render a template into a response that no cache keeps."""
    return html(render_template(template, locale, request.app[SERVICE].config, **values), status=status)


def html(text: str, *, status: int = 200, private: bool = True) -> web.Response:
    """Return a page; caches may keep one that is not private."""
    return web.Response(
        status=status,
        text=text,
        content_type=HTML,
        headers={
            hdrs.CACHE_CONTROL: "no-store" if private else "public, max-age=300",
            "Content-Security-Policy": security.PAGE_POLICY,
            "X-Frame-Options": "DENY",
        },
    )


TEMPLATES: Final = resources.files("commentsvc.web") / "templates"


def render_template(template: str, locale: Locale, config: Config, **values: Any) -> str:
    """Render a template in this language. Every link of it to the service itself begins with ``base``."""
    globals_ = {
        "_": locale.gettext,
        "ngettext": locale.ngettext,
        "locale": locale,
        "version": commentsvc.__version__,
        "base": config.base_path,
        "own_url": config.own_url,
    }
    return _templates().get_template(template).render(globals_ | values)


def request_locale(request: web.Request, lang: str | None = None) -> Locale:
    """Return the translations in the language that the request names or prefers."""
    return find_locale(lang, request.headers.get(hdrs.ACCEPT_LANGUAGE))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commentsvc.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["markup"] = _markup
    environment.tests["waiting"] = _waiting
    return environment


def _markup(html: str) -> Markup:
    """Mark a comment's HTML as safe: ``domain.markdown`` made it."""
    return Markup(html)  # noqa: S704 -- see above


def _waiting(node: Any) -> bool:
    """Tell whether this is a reader's own comment that is pending."""
    return getattr(node, "status", msgspec.UNSET) is not msgspec.UNSET


def precompile() -> None:
    """Compile every template now, so that no request waits for it."""
    for name in _templates().list_templates():
        _templates().get_template(name)


@cache
def templates_digest() -> str:
    """Return a digest of the templates and the program's version, for the cache keys of what they render."""
    texts = [_templates().loader.get_source(_templates(), name)[0] for name in _templates().list_templates()]  # type: ignore[union-attr]
    return hashlib.blake2b("\0".join([commentsvc.__version__, *texts]).encode(), digest_size=4).hexdigest()
