"""The service saves every input unchanged, or refuses it and names the field.

The corpora are public collections of inputs that broke other programs; see shared/data/SOURCES.md.
"""

import asyncio
import base64
import gzip
import json
import re
import tarfile
import time
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from yarl import URL

from commentsvc.access import moderators
from commentsvc.access.schemas import KeyRotation, MailPreference, ModeratorChange, NewKey
from commentsvc.comments.schemas import CommentEdit, CountsQuery, NewComment, NewReport, PreviewRequest
from commentsvc.delivery.schemas import RetryRequest
from commentsvc.delivery.webhook_schemas import NewWebhook, WebhookChange
from commentsvc.domain import markdown
from commentsvc.domain.models import Mode
from commentsvc.moderation.ban_schemas import NewBan
from commentsvc.moderation.schemas import (
    Action,
    CommentUpdate,
    NewReply,
    PrivateSearch,
    ThreadChange,
    ThreadsRemoval,
    UnpublishedThreads,
)
from commentsvc.privacy.schemas import PersonRequest
from commentsvc.rules.schemas import BacktestRequest, NewRule, RuleChange, RuleUndo
from commentsvc.sites.schemas import NewSite, SiteChange
from commentsvc.spam.schemas import FilterQuery
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.subscriptions.schemas import LiftedSuppression, NewProof, NewSubscription, NewSuppression
from commentsvc.web.moderation.decision_links import DecisionForm
from commentsvc.web.pages import own_comments
from commentsvc.web.pages.subscriptions import SubscriptionsForm
from commentsvc.web.routes import ROUTES, application
from tests.conftest import a_key, a_moderators_key, a_service, fields_of
from tests.delivery.test_outbox import MAIL

HOSTILE = "adversarial"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def visitor(served, aiohttp_client):
    """A client of a service with default settings, on SQLite."""
    return await aiohttp_client(application(await served(**MAIL)))


