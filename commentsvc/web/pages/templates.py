"""Rendering of templates in the reader's language."""

import shlex
from functools import cache, partial
from importlib import resources
from typing import Any, Final

import jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup, escape

import commentsvc
from commentsvc.config import program
from commentsvc.config.settings import Config
from commentsvc.domain import urls
from commentsvc.domain.initials import find_initial
from commentsvc.web.pages.i18n import Locale, find_locale, knows_language
from commentsvc.web.server import security
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import HTML, SERVICE

ENGLISH: Final = find_locale()  # for developers


async def page(
    request: web.Request, template: str, locale: Locale, *, status: int = 200, **values: Any
) -> web.Response:
    """Render a template into a response that no cache keeps."""
    render = partial(render_template, template, locale, request.app[SERVICE].config, **values)
    return html(await run_off_loop(render), status=status)


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
        "command": partial(show_command, config),
        "initials": config.initials == "on",
        "sends_mail": bool(config.smtp_url),
        "authors": {name.strip() for name in config.authors.split(",")},
    }
    return load_template(template).render(globals_ | values)


def show_command(config: Config, *words: str, link: bool = False) -> str:
    """Return a command for the operator, with its path and settings on this computer only: they are not public."""
    if urls.is_local(urls.host_of(config.own_origin)):
        return program.command_line(*words, link=link)
    return f"{program.NAME} {shlex.join(words)}"


def load_template(name: str) -> jinja2.Template:
    """Return a template; the first call compiles it."""
    return _templates().get_template(name)


def request_locale(request: web.Request, lang: str | None = None) -> Locale:
    """Return the translations in the language that the request names or prefers."""
    return find_locale(lang, request.headers.get(hdrs.ACCEPT_LANGUAGE))


def language_header(lang: str | None) -> str:
    """Return the header that chooses the language; "" if ``lang`` is one that we have."""
    return "" if lang and knows_language(lang) else hdrs.ACCEPT_LANGUAGE


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
    environment.filters["initial"] = find_initial
    environment.tests["waiting"] = _waiting
    return environment


def _markup(html: str, table: str = "Table") -> Markup:
    """Mark a comment's HTML as safe: ``domain.markdown`` made it. A wide table scrolls, also with the keyboard."""
    if "<table>" in html:
        region = f'<div class="ct-table" role="region" tabindex="0" aria-label="{escape(table)}"><table>'
        html = html.replace("<table>", region).replace("</table>", "</table></div>")
    return Markup(html)  # noqa: S704 -- see above


def _waiting(node: Any) -> bool:
    """Tell whether this is a reader's own comment that is pending."""
    return getattr(node, "status", msgspec.UNSET) is not msgspec.UNSET
