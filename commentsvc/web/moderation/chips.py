"""Why a comment waits, in a few words each: the chips of a card, harm first.

The page of a comment has the whole sentences. A reason that all comments of a site have is no chip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from commentsvc.domain.feature_wording import word_features
from commentsvc.domain.messages import (
    Plural,
    translatable,
    translatable_format,
    translatable_plural,
)
from commentsvc.domain.models import ActorKind, Effect, Status
from commentsvc.domain.reasons import Reason, fill_template, split_reason, word_reason
from commentsvc.moderation.schemas import ModeratorComment, ReasonRecord
from commentsvc.moderation.wording import actor_name
from commentsvc.web.pages.i18n import Locale

DECIDERS: Final = frozenset({ActorKind.PERSON, ActorKind.PROGRAM})
MAX_QUOTED: Final = 60  # characters of a reader's reason


class Weight(IntEnum):
    """The order of chips. The name is their CSS class."""

    DANGER = 0  # harm
    WARNING = 1  # a reason to look
    PERSON = 2  # a moderator's decision
    POSITIVE = 3
    MUTED = 4


@dataclass(frozen=True)
class Chip:
    """A reason in a few words. ``quoted`` are readers' own words, ``sentence`` is the whole reason."""

    weight: Weight
    text: str
    quoted: tuple[str, ...] = ()
    sentence: str = ""

    @property
    def css_class(self) -> str:
        """Return its class."""
        return self.weight.name.lower()


# The reasons of rules by code; a Plural is about its argument. The order within a weight is the order here.
REASONS: Final[dict[str, tuple[Weight, str | Plural]]] = {
    "moderator_name": (Weight.DANGER, translatable("Uses a moderator's name")),
    "moderator_email": (Weight.DANGER, translatable("Uses a moderator's email")),
    "staff_name": (Weight.DANGER, translatable("Name of the site's staff")),
    "author_banned": (Weight.DANGER, translatable("Banned browser")),
    "email_banned": (Weight.DANGER, translatable("Banned email address")),
    "email_domain_banned": (Weight.DANGER, translatable("Banned email domain %(domain)s")),
    "network_banned": (Weight.DANGER, translatable("Banned network")),
    "website_banned": (Weight.DANGER, translatable("Banned website %(domain)s")),
    "repeated_text": (
        Weight.DANGER,
        Plural("Same text in %(found)s comment", "Same text in %(found)s comments", "found"),
    ),
    "repeat_same": (Weight.DANGER, translatable("Same text was spam on %(date)s")),
    "repeat_imported": (Weight.DANGER, translatable("Same text was imported as spam")),
    "repeat_near": (
        Weight.DANGER,
        Plural("%(found)s like this was marked as spam", "%(found)s like this were marked as spam", "found"),
    ),
    "repeat_host": (Weight.DANGER, translatable("Link to %(host)s, seen in spam")),
    "repeat_website": (Weight.DANGER, translatable("Website on %(host)s, seen in spam")),
    "honeypot_filled": (Weight.DANGER, translatable("Filled in a hidden field")),
    "learned": (Weight.DANGER, translatable("Spam score %(score)s%%")),
    "external_spam": (Weight.DANGER, translatable("External check: spam")),
    "word_listed": (Weight.WARNING, translatable("Word list: %(word)s")),
    "words_listed": (
        Weight.WARNING,
        Plural("Word list: %(words)s, %(more)s more", "Word list: %(words)s, %(more)s more", "more"),
    ),
    "too_many_links": (Weight.WARNING, Plural("%(found)s link", "%(found)s links", "found")),
    "too_many_links_to": (
        Weight.WARNING,
        Plural("%(found)s link: %(hosts)s", "%(found)s links: %(hosts)s", "found"),
    ),
    "disposable_email": (Weight.WARNING, translatable("Disposable email address")),
    "too_many": (Weight.WARNING, translatable("Comment %(found)s within an hour")),
    "too_fast": (Weight.WARNING, Plural("%(found)s second after another", "%(found)s seconds after another", "found")),
    "other_script": (Weight.WARNING, translatable("Mostly %(script)s letters")),
    "text_too_short": (Weight.WARNING, Plural("Only %(found)s character", "Only %(found)s characters", "found")),
    "text_too_long": (Weight.WARNING, Plural("%(found)s character", "%(found)s characters", "found")),
    "form_token_invalid": (Weight.WARNING, translatable("Invalid form token")),
    "form_too_quick": (Weight.WARNING, translatable("Sent too quickly")),
    "form_reused": (Weight.WARNING, translatable("Form used before")),
    "proof_missing": (Weight.WARNING, translatable("No proof of work")),
    "proof_invalid": (Weight.WARNING, translatable("Invalid proof of work")),
    "proof_reused": (Weight.WARNING, translatable("Proof of work used before")),
    "no_approved_comments": (Weight.WARNING, translatable("First comment")),
    "few_approved_comments": (
        Weight.WARNING,
        Plural("Only %(found)s approved comment", "Only %(found)s approved comments", "found"),
    ),
    "repeat_network": (
        Weight.WARNING,
        Plural("%(found)s spam comment from this network", "%(found)s spam comments from this network", "found"),
    ),
    "repeat_author": (
        Weight.WARNING,
        Plural("%(found)s spam comment by this commenter", "%(found)s spam comments by this commenter", "found"),
    ),
    "external_hold": (Weight.WARNING, translatable("External check: hold")),
    "external_approve": (Weight.POSITIVE, translatable("External check: approve")),
    "author_approved": (Weight.POSITIVE, translatable("Known commenter")),
    "form_expired": (Weight.MUTED, translatable("Form opened long ago")),
    "form_token_missing": (Weight.MUTED, translatable("Sent without the form")),
    "thread_old": (Weight.MUTED, translatable("Old thread")),
    "author_needs_more": (
        Weight.MUTED,
        Plural("Only %(found)s approved comment", "Only %(found)s approved comments", "found"),
    ),
}
# These help a decision as much when they hold nothing.
TELLING: Final = frozenset(
    {"learned", "repeat_network", "repeat_author", "repeat_same", "repeat_imported", "repeat_near"}
)
LIKE_SPAM: Final = "repeat_near"
ORDER: Final = {code: at for at, code in enumerate(REASONS)}
# All comments of a site have these, or another part of the card says so.
IDLE: Final = frozenset({"mode_all", "mode_none", "author_new", "reported", "external_none", "external_failed"})


