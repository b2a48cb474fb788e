"""Add, change and delete webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from commentsvc.audit import log
from commentsvc.delivery import outbound, signature, webhook_sender
from commentsvc.delivery.webhook_schemas import (
    CreatedWebhook,
    NewWebhook,
    WebhookChange,
    WebhookEvent,
    WebhookList,
    WebhookRecord,
)
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, InvalidValue, NotFound
from commentsvc.domain.models import Principal
from commentsvc.domain.networks import parse_networks
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import installation, parcels, webhooks
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.webhooks import Webhook

MOST_WEBHOOKS: Final = 50  # each event is compared with all of them


@private_read
async def list_webhooks(unit: PrivateRead, who: Principal) -> WebhookList:
    """Return the webhooks of this principal's sites, oldest first."""
    names = await _site_names(unit)
    return WebhookList([_record(unit, webhook, names) for webhook in await webhooks.list_all(unit, who.sites)])


@private_read
async def has_failed(unit: PrivateRead, who: Principal) -> bool:
    """Return whether a webhook of this principal's sites was switched off because its requests failed."""
    return await webhooks.has_failed(unit, who.sites)


@private_read
async def get_webhook(unit: PrivateRead, who: Principal, webhook_id: str) -> WebhookRecord:
    """Return a webhook.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
    """
    return _record(unit, await load_webhook(unit, who, webhook_id), await _site_names(unit))


async def add_webhook(service: Service, who: Principal, new: NewWebhook) -> CreatedWebhook:
    """Add a webhook. Its secret is in this result and nowhere else.

    Raises:
        Invalid: for the field ``url``: no request could go there; for ``site``: no site has this name.
        Forbidden: the webhook would be told about more sites than the principal has.
        Conflict: there are too many.
    """
    return await _add_webhook(service, who, new, await _check_url(service, new.url))


@write
async def _add_webhook(unit: Write, who: Principal, new: NewWebhook, url: str) -> CreatedWebhook:
    site = await resolve.find_named_site(unit, new.site)
    if who.sites is not None and (site is None or not who.reaches(site.id)):
        raise Forbidden("A key for some sites can add webhooks for these sites only. Name one with site.")
    await installation.lock_names(unit)
    if await webhooks.count(unit) >= MOST_WEBHOOKS:
        raise Conflict(f"There are {MOST_WEBHOOKS} webhooks already. Delete one first.")
    secret = signature.new_secret()
    webhook = Webhook(
        id=unit.new_id(),
        site_id=site.id if site else None,
        url_sealed=unit.keyring.encrypt_text(url),
        events=_join_events(new.events),
        secret_sealed=unit.keyring.encrypt_text(secret),
        includes_email=new.include_email,
        includes_unapproved=new.include_unapproved,
        note=new.note or "",
        created_at=unit.now(),
    )
    await webhooks.add(unit, webhook)
    await _log(unit, who, "webhook_add", webhook)
    return _with_secret(_record(unit, webhook, await _site_names(unit)), secret)


async def change_webhook(service: Service, who: Principal, webhook_id: str, change: WebhookChange) -> WebhookRecord:
    """Change a webhook. Switching it off gives up what waits for it; switching it on forgets its failures.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
        Invalid: for the field ``url``: no request could go there.
    """
    url = None if change.url is UNSET else await _check_url(service, change.url)
    return await _change_webhook(service, who, webhook_id, change, url)


@write
async def _change_webhook(
    unit: Write, who: Principal, webhook_id: str, change: WebhookChange, url: str | None
) -> WebhookRecord:
    webhook = await load_webhook(unit, who, webhook_id)
    changed: dict[str, Any] = {}
    if url is not None:
        changed |= {"url_sealed": unit.keyring.encrypt_text(url), "failing_since": None}
    if change.events is not UNSET:
        changed["events"] = _join_events(change.events)
    if change.include_email is not UNSET:
        changed["includes_email"] = change.include_email
    if change.include_unapproved is not UNSET:
        changed["includes_unapproved"] = change.include_unapproved
    if change.note is not UNSET:
        changed["note"] = change.note or ""
    if change.enabled is True:
        changed |= {"disabled_at": None, "disabled_for": None, "failing_since": None}
    elif change.enabled is False and not webhook.disabled_at:
        changed |= {"disabled_at": unit.now(), "disabled_for": "moderator"}
        await parcels.give_up_of_owner(unit, webhook.id, webhook_sender.SWITCHED_OFF)
    webhook = msgspec.structs.replace(webhook, **changed)
    await webhooks.update(unit, webhook)
    await _log(unit, who, "webhook_change", webhook)
    return _record(unit, webhook, await _site_names(unit))


