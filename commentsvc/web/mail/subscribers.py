"""Mails to subscribers: a new comment, the comments of a day, and to commenters: theirs was approved."""

from typing import Final

from msgspec import Struct

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.domain.deliveries import Parcel, SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import Message, translatable, translatable_format
from commentsvc.service import Service
from commentsvc.subscriptions import news
from commentsvc.subscriptions.news import Item, News
from commentsvc.web.mail.compose import compose
from commentsvc.web.mail.words import isolate, plain_line, plain_words
from commentsvc.web.pages.i18n import Locale, find_locale

MOST_WORDS: Final = 1500  # characters of a comment; its page has all
MOST_IN_DIGEST: Final = 400
MOST_ANSWERED: Final = 200


class Shown(Struct, frozen=True):
    """A comment as a mail shows it."""

    name: str
    page: str
    by_moderator: bool
    created_at: str
    url: str
    words: str
    answered_name: str | None
    answered_words: str | None


async def render_new_comment(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail about a new comment."""
    found = await news.load_news(service, parcel)
    return write_new_comment(service.config, found, _unsubscribe_url(service, found)) if found else None


async def render_daily_digest(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail about the new comments of a day."""
    found = await news.load_news(service, parcel)
    return write_daily_digest(service.config, found, _unsubscribe_url(service, found)) if found else None


async def render_approved(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail to a commenter whose comment was approved."""
    found = await news.load_news(service, parcel)
    return write_approved(service.config, found, _unsubscribe_url(service, found)) if found else None


def _unsubscribe_url(service: Service, found: News) -> str:
    """Return the link that ends the subscription; for a mail by several of them, the one that stops all mail."""
    subject = found.subscriptions[0] if len(found.subscriptions) == 1 else found.address_id
    return f"{service.config.own_url}/u/{service.keyring.token('unsubscribe', subject)}"


def write_new_comment(config: Config, told: News, unsubscribe_url: str) -> Mail:
    """Return a mail about one comment."""
    item = told.items[0]
    subject = translatable_format("New comment on %(site)s", site=item.site)
    if item.scope is SubscriptionScope.REPLIES:
        subject = translatable_format("New reply to your comment on %(site)s", site=item.site)
    return _write(config, "new_comment", told, subject, unsubscribe_url)


def write_daily_digest(config: Config, told: News, unsubscribe_url: str) -> Mail:
    """Return a mail about the comments of a day."""
    sites = {item.site for item in told.items}
    subject: Message = translatable("New comments")
    if len(sites) == 1:
        subject = translatable_format("New comments on %(site)s", site=sites.pop())
    return _write(config, "daily_digest", told, subject, unsubscribe_url, most=MOST_IN_DIGEST)


def write_approved(config: Config, told: News, unsubscribe_url: str) -> Mail:
    """Return a mail that says that the recipient's comment is public."""
    subject = translatable_format("Your comment on %(site)s was approved", site=told.items[0].site)
    return _write(config, "approved", told, subject, unsubscribe_url)


def _write(
    config: Config, template: str, told: News, subject: Message, unsubscribe_url: str, most: int = MOST_WORDS
) -> Mail:
    locale = find_locale(told.language)
    title = locale.translate(subject)
    text, html = compose(
        template,
        locale,
        config,
        title=title,
        shown=[_show(config, locale, item, most) for item in told.items],
        is_cut=told.is_cut,
        site=told.items[0].site,
        scope=told.items[0].scope.value,
        unsubscribe_url=unsubscribe_url,
    )
    return Mail(
        to=told.to,
        subject=title,
        text=text,
        html=html,
        language=locale.lang,
        unsubscribe_url=unsubscribe_url,
        one_click=True,
    )


def _show(config: Config, locale: Locale, item: Item, most: int) -> Shown:
    return Shown(
        name=isolate(plain_line(item.name), locale),
        page=isolate(plain_line(item.title) if item.title else item.page, locale),
        by_moderator=item.by_moderator,
        created_at=item.created_at,
        url=f"{config.own_url}/c/{item.id}",
        words=plain_words(item.html, most),
        answered_name=isolate(plain_line(item.answered_name), locale) if item.answered_name else None,
        answered_words=plain_words(item.answered_html, MOST_ANSWERED) if item.answered_html else None,
    )


def _show_news(locale: Locale, *items: Item) -> News:
    return News(
        to=Email("mia@example.com"), address_id="", language=locale.lang, items=items, subscriptions=["example"]
    )


def _example(name: str, html: str, scope: SubscriptionScope, **more: str) -> Item:
    return Item(
        id="01990000-0000-7000-8000-000000000000",
        name=name,
        by_moderator=False,
        html=html,
        created_at="2026-11-22T16:02:11.000Z",
        site="blog.example",
        title="A small garden in winter",
        page="blog.example/garden",
        scope=scope,
        **more,
    )


def show_new_comment(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    reply = _example(
        "Ana",
        "<p>Cover them with leaves. That was enough for mine.</p>",
        SubscriptionScope.REPLIES,
        answered_name="Mia",
        answered_html="<p>How do you keep your roses safe from frost?</p>",
    )
    return write_new_comment(config, _show_news(locale, reply), f"{config.own_url}/u/a-token")


def show_daily_digest(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    items = [
        _example("Ana", "<p>Cover them with leaves.</p>", SubscriptionScope.THREAD),
        _example("Noa", "<p>Thank you for these pictures!</p>", SubscriptionScope.SITE),
    ]
    return write_daily_digest(config, _show_news(locale, *items), f"{config.own_url}/u/a-token")


def show_approved(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    own = _example("Mia", "<p>How do you keep your roses safe from frost?</p>", SubscriptionScope.REPLIES)
    return write_approved(config, _show_news(locale, own), f"{config.own_url}/u/a-token")
