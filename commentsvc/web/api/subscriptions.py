"""Handlers of the API for mail: to ask for it, and to stop it."""

from aiohttp import web

from commentsvc.domain.errors import MalformedRequest
from commentsvc.subscriptions import subscribe, suppressions
from commentsvc.subscriptions.schemas import (
    FeedbackMapping,
    FeedbackResult,
    LiftedSuppression,
    NewSubscription,
    NewSuppression,
    SubscriptionReceipt,
    SuppressionResult,
)
from commentsvc.subscriptions.suppressions import Feedback
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server import parsing
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.responses import is_navigation
from commentsvc.web.server.routing import BODY, SERVICE, VISIT, WHO


async def request_subscription(request: web.Request, new: NewSubscription) -> SubscriptionReceipt | web.Response:
    """Ask for mail about a page or a site. The owner of the address must confirm it.

    The response is the same for every address. A browser without a script gets a page that says what to do.
    """
    locale = request_locale(request, new.language or request.query.get("lang"))
    receipt = await subscribe.request_subscription(request.app[SERVICE], new, request[VISIT], locale.lang)
    return await page(request, "subscribed.html", locale, status=202) if is_navigation(request) else receipt


async def suppress_address(request: web.Request, new: NewSuppression) -> SuppressionResult:
    """Stop all mail to an address."""
    return await suppressions.suppress(request.app[SERVICE], request[WHO], new)


async def lift_suppression(request: web.Request, lifted: LiftedSuppression) -> SuppressionResult:
    """Allow mail to an address again."""
    return await suppressions.lift_suppression(request.app[SERVICE], request[WHO], lifted)


async def receive_feedback(request: web.Request, mapping: FeedbackMapping) -> FeedbackResult:
    """Stop mail to the addresses that a mail provider reports: an object or a list of objects, of any shape.

    The query says where they have the address and the kind of event, and which kinds count. Others are ignored.
    """
    found, number = await run_off_loop(lambda: _read_events(mapping, request[BODY]))
    return await suppressions.apply_feedback(request.app[SERVICE], request[WHO], found, number)


def _read_events(mapping: FeedbackMapping, body: bytes) -> tuple[list[Feedback], int]:
    """Return what the events say, and how many there are."""
    value = parsing.parse_json(body)
    happened = value if isinstance(value, list) else [value]
    if len(happened) > suppressions.MOST_EVENTS:
        raise MalformedRequest(f"The body has more than {suppressions.MOST_EVENTS:,} events.")
    return suppressions.read_feedback(mapping, happened), len(happened)
