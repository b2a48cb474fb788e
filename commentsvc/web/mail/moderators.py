"""Mails to moderators: a comment waits, and what waits in all."""

from collections.abc import Mapping
from typing import Any, Final

from commentsvc.access.mail_stop import create_stop_token
from commentsvc.comments.schemas import PublicThread
from commentsvc.config.settings import Config
from commentsvc.delivery import moderator_mail
from commentsvc.delivery.mail import Mail
from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.messages import Message, translatable, translatable_format, translatable_plural
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Status
from commentsvc.moderation import decision_links, mailed
from commentsvc.moderation.decision_links import create_link_token
from commentsvc.moderation.mailed import HeldComment, Recipient, Waiting, WaitingPage
from commentsvc.moderation.schemas import AuthorRecord, ModeratorComment, ReasonRecord
from commentsvc.service import Service
from commentsvc.web.mail.compose import compose
from commentsvc.web.mail.words import isolate, plain_line, plain_words
from commentsvc.web.moderation.chips import list_chips
from commentsvc.web.moderation.filters import describe_commenter, reason_words
from commentsvc.web.pages.i18n import ENGLISH, Locale, find_locale

# The words and the look of each link.
LINKS: Final = {
    ActionVerb.APPROVE: (translatable("Approve"), "good"),
    ActionVerb.SPAM: (translatable("Spam"), "plain"),
    ActionVerb.TRASH: (translatable("Trash"), "harm"),
}
MOST_REASONS: Final = 300  # characters
SAMPLE_TIME: Final = "2026-01-31T09:12:00.000Z"
SAMPLE_END: Final = "2026-02-07T09:12:00.000Z"
SAMPLE_ID: Final = "01990000-0000-7000-8000-000000000000"


