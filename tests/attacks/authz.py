"""Send every request with every credential, for things of its site and of another: each gets the listed status.

``EXPECTED`` is the table. A route that is not in ``REQUESTS`` fails the attack.
"""

import json
import re
import tempfile
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import DummyCookieJar, FormData
from aiohttp.test_utils import TestClient

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.archives import jobs
from commentsvc.archives.import_schemas import ImportQuery
from commentsvc.comments.post import post_comment
from commentsvc.delivery import webhooks
from commentsvc.delivery.webhook_schemas import NewWebhook, WebhookEvent
from commentsvc.domain.deliveries import Channel, NewParcel
from commentsvc.domain.models import ActionVerb, Effect, RuleKind, Scope
from commentsvc.moderation import actions, erase, threads
from commentsvc.moderation.schemas import Action, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import write
from commentsvc.sites.manage import list_sites
from commentsvc.storage import parcels
from commentsvc.web.pages import assets
from commentsvc.web.routes import ROUTES, application
from tests.attacks.command import Figures, run
from tests.conftest import EVERYTHING, Clock, ServiceServer, a_moderators_key, a_service, draft, visit

OURS, THEIRS = "one.example", "two.example"
NOWHERE = "01990000-0000-7000-8000-000000000000"
OK = "served"  # any answer but 401, 403, 404, 410 and server errors: the request passed all checks of rights

# Who asks: the scope of the credential (None: no valid one), and the only site that it is for.
CREDENTIALS: dict[str, tuple[Scope | None, str | None]] = {
    "nothing": (None, None),
    "a wrong key": (None, None),
    "a revoked key": (None, None),
    "an expired key": (None, None),
    "an edit token": (None, None),
    "a read key": (Scope.READ, None),
    "a moderate key": (Scope.MODERATE, None),
    "an admin key": (Scope.ADMIN, None),
    "a read key of the site": (Scope.READ, OURS),
    "a moderate key of the site": (Scope.MODERATE, OURS),
    "an admin key of the site": (Scope.ADMIN, OURS),
    "a moderator's key": (Scope.MODERATE, None),
    "a moderator's key of the site": (Scope.MODERATE, OURS),
}
PERSONS = ("a moderator's key", "a moderator's key of the site")


