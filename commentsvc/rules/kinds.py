"""The kinds of rules that moderators can add: the text each kind accepts, its effects, and its check.

A check is pure: it takes a draft and its context, and returns the reason to act, or None.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from commentsvc.domain.errors import RateLimited, Refusal, RejectedByRule, ThreadClosed
from commentsvc.domain.messages import Message, translatable
from commentsvc.domain.models import Draft, Effect, RuleKind
from commentsvc.domain.reasons import Reason
from commentsvc.domain.visible_text import ADDRESS, visible_length
from commentsvc.rules import domains, writing_systems
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.word_check import compile_words

RuleCheck = Callable[[Draft, Context], Reason | None]

BLOCKING_EFFECTS: Final = (Effect.HOLD, Effect.SPAM, Effect.REFUSE)
# The response must not reveal whether an email address is banned, so these kinds neither refuse nor approve.
EMAIL_EFFECTS: Final = (Effect.HOLD, Effect.SPAM)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of rule."""

    label: str  # for lists of kinds
    expected: str  # tells a moderator what to enter
    compile: Callable[[str], RuleCheck]  # raises ValueError if the text is not as expected
    effects: tuple[Effect, ...] = BLOCKING_EFFECTS  # the default first
    needs: frozenset[Fact] = frozenset()
    by_email: bool = False
    expires: bool = False
    refusal: Callable[[Message], Refusal] = RejectedByRule


def compile_email(digest: str) -> RuleCheck:
    """Match the email address with this keyed digest."""
    return lambda _draft, context: Reason("email_banned") if digest in context.email_digests else None


def compile_email_domain(text: str) -> RuleCheck:
    """Match email addresses at a domain or its subdomains."""
    domain = domains.parse_domain(text)
    reason = Reason("email_domain_banned", {"domain": domain})
    return lambda _draft, context: reason if domains.is_within(context.email_domain, domain) else None


def compile_disposable(text: str) -> RuleCheck:
    """Match addresses at services for disposable email."""
    if text:
        raise ValueError
    listed = domains.disposable_domains()
    return lambda _draft, context: Reason("disposable_email") if context.email_domain in listed else None


def compile_author(author_id: str) -> RuleCheck:
    """Match the holder of this author's token."""
    return lambda _draft, context: Reason("author_banned") if context.author_id == author_id else None


def compile_network(text: str) -> RuleCheck:
    """Match an IP address or a network."""
    banned = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(banned, ipaddress.IPv6Network) and banned.network_address.ipv4_mapped:
        raise ValueError("IPv4 written as IPv6")

    def check(_draft: Draft, context: Context) -> Reason | None:
        if context.address is None:
            return None
        address = ipaddress.ip_address(context.address)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return Reason("network_banned") if address in banned else None

    return check


def compile_website(text: str) -> RuleCheck:
    """Match a commenter's website at a domain or its subdomains."""
    domain = domains.parse_domain(text)

    def check(draft: Draft, _context: Context) -> Reason | None:
        host = domains.normalise_domain(urlsplit(draft.website or "").hostname or "")
        return Reason("website_banned", {"domain": domain}) if domains.is_within(host, domain) else None

    return check


def compile_trust(text: str) -> RuleCheck:
    """Match commenters with at least this many approved comments."""
    least = _number(text, most=1000)

    def check(_draft: Draft, context: Context) -> Reason | None:
        found = context.approved_comments
        return Reason("author_approved", {"found": found}) if found >= least else None

    return check


RANGE: Final = re.compile(r"(\d{1,5})?\.\.(\d{1,5})?")
# Two people may both write "Thank you!", but rarely the same whole sentence.
MIN_REPEATED_TEXT: Final = 20
MIN_LETTERS: Final = 10


def compile_links(text: str) -> RuleCheck:
    """Match comments with more links than this."""
    limit = _number(text, least=0, most=1000)

    def check(draft: Draft, context: Context) -> Reason | None:
        found = len(ADDRESS.findall(draft.comment))
        if context.visible:
            found = max(found, context.visible.links)
        return Reason("too_many_links", {"found": found, "limit": limit}) if found > limit else None

    return check


def compile_length(text: str) -> RuleCheck:
    """Match comments outside ``least..most`` characters; either number can be omitted."""
    match = RANGE.fullmatch(text.replace(" ", ""))
    if not match or not (match[1] or match[2]):
        raise ValueError
    least, most = int(match[1] or 0), int(match[2] or 10**6)
    if least > most:
        raise ValueError

    def check(draft: Draft, context: Context) -> Reason | None:
        texts = context.texts_of(draft)
        shortest, longest = min(map(visible_length, texts)), max(map(len, texts))
        if shortest < least:
            return Reason("text_too_short", {"found": shortest, "limit": least})
        return Reason("text_too_long", {"found": longest, "limit": most}) if longest > most else None

    return check


def compile_script(text: str) -> RuleCheck:
    """Match comments with more letters of other scripts than of these. A language means all its scripts."""
    expected: set[str] = set()
    for name in text.replace(",", " ").split():
        expected |= writing_systems.parse_scripts(name)
    if not expected:
        raise ValueError
    expected_names = ", ".join(sorted(map(writing_systems.script_name, expected)))

    def check(draft: Draft, context: Context) -> Reason | None:
        shown = context.visible.text if context.visible else draft.comment
        found = Counter(map(writing_systems.script_of, filter(str.isalpha, shown)))
        other = {name: number for name, number in found.items() if name not in expected}
        if found.total() < MIN_LETTERS or 2 * sum(other.values()) <= found.total():
            return None
        script = writing_systems.script_name(max(other, key=other.__getitem__))
        return Reason("other_script", {"script": script, "expected": expected_names})

    return check