async def render_held(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail about a comment that waits; None if somebody has decided on it."""
    ids = moderator_mail.list_comments(parcel)
    held = await mailed.open_links(service, parcel.owner or "", parcel.id, parcel.created_at, ids)
    if held is None:
        return None
    urls = {
        verb: f"{service.config.own_url}/m/{create_link_token(service, held.link_id, verb, held.expires_at)}"
        for verb in decision_links.VERBS
    }
    return write_held(service.config, _find_locale(held.recipient), held, urls, _stop_url(service, parcel))


async def render_held_digest(service: Service, parcel: Parcel) -> Mail | None:
    """Return the mail about all comments that wait; None if none do, or if another mail says the same."""
    if not await moderator_mail.begin_digest(service, parcel):
        return None
    waiting = await mailed.read_waiting(service, parcel.owner or "")
    if waiting is None:
        return None
    return write_held_digest(service.config, _find_locale(waiting.recipient), waiting, _stop_url(service, parcel))


def _find_locale(recipient: Recipient) -> Locale:
    return find_locale(recipient.language or ENGLISH)


def _stop_url(service: Service, parcel: Parcel) -> str:
    return f"{service.config.own_url}/m/stop/{create_stop_token(service, parcel.owner or '')}"


def write_held(
    config: Config, locale: Locale, held: HeldComment, urls: Mapping[ActionVerb, str], stop_url: str
) -> Mail:
    """Return the mail about a comment. Its subject and headers have no text of the commenter."""
    card = held.comment
    subject = translatable_format("A comment is waiting on %(site)s", site=card.site)
    first = translatable("First comment")
    chips = [plain_line(chip.text) for chip in list_chips(locale, card)]
    reasons = chips or [plain_line(reason_words(locale, one)) for one in card.reasons[:1]]
    record = describe_commenter(locale, card) or (locale.translate(first) if locale.translate(first) in chips else "")
    return _compose(
        "held",
        config,
        locale,
        held.recipient,
        stop_url,
        subject=subject,
        site=card.site,
        name=isolate(plain_line(card.name or ""), locale),
        record=record,
        page=isolate(plain_line(card.thread.title or card.thread.key), locale),
        page_url=card.thread.url,
        time=locale.format_time(card.created_at),
        words=plain_words(card.html or ""),
        reasons=plain_line(" · ".join(reasons), MOST_REASONS),
        namesake=card.namesake,
        links=[(locale.translate(LINKS[verb][0]), url, LINKS[verb][1]) for verb, url in urls.items()],
        until=locale.format_day(held.expires_at),
        more=held.more,
    )


def write_held_digest(config: Config, locale: Locale, waiting: Waiting, stop_url: str) -> Mail:
    """Return the mail about all comments that wait."""
    shown = sum(page.pending for page in waiting.pages)
    return _compose(
        "held_digest",
        config,
        locale,
        waiting.recipient,
        stop_url,
        subject=_describe_waiting(waiting),
        pages=[(page.pending, isolate(plain_line(page.title), locale), page.url, page.site) for page in waiting.pages],
        others=max(0, waiting.pending - shown),
        has_one_site=waiting.site is not None,
        pending=waiting.pending,
        reported=waiting.reported,
    )


def _describe_waiting(waiting: Waiting) -> Message:
    if not waiting.pending:
        return translatable_plural("%(num)s comment was reported", "%(num)s comments were reported", waiting.reported)
    if waiting.site is None:
        return translatable_plural("%(num)s comment is waiting", "%(num)s comments are waiting", waiting.pending)
    return translatable_plural(
        "%(num)s comment is waiting on %(site)s",
        "%(num)s comments are waiting on %(site)s",
        waiting.pending,
        site=waiting.site,
    )


def _compose(
    template: str,
    config: Config,
    locale: Locale,
    recipient: Recipient,
    stop_url: str,
    *,
    subject: Message,
    **values: Any,
) -> Mail:
    title = locale.translate(subject)
    shared = {"title": title, "minutes": recipient.minutes, "stop_url": stop_url}
    text, html = compose(template, locale, config, **shared, **values)
    return Mail(
        to=recipient.email,
        subject=title,
        text=text,
        html=html,
        language=locale.lang,
        unsubscribe_url=stop_url,
        one_click=True,
    )


def show_held(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    held = HeldComment(_sample_recipient(), SAMPLE_ID, SAMPLE_END, _sample_comment(), more=2)
    urls = {verb: f"{config.own_url}/m/{verb.value}" for verb in decision_links.VERBS}
    return write_held(config, locale, held, urls, f"{config.own_url}/m/stop/example")


def show_held_digest(config: Config, locale: Locale) -> Mail:
    """Return an example."""
    pages = [
        WaitingPage("Why we left the cloud", "https://blog.example/cloud/", 5, "blog.example"),
        WaitingPage("A post about indexes", "https://blog.example/indexes/", 2, "blog.example"),
    ]
    waiting = Waiting(_sample_recipient(), "blog.example", 7, 1, pages)
    return write_held_digest(config, locale, waiting, f"{config.own_url}/m/stop/example")


def _sample_recipient() -> Recipient:
    nobody = Principal(Actor(ActorKind.PERSON, None, "Ada"), frozenset(), None)
    return Recipient(nobody, Email("ada@blog.example"), "", 30)


def _sample_comment() -> ModeratorComment:
    text = "How long did the rebuild take on the larger table? We have about 40 million rows."
    rule = Actor(ActorKind.RULE, None, "new_author")
    reason = ReasonRecord(actor=rule, code="author_new", args={}, text="")
    return ModeratorComment(
        id=SAMPLE_ID, parent=None, in_reply_to=None, depth=0, hue=None, website=None, edited_at=None,
        by_moderator=False, deleted=False, name="Mia Thornton", html=f"<p>{text}</p>", created_at=SAMPLE_TIME,
        status=Status.PENDING, comment=text, email="mia@example.com", verified=False, network=None,
        spam_score=None, reasons=[reason],
        author=AuthorRecord(), parent_name=None, parent_excerpt=None, similar=0, similar_network=0, similar_text=0,
        like_spam=0, namesake=0,
        thread=PublicThread("/indexes/", "https://blog.example/indexes/", "A post about indexes", False, 0),
        thread_id=SAMPLE_ID, site="blog.example", note=None, version=1, reports=0, report_reasons=[],
    )  # fmt: skip