@dataclass(frozen=True)
class Request:
    """A valid request of a route.

    ``about``: the kind of thing that its id names. ``everywhere``: only for keys of all sites. ``by_person``: only for
    moderators. ``gives``: the status for those who may send it.
    """

    about: str | None = None
    json: Any = None
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    everywhere: bool = False
    by_person: bool = False
    gives: int | str = OK

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the owners of the things that the request is sent about."""
        return ("ours", "theirs", "nobody") if self.about else ("ours",)


SAW = {"If-Match": "*"}
RULE = {"kind": "links", "match": "7"}
# Nothing is sent: the guard refuses what the name means, and no name server knows it.
WEBHOOK = {"url": "https://hooks.invalid/x", "events": ["comment.held"]}
REQUESTS: dict[str, Request] = {
    "GET /v1/moderation/comments": Request(),
    "POST /v1/moderation/search": Request(json={"email": "mia@example.com"}),
    "GET /v1/moderation/comments/{id}": Request("comment"),
    "PATCH /v1/moderation/comments/{id}": Request("comment", json={"note": "Seen."}, headers=SAW),
    "DELETE /v1/moderation/comments/{id}": Request("trashed comment"),
    "POST /v1/moderation/comments/{id}/replies": Request("comment", json={"comment": "An answer."}, by_person=True),
    "GET /v1/moderation/comments/{id}/bans": Request("comment"),
    "POST /v1/moderation/comments/{id}/bans": Request("comment", json={"kind": "author"}),
    "POST /v1/moderation/actions": Request(json={"action": "hold", "ids": [NOWHERE]}),
    "POST /v1/moderation/actions/{id}/undo": Request("action"),
    "GET /v1/threads": Request(),
    "PATCH /v1/threads/{id}": Request("thread", json={"closed": True}),
    "DELETE /v1/threads/{id}": Request("thread", query="?expect=99999"),
    "POST /v1/threads/removals": Request(json={"where": {"site": OURS}, "expect": 4999}),
    "GET /v1/rules": Request(),
    "POST /v1/rules": Request(json=RULE | {"site": OURS}),
    "POST /v1/rules/test": Request(json=RULE | {"site": OURS}),
    "GET /v1/rules/{id}": Request("rule"),
    "PATCH /v1/rules/{id}": Request("rule", json={"match": "8"}),
    "DELETE /v1/rules/{id}": Request("rule"),
    "POST /v1/rules/{id}/undo": Request("rule", json={"since": "2026-01-01T00:00:00Z"}),
    "GET /v1/audit": Request(),
    "GET /v1/filters": Request(),
    "POST /v1/filters/rebuild": Request(json={"site": OURS}),
    "GET /v1/stats": Request(),
    "GET /v1/keys": Request(),
    "POST /v1/keys": Request(json={"name": "{new}", "scopes": ["read"], "site": OURS}),
    "POST /v1/keys/{id}/rotate": Request("key", json={}),
    "DELETE /v1/keys/{id}": Request("key"),
    "GET /v1/moderators": Request(everywhere=True),
    "PATCH /v1/moderators/{id}": Request("moderator", json={"email": None}, everywhere=True),
    "GET /v1/sites": Request(),
    "POST /v1/sites": Request(json={"name": "{new}", "origins": ["https://{new}.example"]}, everywhere=True),
    "PATCH /v1/sites/{id}": Request("site", json={"mode": "all"}),
    "DELETE /v1/sites/{id}": Request("site", query="?expect=99999", everywhere=True),
    "GET /v1/webhooks": Request(),
    "POST /v1/webhooks": Request(json=WEBHOOK | {"site": OURS}),
    "PATCH /v1/webhooks/{id}": Request("webhook", json={"note": "Chat"}),
    "DELETE /v1/webhooks/{id}": Request("webhook"),
    "POST /v1/webhooks/{id}/rotate": Request("webhook"),
    "POST /v1/webhooks/{id}/test": Request("webhook"),
    "GET /v1/webhooks/{id}/deliveries": Request("webhook"),
    "POST /v1/webhooks/{id}/deliveries/{delivery}/retry": Request("webhook", gives=404),
    "GET /v1/imports": Request(),
    "POST /v1/imports": Request(json={}, query=f"?site={OURS}"),
    "GET /v1/imports/{id}": Request("import"),
    "POST /v1/imports/{id}/start": Request("import", gives=409),
    "DELETE /v1/imports/{id}": Request("import"),
    "POST /v1/suppressions": Request(json={"email": "mia@example.com", "reason": "bounce"}, everywhere=True),
    "POST /v1/suppressions/lift": Request(json={"email": "mia@example.com"}, everywhere=True),
    "POST /v1/suppressions/feedback": Request(json=[], query="?email=/a&event=/b", everywhere=True),
    "GET /v1/deliveries": Request(),
    "POST /v1/deliveries/retry": Request(json={}),
    "POST /v1/deliveries/{id}/retry": Request("delivery"),
    "GET /v1/export": Request(query=f"?site={OURS}"),
    "POST /v1/privacy": Request(json={"email": "nobody@example.com", "action": "erase"}, everywhere=True),
}


# The moderation page: what its id names, and a valid form. Its sessions are started with the keys above.
PAGES: dict[str, Request] = {
    "GET /moderate": Request(),
    "GET /moderate/counts": Request(),
    "POST /moderate/search": Request(json={"text": "words"}),
    "POST /moderate/act": Request(json={"act": f"hold {NOWHERE}.1"}),
    "POST /moderate/undo": Request("action", json={"action": "{id}"}),
    "GET /moderate/comments/{id}": Request("comment"),
    "POST /moderate/comments/{id}": Request("comment", json={"version": "1", "note": "Seen.", "only": "note"}),
    "POST /moderate/comments/{id}/reply": Request("comment", json={"comment": "An answer."}, by_person=True),
    "POST /moderate/comments/{id}/erase": Request("trashed comment", json={}),
    "GET /moderate/comments/{id}/ban": Request("comment"),
    "POST /moderate/comments/{id}/ban": Request("comment", json={"kind": "network", "effect": "hold", "do": "test"}),
    "GET /moderate/threads": Request(),
    "GET /moderate/threads/{id}": Request("thread"),
    "POST /moderate/threads/{id}": Request("thread", json={"do": "close"}),
    "POST /moderate/threads/{id}/erase": Request("thread", json={"expect": "4999"}),
    "POST /moderate/unpublished": Request(json={"site": OURS}),
    "GET /moderate/rules": Request(),
    "POST /moderate/rules": Request(json=RULE | {"do": "test"}),
    "GET /moderate/rules/{id}": Request("rule"),
    "POST /moderate/rules/{id}": Request("rule", json={"do": "delete"}),
    "POST /moderate/rules/{id}/undo": Request("rule", json={"since": "2026-01-01"}),
    "GET /moderate/audit": Request(),
    "GET /moderate/stats": Request(),
    "GET /moderate/stats.csv": Request(),
    "GET /moderate/sites": Request(),
    "POST /moderate/sites/{id}": Request("site", json={"name": "{new}", "mode": "all"}),
    "GET /moderate/webhooks": Request(),
    "POST /moderate/webhooks": Request(json=WEBHOOK | {"site": OURS}),
    "GET /moderate/webhooks/{id}": Request("webhook"),
    "POST /moderate/webhooks/{id}": Request("webhook", json={"do": "off"}),
    "GET /moderate/import": Request(),
    "POST /moderate/import": Request(json={}),
    "GET /moderate/import/{id}": Request("import"),
    "GET /moderate/import/{id}/books": Request("import", gives=404),
    "POST /moderate/import/{id}": Request("import", json={"do": "cancel"}),
    "POST /moderate/export": Request(json={"site": OURS}, gives=200),
    "GET /moderate/deliveries": Request(),
    "POST /moderate/deliveries": Request(json={}),
    "GET /moderate/account": Request(),
    "POST /moderate/account/preferences": Request(json={}),
    "POST /moderate/account/keys": Request(json={}, gives=404),
    "POST /moderate/account/keys/revoke": Request(json={"key": NOWHERE}, gives=404),
    "POST /moderate/account/mail": Request(json={"mode": "digest"}, by_person=True),
    "POST /moderate/account/feeds": Request(json={"site": OURS}, by_person=True),
    "POST /moderate/account/feeds/revoke": Request(json={"feed": NOWHERE}, gives=404),
    "POST /moderate/account/notice": Request(json={}),
    "POST /moderate/sign-out": Request(json={"session": NOWHERE}, gives=404),
}
# Without a session, but only from our own pages.
SIGN_IN = {"POST /sign-in/{token}", "POST /moderate/sign-in", "POST /moderate/sign-in-link"}
# For everybody, with any credential or none.
OPEN = {
    *("POST /v1/comments", "GET /v1/comments", "GET /v1/comments.html", "GET /v1/counts", "POST /v1/counts"),
    *("GET /v1/latest", "GET /v1/form", "GET /v1/comments.atom", "GET /v1/latest.atom", "POST /v1/preview"),
    *("POST /v1/proofs", "GET /mine", "POST /mine"),
    # Who has the token may do it.
    *("GET /confirm/{token}", "POST /confirm/{token}", "GET /mine/{token}", "POST /mine/{token}"),
    "GET /mine/{token}/export",
    *("POST /v1/subscriptions", "GET /u/{token}", "POST /u/{token}"),
    *("GET /healthz", "GET /readyz", "GET /version", "GET /openapi.json", "GET /", "GET /t", "GET /docs"),
    "GET /c/{id}",
    *(
        "GET /docs.js",
        "GET /page.css",
        "GET /page.js",
        "GET /sign-in/{token}",
        "GET /m/{token}",  # the token is the authority
        "POST /m/{token}",
        "GET /m/stop/{token}",
        "POST /m/stop/{token}",
        "GET /moderate.js",
        "GET /moderate.css",
        "GET /import.js",
        "GET /import.css",
        "GET /rules.css",
        "GET /statistics.css",
        "GET /embed.js",
        *(f"GET {path}" for path in assets.NAMES_ELSEWHERE),
    ),
    *("GET /queue/{token}.atom", "GET /embed.{digest}.js", "GET /embed-form.{digest}.js", "GET /thread.css"),
}
OWN = ("GET /v1/comments/{id}", "PATCH /v1/comments/{id}", "DELETE /v1/comments/{id}", "POST /v1/comments/{id}/reports")
# A comment as its author and as strangers meet it: how it came to its state, then the status for the author of each of
# ``OWN``, and for a stranger of the first and the last. A stranger cannot change a comment: 401, or 403 with a token.
COMMENTS: dict[str, tuple[tuple[ActionVerb | str, ...], tuple[int, int, int, int], tuple[int, int]]] = {
    "pending": ((), (200, 200, 204, 404), (404, 404)),
    "approved": ((ActionVerb.APPROVE,), (200, 200, 204, 202), (200, 202)),
    "held after it was public": ((ActionVerb.APPROVE, ActionVerb.HOLD), (200, 200, 204, 410), (410, 410)),
    "spam": ((ActionVerb.SPAM,), (200, 200, 204, 404), (404, 404)),
    "spam after it was public": ((ActionVerb.APPROVE, ActionVerb.SPAM), (410, 200, 204, 410), (410, 410)),
    "in the trash": ((ActionVerb.TRASH,), (200, 200, 204, 404), (404, 404)),
    "in the trash after it was public": ((ActionVerb.APPROVE, ActionVerb.TRASH), (410, 200, 204, 410), (410, 410)),
    "erased": ((ActionVerb.TRASH, "erase"), (404, 410, 410, 404), (404, 404)),
    "erased after it was public": ((ActionVerb.APPROVE, ActionVerb.TRASH, "erase"), (410, 410, 410, 410), (410, 410)),
}
# How a form reaches the moderation page, and whether that is a way of our own pages.
WAYS: dict[str, tuple[dict[str, str], bool]] = {
    "from our page": ({"Sec-Fetch-Site": "same-origin"}, True),
    "typed by the user": ({"Sec-Fetch-Site": "none"}, True),
    "with our origin": ({"Origin": "http://localhost:8080"}, True),
    "from another site": ({"Sec-Fetch-Site": "cross-site"}, False),
    "from a subdomain": ({"Sec-Fetch-Site": "same-site"}, False),
    "from another site with our origin": (
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8080"}, False,
    ),
    "with another origin": ({"Origin": "https://evil.example"}, False),
    "with an opaque origin": ({"Origin": "null"}, False),
    "with nothing": ({}, False),
}  # fmt: skip
TOKENS = (
    "the right token",
    "no token",
    "a forged token",
    "the token of another session",
    "the token in the address",
    "the token as JSON",
    "the token as plain text",
)
ENCODED = {
    "the token as JSON": lambda form: {"json": form},
    "the token as plain text": lambda form: {"data": urlencode(form)},
}


def in_parts(form):
    """Return a form with a file."""
    parts = FormData(list((form | {"site": OURS}).items()))
    parts.add_field("file", b"{}", filename="archive.json")
    return {"data": parts}


def expected(scope: Scope, request: Request, who: str, whose: str) -> int | str:
    """Return the status that a request with a credential gets. ``whose``: ours, theirs or nobody's."""
    has, only = CREDENTIALS[who]
    order = list(Scope)
    if has is None:
        return 401
    if order.index(has) < order.index(scope):
        return 403
    if (request.everywhere and only) or (request.by_person and who not in PERSONS):
        return 403
    if request.about and (whose == "nobody" or (only and whose == "theirs")):
        return 404
    return request.gives


