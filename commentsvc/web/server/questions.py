"""The question of a public request: everything that its answer depends on besides the database."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from aiohttp import HttpVersion10, hdrs, web
from multidict import istr

from commentsvc.config.settings import Config
from commentsvc.domain import urls
from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.web.pages.templates import request_locale
from commentsvc.web.server import security
from commentsvc.web.server.cache_headers import accepts_gzip
from commentsvc.web.server.endpoint import read_query
from commentsvc.web.server.routing import Route

METHODS: Final = frozenset({"GET", "HEAD"})
SEC_FETCH_SITE: Final = istr("Sec-Fetch-Site")
# Of requests that were parsed last. An equal one need not be parsed, which takes 40 µs, and 150 for counts of 20 pages.
MAX_CHARACTERS: Final = 2_000_000
OVERHEAD: Final = 500  # of a question besides its texts, in characters

Raw = tuple[str | None, ...]


class Question(NamedTuple):
    """A public question in normal form: requests that must get the same answer ask the same question."""

    path: str  # of the route
    query: bytes  # only parameters that count, as JSON
    lang: str | None  # None: the answer has no words
    origin: str | None  # of the page that asks, as ``Visit.origin``
    origin_header: str | None
    gzipped: bool


class Questions:
    """Reads the questions of requests to routes whose answers are kept."""

    def __init__(self, paths: Mapping[str, Route], config: Config) -> None:
        """``paths``: every path of those routes."""
        self._paths = paths
        self._config = config
        self._known: OrderedDict[Raw, Question] = OrderedDict()
        self._left = MAX_CHARACTERS

    def read(self, request: web.Request) -> Question | None:
        """Return the question; None if the request must be answered in the ordinary way."""
        if request.method not in METHODS or request.version < HttpVersion10 or request.body_exists:
            return None
        get = request.headers.get
        if get(hdrs.AUTHORIZATION) or get(hdrs.EXPECT) or get(hdrs.CONTENT_TYPE) or get(hdrs.UPGRADE):
            return None  # for one reader, or for the ordinary way to refuse
        raw = (
            request.raw_path,
            get(hdrs.HOST),
            get(hdrs.ORIGIN),
            get(SEC_FETCH_SITE),
            get(hdrs.ACCEPT_ENCODING),
            get(hdrs.ACCEPT_LANGUAGE),
        )
        question = self._known.get(raw)
        if question is None:
            question = self._parse(request)
            if question is not None:
                self._remember(raw, question)
        return question

    def _remember(self, raw: Raw, question: Question) -> None:
        self._known[raw] = question
        self._left -= _size(raw)
        while self._left < 0:
            oldest, _ = self._known.popitem(last=False)
            self._left += _size(oldest)

    def _parse(self, request: web.Request) -> Question | None:
        route = self._paths.get(request.path)
        if route is None:
            return None
        try:
            query = read_query(route, request, self._config.limits)
        except Refusal:
            return None
        lang = getattr(query, "lang", None)
        return Question(
            path=route.path,
            query=self._normalise(route, query),
            lang=request_locale(request, lang).lang if lang or route.shared else None,
            origin=security.request_origin(request, self._config),
            origin_header=request.headers.get(hdrs.ORIGIN),
            gzipped=accepts_gzip(request),
        )

    def _normalise(self, route: Route, query: msgspec.Struct) -> bytes:
        """Return a query as JSON. JSON of a thread does not repeat its address, so all forms of that are equal."""
        fields = msgspec.structs.asdict(query)
        name = fields.get("thread")
        if not route.shared and isinstance(name, str):
            try:
                ref = urls.parse_thread(name, self._config.dropped)
            except Invalid:
                return msgspec.json.encode(fields)
            fields["thread"] = [ref.host, ref.name]
        return msgspec.json.encode(fields)


def _size(raw: Raw) -> int:
    return OVERHEAD + sum(len(text or "") for text in raw)
