"""Ask for mail about a page or a site without writing a comment."""

from typing import Final

from commentsvc.access import rate_limit
from commentsvc.comments.mail_request import NO_MAIL
from commentsvc.comments.placement import find_or_create_thread
from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.fields import REQUIRED_MESSAGES
from commentsvc.domain.models import Visit
from commentsvc.service import Service, write
from commentsvc.sites import resolve
from commentsvc.storage import events
from commentsvc.storage.database import Write
from commentsvc.subscriptions.schemas import NewSubscription, SubscriptionReceipt

ASKED: Final = "subscription "  # counted apart from comments


async def request_subscription(
    service: Service, new: NewSubscription, visit: Visit, language: str
) -> SubscriptionReceipt:
    """Ask the owner of an address whether they want mail. The same is written and returned for every address.

    ``language`` is that of the mails.

    Raises:
        Invalid: for ``email``: the service sends no mail; or for ``thread`` or ``site``.
        OriginNotAllowed: the page belongs to no site, or to another one.
        RateLimited: the network has asked too much.
    """
    if not service.config.smtp_url:
        raise Invalid(FieldError("email", "mail_not_configured", NO_MAIL))
    async with rate_limit.charging_refusals(service, visit, ASKED):
        return await _request_subscription(service, new, visit, language)


@write
async def _request_subscription(unit: Write, new: NewSubscription, visit: Visit, language: str) -> SubscriptionReceipt:
    directory = await resolve.read_directory.within(unit)
    site_id, thread_id = await _find_place(unit, directory, new, visit)
    await rate_limit.check_rate_limit.within(unit, visit, ASKED)
    await events.add(
        unit,
        EventKind.SUBSCRIPTION_REQUESTED,
        site_id=site_id,
        thread_id=thread_id,
        detail={"scope": new.scope, "language": language},
        email=new.email,
    )
    return SubscriptionReceipt()


async def _find_place(
    unit: Write, directory: resolve.SiteDirectory, new: NewSubscription, visit: Visit
) -> tuple[str, str | None]:
    if new.scope == "site":
        site = resolve.resolve_site(directory, new.site, visit.origin)
        resolve.require_origin(directory, site, visit.origin)
        return site.id, None
    if not new.thread:
        raise Invalid(FieldError("thread", "required", REQUIRED_MESSAGES["thread"]))
    place = resolve.resolve_thread(directory, new.thread, new.site, visit.origin)
    thread = await find_or_create_thread(unit, place)
    return place.site.id, thread.id