def matches(status: int, wanted: int | str) -> bool:
    """Return whether a status is the expected one."""
    if wanted == OK:
        return status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in {401, 403, 404, 410}
    return status == wanted


@dataclass(frozen=True)
class Session:
    """A browser that is signed in: its cookie, and the token of its forms."""

    cookie: str
    csrf: str


@write
async def add_parcel(unit, site_id):
    return await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="held", site_id=site_id))


class World:
    """A service with two sites. Each request is about a new thing, since some requests remove theirs."""

    def __init__(self, service, client):
        self.service, self.client, self.made, self.sent = service, client, 0, 0
        self.headers: dict[str, dict[str, str]] = {}

    async def prepare(self):
        for who, (scope, site) in CREDENTIALS.items():
            self.headers[who] = await self._credential(who, scope, site)
        self.sites = {site.name: site.id for site in (await list_sites(self.service, EVERYTHING)).sites}
        return self

    async def _credential(self, who, scope, site):
        if who == "nothing":
            return {}
        if who == "a wrong key":
            return {"Authorization": "Bearer cs_" + "A" * 43}
        if who == "an edit token":
            return {"Authorization": f"Bearer {(await self.comment(OURS)).edit_token}"}
        if who in PERSONS:
            return await a_moderators_key(self.service, name=who, sites=[site] if site else [])
        scopes = [scope or Scope.ADMIN]
        made = await keys.create_key(self.service, EVERYTHING, NewKey(name=who, scopes=scopes, site=site))
        if who == "a revoked key":
            await keys.revoke_key(self.service, EVERYTHING, made.id)
        if who == "an expired key":
            soon = self.service.ahead(seconds=1)
            made = await keys.create_key(
                self.service, EVERYTHING, NewKey(name="soon over", scopes=scopes, expires_at=soon)
            )
            self.service.clock.move(seconds=2)
        return {"Authorization": f"Bearer {made.key}"}

    async def comment(self, site, status=None):
        self.made += 1
        receipt = await post_comment(
            self.service,
            draft(thread=f"https://{site}/page-{self.made}/", comment=f"The comment number {self.made}."),
            visit(),
        )
        if status:
            await self.decide(receipt.id, status)
        return receipt

    async def decide(self, comment_id, verb):
        done = await actions.apply_action(
            self.service, EVERYTHING, Action(action=verb, ids=[comment_id], note="By the attack.")
        )
        return done.id

    async def webhook(self, site):
        """Return the id of a new webhook. Older ones are deleted, since there is a limit."""
        new = NewWebhook(url=WEBHOOK["url"], events=[WebhookEvent.HELD], site=site)
        made = (await webhooks.add_webhook(self.service, EVERYTHING, new)).id
        listed = (await webhooks.list_webhooks(self.service, EVERYTHING)).webhooks
        for old in listed[:-20]:
            await webhooks.remove_webhook(self.service, EVERYTHING, old.id)
        return made

    async def add_import(self, site):
        """Return the id of a new import. Older ones are cancelled, since there is a limit."""
        for old in (await jobs.list_imports(self.service, EVERYTHING)).imports[10:]:
            await jobs.cancel_import(self.service, EVERYTHING, old.id)
        upload = jobs.begin_upload(self.service)
        upload.write(b"{}")
        upload.keep()
        operator = msgspec.structs.replace(EVERYTHING, sites=(self.sites[site],))  # others cannot start theirs
        return (await jobs.add_import(self.service, operator, ImportQuery(site=site), upload)).id

    async def make(self, about, whose):
        """Return the id of a new thing of a kind, on our site or on theirs. Nobody's thing does not exist."""
        if about is None or whose == "nobody":
            return NOWHERE
        site = OURS if whose == "ours" else THEIRS
        self.made += 1
        service = self.service
        match about:
            case "comment":
                made = (await self.comment(site)).id
            case "trashed comment":
                made = (await self.comment(site, ActionVerb.TRASH)).id
            case "action":
                made = await self.decide((await self.comment(site)).id, ActionVerb.APPROVE)
            case "thread":
                await self.comment(site)
                made = (await threads.list_threads(service, EVERYTHING, ThreadListQuery(site=site))).threads[0].id
            case "rule":
                new = NewRule(kind=RuleKind.LINKS, match="9", effect=Effect.HOLD, site=site)
                made = (await manage.add_rule(service, EVERYTHING, new)).id
            case _:
                made = await self._make_by_operator(about, site)
        return made

    async def _make_by_operator(self, about, site):
        """Return the id of a new thing that an operator looks after."""
        service = self.service
        match about:
            case "key":
                key = NewKey(name=f"key {self.made}", scopes=[Scope.READ], site=site)
                made = (await keys.create_key(service, EVERYTHING, key)).id
            case "webhook":
                made = await self.webhook(site)
            case "import":
                made = await self.add_import(site)
            case "site":
                made = self.sites[site]
            case "delivery":
                made = await add_parcel(service, self.sites[site])
            case "moderator":  # belongs to no site, so it does not matter whose it is
                made = (await moderators.add_moderator(service, f"Moderator {self.made}", None, [])).id
        return made

    async def send(self, method, path, **more):
        """Return the status of a request."""
        self.sent += 1
        async with self.client.request(method, path, allow_redirects=False, **more) as response:
            return response.status

    async def start_session(self, who):
        """Sign in with a key, as the form does; return the session. A wrong key starts none."""
        key = self.headers[who].get("Authorization", "").removeprefix("Bearer ")
        own = {"Sec-Fetch-Site": "same-origin"}
        async with self.client.post(
            "/moderate/sign-in", data={"key": key}, headers=own, allow_redirects=False
        ) as response:
            cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
        async with self.client.get("/moderate", headers=own | {"Cookie": cookie}) as response:
            found = re.search(r'name="csrf" value="([^"]+)"', await response.text())
        return Session(cookie, found[1] if found else "")

    async def send_page(self, route, request, session, whose, *, headers=None, query="", encode=None):
        """Return the status of a request of the moderation page. ``encode`` makes another body of the form."""
        thing = await self.make(request.about, whose)
        form = {"csrf": session.csrf} | json.loads(json.dumps(request.json or {}).replace("{id}", thing))
        if route.takes_file and encode is None:
            encode = in_parts
        return await self.send(
            route.method,
            route.path.replace("{id}", thing) + query,
            headers=({"Sec-Fetch-Site": "same-origin"} if headers is None else headers) | {"Cookie": session.cookie},
            **({} if route.method == "GET" else encode(form) if encode else {"data": form}),
        )


