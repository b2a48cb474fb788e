"""What a form says of its faults, in its writer's language.

The service's own sentences are English, and are what is looked up; one that nobody translated is said as it is.
"""

from dataclasses import dataclass
from typing import Final

from commentsvc.domain import fields
from commentsvc.domain.errors import FieldError, Invalid, RateLimited, Refusal
from commentsvc.domain.fields import Limits
from commentsvc.web.pages.i18n import Words, marked

# What whoever fills a form in may be told. What only programs and operators meet is left in English.
SENTENCES: Final = (
    marked("Some fields need your attention."),
    marked("You have said this here already."),
    marked("The same was written here under this name within the last 24 hours. It need not be sent again."),
    marked("You are writing faster than this site allows."),
    marked("This thread takes no more replies."),
    marked("Its moderators have closed it."),
    marked("This comment was removed."),
    marked("Pages from there may not write here."),
    marked("The service cannot do this at the moment."),
    marked("There is nothing here."),
    marked("Please enter your name."),
    marked("Please enter your email address. It will not be published."),
    marked("Please write a comment."),
    marked("This is not a valid email address. One looks like name@example.com."),
    marked("No mail can be delivered to this address's domain. Is it spelled right?"),
    marked("This is not a web address. One looks like https://example.com, and starts with http:// or https://."),
    marked("There is a NUL character in this. Please take it out."),
    marked("There are control characters in this. Please take them out."),
    marked("The comment this answers is not shown here. It may have been removed."),
)


@dataclass(frozen=True)
class Explanation:
    """Why something was refused, for a person: the faults by their fields, else the detail."""

    title: str
    detail: str
    fields: dict[str, str]


def explained(words: Words, refused: Refusal, limits: Limits) -> Explanation:
    """A refusal in these words; of each field its first fault."""
    found = refused.faults if isinstance(refused, Invalid) else ()
    by_field = {fault.field: _fault(words, fault, limits) for fault in reversed(found)}
    return Explanation(_sentence(words, refused.title), _detail(words, refused), by_field)


def _sentence(words: Words, text: str) -> str:
    return words.gettext(text) if text in SENTENCES else text


def _detail(words: Words, refused: Refusal) -> str:
    if isinstance(refused, RateLimited):
        return words.ngettext(
            "Please wait %(num)s second, then send it again.",
            "Please wait %(num)s seconds, then send it again.",
            refused.retry_after,
        )
    return _sentence(words, refused.detail)


def _fault(words: Words, fault: FieldError, limits: Limits) -> str:
    if fault.code != "too_long":
        return _sentence(words, fault.detail)
    most = {"name": limits.name, "website": limits.website, "email": fields.MAX_EMAIL}
    return words.ngettext(
        "At most %(num)s character is taken here. Please shorten this.",
        "At most %(num)s characters are taken here. Please shorten this.",
        most.get(fault.field, limits.comment),
    )
