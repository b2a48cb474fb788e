"""The API for browsers whose user has confirmed an email address."""

from aiohttp import hdrs, web

from commentsvc.subscriptions import confirm
from commentsvc.subscriptions.schemas import NewProof, Proof
from commentsvc.web.pages.templates import render_template, request_locale
from commentsvc.web.server.responses import wants_fragment
from commentsvc.web.server.routing import HTML, SERVICE, VISIT


async def exchange_proof(request: web.Request, proof: NewProof) -> Proof | web.Response:
    """Exchange the code of a confirmed address for an author token. A code works once, for ten minutes.

    A script that accepts HTML gets the token in an attribute of a sentence to show.
    """
    service = request.app[SERVICE]
    proven = await confirm.exchange_proof(service, proof, request[VISIT])
    if not wants_fragment(request):
        return proven
    locale = request_locale(request)
    shown = render_template("proven.html", locale, service.config, author_token=proven.author_token)
    return web.Response(text=shown, content_type=HTML, headers={hdrs.CACHE_CONTROL: "no-store"})
