"""The pages of the webhooks: add one, change and test it, and see what it was sent."""

from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.delivery import webhook_deliveries, webhooks
from commentsvc.delivery.webhook_schemas import (
    CreatedWebhook,
    NewWebhook,
    WebhookChange,
    WebhookDeliveryQuery,
    WebhookEvent,
    WebhookRecord,
)
from commentsvc.domain import validation
from commentsvc.domain.errors import Invalid
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO

WEBHOOKS: Final = "/moderate/webhooks"
SHOWN_DELIVERIES: Final = 30
DEFAULT_EVENTS: Final = (WebhookEvent.HELD, WebhookEvent.REPORTED)
EMPTY_FORM: Final[dict[str, Any]] = {"url": "", "events": [], "email": None, "unapproved": None, "note": "", "site": ""}
EventNames: TypeAlias = Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=len(WebhookEvent))]


class WebhookFields(Struct, frozen=True, kw_only=True):
    """The fields of a webhook, as forms send them."""

    url: Annotated[str, Meta(max_length=2000)] = ""
    events: EventNames = msgspec.field(default_factory=list)
    email: Literal["on"] | None = None
    unapproved: Literal["on"] | None = None
    note: Annotated[str, Meta(max_length=200)] = ""
    back: Back | None = None

    def values(self) -> dict[str, Any]:
        """Return the values of the schemas of the API."""
        return {
            "url": self.url,
            "events": self.events,
            "include_email": self.email == "on",
            "include_unapproved": self.unapproved == "on",
            "note": self.note or None,
        }


class NewWebhookForm(WebhookFields, frozen=True, kw_only=True):
    """A new webhook."""

    site: Annotated[str, Meta(max_length=300)] = ""


class WebhookForm(WebhookFields, frozen=True, kw_only=True):
    """A change to a webhook, a test, or a delivery to send again."""

    do: Literal["save", "on", "off", "rotate", "test", "delete", "retry"] = "save"
    delivery: Annotated[str, Meta(max_length=100)] | None = None


async def show_webhooks(request: web.Request, query: ResultQuery) -> web.Response:
    """Show the webhooks, and a form to add one."""
    return await _render_webhooks(request, result=query)


async def _render_webhooks(
    request: web.Request,
    *,
    result: ResultQuery | None = None,
    created: CreatedWebhook | None = None,
    sent: dict[str, Any] | None = None,
    error: Invalid | None = None,
) -> web.Response:
    return await layout.render_page(
        request,
        "webhooks.html",
        status=problems.STATUS_OF_ERROR[Invalid] if error else 200,
        result=result,
        tab="webhooks",
        listed=(await webhooks.list_webhooks(request.app[SERVICE], request[WHO])).webhooks,
        created=created,
        event_names=list(WebhookEvent),
        form=EMPTY_FORM | (sent or {"events": list(DEFAULT_EVENTS)}),
        error=error,
        host_of=_host_of,
    )


def _host_of(webhook: WebhookRecord) -> str:
    """Return the host of a webhook's address. The rest of it may be a secret."""
    return urlsplit(webhook.url).netloc.rpartition("@")[2] if webhook.url else webhook.id


def _indent(body: str) -> str:
    return msgspec.json.format(body, indent=1) if body else ""


async def add_webhook(request: web.Request, form: NewWebhookForm) -> web.Response:
    """Add a webhook, and show its secret once."""
    service = request.app[SERVICE]
    values = form.values() | {"site": form.site or None}
    new = validation.validate(NewWebhook, values, service.config.limits, form=True)
    return await _render_webhooks(request, created=await webhooks.add_webhook(service, request[WHO], new))


@layout.on_field_errors
async def show_new_webhook_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the form as it was filled in, with its errors."""
    return await _render_webhooks(request, sent=forms.parse_leniently(NewWebhookForm, body), error=error)


async def show_webhook(request: web.Request, query: ResultQuery) -> web.Response:
    """Show a webhook and its newest deliveries."""
    return await _render_webhook(request, result=query)


async def _render_webhook(request: web.Request, *, error: Invalid | None = None, **values: Any) -> web.Response:
    service, who, webhook_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    record = await webhooks.get_webhook(service, who, webhook_id)
    query = WebhookDeliveryQuery(limit=SHOWN_DELIVERIES)
    shown = {
        "url": record.url or "",
        "events": record.events,
        "email": record.include_email,
        "unapproved": record.include_unapproved,
        "note": record.note or "",
    }
    return await layout.render_page(
        request,
        "webhook.html",
        status=problems.STATUS_OF_ERROR[Invalid] if error else 200,
        tab="webhooks",
        webhook=record,
        tested=values.pop("tested", None),
        created=values.pop("created", None),
        indented=_indent,
        deliveries=(await webhook_deliveries.list_deliveries(service, who, webhook_id, query)).deliveries,
        event_names=list(WebhookEvent),
        form=EMPTY_FORM | (values.pop("sent", None) or shown),
        error=error,
        host_of=_host_of,
        **values,
    )


async def change_webhook(request: web.Request, form: WebhookForm) -> web.Response:
    """Do what a button of the page says."""
    service, who, webhook_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    match form.do:
        case "test":
            tested = await webhook_deliveries.test_webhook(service, who, webhook_id)
            return await _render_webhook(request, tested=tested)
        case "rotate":
            return await _render_webhook(request, created=await webhooks.rotate_secret(service, who, webhook_id))
        case "retry":
            await webhook_deliveries.retry_delivery(service, who, webhook_id, form.delivery or "")
        case "delete":
            await webhooks.remove_webhook(service, who, webhook_id)
            return layout.redirect_back(WEBHOOKS)
        case "on" | "off":
            await webhooks.change_webhook(service, who, webhook_id, WebhookChange(enabled=form.do == "on"))
        case "save":
            change = validation.validate(WebhookChange, form.values(), service.config.limits, form=True)
            await webhooks.change_webhook(service, who, webhook_id, change)
    return layout.redirect_back(f"{WEBHOOKS}/{webhook_id}")


@layout.on_field_errors
async def show_webhook_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the form as it was filled in, with its errors."""
    return await _render_webhook(request, sent=forms.parse_leniently(WebhookForm, body), error=error)
