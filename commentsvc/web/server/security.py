"""Security of requests and responses: origins, client addresses, tokens, headers."""

import logging
from typing import Final

from aiohttp import hdrs, web

from commentsvc.access.rate_limit import MemoryCounts
from commentsvc.config.program import command_line
from commentsvc.config.settings import Config
from commentsvc.domain import networks, urls
from commentsvc.domain.errors import OriginNotAllowed
from commentsvc.domain.messages import Message, translatable
from commentsvc.domain.models import Visit
from commentsvc.web.server.routing import FORMS

LOG: Final = logging.getLogger(__name__)
MAX_AGENT: Final = 300
MAX_IGNORED_PROXIES: Final = 100
MAX_REFUSED_ORIGINS: Final = 1000
WARNINGS: Final = (60, 3600)  # about refused origins, and seconds

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
# The page has a script, which sets text only.
DOCS_POLICY: Final = f"{PAGE_POLICY}; script-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
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
    # The asterisk allows those that monitoring adds to every request of a page, such as traceparent. It is for requests
    # without credentials, and does not cover Authorization (Fetch standard, CORS-preflight fetch).
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, *",
    "Access-Control-Max-Age": "7200",
}
# A page of no site may send these itself, so that it can read why it was refused. The others cost its visitors an
# allowance (access/rate_limit.py).
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
EXPOSED: Final = "ETag, Location, Retry-After, X-Request-ID"


def visit(request: web.Request, config: Config) -> Visit:
    """Return the origin of a request; ``origin`` is None if no page of another origin sent it."""
    return Visit(request_origin(request, config), _client_address(request, config), _agent(request))


def request_origin(request: web.Request, config: Config) -> str | None:
    """Return the origin of the page that sends a request; None if it is our own page, or no page."""
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


def reporting_visit(request: web.Request, config: Config) -> Visit:
    """Return the origin of a report. A page of another site that hides its origin has the origin ``null``.

    Otherwise a page with ``no-referrer`` could make each of its visitors report a comment.
    """
    reader = visit(request, config)
    site = request.headers.get("Sec-Fetch-Site", "")
    hidden = request.headers.get(hdrs.ORIGIN) == "null" or site in {"cross-site", "same-site"}
    if reader.origin is None and hidden and site != "same-origin":
        return Visit("null", reader.address, reader.agent)
    return reader


def _client_address(request: web.Request, config: Config) -> str:
    """Return the right-most address that is not one of our trusted proxies."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    named = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    address = networks.parse_hop(named) or "0.0.0.0"  # noqa: S104 -- stands for: no peer
    headers = [request.headers.getall(name, []) for name in ("X-Forwarded-For", hdrs.FORWARDED)]
    if not any(headers):
        return address
    proxies, hops = config.proxies, networks.forwarded_hops(*headers)
    if config.socket_path and hops:  # only a proxy on this computer connects to a socket file
        address = networks.parse_hop(hops.pop()) or address
    elif named and not networks.is_in(address, proxies):
        request.app[IGNORED_PROXIES].warn(address)
    for hop in reversed(hops):
        earlier = networks.parse_hop(hop)
        if earlier is None or not networks.is_in(address, proxies):
            break
        address = earlier
    return address


class IgnoredProxies:
    """Warns once about each peer whose word on its clients is ignored.

    Only private and loopback addresses are named: those are machines of the operator. All others count as one peer, so
    that strangers who send such headers fill neither the log nor the memory.
    """

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def warn(self, address: str) -> None:
        """Log a warning about this peer, unless there was one."""
        peer = address if networks.is_internal(address) else "a public address"
        if peer in self._warned or len(self._warned) >= MAX_IGNORED_PROXIES:
            return
        self._warned.add(peer)
        LOG.warning(
            "X-Forwarded-For and Forwarded from %s are ignored. "
            "If it is your proxy, add it to COMMENTSVC_TRUSTED_PROXIES: until then its readers share one rate limit.",
            peer,
        )


IGNORED_PROXIES: Final = web.AppKey("ignored_proxies", IgnoredProxies)


class RefusedOrigins:
    """Warns about each origin whose pages are refused, with the setting that would allow it.

    A browser sends any origin, so only a parsed one is named, and the number of warnings is limited.
    """

    def __init__(self) -> None:
        self._warned: dict[str, None] = {}
        self._warnings = MemoryCounts()

    def warn(self, origin: str | None, now: float) -> None:
        """Log a warning about this origin, unless there was one. ``now`` is the time in seconds since 1970."""
        try:
            name = urls.parse_origin(origin or "")
        except ValueError:
            return  # a page opened as a file has "null"; other values come from programs
        if name in self._warned or self._warnings.count("", now, WARNINGS):
            return
        self._warned[name] = None
        if len(self._warned) > MAX_REFUSED_ORIGINS:
            del self._warned[next(iter(self._warned))]
        LOG.warning(
            "refused a page of %s (origin_not_allowed): no site has this origin, or another one than that of the "
            "thread. If it is your website, set COMMENTSVC_SITES=%s, or run: %s",
            name,
            name,
            command_line("site", "add", "NAME", "--origin", name),
        )


REFUSED_ORIGINS: Final = web.AppKey("refused_origins", RefusedOrigins)


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
    return "commentsvc" if urls.is_local(urls.host_of(config.own_origin)) and _is_here(request) else None


def _is_here(request: web.Request) -> bool:
    """Tell whether the browser is on this computer. A proxy may have put its own address into Host."""
    origin = request.headers.get(hdrs.ORIGIN, "").partition("://")[2]
    forwarded = ",".join(request.headers.getall("X-Forwarded-Host", [])).split(",")
    return all(urls.is_local(host.strip()) for host in (request.host, origin, *forwarded) if host.strip())


def explain_https(config: Config) -> Message:
    """Return which setting is missing if nobody can sign in, and what to do."""
    if not config.public_url:
        return translatable(
            "COMMENTSVC_PUBLIC_URL is not set. Set it to the https address of the service, and restart. "
            "The service also needs a proxy with TLS in front of it."
        )
    return translatable(
        "COMMENTSVC_PUBLIC_URL is not an https address. "
        "Put a proxy with TLS in front of the service. Then set it to the https address, and restart."
    )


def session_token(request: web.Request, config: Config) -> str | None:
    """Return the token in the session cookie."""
    return request.cookies.get(session_cookie(request, config) or "")


def is_background_poll(request: web.Request) -> bool:
    """Tell whether the moderation page's script polls in the background."""
    return request.headers.get("Commentsvc-Background") == "true"


def bearer(request: web.Request) -> str | None:
    """Return the token of an ``Authorization: Bearer``, or None."""
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None
