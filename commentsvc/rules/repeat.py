"""The built-in rule ``repeat``: comments like those that people called spam before. It has a check for each reason."""

from typing import Final

from commentsvc.domain.models import Draft, Effect
from commentsvc.domain.reasons import Reason
from commentsvc.rules.context import Context
from commentsvc.rules.verdicts import Policy, Verdict

RULE: Final = "rule:repeat"


def check_same_text(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Call a comment spam if a person called the same text spam, and nobody ever approved it.

    A short text is only noted, since people write the same one by chance. If the same text was spam in an imported
    archive only, the comment is held: no person on this site has decided about it.
    """
    known = context.recalled
    if known.is_approved or not (known.same or known.imported):
        return None
    if known.same and known.marked_at:
        reason = Reason("repeat_same", {"date": known.marked_at[:10]})
        return Verdict(Effect.SPAM if known.is_long else Effect.NOTE, reason, RULE)
    return Verdict(Effect.HOLD if known.is_long else Effect.NOTE, Reason("repeat_imported"), RULE)


def check_near_text(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its text is nearly the same as spam. About the same text, ``check_same_text`` decides."""
    known = context.recalled
    if known.is_approved or known.same or known.imported or not (known.near and known.is_long):
        return None
    return Verdict(Effect.HOLD, Reason("repeat_near", {"found": known.near}), RULE)


def check_spam_host(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment that links to a host which was in spam, and never in a good comment."""
    host = context.recalled.host
    return Verdict(Effect.HOLD, Reason("repeat_host", {"host": host}), RULE) if host else None


def check_spam_website(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment whose website is on such a host."""
    host = context.recalled.website
    return Verdict(Effect.HOLD, Reason("repeat_website", {"host": host}), RULE) if host else None


def check_spam_network(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Note how many comments from the same network people called spam. Many people may share a network."""
    found = context.recalled.from_network
    return Verdict(Effect.NOTE, Reason("repeat_network", {"found": found}), RULE) if found else None


def check_spam_author(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Note how many comments by the same commenter people called spam."""
    found = context.recalled.by_author
    return Verdict(Effect.NOTE, Reason("repeat_author", {"found": found}), RULE) if found else None