def compile_same_text(text: str) -> RuleCheck:
    """Match a text that is in this many comments of other threads, or more."""
    least = _number(text, most=1000)

    def check(draft: Draft, context: Context) -> Reason | None:
        found = context.same_text_comments
        if found < least or min(map(visible_length, context.texts_of(draft))) < MIN_REPEATED_TEXT:
            return None
        return Reason("repeated_text", {"found": found, "limit": least})

    return check


def compile_too_fast(text: str) -> RuleCheck:
    """Match comments sent fewer seconds than this after the last one from the same network."""
    least = _number(text, most=86_400)

    def check(_draft: Draft, context: Context) -> Reason | None:
        since = context.seconds_since_last
        return None if since is None or since >= least else Reason("too_fast", {"found": int(since), "limit": least})

    return check


def compile_too_many(text: str) -> RuleCheck:
    """Match comments beyond this many from the same network within an hour."""
    limit = _number(text, most=10_000)

    def check(_draft: Draft, context: Context) -> Reason | None:
        found = context.comments_last_hour + 1
        return Reason("too_many", {"found": found, "limit": limit}) if found > limit else None

    return check


def compile_closing_age(text: str) -> RuleCheck:
    """Match comments in threads that became public more than this many days ago."""
    limit = _number(text, most=36_500)
    reason = Reason("thread_old", {"limit": limit})
    return lambda _draft, context: reason if context.thread_age_days > limit else None


_DOMAIN: Final = translatable("Enter a domain such as example.com.")

KINDS: Final[dict[RuleKind, Kind]] = {
    RuleKind.EMAIL: Kind(
        label="Email address", expected=translatable("Enter an email address such as name@example.com."),
        compile=compile_email, effects=EMAIL_EFFECTS, by_email=True, expires=True,
    ),
    RuleKind.EMAIL_DOMAIN: Kind(
        label="Email domain: addresses at this domain or its subdomains", expected=_DOMAIN,
        compile=compile_email_domain, effects=EMAIL_EFFECTS, by_email=True, expires=True,
    ),
    RuleKind.DISPOSABLE: Kind(
        label="Disposable email addresses",
        expected=translatable("Leave this empty. The operator must install commentsvc[disposable]."),
        compile=compile_disposable, effects=EMAIL_EFFECTS, by_email=True,
    ),
    RuleKind.AUTHOR: Kind(
        label="Commenter", expected=translatable("Enter the ID of one of their comments."),
        compile=compile_author, expires=True,
    ),
    RuleKind.NETWORK: Kind(
        label="Network or IP address",
        expected=translatable("Enter an IP address or a network such as 198.51.100.0/24 or 2001:db8::/32."),
        compile=compile_network, expires=True,
    ),
    RuleKind.WEBSITE: Kind(
        label="Website: at this domain or its subdomains", expected=_DOMAIN, compile=compile_website, expires=True,
    ),
    # Word lists are often wrong, so they only hold.
    RuleKind.WORDS: Kind(
        label="Words: any word or phrase on this list", expected=translatable("Enter words or phrases, one a line."),
        compile=compile_words, effects=(Effect.HOLD,), expires=True,
    ),
    RuleKind.LINKS: Kind(
        label="Links: more than this many",
        expected=translatable("Enter a whole number of links, 0 or more."), compile=compile_links,
    ),
    RuleKind.LENGTH: Kind(
        label="Length: fewer or more characters than this",
        expected=translatable("Enter a range of characters such as 20.. or 2..5000."), compile=compile_length,
    ),
    RuleKind.SCRIPT: Kind(
        label="Script: mostly letters of other scripts than these",
        expected=translatable("Enter languages or scripts, such as en or Latin Greek."),
        compile=compile_script, effects=(Effect.HOLD, Effect.SPAM),
    ),
    RuleKind.SAME_TEXT: Kind(
        label="Repeated text: in this many other comments or more",
        expected=translatable("Enter a whole number of other comments, 1 to 1,000."),
        compile=compile_same_text, needs=frozenset({Fact.SAME_TEXT}),
    ),
    RuleKind.TOO_FAST: Kind(
        label="Pace: fewer seconds than this since the network's last comment",
        expected=translatable("Enter a whole number of seconds, 1 to 86,400."),
        compile=compile_too_fast, needs=frozenset({Fact.PACE}), refusal=lambda _reason: RateLimited(60, by_rule=True),
    ),
    RuleKind.TOO_MANY: Kind(
        label="Pace: more than this many comments from one network in an hour",
        expected=translatable("Enter a whole number of comments an hour, 1 to 10,000."),
        compile=compile_too_many, needs=frozenset({Fact.PACE}), refusal=lambda _reason: RateLimited(3600, by_rule=True),
    ),
    RuleKind.CLOSING_AGE: Kind(
        label="Old threads: more than this many days old",
        expected=translatable("Enter a whole number of days, 1 to 36,500."),
        compile=compile_closing_age, effects=(Effect.HOLD, Effect.REFUSE), refusal=ThreadClosed,
    ),
    RuleKind.TRUST: Kind(
        label="Trust: commenters with at least this many approved comments",
        expected=translatable("Enter a whole number of approved comments, 1 to 1,000."),
        compile=compile_trust, effects=(Effect.APPROVE,),
    ),
}  # fmt: skip


def _number(text: str, *, most: int, least: int = 1) -> int:
    number = int(text) if re.fullmatch(r"\s*\d{1,6}\s*", text, re.ASCII) else -1
    if not least <= number <= most:
        raise ValueError
    return number
