"""Who may come in, and what every answer says about that: origins, addresses, keys, headers."""

import ipaddress
from typing import Final

from aiohttp import hdrs, web

from commentsvc.config import Config
from commentsvc.domain import urls
from commentsvc.domain.errors import OriginNotAllowed
from commentsvc.domain.models import Visit

AGENT_LONGEST: Final = 300

# On every answer. Pages add a policy of their own.
HEADERS: Final = {
    "Server": "commentsvc",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# What a strict page needs for the widget, and nothing more.
WIDGET_POLICY: Final = (
    f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types commentsvc"
)
# What moderators see is kept by nobody, framed by nobody, and told to nobody.
MODERATION_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would not say where our own forms come from
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CORS: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match",
    "Access-Control-Max-Age": "7200",
}
EXPOSED: Final = "ETag, Location, Retry-After, X-Request-ID"


def visit(request: web.Request, config: Config) -> Visit:
    """Where a request came from. ``origin`` is None where no page of another origin is behind it."""
    return Visit(_origin(request), _address(request, config), _agent(request))


def _origin(request: web.Request) -> str | None:
    origin = request.headers.get(hdrs.ORIGIN)
    # Our own page. Plain http has no Sec-Fetch-Site, but no other site's page can have our Host as its origin.
    if request.headers.get("Sec-Fetch-Site") == "same-origin" or (
        origin and origin.partition("://")[2] == request.host
    ):
        return None
    # A plain form of a page without a referrer says "null" (HTML, 4.10.21); it carries no rights of anybody.
    if origin == "null" and request.content_type == "application/x-www-form-urlencoded":
        return None
    return origin


def _address(request: web.Request, config: Config) -> str:
    """The right-most address that no trusted proxy of ours stands at."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = peer[0] if isinstance(peer, tuple) and peer else "0.0.0.0"  # noqa: S104 -- nobody's address
    if not config.trusted_proxies:
        return str(address)
    chain = [part.strip() for part in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
    for hop in reversed(chain):
        if not _trusted(address, config) or not _is_address(hop):
            break
        address = hop
    return str(address)


def _trusted(address: str, config: Config) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in config.proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _agent(request: web.Request) -> str | None:
    agent = request.headers.get(hdrs.USER_AGENT, "").encode("utf-8", "replace").decode()
    return "".join(character for character in agent if character.isprintable())[:AGENT_LONGEST] or None


def require_own_page(request: web.Request, config: Config) -> None:
    """Let what changes something come from our own pages alone (Fetch Metadata; where it is not sent, Origin).

    Raises:
        ForeignOrigin: it comes from another page, or does not say where from.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN, "")
    ours = origin == config.own_origin or origin.partition("://")[2] == request.host
    if not (site in {"same-origin", "none"} if site else ours):
        raise OriginNotAllowed("This form must be sent from the moderation page itself.")


def session_cookie(request: web.Request, config: Config) -> str | None:
    """What the cookie of whoever is signed in is called; None where no connection keeps it secret.

    The prefix has browsers see to it that it is Secure and of this very host (RFC 6265bis, 4.1.3).
    """
    if config.own_origin.startswith("https://"):
        return "__Host-commentsvc"
    here = urls.is_local(urls.host_of(config.own_origin)) and urls.is_local(request.host)
    return "commentsvc" if here else None


def session_token(request: web.Request, config: Config) -> str | None:
    """What the browser of somebody who is signed in keeps."""
    return request.cookies.get(session_cookie(request, config) or "")


def looks_by_itself(request: web.Request) -> bool:
    """Whether the moderation page's script looks for news, with nobody at a key."""
    return request.headers.get("Commentsvc-Looks") == "by itself"


def bearer(request: web.Request) -> str | None:
    """The token of an ``Authorization: Bearer``, or None."""
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None
