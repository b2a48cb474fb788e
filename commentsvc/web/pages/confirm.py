"""The page of the link that confirms an email address."""

from http import HTTPStatus

from aiohttp import hdrs, web

from commentsvc.sites import resolve
from commentsvc.subscriptions import confirm
from commentsvc.subscriptions.confirm import Confirmed, ConfirmedPage
from commentsvc.web.pages import redirects
from commentsvc.web.pages.mailed_links import LinkQuery, private
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server.routing import SERVICE


async def show_confirmation(request: web.Request, query: LinkQuery) -> web.Response:
    """Show what a link confirms. A GET changes nothing, so mail scanners do no harm."""
    found = await confirm.find_confirmation(request.app[SERVICE], request.match_info["token"])
    locale = request_locale(request, query.lang or (found.language if found else None))
    status = HTTPStatus.OK if found else HTTPStatus.NOT_FOUND
    back = await find_address(request, found.page) if found else None
    shown = await page(request, "confirm.html", locale, status=status, found=found, back=back, confirmed=False)
    return private(shown, [back])


async def confirm_address(request: web.Request, query: LinkQuery) -> web.Response:
    """Confirm an address, and lead the browser back to the page with a code that proves it."""
    service = request.app[SERVICE]
    confirmed = await confirm.confirm_address(service, request.match_info["token"])
    if confirmed is None:  # used already, or not valid
        return await show_confirmation(request, query)
    redirect = await redirect_with_proof(request, confirmed)
    if redirect:
        return redirect
    locale = request_locale(request, query.lang)
    return private(await page(request, "confirm.html", locale, found=None, back=None, confirmed=True))


async def redirect_with_proof(request: web.Request, confirmed: Confirmed) -> web.Response | None:
    """Redirect to the page of a confirmation, with the code in the fragment; None if its address is not known."""
    address = await find_address(request, confirmed.page)
    if address is None:
        return None
    headers = {hdrs.LOCATION: f"{address}#confirmed={confirmed.code}", hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=303, headers=headers)


async def find_address(request: web.Request, about: ConfirmedPage) -> str | None:
    """Return the address of a page that may get the code of a confirmation; None if no safe one is known."""
    directory = await resolve.read_directory(request.app[SERVICE])
    return redirects.confirmed_address(directory, about.site, about.thread, about.page_url)
