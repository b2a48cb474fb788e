"""The page that a browser shows if a request was refused and no other page can show it."""

from aiohttp import web

from commentsvc.comments.schemas import NewComment
from commentsvc.domain.errors import MalformedRequest, Refusal
from commentsvc.web.pages import messages
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server import forms, problems


async def show_refusal(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show why a page cannot be shown."""
    explanation = messages.explain_refusal(request_locale(request, request.query.get("lang")), refused)
    response = _show(request, problems.STATUS_OF_ERROR[type(refused)], explanation, body, sent_form=bool(body))
    response.headers.update(problems.headers_of(refused))
    return response


async def show_reload(request: web.Request, refused: Refusal, _body: bytes) -> web.Response:
    """Show that this address is not a page: after a refused form, a reader may reload it.

    A form without ``method="post"`` leads here too, with what was typed in the address.
    """
    shown = refused if request.query.get("thread") else MalformedRequest()
    explanation = messages.explain_refusal(request_locale(request, request.query.get("lang")), shown)
    typed = request.rel_url.raw_query_string.encode("utf-8", "surrogateescape")
    return _show(request, problems.STATUS_OF_ERROR[type(refused)], explanation, typed, sent_form=True)


def show_framework_error(request: web.Request, status: int, body: bytes) -> web.Response:
    """Show an error of the framework, such as an unknown address."""
    locale, title = request_locale(request), problems.framework_problem(status).title
    return _show(
        request, status, Explanation(locale.translate(title), locale.translate(title), {}), body, sent_form=bool(body)
    )


def _show(request: web.Request, status: int, explanation: Explanation, body: bytes, *, sent_form: bool) -> web.Response:
    return page(
        request,
        "refused.html",
        request_locale(request, request.query.get("lang")),
        status=status,
        refused=explanation,
        wrote=sent_form,
        unsaved=forms.read_typed_text(NewComment, body),
    )