@write
async def rotate_secret(unit: Write, who: Principal, webhook_id: str) -> CreatedWebhook:
    """Give a webhook a new secret. The old one signs too for ``webhooks.OLD_SECRET_HOURS``.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
    """
    webhook, secret = await load_webhook(unit, who, webhook_id), signature.new_secret()
    webhook = msgspec.structs.replace(
        webhook,
        secret_sealed=unit.keyring.encrypt_text(secret),
        old_secret_sealed=webhook.secret_sealed,
        old_secret_until=unit.ahead(hours=webhooks.OLD_SECRET_HOURS),
    )
    await webhooks.update(unit, webhook)
    await _log(unit, who, "webhook_rotate", webhook)
    return _with_secret(_record(unit, webhook, await _site_names(unit)), secret)


@write
async def remove_webhook(unit: Write, who: Principal, webhook_id: str) -> None:
    """Delete a webhook with its deliveries.

    Raises:
        NotFound: the principal's sites have no webhook with this id.
    """
    webhook = await load_webhook(unit, who, webhook_id)
    await parcels.delete_of_owner(unit, webhook.id)
    await webhooks.delete(unit, webhook.id)
    await _log(unit, who, "webhook_remove", webhook)


async def load_webhook(unit: PrivateRead, who: Principal, webhook_id: str) -> Webhook:
    """Return a webhook of this principal's sites.

    Raises:
        NotFound: they have no webhook with this id.
    """
    webhook = await webhooks.get(unit, webhook_id)
    if webhook is None or (who.sites is not None and webhook.site_id not in who.sites):
        raise NotFound
    return webhook


async def _check_url(service: Service, text: str) -> str:
    try:
        return await outbound.require_possible(text, parse_networks(service.config.outbound_allow))
    except InvalidValue as error:
        raise Invalid(FieldError("url", error.code, error.message)) from None


async def _log(unit: Write, who: Principal, verb: str, webhook: Webhook) -> None:
    body = {
        "webhook": webhook.id,
        "events": webhook.events.split(),
        "include_email": webhook.includes_email,
        "include_unapproved": webhook.includes_unapproved,
        "enabled": webhook.disabled_at is None,
    }
    await log.add_entry(unit, actor=who.actor, verb=verb, site_id=webhook.site_id, body=body)


def _join_events(events: Sequence[WebhookEvent]) -> str:
    return " ".join(event.value for event in WebhookEvent if event in events)


async def _site_names(unit: PrivateRead) -> dict[str, str]:
    return {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}


def _record(environment: Environment, webhook: Webhook, site_names: Mapping[str, str]) -> WebhookRecord:
    return WebhookRecord(
        id=webhook.id,
        url=environment.keyring.decrypt_text(webhook.url_sealed),
        events=[WebhookEvent(event) for event in webhook.events.split()],
        site=site_names.get(webhook.site_id or ""),
        include_email=webhook.includes_email,
        include_unapproved=webhook.includes_unapproved,
        note=webhook.note or None,
        enabled=webhook.disabled_at is None,
        disabled_for=webhook.disabled_for,
        disabled_at=webhook.disabled_at,
        failing_since=webhook.failing_since,
        old_secret_until=webhook.old_secret_until,
        created_at=webhook.created_at,
    )


def _with_secret(record: WebhookRecord, secret: str) -> CreatedWebhook:
    return CreatedWebhook(**msgspec.structs.asdict(record), secret=secret)
