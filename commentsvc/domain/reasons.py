"""Reasons for decisions: a code and arguments when stored, a sentence when shown.

The arguments must not hold an email address or a full IP address: reasons are shown to keys that may not see those.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from commentsvc.domain.dates import word_date
from commentsvc.domain.feature_wording import word_features
from commentsvc.domain.messages import FormattedMessage, Message, Plural, PluralMessage, Value, translatable
from commentsvc.domain.networks import mask_addresses


class Reason(Struct, frozen=True):
    """A code from ``TEMPLATES``, and the values of the placeholders in its template."""

    code: str
    args: dict[str, str | int] = {}


TEMPLATES: Final[dict[str, str | Plural]] = {
    # Built-in rules
    "honeypot_filled": translatable("Filled in a hidden field (honeypot)."),
    "form_token_missing": translatable("Sent without opening the form (script or API)."),
    "form_token_invalid": translatable("Invalid form token."),
    "form_too_quick": translatable("Sent too quickly after opening the form."),
    "form_expired": translatable("The form was opened too long ago."),
    "form_reused": translatable("This form was already used to send a comment."),
    "proof_missing": translatable("Proof of work missing."),
    "proof_invalid": translatable("Invalid proof of work."),
    "proof_reused": translatable("This proof of work was already used."),
    "moderator_name": translatable("Uses a moderator's name, or one that looks like it."),
    "staff_name": translatable("Has a name of the site's staff, such as Admin."),
    "moderator_email": translatable("Uses a moderator's email address."),
    "repeat_same": translatable("The same text was marked as spam on %(date)s."),
    "repeat_imported": translatable("The same text was imported as spam."),
    "repeat_near": Plural(
        "%(found)s comment like this was marked as spam.", "%(found)s comments like this were marked as spam.", "found"
    ),
    "repeat_host": translatable("Links to %(host)s, seen only in spam so far."),
    "repeat_website": translatable("Website on %(host)s, seen only in spam so far."),
    "repeat_network": Plural(
        "%(found)s comment from this network was marked as spam.",
        "%(found)s comments from this network were marked as spam.",
        "found",
    ),
    "repeat_author": Plural(
        "%(found)s comment by this commenter was marked as spam.",
        "%(found)s comments by this commenter were marked as spam.",
        "found",
    ),
    "author_approved": Plural(
        "The commenter has %(found)s approved comment.", "The commenter has %(found)s approved comments.", "found"
    ),
    # Moderation modes
    "mode_all": translatable("Every comment on this site is held for moderation."),
    "mode_none": translatable("No rule matched."),
    "author_new": translatable("The commenter has no approved comments yet."),
    "author_needs_more": translatable("The commenter has too few approved comments (%(found)s)."),
    # Rules that moderators add
    "email_banned": translatable("This email address is banned."),
    "email_domain_banned": translatable("Email addresses at %(domain)s are banned."),
    "disposable_email": translatable("Uses a disposable email address."),
    "author_banned": translatable("This commenter is banned."),
    "network_banned": translatable("This network is banned."),
    "website_banned": translatable("Websites on %(domain)s are banned."),
    "word_listed": translatable("Words not allowed: %(word)s."),
    "words_listed": Plural(
        "Words not allowed: %(words)s, and %(more)s more.", "Words not allowed: %(words)s, and %(more)s more.", "more"
    ),
    "too_many_links": Plural(
        "Contains %(found)s link (limit %(limit)s).", "Contains %(found)s links (limit %(limit)s).", "found"
    ),
    "too_many_links_to": Plural(
        "Contains %(found)s link (limit %(limit)s): %(hosts)s.",
        "Contains %(found)s links (limit %(limit)s): %(hosts)s.",
        "found",
    ),
    "text_too_short": Plural(
        "Contains %(found)s character (minimum %(limit)s).",
        "Contains %(found)s characters (minimum %(limit)s).",
        "found",
    ),
    "text_too_long": Plural(
        "Contains %(found)s character (limit %(limit)s).", "Contains %(found)s characters (limit %(limit)s).", "found"
    ),
    "other_script": translatable("Mostly in %(script)s script (expected %(expected)s)."),
    "repeated_text": Plural(
        "The same text is in %(found)s other comment (rule: %(limit)s or more).",
        "The same text is in %(found)s other comments (rule: %(limit)s or more).",
        "found",
    ),
    "too_fast": Plural(
        "Sent %(found)s second after the last comment from this network (minimum %(limit)s).",
        "Sent %(found)s seconds after the last comment from this network (minimum %(limit)s).",
        "found",
    ),
    "too_many": translatable("Comment %(found)s from this network within an hour (limit %(limit)s)."),
    "thread_old": Plural(
        "The thread is more than %(limit)s day old.", "The thread is more than %(limit)s days old.", "limit"
    ),
    "learned": translatable("Spam score %(score)s%%: %(features)s."),
    "no_approved_comments": translatable("The commenter has no approved comments yet."),
    "few_approved_comments": Plural(
        "The commenter has only %(found)s approved comment (rule: fewer than %(limit)s).",
        "The commenter has only %(found)s approved comments (rule: fewer than %(limit)s).",
        "found",
    ),
    "all_matched": translatable("All conditions match."),
    # The external check; the detail is its score, and what it says
    "external_spam": translatable("External check: spam%(detail)s"),
    "external_hold": translatable("External check: hold%(detail)s"),
    "external_approve": translatable("External check: approve%(detail)s"),
    "external_none": translatable("External check: nothing found%(detail)s"),
    "external_failed": translatable("The external check gave no verdict."),
    # Readers, commenters and moderators
    "reported": Plural("Reported by %(count)s reader.", "Reported by %(count)s readers.", "count"),
    "withdrawn": translatable("Deleted by its commenter."),
    "undone": translatable("Undone."),
    "erased": translatable("Erased permanently."),
}


ALL_MATCHED: Final = "all_matched"


def join_reasons(parts: Sequence[Reason]) -> Reason:
    """Return one reason that holds these: their codes by number, and their arguments as ``1.found``."""
    args: dict[str, str | int] = {}
    for number, part in enumerate(parts, start=1):
        args[str(number)] = part.code
        args |= {f"{number}.{name}": value for name, value in part.args.items()}
    return Reason(ALL_MATCHED, args)


def split_reason(reason: Reason) -> list[Reason]:
    """Return the reasons that ``join_reasons`` has joined; any other reason alone."""
    if reason.code != ALL_MATCHED:
        return [reason]
    parts = {name: Reason(str(code), {}) for name, code in reason.args.items() if name.isdigit()}
    for name, value in reason.args.items():
        number, dot, own = name.partition(".")
        if dot and number in parts:
            parts[number].args[own] = value
    return list(parts.values())


def fill_template(template: str | Plural, arguments: Mapping[str, str | int]) -> FormattedMessage | PluralMessage:
    """Return the message of a template and the arguments of a reason. Some may be missing.

    ``date`` is an ISO date, ``features`` are those of ``write_features``.
    """
    values: dict[str, Value] = dict(arguments)
    if isinstance(features := arguments.get("features"), str):
        values["features"] = word_features(features)
    if isinstance(day := arguments.get("date"), str):
        values["date"] = word_date(day)
    if not isinstance(template, Plural):
        return FormattedMessage(template, values)
    number = arguments.get(template.number)
    return template.about(number if isinstance(number, int) else 0, **values)


def word_reason(reason: Reason) -> Message:
    """Return a reason as a sentence to translate.

    An unknown code is returned as it is, and so is a code whose arguments are incomplete: both are stored by other
    versions of the service, and a page must still show the comment.
    """
    template = TEMPLATES.get(reason.code)
    if template is None:
        return reason.code
    if reason.code == ALL_MATCHED:
        return _word_parts(split_reason(reason))
    message = fill_template(template, reason.args)
    try:
        str(message)
    except KeyError:
        return reason.code
    return message


def _word_parts(parts: Sequence[Reason]) -> Message:
    """Return the sentences of several reasons after one another."""
    message = FormattedMessage(str(TEMPLATES[ALL_MATCHED]), {})
    for part in parts:
        message = FormattedMessage("%(first)s %(rest)s", {"first": message, "rest": word_reason(part)})
    return message


def reason_text(reason: Reason) -> str:
    """Return a reason as a sentence in English."""
    return str(word_reason(reason))


# It begins where a run of characters does: else a long text without spaces takes quadratic time.
_EMAIL: Final = re.compile(r"(?<![^\s@])([^\s@\w]*\w)[^\s@]*@(?=[^\s@]+\.)")


def mask_personal_data(text: str) -> str:
    """Return a text with email addresses masked (``m…@example.com``) and IP addresses cut to their network.

    White space becomes single spaces.
    """
    return " ".join(mask_addresses(_EMAIL.sub(r"\1…@", text)).split())
