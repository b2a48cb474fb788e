"""Reasons for decisions: a code and arguments when stored, a sentence when shown.

The arguments must not hold an email address or a full IP address: reasons are shown to keys that may not see those.
"""

import gettext
import ipaddress
import re
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from commentsvc.domain.networks import truncate_address


class Reason(Struct, frozen=True):
    """A code from ``TEMPLATES``, and the values of the placeholders in its template."""

    code: str
    args: dict[str, str | int] = {}


class Plural(NamedTuple):
    """A template with two forms; the argument named ``number`` selects one."""

    singular: str
    plural: str
    number: str = "found"


TEMPLATES: Final[dict[str, str | Plural]] = {
    # Built-in rules
    "honeypot_filled": "Filled in a hidden field (honeypot).",
    "form_token_missing": "Sent without opening the form (script or API).",
    "form_token_invalid": "Invalid form token.",
    "form_too_quick": "Sent too quickly after opening the form.",
    "form_expired": "The form was opened too long ago.",
    "form_reused": "This form was already used to send a comment.",
    "proof_missing": "Proof of work missing.",
    "proof_invalid": "Invalid proof of work.",
    "proof_reused": "This proof of work was already used.",
    "moderator_name": "Uses a moderator's name, or one that looks like it.",
    "moderator_email": "Uses a moderator's email address.",
    "author_approved": Plural(
        "The commenter has {found} approved comment.", "The commenter has {found} approved comments."
    ),
    # Moderation modes
    "mode_all": "Every comment on this site is held for moderation.",
    "mode_none": "No rule matched.",
    "author_new": "The commenter has no approved comments yet.",
    "author_needs_more": "The commenter has too few approved comments ({found}).",
    # Rules that moderators add
    "email_banned": "This email address is banned.",
    "email_domain_banned": "Email addresses at {domain} are banned.",
    "disposable_email": "Uses a disposable email address.",
    "author_banned": "This commenter is banned.",
    "network_banned": "This network is banned.",
    "website_banned": "Websites on {domain} are banned.",
    "word_listed": "Contains “{word}” from a word list.",
    "too_many_links": Plural("Contains {found} link (limit {limit}).", "Contains {found} links (limit {limit})."),
    "text_too_short": Plural(
        "Contains {found} character (minimum {limit}).", "Contains {found} characters (minimum {limit})."
    ),
    "text_too_long": Plural(
        "Contains {found} character (limit {limit}).", "Contains {found} characters (limit {limit})."
    ),
    "other_script": "Mostly in {script} script (expected {expected}).",
    "repeated_text": Plural(
        "The same text is in {found} other comment (rule: {limit} or more).",
        "The same text is in {found} other comments (rule: {limit} or more).",
    ),
    "too_fast": Plural(
        "Sent {found} second after the last comment from this network (minimum {limit}).",
        "Sent {found} seconds after the last comment from this network (minimum {limit}).",
    ),
    "too_many": "Comment {found} from this network within an hour (limit {limit}).",
    "thread_old": Plural(
        "The thread is more than {limit} day old.", "The thread is more than {limit} days old.", "limit"
    ),
    # Readers, commenters and moderators
    "reported": Plural("Reported by {count} reader.", "Reported by {count} readers.", "count"),
    "withdrawn": "Deleted by its commenter.",
    "undone": "Undone.",
    "erased": "Erased permanently.",
}


class Translations(Protocol):
    """The part of ``gettext.NullTranslations`` that wording a reason needs."""

    def gettext(self, message: str, /) -> str:
        """Return the translation of a message."""

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        """Return the translation that fits the number."""


ENGLISH: Final = gettext.NullTranslations()


def reason_text(reason: Reason, translations: Translations = ENGLISH) -> str:
    """Return a reason as a sentence.

    An unknown code is returned as it is, and so is a code whose arguments are incomplete: both are stored by other
    versions of the service, and a page must still show the comment.
    """
    template = TEMPLATES.get(reason.code)
    if template is None:
        return reason.code
    if isinstance(template, Plural):
        number = reason.args.get(template.number)
        message = translations.ngettext(template.singular, template.plural, number if isinstance(number, int) else 0)
    else:
        message = translations.gettext(template)
    try:
        return message.format_map({name: _argument_text(value) for name, value in reason.args.items()})
    except KeyError:
        return reason.code


def _argument_text(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


_EMAIL: Final = re.compile(r"(\w)[^\s@]*@(?=[^\s@]+\.)")


def mask_personal_data(text: str) -> str:
    """Return a text with email addresses masked (``m…@example.com``) and IP addresses cut to their network.

    White space becomes single spaces.
    """
    return " ".join(map(_mask_address, _EMAIL.sub(r"\1…@", text).split()))


def _mask_address(word: str) -> str:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return word
    return truncate_address(word)
