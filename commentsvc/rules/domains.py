"""Domains: one, and all that lies below it."""

from functools import cache

from commentsvc.domain import urls


def parse_domain(text: str) -> str:
    """A domain as somebody names it: example.com, @example.com, *.example.com.

    Raises:
        ValueError: it is none.
    """
    domain = normalise_domain(text.strip().removeprefix("@").removeprefix("*.").rstrip("."))
    if "." not in domain or not urls.PLAIN_HOST.fullmatch(domain):
        raise ValueError
    return domain


def normalise_domain(host: str) -> str:
    """A host as it travels; what is none stays as it is."""
    try:
        return urls.normalise_host(host)
    except ValueError:
        return host.lower()


def is_within(host: str, domain: str) -> bool:
    """Whether a host is this domain, or lies below it."""
    return f".{host}".endswith(f".{domain}")


@cache
def disposable_domains() -> frozenset[str]:
    """Domains of services that give away mailboxes for minutes.

    Raises:
        ValueError: their list, an extra, is not installed.
    """
    try:
        import disposable_email_domains  # noqa: PLC0415 -- an extra that need not be there
    except ImportError:
        raise ValueError from None
    return frozenset(disposable_email_domains.blocklist)
