"""Security of requests and responses: origins, client addresses, tokens, headers."""

from typing import Final

from aiohttp import hdrs, web

from commentsvc.config.settings import Config
from commentsvc.domain import networks, urls
from commentsvc.domain.errors import OriginNotAllowed
from commentsvc.domain.models import Visit
from commentsvc.web.server.routing import FORMS

MAX_AGENT: Final = 300

# On every response. Pages add their own policy.
HEADERS: Final = {
    "Server": "commentsvc",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Exactly what a strict page needs for the widget.
WIDGET_POLICY: Final = (
    f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types commentsvc"
)
# Moderation pages are never cached or framed, and their address is never sent elsewhere.
MODERATION_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send our own forms without their origin
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
    """Return the origin of a request; ``origin`` is None if no page of another origin sent it."""
    return Visit(_origin(request, config), _client_address(request, config), _agent(request))


def _origin(request: web.Request, config: Config) -> str | None:
    origin = request.headers.get(hdrs.ORIGIN)
    # Our own page. Over http there is no Sec-Fetch-Site, but no other site has our Host as its origin.
    if request.headers.get("Sec-Fetch-Site") == "same-origin" or (
        origin and origin.partition("://")[2] == request.host
    ):
        return config.own_origin if config.base_path else None  # below a path, the blog has the same origin
    # A form of a page with no-referrer sends "null" (HTML, 4.10.21); it carries no credentials.
    if origin == "null" and request.content_type in FORMS:
        return None
    return origin


def _client_address(request: web.Request, config: Config) -> str:
    """Return the right-most address that is not one of our trusted proxies."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    named = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    address = networks.parse_hop(named) or "0.0.0.0"  # noqa: S104 -- stands for: no peer
    if not config.trusted_proxies:
        return address
    proxies, headers = config.proxies, request.headers
    hops = networks.forwarded_hops(headers.getall("X-Forwarded-For", []), headers.getall(hdrs.FORWARDED, []))
    for hop in reversed(hops):
        earlier = networks.parse_hop(hop)
        if earlier is None or not any(networks.parse_address(address) in network for network in proxies):
            break
        address = earlier
    return address


def _agent(request: web.Request) -> str | None:
    agent = request.headers.get(hdrs.USER_AGENT, "").encode("utf-8", "replace").decode()
    return "".join(character for character in agent if character.isprintable())[:MAX_AGENT] or None


def require_own_page(request: web.Request, config: Config) -> None:
    """Refuse a form that our own pages did not send (Fetch Metadata; without it, Origin).

    Raises:
        OriginNotAllowed: another page sent it, or the browser does not say which.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN, "")
    own = origin == config.own_origin or origin.partition("://")[2] == request.host
    if not (site in {"same-origin", "none"} if site else own):
        raise OriginNotAllowed("Send this form from the moderation page.")


def session_cookie(request: web.Request, config: Config) -> str | None:
    """Return the name of the session cookie; None if the connection cannot keep it secret.

    The prefix makes browsers require Secure and exactly this host (RFC 6265bis, 4.1.3). Below a path the cookie is for
    this path alone, which ``__Host-`` does not allow.
    """
    if config.own_origin.startswith("https://"):
        return "__Secure-commentsvc" if config.base_path else "__Host-commentsvc"
    here = urls.is_local(urls.host_of(config.own_origin)) and urls.is_local(request.host)
    return "commentsvc" if here else None


def session_token(request: web.Request, config: Config) -> str | None:
    """Return the token in the session cookie."""
    return request.cookies.get(session_cookie(request, config) or "")


def is_background_poll(request: web.Request) -> bool:
    """Tell whether the moderation page's script polls in the background."""
    return request.headers.get("Commentsvc-Looks") == "by itself"


def bearer(request: web.Request) -> str | None:
    """Return the token of an ``Authorization: Bearer``, or None."""
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None
