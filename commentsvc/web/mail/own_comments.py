"""The mail with a link to the comments with an address."""

import msgspec

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable
from commentsvc.service import Service
from commentsvc.subscriptions import own_comments
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import Locale, find_locale


async def render_own_comments(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel; None if its link is too old, or the address was erased or must get no mail."""
    address = await own_comments.find_recipient(service, parcel.owner or "")
    if address is None or parcel.email_sealed is None:
        return None
    token, until = own_comments.create_link_token(service, address.id, parcel.created_at)
    if until <= service.now():  # the mail server was away for long
        return None
    locale = find_locale(msgspec.json.decode(parcel.detail).get("language"))
    return write_own_comments(service.config, locale, service.keyring.unseal(parcel.email_sealed), token, until)


def write_own_comments(config: Config, locale: Locale, to: Email, token: str, until: str) -> Mail:
    """Return a mail with a link that works until a time."""
    url = f"{config.own_url}/mine/{token}?lang={locale.lang}"
    text, html = compose("own_comments", locale, config, url=url, until=until)
    subject = locale.translate(translatable("Your comments"))
    return Mail(to=to, subject=subject, text=text, html=html, language=locale.lang)


def show_own_comments(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    return write_own_comments(config, locale, Email("mia@example.com"), "co_example", "2026-11-23T16:02:11.000Z")
