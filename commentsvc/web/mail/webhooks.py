"""The mail that says that a webhook was switched off, since its requests failed."""

from urllib.parse import urlsplit

import msgspec

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.delivery.webhook_sender import FAILING_DAYS
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable
from commentsvc.service import Service, private_read
from commentsvc.storage import moderators, preferences, webhooks
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.webhooks import Webhook
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import Locale, find_locale


async def render_webhook_disabled(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel; None if the webhook works again, or the moderator was removed."""
    if parcel.email_sealed is None or parcel.owner is None:
        return None
    webhook, language = await _load(service, parcel.owner, msgspec.json.decode(parcel.detail)["webhook"])
    if webhook is None or webhook.disabled_for not in {"failing", "gone"}:
        return None
    url = service.keyring.decrypt_text(webhook.url_sealed)
    host = urlsplit(url).hostname if url else None  # the rest of the address may be a secret
    to = service.keyring.unseal(parcel.email_sealed)
    gone = webhook.disabled_for == "gone"
    return write_webhook_disabled(service.config, find_locale(language), to, webhook.id, host or "", gone=gone)


@private_read
async def _load(unit: PrivateRead, moderator_id: str, webhook_id: str) -> tuple[Webhook | None, str | None]:
    if await moderators.get_name(unit, moderator_id) is None:
        return None, None
    chosen = await preferences.get(unit, moderator_id)
    return await webhooks.get(unit, webhook_id), (chosen["language"] or None) if chosen else None


def write_webhook_disabled(
    config: Config, locale: Locale, to: Email, webhook_id: str, host: str, *, gone: bool
) -> Mail:
    """Return a mail that says which webhook was switched off, and what to do."""
    url = f"{config.own_url}/moderate/webhooks/{webhook_id}"
    text, html = compose("webhook_disabled", locale, config, host=host, gone=gone, days=FAILING_DAYS, url=url)
    subject = locale.translate(translatable("A webhook was switched off"))
    return Mail(to=to, subject=subject, text=text, html=html, language=locale.lang)


def show_webhook_disabled(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    to, webhook_id = Email("ana@example.com"), "0199aaaa-0000-7000-8000-000000000000"
    return write_webhook_disabled(config, locale, to, webhook_id, "hooks.example", gone=False)
