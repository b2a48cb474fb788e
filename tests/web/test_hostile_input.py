"""Whatever somebody sends, they get a proper answer: it is kept whole, or refused by the name of the field.

The corpora are other people's collections of what broke programs; see shared/data/SOURCES.md.
"""

import asyncio
import base64
import gzip
import json
import re
import tarfile
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from yarl import URL

from commentsvc.access import moderators
from commentsvc.access.schemas import NewKey
from commentsvc.comments.schemas import CommentEdit, CountsQuery, NewComment, NewReport, PreviewRequest
from commentsvc.domain import markdown
from commentsvc.domain.models import Mode
from commentsvc.moderation.schemas import Action, CommentUpdate, NewReply, PrivateSearch, ThreadChange
from commentsvc.rules.schemas import BacktestRequest, NewRule, RuleChange
from commentsvc.sites.schemas import NewSite, SiteChange
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.routes import ROUTES, application
from tests.conftest import a_key, a_moderators_key, a_service, fields_of

HOSTILE = "adversarial"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def visitor(served, aiohttp_client):
    """Somebody who calls the API of a service with no settings, on SQLite."""
    return await aiohttp_client(application(await served()))


@pytest.fixture
async def open_door(database_url, clock, aiohttp_client):
    """A client and a key of a service that shows at once whatever it accepts."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield await aiohttp_client(application(service)), await a_key(service)


async def problem(response) -> dict[str, Any]:
    """What was refused and why, after a look that it is a refusal as the contract has it."""
    assert 400 <= response.status < 500, f"{response.status} {await response.text()}"
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Request-ID"]
    told = await response.json(content_type="application/problem+json")
    assert set(told) == {"type", "title", "status", "detail", "code", "errors"}
    assert told["status"] == response.status
    return told


async def named(response) -> set[str]:
    """The fields that a refusal names."""
    assert response.status == 422, f"{response.status} {await response.text()}"
    return {fault["field"] for fault in (await problem(response))["errors"]}


def sent_as_json(**changed) -> bytes:
    """A body as somebody would write it by hand; a lone surrogate travels as an escape."""
    return json.dumps(fields_of(**changed)).encode()


async def crowd(jobs, at_once=24):
    """Everybody at once, but not all of the thousand; what each got, in their order."""
    door = asyncio.Semaphore(at_once)

    async def enter(job):
        async with door:
            return await job

    return await asyncio.gather(*map(enter, jobs))


@pytest.fixture
def naughty(shared) -> list[str]:
    return json.loads((shared / HOSTILE / "blns" / "blns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("field", "most"), [("name", 489), ("comment", 507), ("website", 12)])
async def test_a_naughty_string_is_kept_or_refused_by_its_field(naughty, open_door, engine, field, most):
    client, key = open_door
    every = 1 if engine == "sqlite" else 4

    async def post(number: int, text: str) -> tuple[str, str] | None:
        words = {"name": f"Mia {number}", "comment": f"Words of number {number}."} | {field: text}
        response = await client.post("/v1/comments", data=sent_as_json(**words), headers=JSON)
        if response.status != 201:
            assert await named(response) == {field}, ascii(text)
            return None
        return (await response.json())["id"], text

    answers = await crowd(post(number, text) for number, text in enumerate(naughty[::every]))
    kept = dict(filter(None, answers))
    listing = await (await client.get("/v1/comments?thread=/a-page/&limit=1000")).json()
    shown = {comment["id"]: comment for comment in listing["comments"]}

    assert len(naughty) == 515
    assert len(kept) == most or engine != "sqlite"
    assert shown.keys() == kept.keys()
    for id_, text in kept.items():
        if field == "website":
            assert (shown[id_]["website"] or "") in {text.strip(), f"https://{text.strip()}"}
    if field == "comment":
        assert await texts_as_moderators_see_them(client, key) == kept
        for id_, text in [*kept.items()][::15]:
            detail = await (await client.get(f"/v1/moderation/comments/{id_}", headers=key)).json()
            assert detail["comment"] == text


async def texts_as_moderators_see_them(client, key) -> dict[str, str]:
    """Every approved comment's words, by id."""
    found, query = {}, {"status": "approved", "limit": "200"}
    while query:
        queue = await (await client.get("/v1/moderation/comments", params=query, headers=key)).json()
        found |= {card["id"]: card["comment"] for card in queue["comments"]}
        query = query | {"cursor": queue["next_cursor"]} if queue["next_cursor"] else {}
    return found


