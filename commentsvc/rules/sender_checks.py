"""Checks of rules by who sent a comment, from where, and how often."""

import ipaddress
from typing import Final

from commentsvc.domain.models import Draft
from commentsvc.domain.reasons import Reason
from commentsvc.rules import domains
from commentsvc.rules.checks import RuleCheck, parse_number
from commentsvc.rules.context import Context

NO_APPROVED_COMMENTS: Final = Reason("no_approved_comments")


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
        host = domains.website_host(draft.website or "")
        return Reason("website_banned", {"domain": domain}) if domains.is_within(host, domain) else None

    return check


def compile_trust(text: str) -> RuleCheck:
    """Match commenters with at least this many approved comments."""
    least = parse_number(text, most=1000)

    def check(_draft: Draft, context: Context) -> Reason | None:
        found = context.approved_comments
        return Reason("author_approved", {"found": found}) if found >= least else None

    return check


def compile_newcomer(text: str) -> RuleCheck:
    """Match commenters with fewer approved comments than this: with 1, a first comment."""
    least = parse_number(text, most=1000)

    def check(_draft: Draft, context: Context) -> Reason | None:
        found = context.approved_comments
        if found >= least:
            return None
        return Reason("few_approved_comments", {"found": found, "limit": least}) if found else NO_APPROVED_COMMENTS

    return check


def compile_too_fast(text: str) -> RuleCheck:
    """Match comments sent fewer seconds than this after the last one from the same network."""
    least = parse_number(text, most=86_400)

    def check(_draft: Draft, context: Context) -> Reason | None:
        since = context.seconds_since_last
        return None if since is None or since >= least else Reason("too_fast", {"found": int(since), "limit": least})

    return check


def compile_too_many(text: str) -> RuleCheck:
    """Match comments beyond this many from the same network within an hour."""
    limit = parse_number(text, most=10_000)

    def check(_draft: Draft, context: Context) -> Reason | None:
        found = context.comments_last_hour + 1
        return Reason("too_many", {"found": found, "limit": limit}) if found > limit else None

    return check
