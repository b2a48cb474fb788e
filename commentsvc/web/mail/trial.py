"""The mail of ``commentsvc mail test``: it says that mail works.

Every mail has a module like this one: ``render_NAME`` reads what the parcel is about, and returns nothing if there is
nothing to say any more; ``write_NAME`` makes the mail of it without a database; ``show_NAME`` writes one of made-up
data for ``commentsvc mail preview``.
"""

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable
from commentsvc.service import Service
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import ENGLISH, Locale, find_locale


async def render_test(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel."""
    if parcel.email_sealed is None:
        return None
    return write_test(service.config, find_locale(ENGLISH), service.keyring.unseal(parcel.email_sealed))


def write_test(config: Config, locale: Locale, to: Email) -> Mail:
    """Return a mail that says that mail works."""
    text, html = compose("test", locale, config)
    subject = locale.translate(translatable("Mail of your comment service works"))
    return Mail(to=to, subject=subject, text=text, html=html, language=locale.lang)


def show_test(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    return write_test(config, locale, Email("mia@example.com"))