@pytest.fixture
async def publishing_client(database_url, clock, aiohttp_client):
    """A client and a key of a service that publishes comments without moderation."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield await aiohttp_client(application(service)), await a_key(service)


async def read_problem(response) -> dict[str, Any]:
    """Return the problem details of an answer. Checks that they have the documented form."""
    assert 400 <= response.status < 500, f"{response.status} {await response.text()}"
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Request-ID"]
    details = await response.json(content_type="application/problem+json")
    assert set(details) == {"type", "title", "status", "detail", "code", "errors"}
    assert details["status"] == response.status
    return details


async def refused_fields(response) -> set[str]:
    """Return the names of the fields that an answer refuses."""
    assert response.status == 422, f"{response.status} {await response.text()}"
    return {fault["field"] for fault in (await read_problem(response))["errors"]}


def json_body(**changed) -> bytes:
    """Return a JSON body for a new comment; a lone surrogate is sent as an escape."""
    return json.dumps(fields_of(**changed)).encode()


async def run_concurrently(jobs, at_once=6):
    """Run jobs at the same time, up to a limit; return their results in order."""
    semaphore = asyncio.Semaphore(at_once)

    async def run(job):
        async with semaphore:
            return await job

    return await asyncio.gather(*map(run, jobs))


@pytest.fixture
def strange_strings(shared) -> list[str]:
    return json.loads((shared / HOSTILE / "blns" / "blns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize(("field", "most_saved"), [("name", 489), ("comment", 507), ("website", 10)])
async def test_a_strange_string_is_saved_unchanged_or_refused_with_its_field(
    strange_strings, publishing_client, engine, field, most_saved
):
    client, key = publishing_client
    every = 1 if engine == "sqlite" else 4

    async def post(number: int, text: str) -> tuple[str, str] | None:
        words = {"name": f"Mia {number}", "comment": f"Words of number {number}."} | {field: text}
        response = await client.post("/v1/comments", data=json_body(**words), headers=JSON)
        if response.status != 201:
            assert await refused_fields(response) == {field}, ascii(text)
            return None
        return (await response.json())["id"], text

    answers = await run_concurrently(post(number, text) for number, text in enumerate(strange_strings[::every]))
    saved = dict(filter(None, answers))
    listing = await (await client.get("/v1/comments?thread=/a-page/&limit=1000")).json()
    shown = {comment["id"]: comment for comment in listing["comments"]}

    assert len(strange_strings) == 515
    assert len(saved) == most_saved or engine != "sqlite"
    assert shown.keys() == saved.keys()
    for id_, text in saved.items():
        if field == "website":
            visible = "".join(sign for sign in text if unicodedata.category(sign) != "Cf").strip()
            assert (shown[id_]["website"] or "") in {visible, f"https://{visible}"}
    if field == "comment":
        assert await read_approved_texts(client, key) == saved
        for id_, text in [*saved.items()][::15]:
            detail = await (await client.get(f"/v1/moderation/comments/{id_}", headers=key)).json()
            assert detail["comment"] == text


async def read_approved_texts(client, key) -> dict[str, str]:
    """Return the text of every approved comment, by id, from the moderation API."""
    found, query = {}, {"status": "approved", "limit": "200"}
    while query:
        queue = await (await client.get("/v1/moderation/comments", params=query, headers=key)).json()
        found |= {card["id"]: card["comment"] for card in queue["comments"]}
        query = query | {"cursor": queue["next_cursor"]} if queue["next_cursor"] else {}
    return found


async def test_a_strange_string_in_a_form_is_saved_or_refused_with_its_field(strange_strings, visitor):
    async def post(number: int, text: str) -> None:
        for field in ("name", "comment", "website"):
            words = {"thread": f"/{field}/{number}/", "comment": f"Words of number {number}."} | {field: text}
            response = await visitor.post("/v1/comments", data=urlencode(fields_of(**words)), headers=FORM)
            if response.status == 202:
                assert (await response.json())["html"] == markdown.render(words["comment"])
            else:
                assert await refused_fields(response) == {field}, ascii(text)

    await run_concurrently(post(number, text) for number, text in enumerate(strange_strings[::4]))


async def test_a_strange_email_address_is_saved_or_refused_with_its_field(shared, publishing_client):
    client, key = publishing_client
    tests = ET.parse(shared / HOSTILE / "isemail" / "tests.xml").getroot().iter("test")  # noqa: S314 -- our own copy
    # XML cannot contain control characters: the corpus has their pictures (U+2400 …) instead.
    addresses = [
        (re.sub("[\u2400-\u2420]", lambda picture: chr(ord(picture[0]) - 0x2400), text), text, category)
        for text, category in ((test.findtext("address") or "", test.findtext("category")) for test in tests)
    ]
    saved = []
    for number, (address, picture, category) in enumerate(addresses):
        for email in {address, picture}:
            words = {"thread": f"/{number}/{email == picture}/", "email": email}
            response = await client.post("/v1/comments", data=json_body(**words), headers=JSON)
            if response.status == 201:
                saved.append((await response.json())["id"] + " " + email.strip())
                # The service strips white space around an address.
                assert category != "ISEMAIL_ERR" or email != address or email != email.strip(), ascii(email)
            else:
                assert await refused_fields(response) == {"email"}, ascii(email)

    assert len(addresses) == 164
    for id_, email in (one.split(" ", 1) for one in saved):
        detail = await (await client.get(f"/v1/moderation/comments/{id_}", headers=key)).json()
        assert detail["email"].rpartition("@")[0] == email.rpartition("@")[0]


async def test_a_redirect_payload_is_saved_as_an_http_url_or_refused(shared, visitor):
    lists = ("Open-Redirect-payloads.txt", "openredirects.txt", "crlfinjection.txt")
    payloads = [line for name in lists for line in lines_of(shared / HOSTILE / "patt" / name)]

    async def post(number: int, payload: str) -> None:
        words = {"thread": f"/{number}/", "website": payload}
        response = await visitor.post("/v1/comments", data=json_body(**words), headers=JSON)
        if response.status == 202:
            website = (await response.json())["website"]
            assert website in {payload.strip(), f"https://{payload.strip()}"}
            assert re.fullmatch(r"https?://[^\s@/\\][^\s\\]*", website), website
        else:
            assert await refused_fields(response) == {"website"}, payload

    await run_concurrently(post(number, payload) for number, payload in enumerate(payloads))


def lines_of(path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


async def test_every_json_body_of_the_corpus_gets_problem_json(shared, visitor):
    with tarfile.open(shared / HOSTILE / "jsontestsuite.tar.gz") as archive:
        bodies = {
            member.name.rpartition("/")[2]: archive.extractfile(member).read()
            for member in archive
            if member.name.endswith(".json")
        }

    async def post(name: str, body: bytes) -> None:
        response = await visitor.post("/v1/comments", data=body, headers=JSON)
        details = await read_problem(response)
        if name.startswith("n_"):
            assert details["status"] in {400, 413}, name
        elif name.startswith("y_object") and "duplicated" not in name:
            assert details["status"] == 422, name

    await run_concurrently(post(name, body) for name, body in bodies.items())
    assert len(bodies) == 318 + 22


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"name": "Mia", "name": "Noa"}', "a name twice"),
        (b'{"name": {"a": 1, "\\u0061": 2}}', "a name twice, once by an escape"),
        (b'{"name": NaN}', "NaN"),
        (b'{"name": -Infinity}', "Infinity"),
        (b'{"name": ' + b"[" * 16 + b"]" * 16 + b"}", "17 levels"),
        (b'{"name": ' + b'{"a":' * 16 + b"1" + b"}" * 17, "17 levels of objects"),
        (b'{"name": ' + b"9" * 40 + b"}", "a number of 40 digits"),
        (b'{"name": 0.' + b"9" * 40 + b"}", "a fraction of 40 digits"),
        (json_body().decode().encode("utf-16"), "UTF-16"),
        (json_body().decode().encode("utf-16-le"), "UTF-16 without a mark"),
        (json_body().decode().encode("utf-32"), "UTF-32"),
        (b'{"name": "\xff"}', "no UTF-8"),
        (b'{"name": "\xed\xa0\x80"}', "a surrogate in UTF-8 (CESU-8)"),
        (b'{"name": "\xc0\x80"}', "an overlong NUL"),
        (b'{"name": "a\nb"}', "a raw newline in a string"),
        (b'{"name": "a\x00b"}', "a raw NUL in a string"),
        (b"{'name': 'Mia'}", "single quotes"),
        (b'{"name": "Mia",}', "a trailing comma"),
        (b'{"name": "Mia"} //', "a comment"),
        (b'{"name": "Mia"}{}', "two values"),
        (b'["Mia"]', "a list"),
        (b'"Mia"', "a text"),
        (b"null", "null"),
        (b"", "nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_client_that_sends_invalid_json_gets_400(visitor, body, why):
    response = await visitor.post("/v1/comments", data=body, headers=JSON)

    details = await read_problem(response)
    assert (details["status"], details["code"]) == (400, "malformed_request"), why


async def test_a_client_can_send_16_levels_and_32_digits(visitor):
    for value in (b"[" * 15 + b"]" * 15, b"9" * 32):
        response = await visitor.post("/v1/comments", data=b'{"name": ' + value + b"}", headers=JSON)
        assert "name" in await refused_fields(response)


async def test_brackets_in_a_comment_do_not_count_as_json_levels(visitor):
    words = '[[[[[[[[[[[[[[[[[[[[ " {{{{{{{{{{{{{{{{{{ \\ '
    response = await visitor.post("/v1/comments", data=json_body(comment=words), headers=JSON)

    assert response.status == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/json"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ({"Content-Type": "application/problem+json"}, 415),
        ({"Content-Type": "application/json; charset=utf-7"}, 400),
        ({"Content-Type": "application/json; charset=iso-8859-1"}, 400),
        ({"Content-Type": "application/json; charset=UTF-8"}, 202),
        ({"Content-Type": 'application/json; charset="utf-8"'}, 202),
        ({"Content-Type": "APPLICATION/JSON"}, 202),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else str(value),
)
async def test_a_body_needs_a_supported_content_type(visitor, headers, status):
    response = await visitor.post("/v1/comments", data=json_body(), headers=headers)

    assert response.status == status
    if status >= 400:
        await read_problem(response)


async def test_the_service_refuses_every_content_encoding(live, browser_less):
    url, _ = await live()
    for encoding in ("gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "unheard-of"):
        for body in (gzip.compress(json_body()), json_body(), b""):
            headers = JSON | {"Content-Encoding": encoding}
            async with browser_less.post(f"{url}/v1/comments", data=body, headers=headers) as response:
                assert (await read_problem(response))["status"] == (415 if body else 400)
                assert response.headers.get("Accept-Encoding") == ("identity" if body else None)


async def test_a_client_can_send_at_most_64_kib(visitor):
    async def send_chunks():
        for _ in range(65):
            yield b" " * 1024

    whole = json_body() + b" " * (64 * 1024 - len(json_body()))
    assert (await visitor.post("/v1/comments", data=whole, headers=JSON)).status == 202
    for body in (whole + b" ", b" " * 65 * 1024, send_chunks()):
        details = await read_problem(await visitor.post("/v1/comments", data=body, headers=JSON))
        assert (details["status"], details["code"]) == (413, "too_large")


DRAFT_FIELDS = [field.encode_name for field in msgspec.structs.fields(NewComment)]


@pytest.mark.parametrize("text", ["\ud800", "half \udc00 of one", "\ude00\ud83d", "NUL\x00 inside", "\x00"], ids=ascii)
async def test_invalid_unicode_is_refused_with_its_field(client, text):
    wrong_answers = {}
    for field in DRAFT_FIELDS:
        response = await client.post("/v1/comments", data=json_body(**{field: text}), headers=JSON)
        if response.status != 422 or await refused_fields(response) != {field}:
            wrong_answers[field] = response.status

    assert wrong_answers == {}


@pytest.mark.parametrize("text", ["NUL\x00 inside", "\x00"], ids=ascii)
async def test_invalid_text_in_a_form_is_refused_with_its_field(visitor, text):
    for field in DRAFT_FIELDS:
        body = urlencode(fields_of(**{field: text}))
        assert await refused_fields(await visitor.post("/v1/comments", data=body, headers=FORM)) == {field}


async def test_a_surrogate_pair_is_read_as_one_character(visitor):
    body = json_body(name="\N{GRINNING FACE} Mia")
    assert rb"\ud83d\ude00" in body
    response = await visitor.post("/v1/comments", data=body, headers=JSON)

    assert (await response.json())["name"] == "\N{GRINNING FACE} Mia"


async def test_an_unknown_field_is_refused_with_its_name(visitor):
    strange = {"nickname": "M", "NAME": "Mia", "name ": "Mia", "": "x", "__proto__": {}, "\ud800": 1}
    response = await visitor.post("/v1/comments", data=json.dumps(fields_of(**strange)), headers=JSON)

    assert await refused_fields(response) == {"nickname", "NAME", "name ", "", "__proto__", "\\ud800"}


@pytest.mark.parametrize(
    "field", ["id", "status", "created_at", "moderator_id", "author_id", "site_id", "html", "version", "by_moderator"]
)
async def test_a_commenter_cannot_set_internal_fields(visitor, field):
    body = json_body()[:-1] + f', "{field}": "approved"}}'.encode()
    assert await refused_fields(await visitor.post("/v1/comments", data=body, headers=JSON)) == {field}

    form = urlencode(fields_of(**{field: "approved"}))
    response = await visitor.post("/v1/comments", data=form, headers=FORM)
    receipt = await response.json()
    assert (response.status, receipt["status"]) == (202, "pending"), "unknown form fields are ignored"
    assert receipt["id"] != "approved"


async def test_a_form_field_sent_twice_is_refused_with_its_name(visitor):
    for again in ("name=Noa", "%6eame=Noa", "name="):
        body = f"{urlencode(fields_of())}&{again}"
        assert await refused_fields(await visitor.post("/v1/comments", data=body, headers=FORM)) == {"name"}


async def test_a_duplicate_or_unknown_query_field_is_refused_with_its_name(visitor):
    for query, field in (
        ("thread=/a/&thread=/b/", "thread"),
        ("thread=/a/&limit=5&limit=5", "limit"),
        ("thread=/a/&utm_source=x", "utm_source"),
        ("thread=/a/&Thread=/a/", "Thread"),
    ):
        assert await refused_fields(await visitor.get(f"/v1/comments?{query}")) == {field}


@pytest.mark.parametrize("body", [b"name=%ff", b"name=\xff", b"%ff=1", b"&".join(b"a%d=" % i for i in range(1001))])
async def test_a_form_with_invalid_text_or_too_many_fields_gets_400(visitor, body):
    details = await read_problem(await visitor.post("/v1/comments", data=body, headers=FORM))

    assert details["status"] == 400


def cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


TEXTS = [
    "\x00", "a\x00b", "\ud800", "\ufffe", "\u202e", "%", "'; --", "💥" * 70, "5" * 3000, "-1", "1e400", "2026-13-45",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "http://[", "https://[::1", "https://a:99999/", "//",
    "https://\u2100.example/", cursor("\x00"), cursor("t", "o", "\x00", "x"), cursor("f", "o", "x", "\x00"),
    cursor("x"),
]  # fmt: skip
WRONG_VALUES = [
    True, 0, -1, 1.5, 10**31, [], {}, [[]], [None], ["\ud800"], ["a\x00b"], [""], ["x"] * 501, {"a": "\ud800"},
]  # fmt: skip
# Of answers of the moderation page: pages, redirects, and the table of statistics.
PAGE_TYPES = {"text/html", "application/octet-stream", "text/csv", "application/x-ndjson", "application/rss+xml"}
VALID_BODIES: dict[type, dict[str, Any]] = {
    NewComment: fields_of(),
    CommentEdit: {"comment": "Other words."},
    PreviewRequest: {"comment": "Words."},
    NewReport: {},
    NewProof: {"code": "cp_nonsense"},
    own_comments.LinkRequest: {"email": "mia@example.com"},
    own_comments.OwnForm: {"act": "erase"},
    NewRule: {"kind": "links", "match": "2"},
    RuleChange: {},
    BacktestRequest: {"kind": "links", "match": "2"},
    RuleUndo: {"since": "2026-01-01T00:00:00Z"},
    SiteChange: {},
    CountsQuery: {"thread": ["/a-page/"]},
    PrivateSearch: {},
    CommentUpdate: {},
    Action: {"action": "hold"},
    NewReply: {"comment": "An answer."},
    NewBan: {"kind": "author"},
    PrivateCommentFilter: {},
    ThreadChange: {},
    ThreadsRemoval: {"expect": 0},
    UnpublishedThreads: {},
    NewKey: {"name": "noa", "scopes": ["read"]},
    KeyRotation: {},
    ModeratorChange: {},
    MailPreference: {},
    NewWebhook: {"url": "https://hooks.invalid/", "events": ["comment.held"]},
    WebhookChange: {},
    DecisionForm: {"act": "spam", "version": 1},
    NewSite: {"name": "another", "origins": ["https://another.example"]},
    RetryRequest: {},
    PersonRequest: {"email": "nobody@example.com", "action": "export"},
    NewSubscription: {"email": "mia@example.com", "scope": "site"},
    NewSuppression: {"email": "mia@example.com", "reason": "bounce"},
    LiftedSuppression: {"email": "mia@example.com"},
    SubscriptionsForm: {},
    FilterQuery: {},
}


class Prober:
    """Sends requests with a key of every scope, and collects those that caused a server error."""

    def __init__(self, client, key):
        self.client = client
        self.key = key
        self.sent = 0
        self.choked: list[str] = []

    async def send(self, method: str, path: str, body: Any = None, query: Any = None, **more: str) -> None:
        query_string = "&".join(
            f"{name}={quote(text.encode('utf-8', 'surrogatepass'))}" for name, text in (query or {}).items()
        )
        data = None if body is None else json.dumps(body).encode()
        headers = self.key | {"If-Match": '"1"'} | (JSON if data else {}) | more
        address = URL(f"{path}?{query_string}" if query_string else path, encoded=True)
        response = await self.client.request(method, address, data=data, headers=headers, allow_redirects=False)
        self.sent += 1
        is_busy = response.status == 503 and path == "/v1/imports"  # it refuses more than a few uploads at once
        if response.status >= 500 and not is_busy:
            self.choked.append(f"{response.status} {method} {address} {(data or b'')[-90:]!r} {more or ''}")


@pytest.mark.slow
async def test_no_field_value_of_any_route_causes_a_server_error(client, service):
    key = await a_moderators_key(service, name="owner")  # a key that can do everything, including replies
    prober = Prober(client, key)
    receipt = await (await client.post("/v1/comments", json=fields_of())).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=key)
    (thread,) = (await (await client.get("/v1/threads", headers=key)).json())["threads"]
    rule = await client.post("/v1/rules", json={"kind": "website", "match": "shop.example"}, headers=key)
    rule_id = (await rule.json())["id"]
    ids = {
        "/v1/threads/{id}": thread["id"],
        "/v1/rules/{id}": rule_id,
        "/v1/rules/{id}/undo": rule_id,
        "/v1/sites/{id}": (await (await client.get("/v1/sites", headers=key)).json())["sites"][0]["id"],
    }
    jobs = []
    for route in [route for route in ROUTES if not (route.page and route.form)]:
        path = route.path.replace("{id}", ids.get(route.path, receipt["id"]))
        for field in msgspec.structs.fields(route.asks) if route.asks else ():
            needed = {"thread": "/a-page/"} if "thread" in route.asks.__struct_fields__ else {}
            jobs += [prober.send(route.method, path, query=needed | {field.encode_name: text}) for text in TEXTS]
        for field in msgspec.structs.fields(route.takes) if route.takes else ():
            for value in TEXTS + WRONG_VALUES:
                body = VALID_BODIES[route.takes] | {field.encode_name: value}
                if route.takes is Action:
                    body = {"ids": [receipt["id"]]} | body if field.encode_name not in {"where", "expect"} else body
                    body |= {"expect": 0, "where": {}} if field.encode_name == "expect" else {}
                jobs.append(prober.send(route.method, path, body))
    for field in msgspec.structs.fields(PrivateCommentFilter):
        for value in TEXTS + WRONG_VALUES:
            body = {"action": "hold", "expect": 0, "where": {field.encode_name: value}}
            jobs.append(prober.send("POST", "/v1/moderation/actions", body))
    await run_concurrently(jobs)

    assert sorted(prober.choked) == []
    assert prober.sent > 2000


@pytest.mark.slow
async def test_no_form_value_of_the_moderation_page_causes_a_server_error(client, service):
    await moderators.add_moderator(service, "owner", None, [])
    session_headers = {"Sec-Fetch-Site": "same-origin"}
    await client.post(
        (await moderators.create_sign_in_link(service, "owner")).partition("8080")[2], headers=session_headers
    )
    page = await (await client.get("/moderate", headers=session_headers)).text()
    token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    key = await a_key(service)
    comment = (await (await client.post("/v1/comments", json=fields_of())).json())["id"]
    (thread,) = (await (await client.get("/v1/threads", headers=key)).json())["threads"]
    rule = await client.post("/v1/rules", json={"kind": "website", "match": "shop.example"}, headers=key)
    new = {"url": "https://hooks.example/", "events": ["comment.held"]}
    webhook = await client.post("/v1/webhooks", json=new, headers=key)
    ids = {"threads": thread["id"], "rules": (await rule.json())["id"], "webhooks": (await webhook.json())["id"]}
    filled = {
        "kind": "links", "match": "2", "version": "1", "comment": "Words.", "name": "Mia", "key": "cs_x",
        "act": f"hold {comment}.1", "do": "title", "mode": "now", "minutes": "5", "site": "blog", "feed": comment,
    }  # fmt: skip
    failures = []

    async def send(method, path, query, form):
        query_string = urlencode(query, errors="surrogatepass")
        address = URL(f"{path}?{query_string}" if query_string else path, encoded=True)
        body = urlencode(form, errors="surrogatepass").encode() if form else None
        headers = session_headers | ({"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        response = await client.request(method, address, data=body, headers=headers, allow_redirects=False)
        if response.status >= 500 or response.content_type not in PAGE_TYPES:
            failures.append((response.status, method, address, form))

    jobs = []
    for route in [route for route in ROUTES if route.session_scope and not route.path.endswith(("counts", "sign-out"))]:
        path = route.path.replace("{id}", ids.get(route.path.split("/")[2] if "{" in route.path else "", comment))
        for field in msgspec.structs.fields(route.asks) if route.asks else ():
            jobs += [send(route.method, path, {field.encode_name: text}, None) for text in TEXTS]
        for field in msgspec.structs.fields(route.takes) if route.takes else ():
            known = {one.encode_name for one in msgspec.structs.fields(route.takes)}
            form = {name: value for name, value in filled.items() if name in known} | {"csrf": token}
            jobs += [send(route.method, path, {}, form | {field.encode_name: text}) for text in TEXTS]
    await run_concurrently(jobs)

    assert len(jobs) > 800
    assert failures == []


async def test_no_path_causes_a_server_error(client, key):
    prober = Prober(client, key)
    strange = [
        "%00",
        "a%00b",
        "%ff",
        "%ed%a0%80",
        "..",
        "%2e%2e",
        "%2F",
        "a" * 3000,
        "%E2%80%AE",
        "%F0%9F%92%A5",
        "{id}",
        "'",
    ]
    for route in ROUTES:
        if "{" in route.path and not route.session_scope:
            body = VALID_BODIES[route.takes] if route.takes else None
            for text in strange:
                await prober.send(route.method, text.join(re.split(r"\{\w+\}", route.path)), body)

    assert sorted(prober.choked) == []


@pytest.mark.slow
async def test_no_header_causes_a_server_error(served, aiohttp_client):
    service = await served()
    key = await a_key(service)
    prober = Prober(await aiohttp_client(application(service)), key)
    strange = [
        "\udc80\udcff", "null", "https://[", "http://a:b:c", '"' * 50, "*", ";;", 'a/b;c="', "https://\u2100.example",
        "Bearer", "Bearer \udcff", "Bearer ct_", "Bearer cs_\u00e9", "ct_ AAAA", "application/json; charset=\u00e9",
        "gzip;q=x", "9" * 40,
    ]  # fmt: skip
    jobs = []
    for header in ("Authorization", "Origin", "If-None-Match", "If-Match", "Idempotency-Key", "Accept", "Content-Type",
                   "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "Accept-Encoding"):  # fmt: skip
        for number, text in enumerate(strange):
            more = {header: text}
            jobs.append(prober.send("POST", "/v1/comments", fields_of(comment=f"{header} {number}"), **more))
            jobs.append(prober.send("GET", "/v1/comments", query={"thread": "/a-page/"}, **more))
            jobs.append(prober.send("GET", "/v1/moderation/comments", **more))
            jobs.append(prober.send("GET", "/t", query={"thread": "/a-page/"}, **more))
    await run_concurrently(jobs)

    assert sorted(prober.choked) == []


CANARY = "canary7f3e"


def refused_bodies():
    """Yield invalid bodies for ``POST /v1/comments``, each with a canary."""
    for field in DRAFT_FIELDS:
        for value in (
            [CANARY],
            {"a": CANARY},
            {CANARY: 1},
            f"{CANARY}\x00",
            f"{CANARY}\ud800",
            f"{CANARY}{'x' * 11_000}",
        ):
            yield json_body(**{field: value})
    for field, text in {
        "thread": f"https://{CANARY}.example/a-page/",
        "site": CANARY,
        "name": f"{CANARY}\x07",
        "email": CANARY,
        "parent": CANARY,
        "website": f"javascript:{CANARY}",
        "submission": f"{CANARY} with spaces",
        "subscribe": CANARY,
    }.items():
        yield json_body(**{field: text})
    yield json_body(email=f"{CANARY}@localhost")
    yield json_body(website=f"https://mia:{CANARY}@example.com/")
    yield json_body(**dict.fromkeys(DRAFT_FIELDS, f"{CANARY}\x00"))
    yield json_body(stray=CANARY)
    yield f'{{"name": "{CANARY}", "name": "{CANARY}"}}'.encode()
    yield f'{{"name": "{CANARY}"'.encode()
    yield f'{{"name": {CANARY}}}'.encode()
    yield f'["{CANARY}"]'.encode()
    yield f'{{"name": "{CANARY}'.encode() + b"\xff"


async def test_no_error_repeats_the_sent_text(visitor):
    refused = 0
    for body in refused_bodies():
        response = await visitor.post("/v1/comments", data=body, headers=JSON)
        if response.status == 202:
            assert b'"title"' in body or b'"comment": "canary7f3e\\' in body or b"author_token" in body, body[:200]
            continue
        refused += 1
        assert CANARY not in (await response.text()).lower(), body[:200]
        assert CANARY not in str(response.headers).lower()
    assert refused > 6 * (len(DRAFT_FIELDS) - 1)


@pytest.mark.parametrize(
    "form",
    [
        {"email": CANARY}, {"website": f"ftp://{CANARY}"}, {"parent": CANARY}, {"site": CANARY},
        {"name": f"{CANARY}\x07"}, {"thread": f"https://{CANARY}.example/"}, {"submission": f"{CANARY} "},
        {"subscribe": CANARY}, {"started": CANARY * 500}, {"comment": CANARY * 1200},
    ],
    ids=str,
)  # fmt: skip
async def test_no_error_repeats_the_sent_form(visitor, form):
    for body in (urlencode(fields_of(**form)), f"{urlencode(fields_of())}&{urlencode(form)}&{urlencode(form)}"):
        details = await read_problem(await visitor.post("/v1/comments", data=body, headers=FORM))
        assert CANARY not in json.dumps(details).lower()


async def test_no_error_of_any_route_repeats_the_sent_text(served, aiohttp_client):
    service = await served(sites="https://blog.example")
    key = await a_key(service)
    client = await aiohttp_client(application(service))
    receipt = await (await client.post("/v1/comments", json=fields_of(thread="/a/"))).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=key)
    fine = json.dumps(fields_of())
    by = {"action": "hold", "expect": 0}
    none = "01a203fe-5bb8-7002-b9f3-853cb8e84355"
    attempts = [
        ("GET", f"/{CANARY}", {}, None),
        ("GET", f"/v1/comments/{CANARY}", {}, None),
        ("DELETE", f"/v1/comments/{none}", {"Authorization": f"Bearer ct_{CANARY}"}, None),
        ("GET", f"/v1/comments?thread=/a/&cursor={CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=/a/&limit={CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=/a/&order={CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=/a/&since={CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=/a/&site={CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=https://{CANARY}.example/", {}, None),
        ("GET", f"/v1/comments?thread=/{CANARY}&thread=/{CANARY}", {}, None),
        ("GET", f"/v1/comments?thread=/a/&unknown={CANARY}", {}, None),
        ("POST", "/v1/comments", {"Origin": f"https://{CANARY}.example"}, fine),
        ("POST", "/v1/comments", {"Idempotency-Key": f"{CANARY} é"}, fine),
        ("POST", "/v1/comments", {"Content-Type": f"text/{CANARY}"}, fine),
        ("POST", "/v1/comments", {"Content-Type": f"application/json; charset={CANARY}"}, fine),
        ("POST", "/v1/comments", {"Content-Encoding": CANARY}, fine),
        ("GET", "/v1/moderation/comments", {"Authorization": f"Bearer cs_{CANARY}"}, None),
        ("GET", f"/v1/moderation/comments/{CANARY}", key, None),
        ("GET", f"/v1/moderation/comments?status={CANARY}", key, None),
        ("GET", f"/v1/moderation/comments?site={CANARY}", key, None),
        ("POST", f"/v1/moderation/actions/{CANARY}/undo", key, None),
        ("POST", "/v1/moderation/search", key, json.dumps({"email": CANARY})),
        ("POST", "/v1/moderation/search", key, json.dumps({"thread": f"https://{CANARY}.example/"})),
        ("POST", "/v1/moderation/actions", key, json.dumps({"action": CANARY, "ids": [none]})),
        ("POST", "/v1/moderation/actions", key, json.dumps({"action": "hold", "ids": CANARY})),
        ("POST", "/v1/moderation/actions", key, json.dumps(by | {"where": {"email": CANARY}})),
        ("POST", "/v1/moderation/actions", key, json.dumps(by | {"where": {"since": CANARY}})),
        ("POST", "/v1/keys", key, json.dumps({"name": "n", "scopes": [CANARY]})),
        ("POST", "/v1/keys", key, json.dumps({"name": "n", "scopes": ["read"], "expires_at": CANARY})),
        ("POST", "/v1/keys", key, json.dumps({"name": "n", "scopes": ["read"], "site": CANARY})),
        ("POST", "/v1/sites", key, json.dumps({"name": "n", "origins": [f"ftp://{CANARY}"]})),
        ("DELETE", f"/v1/keys/{CANARY}", key, None),
        ("PATCH", f"/v1/threads/{CANARY}", key, json.dumps({"closed": True})),
    ]  # fmt: skip
    for method, path, headers, body in attempts:
        response = await client.request(method, path, data=body, headers=(JSON if body else {}) | headers)
        details = await read_problem(response)
        assert CANARY not in json.dumps(details).lower(), (method, path, body)
        shown = {name: value for name, value in response.headers.items() if name != "Access-Control-Allow-Origin"}
        assert CANARY not in str(shown).lower(), (method, path)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 17 + b'\\"' * 8_000,
        json_body(website="a." * 6_000 + "@"),
        json_body(name="a" + "\u0301\u0316" * 15_000).decode("unicode_escape").encode(),
        json_body(title="a" + "\u0301\u0316" * 15_000).decode("unicode_escape").encode(),
        json_body(email="a" * 30_000 + "@"),
        json_body(email='"' + "\\ " * 100 + '"@example.com'),
        json_body(thread="https://" + "a." * 900 + "/"),
        json_body(thread="/" + "%" * 1_900),
        json_body(comment="> " * 5_000),
        json_body(comment="[" * 10_000),
        json_body(comment="*a _b " * 1_600),
    ],
    ids=["escaped quotes", "dots", "marks in a name", "marks in a title", "a long email", "a quoted email",
         "a long host", "percents", "quotations", "brackets", "stars"],
)  # fmt: skip
async def test_no_body_takes_more_than_half_a_second(visitor, body):
    began = time.process_time()
    await visitor.post("/v1/comments", data=body, headers=JSON)

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "|a" * 200 + "\n" + "|-" * 200 + "\n" + "|b\n" * 1_000,
        ">" * 2_000,
        "&" * 5_000,
        "a@b.example " * 400,
        "1.\n2)\n" * 800,
    ],
    ids=["a table", "quotations", "ampersands", "addresses", "lists"],
)  # fmt: skip
def test_a_rendered_comment_is_less_than_50_times_its_text(text):
    assert len(markdown.render(text)) < 50 * len(text)


ELEMENTS = {
    "a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href", "title", "rel"}, "code": {"class"}, "li": {"class"}, "ol": {"start"}, "td": {"align"},
    "th": {"align"},
}  # fmt: skip
CLASSES = {"code": r"language-[a-z][a-z0-9+#._-]{0,15}", "li": "ct-task"}  # each in full
EMPTY_ELEMENTS = {"br", "hr"}


class Reader(HTMLParser):
    """Reads HTML as a browser does, and collects everything that a comment must not contain."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.unsafe: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ELEMENTS:
            self.unsafe.append(f"<{tag}>")
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, ()):
                self.unsafe.append(f"<{tag} {name}>")
            if name == "href" and not self.is_safe_link(value or ""):
                self.unsafe.append(f"href={value}")
            if name == "class" and not re.fullmatch(CLASSES.get(tag, ""), value or ""):
                self.unsafe.append(f"class={value}")
            if name == "align" and value not in {"left", "center", "right"}:
                self.unsafe.append(f"align={value}")
            if name == "start" and not (value or "").isdigit():
                self.unsafe.append(f"start={value}")
        if tag == "a" and dict(attrs).get("rel") != "nofollow ugc noopener":
            self.unsafe.append("a link without rel")

    @staticmethod
    def is_safe_link(address: str) -> bool:
        # Browsers drop tabs and newlines anywhere, and controls and spaces at the beginning (WHATWG URL, 4.4).
        plain = re.sub("[\t\r\n]", "", address).lstrip("".join(map(chr, range(33))))
        return re.match(r"(https?|mailto):", plain, re.IGNORECASE) is not None

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unsafe.append(f"</{tag}> closes nothing")

    def handle_comment(self, data):
        self.unsafe.append("<!-- -->")

    def handle_decl(self, decl):
        self.unsafe.append("<!>")

    def unknown_decl(self, data):
        self.unsafe.append("<![]>")

    def handle_pi(self, data):
        self.unsafe.append("<?>")


