"""Tell ``commentsvc doctor`` what the service sees of its request: whether a proxy names its clients.

Only who has the secret key can make the token. Everybody else gets the answer of a path that does not exist.
"""

from aiohttp import hdrs, web

from commentsvc.domain import networks
from commentsvc.domain.errors import NotFound
from commentsvc.operations.doctor.forwarding import Seen
from commentsvc.web.server import security
from commentsvc.web.server.responses import respond
from commentsvc.web.server.routing import SERVICE


async def tell_what_was_seen(request: web.Request) -> web.Response:
    """Return the host, the peer and the client of this request.

    Raises:
        NotFound: the token is missing, wrong or expired.
    """
    service = request.app[SERVICE]
    if service.keyring.subject("doctor", security.bearer(request) or "", service.clock()) is None:
        raise NotFound
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    named = networks.parse_hop(address)
    return respond(
        Seen(
            host=request.host,
            peer=address,
            client=security.visit(request, service.config).address,
            forwarded=[name for name in ("X-Forwarded-For", hdrs.FORWARDED) if name in request.headers],
            trusts_peer=named is None or networks.is_in(named, service.config.proxies),
        ),
        200,
    )
