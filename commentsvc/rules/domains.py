"""Compare domains, and list the domains of disposable email services."""

from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import idna

from commentsvc.domain import urls


def parse_domain(text: str) -> str:
    """Return the domain in a moderator's spelling: example.com, @example.com or *.example.com.

    Raises:
        ValueError: The text is not a domain.
    """
    domain = normalise_domain(text.strip().removeprefix("@").removeprefix("*.").rstrip("."))
    if "." not in domain or not urls.PLAIN_HOST.fullmatch(domain):
        raise ValueError
    return domain


def spellings(domain: str) -> list[str]:
    """Return the ways to write a domain: in ASCII, and with its own letters if it has others."""
    with suppress(idna.IDNAError):
        return list(dict.fromkeys([domain, idna.decode(domain)]))
    return [domain]


def normalise_domain(host: str) -> str:
    """Return a host in lower case and ASCII (IDNA); an invalid host only in lower case."""
    try:
        return urls.normalise_host(host)
    except ValueError:
        return host.lower().rstrip(".")


def website_host(website: str) -> str:
    """Return the host of a commenter's website, in lower case and ASCII; empty without a website."""
    return normalise_domain(urlsplit(website).hostname or "")


def is_within(host: str, domain: str) -> bool:
    """Return whether a host is this domain or one of its subdomains."""
    return f".{host}".endswith(f".{domain}")


@cache
def disposable_domains() -> frozenset[str]:
    """Return the domains of services for disposable email.

    Raises:
        ValueError: The optional package disposable-email-domains is not installed.
    """
    try:
        import disposable_email_domains  # noqa: PLC0415 -- an optional dependency
    except ImportError:
        raise ValueError from None
    return frozenset(disposable_email_domains.blocklist)