async def ask_with_keys(world) -> list[str]:
    """Send every request of the JSON API that needs a key; return the cells with a wrong status."""
    wrong = []
    for route in [route for route in ROUTES if route.scope]:
        name = f"{route.method} {route.path}"
        request = REQUESTS[name]
        for who in CREDENTIALS:
            for whose in request.owners:
                path = route.path.replace("{id}", await world.make(request.about, whose)) + request.query
                path = path.replace("{delivery}", NOWHERE)
                world.made += 1
                body = json.loads(json.dumps(request.json).replace("{new}", f"new{world.made}"))
                more = {"json": body} if request.json is not None else {}
                headers = world.headers[who] | request.headers
                status = await world.send(route.method, path, headers=headers, **more)
                wanted = expected(route.scope, request, who, whose)
                if not matches(status, wanted):
                    wrong.append(f"{name} of {whose} with {who}: {status}, not {wanted}")
    return wrong


async def ask_as_reader(world) -> list[str]:
    """Send the requests about one comment in every state: as its author, as another author, with a key, and alone."""
    wrong = []
    for state, (way, as_author, as_stranger) in COMMENTS.items():
        for number, name in enumerate(OWN):
            method, path = name.split()
            change = method in {"PATCH", "DELETE"}
            alone = 401 if change else as_stranger[0 if number == 0 else 1]
            other = 403 if change else alone
            for who, wanted in {
                "nothing": alone, "its token": as_author[number], "an edit token": other, "an admin key": other,
                "a wrong key": other,
            }.items():  # fmt: skip
                receipt = await world.comment(OURS)
                for verb in way:
                    if verb == "erase":
                        await erase.erase_permanently(world.service, EVERYTHING, receipt.id)
                    else:
                        await world.decide(receipt.id, verb)
                own = {"Authorization": f"Bearer {receipt.edit_token}"}
                body = {} if method in {"GET", "DELETE"} else {"json": {"comment": "Other words."}}
                body = {"json": {}} if name.endswith("reports") else body
                status = await world.send(
                    method, path.replace("{id}", receipt.id), headers=world.headers.get(who, own), **body
                )
                if status != wanted:
                    wrong.append(f"{name}, {state}, with {who}: {status}, not {wanted}")
    return wrong