async def test_a_naughty_string_in_a_form_is_kept_or_refused_by_its_field(naughty, visitor):
    async def post(number: int, text: str) -> None:
        for field in ("name", "comment", "website"):
            words = {"thread": f"/{field}/{number}/", "comment": f"Words of number {number}."} | {field: text}
            response = await visitor.post("/v1/comments", data=urlencode(fields_of(**words)), headers=FORM)
            if response.status == 202:
                assert (await response.json())["html"] == markdown.render(words["comment"])
            else:
                assert await named(response) == {field}, ascii(text)

    await crowd(post(number, text) for number, text in enumerate(naughty[::4]))


async def test_an_odd_email_address_is_kept_or_refused_by_its_field(shared, open_door):
    client, key = open_door
    tests = ET.parse(shared / HOSTILE / "isemail" / "tests.xml").getroot().iter("test")  # noqa: S314 -- our own copy
    # Controls stand there as their pictures (U+2400 …), since XML cannot hold them.
    addresses = [
        (re.sub("[\u2400-\u2420]", lambda picture: chr(ord(picture[0]) - 0x2400), text), text, category)
        for text, category in ((test.findtext("address") or "", test.findtext("category")) for test in tests)
    ]
    kept = []
    for number, (address, picture, category) in enumerate(addresses):
        for email in {address, picture}:
            words = {"thread": f"/{number}/{email == picture}/", "email": email}
            response = await client.post("/v1/comments", data=sent_as_json(**words), headers=JSON)
            if response.status == 201:
                kept.append((await response.json())["id"] + " " + email.strip())
                # White space around an address is somebody's slip, and no part of it.
                assert category != "ISEMAIL_ERR" or email != address or email != email.strip(), ascii(email)
            else:
                assert await named(response) == {"email"}, ascii(email)

    assert len(addresses) == 164
    for id_, email in (one.split(" ", 1) for one in kept):
        detail = await (await client.get(f"/v1/moderation/comments/{id_}", headers=key)).json()
        assert detail["email"].rpartition("@")[0] == email.rpartition("@")[0]


async def test_a_redirecting_website_is_kept_as_http_or_refused(shared, visitor):
    lists = ("Open-Redirect-payloads.txt", "openredirects.txt", "crlfinjection.txt")
    payloads = [line for name in lists for line in lines_of(shared / HOSTILE / "patt" / name)]

    async def post(number: int, payload: str) -> None:
        words = {"thread": f"/{number}/", "website": payload}
        response = await visitor.post("/v1/comments", data=sent_as_json(**words), headers=JSON)
        if response.status == 202:
            website = (await response.json())["website"]
            assert website in {payload.strip(), f"https://{payload.strip()}"}
            assert re.fullmatch(r"https?://[^\s@/\\][^\s\\]*", website), website
        else:
            assert await named(response) == {"website"}, payload

    await crowd(post(number, payload) for number, payload in enumerate(payloads))


