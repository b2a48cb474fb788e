"""The kinds of rules a moderator can keep: what each looks for, and what may come of it.

Looking is pure: an ``Opinion`` knows a draft and its context, and says in words why it objects, or None.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from commentsvc.domain.errors import RateLimited, Refusal, RejectedByRule, ThreadClosed
from commentsvc.domain.models import Draft, Effect, RuleKind
from commentsvc.rules import domains, writing_systems
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.word_list import WordList

RuleCheck = Callable[[Draft, Context], str | None]

BLOCKING_EFFECTS: Final = (Effect.HOLD, Effect.SPAM, Effect.REFUSE)
# An answer must not tell whose address was typed, so these never refuse and never approve.
EMAIL_EFFECTS: Final = (Effect.HOLD, Effect.SPAM)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of rule."""

    wants: str  # what ``match`` must hold, said to whoever sent something else
    reads: Callable[[str], RuleCheck]  # raises ValueError where ``match`` is something else
    effects: tuple[Effect, ...] = BLOCKING_EFFECTS  # the first, unless another is asked for
    needs: frozenset[Fact] = frozenset()
    by_email: bool = False
    expires: bool = False
    refusal: Callable[[str], Refusal] = RejectedByRule


def match_email(digest: str) -> RuleCheck:
    """The address with this keyed digest."""
    return lambda _draft, context: "Its address is banned." if digest in context.email_digests else None


def match_email_domain(text: str) -> RuleCheck:
    """Addresses at this domain or below it."""
    domain = domains.parse_domain(text)

    def opinion(_draft: Draft, context: Context) -> str | None:
        return f"Addresses at {domain} are banned." if domains.is_within(context.email_domain, domain) else None

    return opinion


def match_disposable(text: str) -> RuleCheck:
    """Addresses of services that give away mailboxes for minutes."""
    if text:
        raise ValueError
    thrown_away = domains.disposable_domains()

    def opinion(_draft: Draft, context: Context) -> str | None:
        return "Its address is of a disposable kind." if context.email_domain in thrown_away else None

    return opinion


def match_author(author_id: str) -> RuleCheck:
    """Whoever holds the token of this author."""
    return lambda _draft, context: "Its writer is banned." if context.author_id == author_id else None


def match_network(text: str) -> RuleCheck:
    """An IP address, or all of a network."""
    banned = ipaddress.ip_network(text.strip(), strict=False)
    if isinstance(banned, ipaddress.IPv6Network) and banned.network_address.ipv4_mapped:
        raise ValueError("IPv4 written as IPv6")

    def opinion(_draft: Draft, context: Context) -> str | None:
        if context.address is None:
            return None
        address = ipaddress.ip_address(context.address)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return "Its network is banned." if address in banned else None

    return opinion


def match_website(text: str) -> RuleCheck:
    """A writer's own page at this domain or below it."""
    domain = domains.parse_domain(text)

    def opinion(draft: Draft, _context: Context) -> str | None:
        host = urlsplit(draft.website or "").hostname or ""
        return (
            f"Its website is on {domain}, which is banned."
            if host and domains.is_within(domains.normalise_domain(host), domain)
            else None
        )

    return opinion


def match_trusted(text: str) -> RuleCheck:
    """Whoever proved to have written so many approved comments."""
    least = _number(text, most=1000)

    def opinion(_draft: Draft, context: Context) -> str | None:
        if context.proven_approvals < least:
            return None
        return f"Its writer has {context.proven_approvals} approved comments."

    return opinion


LINK: Final = re.compile(r"\b(?:https?://|www\.)[^\s<>]", re.IGNORECASE)
RANGE: Final = re.compile(r"(\d{1,5})?\.\.(\d{1,5})?")
# Two people say "Thank you!"; nobody says a whole sentence twice by chance.
MIN_REPEATED_TEXT: Final = 20
MIN_LETTERS: Final = 10


def match_words(text: str) -> RuleCheck:
    """Whole words or phrases, one a line, in the text, the name or the website."""
    listed = WordList.read(text)

    def opinion(draft: Draft, _context: Context) -> str | None:
        for part in (draft.comment, draft.name, draft.website or ""):
            found = listed.first(part)
            if found is not None:
                return f"It has “{found}”, which is on a word list."
        return None

    return opinion


def match_links(text: str) -> RuleCheck:
    """More than so many links."""
    most = _number(text, least=0, most=1000)

    def opinion(draft: Draft, _context: Context) -> str | None:
        found = len(LINK.findall(draft.comment))
        return f"It has {_count(found, 'link')}; {most} may stand here." if found > most else None

    return opinion


def match_length(text: str) -> RuleCheck:
    """Fewer or more characters than ``least..most``; either may be left out."""
    match = RANGE.fullmatch(text.replace(" ", ""))
    if not match or not (match[1] or match[2]):
        raise ValueError
    least, most = int(match[1] or 0), int(match[2] or 10**6)
    if least > most:
        raise ValueError

    def opinion(draft: Draft, _context: Context) -> str | None:
        found = len(draft.comment)
        return None if least <= found <= most else f"It has {_count(found, 'character')}; {text} are expected."

    return opinion