async def ask_openly(world) -> list[str]:
    """Send public requests with every credential; none of them is refused for it, or gets another status."""
    wrong = []
    for name in sorted(OPEN):
        method, path = name.split()
        seen = {
            await world.send(method, path.replace("{token}", "x").replace("{digest}", "x"), headers=headers)
            for headers in world.headers.values()
        }
        if len(seen) > 1 or seen & {401, 403} or max(seen) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wrong.append(f"{name}: {sorted(seen)}")
    return wrong


async def ask_with_sessions(world) -> list[str]:
    """Send every request of the moderation page in every session; return the cells with a wrong status."""
    wrong, sessions = [], {who: await world.start_session(who) for who in CREDENTIALS}
    for route in [route for route in ROUTES if route.session_scope]:
        name = f"{route.method} {route.path}"
        request = PAGES[name]
        for who, session in sessions.items():
            for whose in request.owners:
                status = await world.send_page(route, request, session, whose)
                wanted = expected(route.session_scope, request, who, whose)
                if not matches(status, wanted):
                    wrong.append(f"{name} of {whose} in a session with {who}: {status}, not {wanted}")
    return wrong


async def forge(world) -> list[str]:
    """Send every form of the moderation page as other pages could; return what was accepted or refused wrongly."""
    wrong = []
    session, other = await world.start_session("an admin key"), await world.start_session("a moderate key")
    for route in [route for route in ROUTES if route.session_scope and route.method == "POST"]:
        name = f"POST {route.path}"
        request = PAGES[name]
        for way, (headers, own) in WAYS.items():
            for token in TOKENS:
                other_token = {
                    "no token": "", "a forged token": f"{session.csrf[:-4]}AAAA", "the token in the address": "",
                    "the token of another session": other.csrf,
                }.get(token, session.csrf)  # fmt: skip
                right = own and token == "the right token" and not request.by_person
                status = await world.send_page(
                    route,
                    request,
                    replace(session, csrf=other_token),
                    "ours" if right else "nobody",
                    headers=headers,
                    query=f"?csrf={session.csrf}" if token == "the token in the address" else "",
                    encode=ENCODED.get(token),
                )
                if not matches(status, request.gives if right else 403):
                    wrong.append(f"{name} {way} with {token}: {status}")
    for name in SIGN_IN:
        for way, (headers, own) in WAYS.items():
            status = await world.send(
                "POST",
                name.split()[1].replace("{token}", "x"),
                headers=headers,
                data={"key": "x", "email": "x@blog.example"},
            )
            if (status == 403) == own:
                wrong.append(f"{name} {way}: {status}")
    return wrong