def lines_of(path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


async def test_every_odd_json_body_gets_a_proper_answer(shared, visitor):
    with tarfile.open(shared / HOSTILE / "jsontestsuite.tar.gz") as archive:
        bodies = {
            member.name.rpartition("/")[2]: archive.extractfile(member).read()
            for member in archive
            if member.name.endswith(".json")
        }

    async def post(name: str, body: bytes) -> None:
        response = await visitor.post("/v1/comments", data=body, headers=JSON)
        told = await problem(response)
        if name.startswith("n_"):
            assert told["status"] in {400, 413}, name
        elif name.startswith("y_object") and "duplicated" not in name:
            assert told["status"] == 422, name

    await crowd(post(name, body) for name, body in bodies.items())
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
        (b"\xef\xbb\xbf" + sent_as_json(), "a byte order mark"),
        (sent_as_json().decode().encode("utf-16"), "UTF-16"),
        (sent_as_json().decode().encode("utf-16-le"), "UTF-16 without a mark"),
        (sent_as_json().decode().encode("utf-32"), "UTF-32"),
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
async def test_json_that_is_not_strict_is_unreadable(visitor, body, why):
    response = await visitor.post("/v1/comments", data=body, headers=JSON)

    told = await problem(response)
    assert (told["status"], told["code"]) == (400, "malformed_request"), why


async def test_sixteen_levels_and_32_digits_are_read(visitor):
    for value in (b"[" * 15 + b"]" * 15, b"9" * 32):
        response = await visitor.post("/v1/comments", data=b'{"name": ' + value + b"}", headers=JSON)
        assert "name" in await named(response)


async def test_brackets_in_a_comment_are_no_depth(visitor):
    words = '[[[[[[[[[[[[[[[[[[[[ " {{{{{{{{{{{{{{{{{{ \\ '
    response = await visitor.post("/v1/comments", data=sent_as_json(comment=words), headers=JSON)

    assert response.status == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/json"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/problem+json"}, 415),
        ({"Content-Type": "application/json; charset=utf-7"}, 400),
        ({"Content-Type": "application/json; charset=iso-8859-1"}, 400),
        ({"Content-Type": "application/json; charset=UTF-8"}, 202),
        ({"Content-Type": 'application/json; charset="utf-8"'}, 202),
        ({"Content-Type": "APPLICATION/JSON"}, 202),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else str(value),
)
async def test_a_body_says_what_it_is(visitor, headers, status):
    response = await visitor.post("/v1/comments", data=sent_as_json(), headers=headers)

    assert response.status == status
    if status >= 400:
        await problem(response)


