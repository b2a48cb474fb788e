"""The mail that asks the owner of an address to confirm a subscription."""

from datetime import timedelta

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.domain.crypto import Keyring, new_secret
from commentsvc.domain.deliveries import Parcel, SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import translatable_format
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import Service
from commentsvc.subscriptions.confirmation_mail import Question, load_question
from commentsvc.subscriptions.requests import CONFIRM_DAYS
from commentsvc.web.mail.compose import compose
from commentsvc.web.pages.i18n import Locale, find_locale

SHOWN_ID = "01980000-0000-7000-8000-000000000000"  # of nothing: for the example


async def render_confirm(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail of a parcel; None if nothing is left to confirm."""
    question = await load_question(service, parcel)
    if question is None:
        return None
    return write_confirm(service.config, service.keyring, find_locale(question.language), question)


def write_confirm(config: Config, keyring: Keyring, locale: Locale, question: Question) -> Mail:
    """Return a mail with a link that confirms, and one that stops all mail."""
    stop_url = f"{config.own_url}/u/{keyring.token('unsubscribe', question.address_id)}"
    text, html = compose(
        "confirm",
        locale,
        config,
        question=question,
        confirm_url=f"{config.own_url}/confirm/{keyring.token('confirm', question.confirmation_id, question.until)}",
        stop_url=stop_url,
    )
    subject = locale.translate(translatable_format("Confirm mail about comments on %(site)s", site=question.site))
    return Mail(
        to=question.to,
        subject=subject,
        text=text,
        html=html,
        language=locale.lang,
        unsubscribe_url=stop_url,
        one_click=True,
    )


def show_confirm(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    opened = parse_time("2026-11-28T16:02:00Z")
    question = Question(
        to=Email("mia@example.com"),
        language=locale.lang,
        site="blog",
        page="blog.example/a-post",
        scope=SubscriptionScope.REPLIES,
        confirmation_id=SHOWN_ID,
        address_id=SHOWN_ID,
        expires_at=format_time(opened + timedelta(days=CONFIRM_DAYS)),
    )
    return write_confirm(config, Keyring([new_secret()]), locale, question)