def unsafe_parts(html: str) -> list[str]:
    """Return the parts of this HTML that a comment must not contain."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.unsafe + reader.open


def payloads_of(folder) -> list[str]:
    """Return every string of the corpora of markup."""
    scripts = [json.loads(line)["p"] for line in (folder / "xss_all.jsonl").read_bytes().splitlines()]
    fixtures = "\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "markdown-it").glob("*.txt")))
    strange_strings = json.loads((folder / "blns" / "blns.json").read_text(encoding="utf-8"))
    lines = [line for path in sorted((folder / "patt").glob("*.txt")) for line in lines_of(path)]
    assert (len(scripts), len(strange_strings)) == (9099, 515)
    return [*scripts, *re.split(r"\n\.\n", fixtures), fixtures, *strange_strings, *lines]


def test_markdown_makes_no_payload_active(shared):
    unsafe = {text: found for text in payloads_of(shared / HOSTILE) if (found := unsafe_parts(markdown.render(text)))}

    assert unsafe == {}


CONTEXTS = [
    "[text]({})", "[text](<{}>)", '[text](/ "{}")', "<{}>", "![{}](x)", "[text][1]\n\n[1]: {}", "`{}`", "|{}|\n|-|",
    "# {}", "```{}\n",
]  # fmt: skip


@pytest.mark.slow
def test_markdown_makes_no_payload_inside_other_markup_active(shared):
    unsafe = {}
    for payload in payloads_of(shared / HOSTILE)[::5]:
        for context in CONTEXTS:
            text = context.format(payload)
            if found := unsafe_parts(markdown.render(text)):
                unsafe[text] = found

    assert unsafe == {}


@pytest.mark.slow
async def test_no_payload_adds_elements_to_a_page(shared, visitor):
    headers = FORM | {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}

    async def elements_of(text: str) -> set[str]:
        body = urlencode(fields_of(name=text, email="nobody", website=text, comment=text, parent=text))
        response = await visitor.post("/v1/comments", data=body, headers=headers)
        assert (response.status, response.content_type) == (422, "text/html")
        page = Page()
        page.feed(await response.text())
        return page.found

    expected = await elements_of("javascript:harmless") | await elements_of(f"javascript:{'x' * 11_000}")
    for payload in payloads_of(shared / HOSTILE)[::40]:
        assert await elements_of(f"javascript:{payload}") <= expected, payload


class Page(HTMLParser):
    """Collects the elements of a page, each with the names of its attributes."""

    def __init__(self):
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.found.add(" ".join([tag, *(name for name, _ in attrs)]))