async def test_an_encoded_body_is_not_unpacked(live, browser_less):
    url, _ = await live()
    for encoding in ("gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "unheard-of"):
        for body in (gzip.compress(sent_as_json()), sent_as_json(), b""):
            headers = JSON | {"Content-Encoding": encoding}
            async with browser_less.post(f"{url}/v1/comments", data=body, headers=headers) as response:
                assert (await problem(response))["status"] == (415 if body else 400)
                assert response.headers.get("Accept-Encoding") == ("identity" if body else None)


async def test_a_body_has_at_most_64_kib(visitor):
    async def in_pieces():
        for _ in range(65):
            yield b" " * 1024

    whole = sent_as_json() + b" " * (64 * 1024 - len(sent_as_json()))
    assert (await visitor.post("/v1/comments", data=whole, headers=JSON)).status == 202
    for body in (whole + b" ", b" " * 65 * 1024, in_pieces()):
        told = await problem(await visitor.post("/v1/comments", data=body, headers=JSON))
        assert (told["status"], told["code"]) == (413, "too_large")


DRAFT_FIELDS = [field.encode_name for field in msgspec.structs.fields(NewComment)]


@pytest.mark.parametrize("text", ["\ud800", "half \udc00 of one", "\ude00\ud83d", "NUL\x00 inside", "\x00"], ids=ascii)
async def test_what_is_no_text_is_refused_by_its_field(client, text):
    unnamed = {}
    for field in DRAFT_FIELDS:
        response = await client.post("/v1/comments", data=sent_as_json(**{field: text}), headers=JSON)
        if response.status != 422 or await named(response) != {field}:
            unnamed[field] = response.status

    assert unnamed == {}


@pytest.mark.parametrize("text", ["NUL\x00 inside", "\x00"], ids=ascii)
async def test_what_is_no_text_is_refused_by_its_field_of_a_form(visitor, text):
    for field in DRAFT_FIELDS:
        body = urlencode(fields_of(**{field: text}))
        assert await named(await visitor.post("/v1/comments", data=body, headers=FORM)) == {field}


async def test_a_whole_pair_of_surrogates_is_one_character(visitor):
    body = sent_as_json(name="\N{GRINNING FACE} Mia")
    assert rb"\ud83d\ude00" in body
    response = await visitor.post("/v1/comments", data=body, headers=JSON)

    assert (await response.json())["name"] == "\N{GRINNING FACE} Mia"


async def test_a_field_nobody_knows_is_refused_by_its_name(visitor):
    strange = {"nickname": "M", "NAME": "Mia", "name ": "Mia", "": "x", "__proto__": {}, "\ud800": 1}
    response = await visitor.post("/v1/comments", data=json.dumps(fields_of(**strange)), headers=JSON)

    assert await named(response) == {"nickname", "NAME", "name ", "", "__proto__", "\\ud800"}


@pytest.mark.parametrize(
    "field", ["id", "status", "created_at", "moderator_id", "author_id", "site_id", "html", "version", "by_moderator"]
)
async def test_nobody_assigns_what_is_not_theirs(visitor, field):
    body = sent_as_json()[:-1] + f', "{field}": "approved"}}'.encode()
    assert await named(await visitor.post("/v1/comments", data=body, headers=JSON)) == {field}

    form = urlencode(fields_of(**{field: "approved"}))
    response = await visitor.post("/v1/comments", data=form, headers=FORM)
    receipt = await response.json()
    assert (response.status, receipt["status"]) == (202, "pending"), "a form's stray fields are passed over"
    assert receipt["id"] != "approved"


async def test_a_form_field_sent_twice_is_refused_by_its_name(visitor):
    for again in ("name=Noa", "%6eame=Noa", "name=", "stray=1&stray=2"):
        body = f"{urlencode(fields_of())}&{again}"
        assert await named(await visitor.post("/v1/comments", data=body, headers=FORM)) <= {"name", "stray"}


async def test_a_query_field_sent_twice_or_unknown_is_refused_by_its_name(visitor):
    for query, field in (
        ("thread=/a/&thread=/b/", "thread"),
        ("thread=/a/&limit=5&limit=5", "limit"),
        ("thread=/a/&utm_source=x", "utm_source"),
        ("thread=/a/&Thread=/a/", "Thread"),
    ):
        assert await named(await visitor.get(f"/v1/comments?{query}")) == {field}


@pytest.mark.parametrize("body", [b"name=%ff", b"name=\xff", b"%ff=1", b"&".join(b"a%d=" % i for i in range(1001))])
async def test_a_form_that_is_no_text_or_has_too_many_fields_is_unreadable(visitor, body):
    told = await problem(await visitor.post("/v1/comments", data=body, headers=FORM))

    assert told["status"] == 400


def cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


TEXTS = [
    "\x00", "a\x00b", "\ud800", "\ufffe", "\u202e", "%", "'; --", "💥" * 70, "5" * 3000, "-1", "1e400", "2026-13-45",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "http://[", "https://[::1", "https://a:99999/", "//",
    "https://\u2100.example/", cursor("\x00"), cursor("t", "o", "\x00", "x"), cursor("f", "o", "x", "\x00"),
    cursor("x"),
]  # fmt: skip
OTHERS = [
    True, 0, -1, 1.5, 10**31, [], {}, [[]], [None], ["\ud800"], ["a\x00b"], [""], ["x"] * 501, {"a": "\ud800"},
]  # fmt: skip
OTHERWISE: dict[type, dict[str, Any]] = {
    NewComment: fields_of(),
    CommentEdit: {"comment": "Other words."},
    PreviewRequest: {"comment": "Words."},
    NewReport: {},
    NewRule: {"kind": "links", "match": "2"},
    RuleChange: {},
    BacktestRequest: {"kind": "links", "match": "2"},
    SiteChange: {},
    CountsQuery: {"thread": ["/a-page/"]},
    PrivateSearch: {},
    CommentUpdate: {},
    Action: {"action": "hold"},
    NewReply: {"comment": "An answer."},
    PrivateCommentFilter: {},
    ThreadChange: {},
    NewKey: {"name": "noa", "scopes": ["read"]},
    NewSite: {"name": "another", "origins": ["https://another.example"]},
}


class Prober:
    """Sends anything anywhere, with every right, and remembers what the service choked on."""

    def __init__(self, client, key):
        self.client = client
        self.key = key
        self.sent = 0
        self.choked: list[str] = []

    async def send(self, method: str, path: str, body: Any = None, query: Any = None, **more: str) -> None:
        asked = "&".join(
            f"{name}={quote(text.encode('utf-8', 'surrogatepass'))}" for name, text in (query or {}).items()
        )
        data = None if body is None else json.dumps(body).encode()
        headers = self.key | {"If-Match": '"1"'} | (JSON if data else {}) | more
        address = URL(f"{path}?{asked}" if asked else path, encoded=True)
        response = await self.client.request(method, address, data=data, headers=headers, allow_redirects=False)
        self.sent += 1
        if response.status >= 500:
            self.choked.append(f"{response.status} {method} {address} {(data or b'')[-90:]!r} {more or ''}")


async def test_nothing_in_any_field_of_any_route_breaks_the_service(client, service):
    key = await a_moderators_key(service, name="owner")  # who may do everything, and reply too
    prober = Prober(client, key)
    receipt = await (await client.post("/v1/comments", json=fields_of())).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=key)
    (thread,) = (await (await client.get("/v1/threads", headers=key)).json())["threads"]
    kept = await client.post("/v1/rules", json={"kind": "website", "match": "shop.example"}, headers=key)
    ids = {
        "/v1/threads/{id}": thread["id"],
        "/v1/rules/{id}": (await kept.json())["id"],
        "/v1/sites/{id}": (await (await client.get("/v1/sites", headers=key)).json())["sites"][0]["id"],
    }
    jobs = []
    for route in [route for route in ROUTES if not (route.page and route.form)]:
        path = route.path.replace("{id}", ids.get(route.path, receipt["id"]))
        for field in msgspec.structs.fields(route.asks) if route.asks else ():
            needed = {"thread": "/a-page/"} if "thread" in route.asks.__struct_fields__ else {}
            jobs += [prober.send(route.method, path, query=needed | {field.encode_name: text}) for text in TEXTS]
        for field in msgspec.structs.fields(route.takes) if route.takes else ():
            for value in TEXTS + OTHERS:
                body = OTHERWISE[route.takes] | {field.encode_name: value}
                if route.takes is Action:
                    body = {"ids": [receipt["id"]]} | body if field.encode_name not in {"where", "expect"} else body
                    body |= {"expect": 0, "where": {}} if field.encode_name == "expect" else {}
                jobs.append(prober.send(route.method, path, body))
    for field in msgspec.structs.fields(PrivateCommentFilter):
        for value in TEXTS + OTHERS:
            body = {"action": "hold", "expect": 0, "where": {field.encode_name: value}}
            jobs.append(prober.send("POST", "/v1/moderation/actions", body))
    await crowd(jobs)

    assert sorted(prober.choked) == []
    assert prober.sent > 2000