def match_script(text: str) -> RuleCheck:
    """Mostly letters of other scripts than these; a language stands for its scripts."""
    expected: set[str] = set()
    for name in text.replace(",", " ").split():
        expected |= writing_systems.parse_scripts(name)
    if not expected:
        raise ValueError

    def opinion(draft: Draft, _context: Context) -> str | None:
        found = Counter(map(writing_systems.script_of, filter(str.isalpha, draft.comment)))
        strange = {name: number for name, number in found.items() if name not in expected}
        if sum(found.values()) < MIN_LETTERS or 2 * sum(strange.values()) <= sum(found.values()):
            return None
        return f"It is mostly in another script: {max(strange, key=strange.__getitem__).title()}."

    return opinion


def match_same_text(text: str) -> RuleCheck:
    """The same text in so many other threads, or more."""
    least = _number(text, most=1000)

    def opinion(draft: Draft, context: Context) -> str | None:
        found = context.same_text_elsewhere
        if found < least or len(draft.comment) < MIN_REPEATED_TEXT:
            return None
        return f"The same text stands in {_count(found, 'other comment')}."

    return opinion


def match_too_fast(text: str) -> RuleCheck:
    """Fewer seconds than this after the last one from the same network."""
    seconds = _number(text, most=86_400)

    def opinion(_draft: Draft, context: Context) -> str | None:
        since = context.seconds_since_last
        if since is None or since >= seconds:
            return None
        return f"It came {_count(int(since), 'second')} after the last from its network; {seconds} are expected."

    return opinion


def match_too_many(text: str) -> RuleCheck:
    """More than so many from the same network within an hour."""
    most = _number(text, most=10_000)

    def opinion(_draft: Draft, context: Context) -> str | None:
        number = context.within_an_hour + 1
        return f"It is number {number} from its network within an hour; {most} may come." if number > most else None

    return opinion


def match_closing_age(text: str) -> RuleCheck:
    """Threads that became public more than so many days ago."""
    days = _number(text, most=36_500)

    def opinion(_draft: Draft, context: Context) -> str | None:
        old = f"Its thread is older than {_count(days, 'day')}."
        return old if context.thread_days > days else None

    return opinion


WHOLE_NUMBER: Final = "a whole number"

KINDS: Final[dict[RuleKind, Kind]] = {
    RuleKind.EMAIL: Kind(
        wants="an email address", reads=match_email, effects=EMAIL_EFFECTS,
        by_email=True, expires=True,
    ),
    RuleKind.EMAIL_DOMAIN: Kind(
        wants="a domain such as example.com", reads=match_email_domain, effects=EMAIL_EFFECTS,
        by_email=True, expires=True,
    ),
    RuleKind.DISPOSABLE: Kind(
        wants="nothing; the domains come from the package disposable-email-domains, which must be installed: "
        "pip install 'commentsvc[disposable]'", reads=match_disposable, effects=EMAIL_EFFECTS,
        by_email=True,
    ),
    RuleKind.AUTHOR: Kind(wants="the id of one of the writer's comments", reads=match_author, expires=True),
    RuleKind.NETWORK: Kind(
        wants="an IP address or a network such as 198.51.100.0/24 or 2001:db8::/32", reads=match_network, expires=True,
    ),
    RuleKind.WEBSITE: Kind(wants="a domain such as example.com", reads=match_website, expires=True),
    # A hit is a reason to read, never to throw away.
    RuleKind.WORDS: Kind(wants="words or phrases, one a line", reads=match_words, effects=(Effect.HOLD,), expires=True),
    RuleKind.LINKS: Kind(wants=f"{WHOLE_NUMBER} of links, from 0 on", reads=match_links),
    RuleKind.LENGTH: Kind(wants="characters as least..most, such as 20.. or 2..5000", reads=match_length),
    RuleKind.SCRIPT: Kind(
        wants="languages or scripts, such as en, or Latin Greek", reads=match_script, effects=(Effect.HOLD, Effect.SPAM),
    ),
    RuleKind.SAME_TEXT: Kind(
        wants=f"{WHOLE_NUMBER} of other comments, from 1 on", reads=match_same_text, needs=frozenset({Fact.SAME_TEXT}),
    ),
    RuleKind.TOO_FAST: Kind(
        wants=f"{WHOLE_NUMBER} of seconds", reads=match_too_fast, needs=frozenset({Fact.PACE}),
        refusal=lambda _reason: RateLimited(60),
    ),
    RuleKind.TOO_MANY: Kind(
        wants=f"{WHOLE_NUMBER} an hour", reads=match_too_many, needs=frozenset({Fact.PACE}),
        refusal=lambda _reason: RateLimited(3600),
    ),
    RuleKind.CLOSING_AGE: Kind(
        wants=f"{WHOLE_NUMBER} of days", reads=match_closing_age, effects=(Effect.HOLD, Effect.REFUSE), refusal=ThreadClosed,
    ),
    RuleKind.TRUST: Kind(wants=f"{WHOLE_NUMBER} of approved comments", reads=match_trusted, effects=(Effect.APPROVE,)),
}  # fmt: skip


def _number(text: str, *, most: int, least: int = 1) -> int:
    number = int(text) if re.fullmatch(r"\s*\d{1,6}\s*", text, re.ASCII) else -1
    if not least <= number <= most:
        raise ValueError
    return number


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
