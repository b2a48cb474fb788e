"""Functions that the moderation page's templates call."""

import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from markupsafe import Markup

from commentsvc.audit.lookup import ActionSummary
from commentsvc.domain import links, networks
from commentsvc.domain.bidi import show_controls
from commentsvc.domain.feature_wording import word_features, write_features
from commentsvc.domain.messages import (
    FormattedMessage,
    Message,
    PluralMessage,
    Value,
    translatable,
    translatable_format,
    translatable_plural,
)
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.domain.reasons import Reason, word_reason
from commentsvc.moderation import verbs, wording
from commentsvc.moderation.schemas import ModeratorComment, ReasonRecord
from commentsvc.moderation.wording import actor_name, format_count
from commentsvc.rules import domains
from commentsvc.rules.schemas import BacktestResult, Disagreement, RuleRecord
from commentsvc.web.moderation.chart import format_date
from commentsvc.web.moderation.chips import DECIDERS, list_chips, word_score
from commentsvc.web.moderation.curve import build_curve, format_percent
from commentsvc.web.moderation.rendered import show_html
from commentsvc.web.pages.i18n import Locale

EXCERPT: Final = 50
# URLs, and what browsers or people take for one. They are shown as text and never linked.
LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:javascript|data|mailto):)[^\s<>\"'`()\[\]]+", re.IGNORECASE
)
BANS: Final = frozenset({RuleKind.EMAIL, RuleKind.EMAIL_DOMAIN, RuleKind.AUTHOR, RuleKind.NETWORK, RuleKind.WEBSITE})


def describe_action(action: ActionSummary, rule: RuleRecord | None = None) -> Message:
    """Return what an action did, as a sentence. ``rule`` is the rule that it added, if any."""
    if action.verb == "undo" and action.undid:
        return _describe_undo(action.undid, action.number)
    if rule is not None and rule.kind in BANS:
        return _describe_ban(rule, action.number)
    return verbs.describe_change(action.verb, action.number)


def _describe_ban(rule: RuleRecord, number: int) -> Message:
    is_browser = rule.kind is RuleKind.AUTHOR
    banned = translatable("Browser banned.") if is_browser else translatable_format("Banned %(what)s.", what=rule.match)
    if not number:
        return banned
    marked = verbs.describe_change("spam", number)
    return FormattedMessage("%(banned)s %(marked)s", {"banned": _as_value(banned), "marked": _as_value(marked)})


def _describe_undo(undid: str, number: int) -> Message:
    if undid == "rule_add" and number:
        return translatable_plural(
            "Undone: ban, %(num)s comment restored.", "Undone: ban, %(num)s comments restored.", number
        )
    if undid != "undo":
        change = verbs.describe_change(undid, number)
        done = FormattedMessage(change, {}) if isinstance(change, str) else change
        return translatable_format("Undone: %(change)s", change=done)
    if number:
        return translatable_plural("Redone: %(num)s comment changed.", "Redone: %(num)s comments changed.", number)
    return translatable("Redone.")


def describe_outside_change(card: ModeratorComment) -> Message:
    """Return what someone else did to a comment while a moderator was looking at it."""
    if card.deleted:
        return translatable("This comment was deleted.")
    actor = card.reasons[0].actor if card.reasons else None
    if actor is not None and actor.kind in DECIDERS:
        return FormattedMessage(wording.OUTSIDE_CHANGES[card.status], {"name": _as_value(actor_name(actor))})
    status = FormattedMessage(wording.STATUSES[card.status], {})
    return translatable_format("This comment was changed. Status: %(status)s.", status=status)


def _as_value(message: Message) -> Value:
    """Return a message as a value of another one, so that it is translated too."""
    return FormattedMessage(message, {}) if isinstance(message, str) else message


def describe_commenter(locale: Locale, card: ModeratorComment) -> str:
    """Return how many of a commenter's comments were approved, and how many were spam; "" if none were."""
    if card.email is None:
        unknown = translatable("a moderator") if card.by_moderator else translatable("commenter unknown")
        return locale.translate(unknown)
    approved, spam = card.author.approved, card.author.spam
    counts = (
        translatable_plural("%(num)s approved", "%(num)s approved", approved),
        translatable_plural("%(num)s spam", "%(num)s spam", spam),
    )
    return " · ".join(map(locale.translate, counts)) if approved or spam else ""


def reason_words(locale: Locale, reason: ReasonRecord | Disagreement) -> str:
    """Return a rule's reason in the reader's language, or a person's note as it is."""
    if reason.code:
        return locale.translate(word_reason(Reason(reason.code, reason.args)))
    return reason.text if isinstance(reason, ReasonRecord) else reason.reason


