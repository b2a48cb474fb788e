"""The mail that says that a webhook was switched off, since its requests failed."""

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.delivery.webhook_notice import Notice, load_notice
from commentsvc.delivery.webhook_sender import FAILING_DAYS
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable
from commentsvc.service import Service
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import Locale, find_locale


async def render_webhook_disabled(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel; None if the webhook works again, or the moderator was removed."""
    found = await load_notice(service, parcel)
    return write_webhook_disabled(service.config, find_locale(found.language), found) if found else None


def write_webhook_disabled(config: Config, locale: Locale, notice: Notice) -> Mail:
    """Return a mail that says which webhook was switched off, and what to do."""
    url = f"{config.own_url}/moderate/webhooks/{notice.webhook_id}"
    text, html = compose(
        "webhook_disabled", locale, config, host=notice.host, gone=notice.is_gone, days=FAILING_DAYS, url=url
    )
    subject = locale.translate(translatable("A webhook was switched off"))
    return Mail(to=notice.to, subject=subject, text=text, html=html, language=locale.lang)


def show_webhook_disabled(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    notice = Notice(
        to=Email("ana@example.com"),
        language=locale.lang,
        webhook_id="0199aaaa-0000-7000-8000-000000000000",
        host="hooks.example",
        is_gone=False,
    )
    return write_webhook_disabled(config, locale, notice)