def unlisted_routes() -> set[str]:
    """Return the routes that no table has, and those of tables that do not exist."""
    return {f"{route.method} {route.path}" for route in ROUTES} ^ {*REQUESTS, *PAGES, *OPEN, *OWN, *SIGN_IN}


ATTACKS = (ask_with_keys, ask_as_reader, ask_openly, ask_with_sessions, forge)


@asynccontextmanager
async def a_world(url):
    """Yield a service with two sites and every credential."""
    async with AsyncExitStack() as stack:
        uploads = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {"sites": f"https://{OURS} https://{THEIRS}", "upload_folder": uploads}
        service = await stack.enter_async_context(a_service(url, Clock(), **settings))
        server = ServiceServer(application(service))
        client = await stack.enter_async_context(TestClient(server, cookie_jar=DummyCookieJar()))
        yield await World(service, client).prepare()


async def attack(number: int) -> Figures:
    """Send all requests ``number`` times."""
    wrong, cells = sorted(f"{name} is in no table, or is no route" for name in unlisted_routes()), Counter()
    for _ in range(number):
        with tempfile.TemporaryDirectory() as folder:
            async with a_world(f"sqlite:///{folder}/comments.db") as world:
                for ask in ATTACKS:
                    before = world.sent
                    wrong += await ask(world)
                    cells[ask.__name__] += world.sent - before
    return {"cells": sum(cells.values()), **cells, "wrong": len(wrong), "first of them": wrong[:10]}


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return bool(figures["wrong"])


if __name__ == "__main__":
    run(attack, number=1, is_broken=is_broken)