def split_links(text: str) -> list[tuple[bool, str]]:
    """Return a text in parts, each with whether it is a URL. Characters that turn its direction are shown."""
    text = show_controls(text)
    found, at = [], 0
    for match in LINK.finditer(text):
        # A link that readers get ends where theirs does: 参见https://example.com/a。谢谢
        end = min(links.find_end(text, match.start()), match.end())
        found += [(False, text[at : match.start()]), (True, text[match.start() : end])]
        at = end
    return [part for part in [*found, (False, text[at:])] if part[1]]


def excerpt(locale: Locale, card: ModeratorComment) -> str:
    """Return a commenter's name and the first words of the comment."""
    if card.deleted:
        return locale.translate(translatable("(deleted comment)"))
    text = " ".join(card.comment.split())
    return f"{card.name}: {text[:EXCERPT].rstrip()}{'…' if len(text) > EXCERPT else ''}"


def describe_entry(locale: Locale, verb: str, number: int, actor: Markup, subject: tuple[str, str] | None) -> Markup:
    """Return an audit entry as HTML. ``actor`` is HTML; ``subject`` is the kind and URL of what changed."""
    link, end = (Markup('<a href="{}">').format(subject[1]), Markup("</a>")) if subject else (Markup(), Markup())
    message = verbs.describe_entry(verb, number, subject and subject[0])
    if isinstance(message, PluralMessage):
        return locale.ngettext(message.one, message.many, number, actor=actor, link=link, end=end)
    values = message.values if isinstance(message, FormattedMessage) else {}
    template = message.template if isinstance(message, FormattedMessage) else message
    return locale.gettext(template, **{**values, "actor": actor, "link": link, "end": end})


def rule_kind_label(locale: Locale, kind: RuleKind) -> str:
    """Return a kind of rule as a form offers it: ``Links: more than this many``."""
    words = wording.RULE_KINDS[kind]
    if kind is RuleKind.DISPOSABLE and not _has_disposable_domains():
        missing = translatable_format(
            "%(rule)s (not available: ask your operator to install commentsvc[disposable])",
            rule=FormattedMessage(words.name, {}),
        )
        return locale.translate(missing)
    return f"{locale.translate(words.name)}: {locale.translate(words.matches)}"


def diff_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that were added to a text, and those that were removed."""
    old, new = before.splitlines(), after.splitlines()
    kept, wanted = set(old), set(new)
    return [line for line in new if line not in kept], [line for line in old if line not in wanted]


def is_bad_test(result: BacktestResult | None) -> bool:
    """Return whether a rule would have hit more comments that it should not than those that it should."""
    if result is None:
        return False
    wrong, right = result.approved, result.rejected
    if result.effect is Effect.APPROVE:
        wrong, right = right, wrong
    return wrong > right


@cache
def _has_disposable_domains() -> bool:
    try:
        domains.disposable_domains()
    except ValueError:
        return False
    return True


@cache
def template_functions(locale: Locale) -> dict[str, Any]:
    """Return what templates call and show, in one language."""
    translate = locale.translate

    def in_words(function: Callable[..., Message]) -> Callable[..., str]:
        return lambda *values: translate(function(*values))

    return {
        "relative_time": in_words(wording.relative_time),
        "actor_name": in_words(actor_name),
        "rule_name": in_words(wording.rule_name),
        "describe_outside_change": in_words(describe_outside_change),
        "effects": {effect: translate(text) for effect, text in wording.EFFECTS.items()},
        "short_effects": {effect: translate(text) for effect, text in wording.SHORT_EFFECTS.items()},
        "mode_names": {mode: translate(text) for mode, text in wording.MODES.items()},
        "status_names": {status: translate(text) for status, text in wording.STATUSES.items()},
        "rule_kinds": {kind: _translate_rule_kind(locale, words) for kind, words in wording.RULE_KINDS.items()},
        "format_count": format_count,
        "format_date": partial(format_date, locale),
        "describe_commenter": partial(describe_commenter, locale),
        "describe_entry": partial(describe_entry, locale),
        "list_chips": partial(list_chips, locale),
        "word_score": partial(word_score, locale),
        "reason_words": partial(reason_words, locale),
        "rule_kind_label": partial(rule_kind_label, locale),
        "excerpt": partial(excerpt, locale),
        "count_addresses": networks.count_addresses,
        "is_bad_test": is_bad_test,
        "curve_of": partial(build_curve, locale),
        "feature_words": lambda one: translate(word_features(write_features([(one.kind, one.value)]))),
        "format_percent": format_percent,
        "diff_lines": diff_lines,
        "changed_fields": {name: translate(text) for name, text in wording.CHANGED_FIELDS.items()},
        "split_links": split_links,
        "show_html": show_html,
        "show_controls": show_controls,
    }


def _translate_rule_kind(locale: Locale, words: wording.RuleWording) -> wording.RuleWording:
    return wording.RuleWording(*(locale.translate(text) for text in (words.name, words.matches, words.example)))