async def test_nothing_in_any_form_of_the_moderation_page_breaks_the_service(client, service):
    await moderators.add_moderator(service, "owner", None, [])
    ours = {"Sec-Fetch-Site": "same-origin"}
    await client.post((await moderators.create_sign_in_link(service, "owner")).partition("8080")[2], headers=ours)
    page = await (await client.get("/moderate", headers=ours)).text()
    token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    key = await a_key(service)
    comment = (await (await client.post("/v1/comments", json=fields_of())).json())["id"]
    (thread,) = (await (await client.get("/v1/threads", headers=key)).json())["threads"]
    kept = await client.post("/v1/rules", json={"kind": "website", "match": "shop.example"}, headers=key)
    ids = {"threads": thread["id"], "rules": (await kept.json())["id"]}
    filled = {
        "kind": "links", "match": "2", "version": "1", "comment": "Words.", "name": "Mia", "key": "cs_x",
        "act": f"hold {comment}.1", "do": "title",
    }  # fmt: skip
    choked = []

    async def send(method, path, query, form):
        asked = urlencode(query, errors="surrogatepass")
        address = URL(f"{path}?{asked}" if asked else path, encoded=True)
        body = urlencode(form, errors="surrogatepass").encode() if form else None
        headers = ours | ({"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        response = await client.request(method, address, data=body, headers=headers, allow_redirects=False)
        if response.status >= 500 or response.content_type not in {"text/html", "application/octet-stream"}:
            choked.append((response.status, method, address, form))

    jobs = []
    for route in [route for route in ROUTES if route.session_scope and not route.path.endswith(("counts", "sign-out"))]:
        path = route.path.replace("{id}", ids.get(route.path.split("/")[2] if "{" in route.path else "", comment))
        for field in msgspec.structs.fields(route.asks) if route.asks else ():
            jobs += [send(route.method, path, {field.encode_name: text}, None) for text in TEXTS]
        for field in msgspec.structs.fields(route.takes) if route.takes else ():
            known = {one.encode_name for one in msgspec.structs.fields(route.takes)}
            form = {name: value for name, value in filled.items() if name in known} | {"csrf": token}
            jobs += [send(route.method, path, {}, form | {field.encode_name: text}) for text in TEXTS]
    await crowd(jobs)

    assert len(jobs) > 800
    assert choked == []


async def test_nothing_in_a_path_breaks_the_service(client, key):
    prober = Prober(client, key)
    odd = [
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
            body = OTHERWISE[route.takes] if route.takes else None
            for text in odd:
                await prober.send(route.method, text.join(re.split(r"\{\w+\}", route.path)), body)

    assert sorted(prober.choked) == []


async def test_nothing_in_a_header_breaks_the_service(served, aiohttp_client):
    service = await served()
    key = await a_key(service)
    prober = Prober(await aiohttp_client(application(service)), key)
    odd = [
        "\udc80\udcff", "null", "https://[", "http://a:b:c", '"' * 50, "*", ";;", 'a/b;c="', "https://\u2100.example",
        "Bearer", "Bearer \udcff", "Bearer ct_", "Bearer cs_\u00e9", "ct_ AAAA", "application/json; charset=\u00e9",
        "gzip;q=x", "9" * 40,
    ]  # fmt: skip
    jobs = []
    for header in ("Authorization", "Origin", "If-None-Match", "If-Match", "Idempotency-Key", "Accept", "Content-Type",
                   "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "Accept-Encoding"):  # fmt: skip
        for number, text in enumerate(odd):
            more = {header: text}
            jobs.append(prober.send("POST", "/v1/comments", fields_of(comment=f"{header} {number}"), **more))
            jobs.append(prober.send("GET", "/v1/comments", query={"thread": "/a-page/"}, **more))
            jobs.append(prober.send("GET", "/v1/moderation/comments", **more))
            jobs.append(prober.send("GET", "/t", query={"thread": "/a-page/"}, **more))
    await crowd(jobs)

    assert sorted(prober.choked) == []


CANARY = "canary7f3e"


def refused_bodies():
    """Bodies for ``POST /v1/comments`` that cannot be accepted, a canary somewhere in each."""
    for field in DRAFT_FIELDS:
        for value in (
            [CANARY],
            {"a": CANARY},
            {CANARY: 1},
            f"{CANARY}\x00",
            f"{CANARY}\ud800",
            f"{CANARY}{'x' * 11_000}",
        ):
            yield sent_as_json(**{field: value})
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
        yield sent_as_json(**{field: text})
    yield sent_as_json(email=f"{CANARY}@localhost")
    yield sent_as_json(website=f"https://mia:{CANARY}@example.com/")
    yield sent_as_json(**dict.fromkeys(DRAFT_FIELDS, f"{CANARY}\x00"))
    yield sent_as_json(stray=CANARY)
    yield f'{{"name": "{CANARY}", "name": "{CANARY}"}}'.encode()
    yield f'{{"name": "{CANARY}"'.encode()
    yield f'{{"name": {CANARY}}}'.encode()
    yield f'["{CANARY}"]'.encode()
    yield f'{{"name": "{CANARY}'.encode() + b"\xff"


async def test_no_refusal_repeats_what_was_sent(visitor):
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
async def test_no_refused_form_repeats_what_was_sent(visitor, form):
    for body in (urlencode(fields_of(**form)), f"{urlencode(fields_of())}&{urlencode(form)}&{urlencode(form)}"):
        told = await problem(await visitor.post("/v1/comments", data=body, headers=FORM))
        assert CANARY not in json.dumps(told).lower()


async def test_no_refused_request_of_any_kind_repeats_what_was_sent(served, aiohttp_client):
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
        told = await problem(response)
        assert CANARY not in json.dumps(told).lower(), (method, path, body)
        shown = {name: value for name, value in response.headers.items() if name != "Access-Control-Allow-Origin"}
        assert CANARY not in str(shown).lower(), (method, path)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 17 + b'\\"' * 8_000,
        sent_as_json(website="a." * 6_000 + "@"),
        sent_as_json(name="a" + "\u0301\u0316" * 15_000).decode("unicode_escape").encode(),
        sent_as_json(title="a" + "\u0301\u0316" * 15_000).decode("unicode_escape").encode(),
        sent_as_json(email="a" * 30_000 + "@"),
        sent_as_json(email='"' + "\\ " * 100 + '"@example.com'),
        sent_as_json(thread="https://" + "a." * 900 + "/"),
        sent_as_json(thread="/" + "%" * 1_900),
        sent_as_json(comment="> " * 5_000),
        sent_as_json(comment="[" * 10_000),
        sent_as_json(comment="*a _b " * 1_600),
    ],
    ids=["escaped quotes", "dots", "marks in a name", "marks in a title", "a long email", "a quoted email",
         "a long host", "percents", "quotations", "brackets", "stars"],
)  # fmt: skip
async def test_no_body_keeps_everybody_else_waiting(visitor, body):
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
def test_a_comment_does_not_grow_beyond_measure_when_it_is_rendered(text):
    assert len(markdown.render(text)) < 50 * len(text)


ELEMENTS = {
    "a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title", "rel"}, "ol": {"start"}, "td": {"align"}, "th": {"align"}}
EMPTY_ELEMENTS = {"br", "hr"}


class Reader(HTMLParser):
    """Reads HTML as a browser would, and notes whatever a comment must not hold."""

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
            if name == "href" and not self.leads_nowhere_bad(value or ""):
                self.unsafe.append(f"href={value}")
            if name == "align" and value not in {"left", "center", "right"}:
                self.unsafe.append(f"align={value}")
            if name == "start" and not (value or "").isdigit():
                self.unsafe.append(f"start={value}")
        if tag == "a" and dict(attrs).get("rel") != "nofollow ugc noopener":
            self.unsafe.append("a link without rel")

    @staticmethod
    def leads_nowhere_bad(address: str) -> bool:
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
    """What stands in this HTML that must not stand in a comment."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.unsafe + reader.open


def payloads_of(folder) -> list[str]:
    """Every string of the corpora of markup."""
    scripts = [json.loads(line)["p"] for line in (folder / "xss_all.jsonl").read_bytes().splitlines()]
    fixtures = "\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "markdown-it").glob("*.txt")))
    naughty = json.loads((folder / "blns" / "blns.json").read_text(encoding="utf-8"))
    lines = [line for path in sorted((folder / "patt").glob("*.txt")) for line in lines_of(path)]
    assert (len(scripts), len(naughty)) == (9099, 515)
    return [*scripts, *re.split(r"\n\.\n", fixtures), fixtures, *naughty, *lines]


def test_no_payload_gets_through_the_markup(shared):
    wrong = {text: found for text in payloads_of(shared / HOSTILE) if (found := unsafe_parts(markdown.render(text)))}

    assert wrong == {}


AROUND = [
    "[text]({})", "[text](<{}>)", '[text](/ "{}")', "<{}>", "![{}](x)", "[text][1]\n\n[1]: {}", "`{}`", "|{}|\n|-|",
    "# {}", "```{}\n",
]  # fmt: skip


def test_no_payload_gets_through_what_stands_around_it(shared):
    wrong = {}
    for payload in payloads_of(shared / HOSTILE)[::5]:
        for around in AROUND:
            text = around.format(payload)
            if found := unsafe_parts(markdown.render(text)):
                wrong[text] = found

    assert wrong == {}


async def test_no_payload_gets_out_of_a_page(shared, visitor):
    headers = FORM | {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}

    async def elements_of(text: str) -> set[str]:
        body = urlencode(fields_of(name=text, email="nobody", website=text, comment=text, parent=text))
        response = await visitor.post("/v1/comments", data=body, headers=headers)
        assert (response.status, response.content_type) == (422, "text/html")
        page = Page()
        page.feed(await response.text())
        return page.found

    ours = await elements_of("javascript:harmless") | await elements_of(f"javascript:{'x' * 11_000}")
    for payload in payloads_of(shared / HOSTILE)[::40]:
        assert await elements_of(f"javascript:{payload}") <= ours, payload


class Page(HTMLParser):
    """Notes a page's elements, each with the names of its attributes."""

    def __init__(self):
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.found.add(" ".join([tag, *(name for name, _ in attrs)]))
