"""The page of mails and webhook requests that wait or were given up."""

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.delivery import deliveries
from commentsvc.delivery.schemas import DeliveryQuery, RetryRequest
from commentsvc.domain.deliveries import Channel, ParcelState
from commentsvc.domain.fields import Cursor
from commentsvc.domain.messages import Message, translatable
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.server.routing import SERVICE, WHO

DELIVERIES: Final = "/moderate/deliveries"
STATES: Final[dict[ParcelState, Message]] = {
    ParcelState.DEAD: translatable("Given up"),
    ParcelState.WAITING: translatable("Waiting"),
    ParcelState.DELIVERED: translatable("Delivered"),
}
CHANNELS: Final[dict[Channel, Message]] = {
    Channel.MAIL: translatable("Mail"),
    Channel.WEBHOOK: translatable("Webhooks"),
    Channel.VERDICT: translatable("External check"),
}
# Mails by their kind. A webhook request shows the type of its event.
KINDS: Final[dict[str, Message]] = {
    "held": translatable("A comment is waiting"),
    "held_digest": translatable("Comments are waiting"),
    "sign_in": translatable("Sign-in link"),
    "webhook_disabled": translatable("A webhook was switched off"),
    "confirm": translatable("Confirmation of an email address"),
    "new_comment": translatable("New comment or reply"),
    "daily_digest": translatable("New comments of a day"),
    "approved": translatable("Comment published"),
    "own_comments": translatable("Link to own comments"),
    "test": translatable("Test"),
    "verdict": translatable("Question about a comment"),
    "teach": translatable("Decision of a moderator"),
}


class DeliveryPageQuery(ResultQuery, frozen=True, kw_only=True):
    """Filter and page of the list."""

    state: ParcelState | None = None
    cursor: Cursor | None = None


class RetryForm(Struct, frozen=True, kw_only=True):
    """The delivery to try again; without one, all that were given up."""

    delivery: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


async def show_deliveries(request: web.Request, query: DeliveryPageQuery) -> web.Response:
    """Show deliveries, newest first."""
    service, who = request.app[SERVICE], request[WHO]
    found = await deliveries.list_deliveries(service, who, DeliveryQuery(state=query.state, cursor=query.cursor))
    following = {"state": query.state, "cursor": found.next_cursor}
    return await layout.render_page(
        request,
        "deliveries.html",
        result=query,
        tab="deliveries",
        query=query,
        found=found,
        states=STATES,
        channels=CHANNELS,
        kinds=KINDS,
        next_page=layout.build_url(DELIVERIES, **following) if found.next_cursor else None,
    )


async def retry_deliveries(request: web.Request, form: RetryForm) -> web.Response:
    """Try a delivery again, or all that were given up."""
    service, who = request.app[SERVICE], request[WHO]
    if form.delivery:
        await deliveries.retry_delivery(service, who, form.delivery)
    else:
        await deliveries.retry_dead_deliveries(service, who, RetryRequest())
    return layout.redirect_back(form.back or DELIVERIES)
