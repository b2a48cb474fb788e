"""The page of the link that ends a subscription. RFC 8058 lets mail programs send its form by themselves."""

from typing import Annotated, Final, Literal

from aiohttp import hdrs, web
from msgspec import Meta, Struct, field

from commentsvc.domain.errors import Refusal
from commentsvc.subscriptions import manage
from commentsvc.subscriptions.manage import Change
from commentsvc.web.pages import refused
from commentsvc.web.pages.mailed_links import LinkQuery, private
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server.routing import SERVICE

NOT_KEPT: Final = {hdrs.CACHE_CONTROL: "no-store"}


class SubscriptionsQuery(LinkQuery, frozen=True, kw_only=True):
    """The language, and what was just done."""

    done: Change | None = None


class SubscriptionsForm(Struct, frozen=True, kw_only=True):
    """A button of the page, or the request of a mail program."""

    stop: Annotated[str, Meta(max_length=100, description="Id of the subscription to end.")] | None = None
    change: Change | None = None
    one_click: Annotated[Literal["One-Click"], Meta(description="RFC 8058.")] | None = field(
        default=None, name="List-Unsubscribe"
    )


async def show_refused_request(request: web.Request, error: Refusal, _body: bytes) -> web.Response:
    """Show why a request for mail was refused. The address is not repeated: the browser still has it in the form."""
    return await refused.show_refusal(request, error, b"")


async def show_subscriptions(request: web.Request, query: SubscriptionsQuery) -> web.Response:
    """Show the subscriptions of an address. A GET changes nothing, so mail scanners do no harm."""
    overview = await manage.load_overview(request.app[SERVICE], request.match_info["token"])
    locale = request_locale(request, query.lang or overview.language)
    return private(await page(request, "subscriptions.html", locale, overview=overview, done=query.done))


async def change_subscriptions(
    request: web.Request, query: SubscriptionsQuery, form: SubscriptionsForm
) -> web.Response:
    """End a subscription at once for a mail program; for a person, do what a button says and show the page again."""
    service, token = request.app[SERVICE], request.match_info["token"]
    if form.one_click:
        await manage.unsubscribe(service, token)
        return private(web.Response(text="Unsubscribed.\n", headers=NOT_KEPT))
    change: Change | None = "stop" if form.stop else form.change
    if change is None:
        return await show_subscriptions(request, query)
    shown = await manage.change_subscriptions(service, token, change, form.stop)
    lang = f"&lang={request_locale(request, query.lang).lang}" if query.lang else ""
    target = f"/u/{shown}?done={change}{lang}"  # the middleware adds the path before it
    return private(web.Response(status=303, headers={hdrs.LOCATION: target, **NOT_KEPT}))
