"""The page that a browser shows if a request was refused and no other page can show it."""

import re
from typing import Final

from aiohttp import hdrs, web

from commentsvc.comments.schemas import NewComment
from commentsvc.config.settings import Config
from commentsvc.domain.errors import Invalid, MalformedRequest, NotFound, Refusal, TooLarge, UnsupportedMediaType
from commentsvc.domain.messages import translatable
from commentsvc.web.pages import messages
from commentsvc.web.pages.i18n import Locale, find_locale
from commentsvc.web.pages.messages import WORDS_FOR_PEOPLE, Explanation
from commentsvc.web.pages.templates import html, page, render_template, request_locale
from commentsvc.web.server import forms, problems
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import SERVICE

# What happened and what to do, for people: programs read ``problems.FRAMEWORK`` and the titles of refusals.
WORDS: Final = {
    400: (translatable("The request could not be read."), translatable("Go back, and try again.")),
    404: WORDS_FOR_PEOPLE[NotFound],
    405: (
        translatable("This page cannot be opened"),
        translatable("This address only receives forms, or requests of programs."),
    ),
    408: (translatable("The request took too long. Try again."), ""),
    413: WORDS_FOR_PEOPLE[TooLarge],
    415: WORDS_FOR_PEOPLE[UnsupportedMediaType],
    431: (
        translatable("The address or a cookie is too long"),
        translatable("A form with a long text must be sent with the method POST. Please tell the owner of the page."),
    ),
    500: (translatable("Something went wrong"), translatable("Internal error. Try again later.")),
}
BROKEN_LINK: Final = (
    translatable("This link does not work"),
    translatable("It is not complete, or it is too old. Go back, and open the page again."),
)
TOO_LONG: Final = 431
ACCEPTS_HTML: Final = re.compile(rb"\naccept:[^\n]*text/html", re.IGNORECASE)
ACCEPT_LANGUAGE: Final = re.compile(rb"\naccept-language:([^\r\n]*)", re.IGNORECASE)
NO_PAGE: Final = frozenset({401, 404, 405})  # statuses after which a reader needs another page


async def show_refusal(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show why a page cannot be shown."""
    explanation = _explain_link(request, refused) or messages.explain_to_person(
        request_locale(request, request.query.get("lang")), refused
    )
    response = await _show(request, problems.STATUS_OF_ERROR[type(refused)], explanation, body, sent_form=bool(body))
    response.headers.update(problems.headers_of(refused))
    return response


def _explain_link(request: web.Request, refused: Refusal) -> Explanation | None:
    """Return the texts about a link of a page that does not fit; None for anything else.

    Only programmers open an address of the API in a browser: they read which field is wrong.
    """
    is_api = request.path.removeprefix(request.app[SERVICE].config.base_path).startswith("/v1")
    if request.method != "GET" or is_api or not isinstance(refused, Invalid | MalformedRequest):
        return None
    locale = request_locale(request, request.query.get("lang"))
    return Explanation(locale.translate(BROKEN_LINK[0]), locale.translate(BROKEN_LINK[1]), {})


async def show_reload(request: web.Request, refused: Refusal, _body: bytes) -> web.Response:
    """Show that this address is not a page: after a refused form, a reader may reload it.

    A form without ``method="post"`` leads here too, with what was typed in the address.
    """
    shown = refused if request.query.get("thread") else MalformedRequest()
    explanation = messages.explain_refusal(request_locale(request, request.query.get("lang")), shown)
    typed = request.rel_url.raw_query_string.encode("utf-8", "surrogateescape")
    return await _show(request, problems.STATUS_OF_ERROR[type(refused)], explanation, typed, sent_form=True)


async def show_in_page(request: web.Request, refused: Refusal) -> web.Response:
    """Return what the widget shows on a page whose origin is not allowed. The page can read it: nothing is private."""
    opaque = request.headers.get(hdrs.ORIGIN) == "null"
    return await page(
        request,
        "foreign.html",
        request_locale(request, request.query.get("lang")),
        status=problems.STATUS_OF_ERROR[type(refused)],
        opaque=opaque,
    )


async def show_framework_error(request: web.Request, status: int, body: bytes) -> web.Response:
    """Show an error of the framework, such as an unknown address."""
    return await _show(request, status, _explain_status(request_locale(request), status), body, sent_form=bool(body))


def _explain_status(locale: Locale, status: int) -> Explanation:
    if status not in WORDS:
        title = locale.translate(problems.framework_problem(status).title)
        return Explanation(title, title, {})
    title, advice = (locale.translate(text) for text in WORDS[status])
    return Explanation(title, advice or title, {})


async def _show(
    request: web.Request, status: int, explanation: Explanation, body: bytes, *, sent_form: bool
) -> web.Response:
    return await page(
        request,
        "refused.html",
        request_locale(request, request.query.get("lang")),
        status=status,
        refused=explanation,
        wrote=sent_form,
        unsaved=await run_off_loop(lambda: forms.read_typed_text(NewComment, body)),
        links=_list_links(request) if status in NO_PAGE else [],
    )


def _list_links(request: web.Request) -> list[tuple[str, str]]:
    """Return the path and the name of pages that the reader may have looked for."""
    path = request.path.removeprefix(request.app[SERVICE].config.base_path)
    links = [("/", translatable("Start page"))]
    if path.startswith(("/moderate", "/sign-in")):
        links.insert(0, ("/moderate", translatable("Moderation page")))
    elif path.startswith("/v1"):
        links.append(("/docs", translatable("API reference")))
    return links


def show_unread(config: Config, status: int, header: bytes) -> web.Response | None:
    """Show a browser that its request could not be parsed; return None for a program.

    ``header`` is as much of the request as was read.
    """
    if status != TOO_LONG or not ACCEPTS_HTML.search(header):
        return None
    language = ACCEPT_LANGUAGE.search(header)
    locale = find_locale(None, language[1].decode("ascii", "replace") if language else None)
    explanation = _explain_status(locale, status)
    text = render_template("refused.html", locale, config, refused=explanation, wrote=False, unsaved="", links=[])
    return html(text, status=status)
