"""The mail with a sign-in link for a moderator."""

from datetime import UTC, datetime

from commentsvc.config.settings import Config
from commentsvc.delivery import sign_in_mail
from commentsvc.delivery.mail import Mail
from commentsvc.delivery.sign_in_mail import SignInMail
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable
from commentsvc.domain.timestamps import format_time
from commentsvc.service import Service
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import Locale, find_locale


async def render_sign_in(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel; None if its link would not work any more."""
    found = await sign_in_mail.read_sign_in_mail(service, parcel)
    return write_sign_in(service.config, find_locale(found.language), found) if found else None


def write_sign_in(config: Config, locale: Locale, found: SignInMail) -> Mail:
    """Return a mail with a sign-in link. The moderator's name is in its text only."""
    text, html = compose("sign_in", locale, config, name=found.name, url=found.url, until=found.until)
    subject = locale.translate(translatable("Your sign-in link"))
    return Mail(to=found.to, subject=subject, text=text, html=html, language=locale.lang)


def show_sign_in(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    until = format_time(datetime(2026, 1, 31, 12, 30, tzinfo=UTC))
    url = f"{config.own_url}/sign-in/cl_example"
    found = SignInMail(to=Email("ada@example.com"), name="Ada", url=url, until=until, language=locale.lang)
    return write_sign_in(config, locale, found)