def list_chips(locale: Locale, card: ModeratorComment) -> list[Chip]:
    """Return why a comment has its status, most important first. ``quoted`` and the arguments are strangers' words."""
    lists = (_list_reported, _list_like_spam, _list_reasons, _list_first)
    found = [chip for list_some in lists for chip in list_some(locale, card)]
    return sorted(found, key=lambda chip: chip.weight)  # stable: otherwise as they are listed


def word_score(locale: Locale, card: ModeratorComment) -> str:
    """Return the features that made the learned filter match, as one line; "" if it did not."""
    for reason in card.reasons:
        for part in split_reason(Reason(reason.code or "", reason.args)):
            if part.code == "learned" and isinstance(features := part.args.get("features"), str):
                return locale.translate(word_features(features))
    return ""


def _list_reported(locale: Locale, card: ModeratorComment) -> Iterator[Chip]:
    if card.reports:
        text = translatable_plural("Reported by %(num)s reader", "Reported by %(num)s readers", card.reports)
        quoted = tuple(one[:MAX_QUOTED] + ("…" if one[MAX_QUOTED:] else "") for one in card.report_reasons)
        yield Chip(Weight.DANGER, locale.translate(text), quoted)


def _list_like_spam(locale: Locale, card: ModeratorComment) -> Iterator[Chip]:
    """Yield how many comments like this are spam now, not when this one came: decisions are undone."""
    if card.like_spam:
        weight, text = _shorten(locale, Reason(LIKE_SPAM, {"found": card.like_spam}))
        yield Chip(weight, text)


def _list_reasons(locale: Locale, card: ModeratorComment) -> Iterator[Chip]:
    for reason in sorted(card.reasons, key=lambda one: ORDER.get(one.code or "", len(ORDER))):
        if reason.actor.kind in DECIDERS:
            yield Chip(Weight.PERSON, _describe_decision(locale, reason))
        elif reason.code not in IDLE and not (reason.code == LIKE_SPAM and card.status is Status.PENDING):
            yield _describe_reason(locale, reason)


def _describe_decision(locale: Locale, reason: ReasonRecord) -> str:
    name = locale.translate(actor_name(reason.actor))
    if reason.code == "undone":
        return locale.translate(translatable_format("Undone by %(name)s", name=name))
    if reason.code:
        return f"{name}: {_sentence(locale, reason)}"
    return (
        f"{name}: {reason.text}"
        if reason.text
        else locale.translate(translatable_format("Decided by %(name)s", name=name))
    )


def _describe_reason(locale: Locale, reason: ReasonRecord) -> Chip:
    """Return the chip of a rule's reason. One with several parts has the weight of the worst, unless it only notes."""
    parts = [_shorten(locale, part) for part in split_reason(Reason(reason.code or "", reason.args))]
    sentence = _sentence(locale, reason)
    if not all(text for _, text in parts):  # a code of another version of the service
        return Chip(Weight.WARNING, sentence, sentence=sentence)
    text = " + ".join(text for _, text in parts)
    if reason.effect is Effect.NOTE and reason.code not in TELLING:
        text = locale.translate(translatable_format("Noted: %(reason)s", reason=text))
        return Chip(Weight.MUTED, text, sentence=sentence)
    return Chip(min(weight for weight, _ in parts), text, sentence=sentence)


def _shorten(locale: Locale, reason: Reason) -> tuple[Weight, str]:
    """Return the weight of a reason, and it in few words; "" if this version does not know it."""
    weight, short = REASONS.get(reason.code, (Weight.WARNING, ""))
    try:
        return weight, locale.translate(fill_template(short, reason.args) if short else word_reason(reason))
    except KeyError:  # stored by another version
        return weight, ""


def _sentence(locale: Locale, reason: ReasonRecord) -> str:
    """Return a rule's reason in the reader's language, or a person's note as it is."""
    if not reason.code:
        return reason.text or locale.translate(actor_name(reason.actor))
    return locale.translate(word_reason(Reason(reason.code, reason.args)))


def _list_first(locale: Locale, card: ModeratorComment) -> Iterator[Chip]:
    codes = {part.code for one in card.reasons for part in split_reason(Reason(one.code or "", one.args))}
    is_known = "no_approved_comments" in codes or card.by_moderator or card.author.approved or card.author.spam
    if card.status is Status.PENDING and card.email and not is_known:
        yield Chip(Weight.WARNING, locale.translate(translatable("First comment")))
