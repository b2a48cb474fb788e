"""Language and headers of the pages behind links in mails to readers. Only the token in a link protects its page."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct

from commentsvc.domain.fields import Language
from commentsvc.web.server import security


class LinkQuery(Struct, frozen=True, kw_only=True):
    """The language of a link in a mail."""

    lang: Language | None = None


def private(response: web.Response, leads_to: Iterable[str | None] = ()) -> web.Response:
    """Return the page of a secret link, which no search engine may list. Its forms may redirect to these addresses.

    Chromium applies ``form-action`` to redirects too (https://github.com/w3c/webappsec-csp/issues/8).
    """
    response.headers["X-Robots-Tag"] = "noindex"
    origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(address)) for address in leads_to if address})
    policy = security.PAGE_POLICY.replace("form-action 'self'", " ".join(["form-action 'self'", *origins]))
    response.headers["Content-Security-Policy"] = policy
    return response
