"""One request or more for every route of the service, each with the largest answer that people get in practice."""

import itertools
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bench.corpus import Corpus, Thread, post_corpus, write_comment, write_text
from bench.servers import BLOG, ROOT, Server
from commentsvc.web.pages import assets

LONG: Final = {  # texts of 10,000 characters, the most that a comment may have
    "words": "word " * 2_000,
    "brackets": "[" * 10_000,
    "emphasis": "*a_ " * 2_500,
    "links": ("[a](http://b.example) " * 500)[:10_000],
    "quotes": "> " * 5_000,
    "addresses": "http://a.example/x " * 520,
    "lists": "".join(f"{' ' * (2 * depth)}- a\n" for depth in range(95))[:10_000],
}
NOBODY: Final = "203.0.113.0/24"  # a network that sent nothing
PAGES: Final = f"{BLOG}/lag"  # the threads; there is more than one site
HELD: Final = "xylophone"  # comments with this word wait
WORD_LIST: Final = "\n".join(f"unwanted{number}word" for number in range(30_000))
LONG_RULE: Final = {"kind": "words", "match": WORD_LIST, "effect": "hold"}  # one site may have only seven
GZIP: Final = {"Accept-Encoding": "gzip"}
WEBHOOK: Final = {"url": "https://hooks.invalid/", "events": ["comment.held"]}  # no name server knows it
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@dataclass(frozen=True)
class Request:
    """A request to send."""

    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """A kind of request. Each is made with a number, since some can be sent once only."""

    name: str
    route: tuple[str, str]  # method and path as in the route table
    make: Callable[[int], Request]

    def requests(self) -> Iterator[Request]:
        """Return requests of this kind without end."""
        return map(self.make, itertools.count())


@dataclass(frozen=True)
class Data:
    """Ids and tokens that the requests refer to."""

    key: Mapping[str, str]  # headers of a program
    cookie: Mapping[str, str]  # headers of a browser of a moderator
    csrf: str
    own_url: str
    listed: Sequence[str]  # ids of published comments
    tokens: Sequence[tuple[str, Mapping[str, str]]]  # ids of published comments, with the headers of their author
    waiting: list[str]  # ids of comments that wait
    trashed: list[str]
    rule: str
    removed_rules: list[str]
    threads: list[str]  # the latest first; some lose their only comment
    actions: list[str]  # ids of actions that can be undone
    moderator: str
    feed: str  # the path of a feed of the queue, with texts
    keys: list[str]
    sites: list[str]
    webhooks: list[str]
    widget: str  # the immutable name of the widget
    form: str  # the immutable name of its second script


def prepare_data(server: Server, sizes: Sequence[int] = (1000, 200, 50), waiting: int = 1_060) -> Data:
    """Fill a new database through the interface of the service, and return what can be asked."""
    key = {"Authorization": f"Bearer {create_key(server)}"}
    own_url, cookie = _sign_in(server)
    threads = [Thread(f"{PAGES}/{name}", size) for name, size in zip(("long", "middle", "short"), sizes, strict=True)]
    post_corpus(Corpus("lag", threads), server.port, {})

    def ask(method: str, path: str, body: object = None) -> Any:
        answer = server.ask(method, path, body, key)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
        return answer.json() if answer.body else None

    rule = ask("POST", "/v1/rules", {"kind": "words", "match": f"{HELD}\n{WORD_LIST}", "effect": "hold"})["id"]
    rng = random.Random(3)  # noqa: S311 -- the same each time
    held = [write_comment(rng, f"{PAGES}/held/{at % 40}") for at in range(waiting)]
    sites = [
        ask("POST", "/v1/sites", {"name": f"site{at}", "origins": [f"https://site{at}.example"]})["id"]
        for at in range(40)
    ]
    ids = [ask("POST", "/v1/comments", fields | {"comment": f"{write_text(rng)} {HELD}"})["id"] for fields in held]
    posted = [ask("POST", "/v1/comments", write_comment(rng, f"{PAGES}/own/{at}")) for at in range(40)]
    ask("POST", "/v1/moderation/actions", {"action": "trash", "ids": ids[200:240]})  # only these can be erased
    return Data(
        key=key,
        cookie=cookie,
        csrf=_find_csrf(server, cookie),
        own_url=own_url,
        listed=[one["id"] for one in ask("GET", f"/v1/comments?thread={PAGES}/middle&view=flat&limit=100")["comments"]],
        tokens=[(one["id"], {"Authorization": f"Bearer {one['edit_token']}"}) for one in posted],
        waiting=ids,
        trashed=ids[200:240],
        rule=rule,
        removed_rules=[ask("POST", "/v1/rules", LONG_RULE | {"site": f"site{at}"})["id"] for at in range(10)],
        threads=[one["id"] for one in ask("GET", "/v1/threads?limit=200")["threads"]],
        actions=[
            ask("POST", "/v1/moderation/actions", {"action": "trash", "ids": ids[at : at + 20]})["id"]
            for at in range(0, 200, 20)
        ],
        moderator=ask("GET", "/v1/moderators")["moderators"][0]["id"],
        feed=_create_feed(server, cookie),
        keys=[ask("POST", "/v1/keys", {"name": f"lag {at}", "scopes": ["read"]})["id"] for at in range(40)],
        sites=sites,
        webhooks=[ask("POST", "/v1/webhooks", WEBHOOK)["id"] for _ in range(20)],
        widget=_find_name(server, "/", r"embed\.\w+\.js"),
        form=_find_name(server, "/embed.js", r"embed-form\.\w+\.js"),
    )


def create_key(server: Server) -> str:
    """Create an API key with all scopes."""
    database = f"sqlite:///{server.output.parent / 'comments.db'}"
    names = {"COMMENTSVC_DATABASE_URL": database, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "commentsvc", "key", "create", "bench", "--scope", "admin", "--moderator", "owner"]
    return subprocess.run(command, cwd=ROOT, env=names, check=True, capture_output=True, text=True).stdout.strip()


def _sign_in(server: Server) -> tuple[str, dict[str, str]]:
    link = re.search(r"(http://[^/\s]+)(/sign-in/\S+)", server.output.read_text(encoding="utf-8"))
    if link is None:
        raise RuntimeError("The service printed no sign-in link.")
    headers = {"Host": link[1].removeprefix("http://"), "Origin": link[1], "Sec-Fetch-Site": "same-origin"}
    answer = server.ask("POST", link[2], b"", headers | FORM)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return link[1], headers | GZIP | {"Cookie": cookie}


def _find_csrf(server: Server, cookie: Mapping[str, str]) -> str:
    page = server.ask("GET", "/moderate/account", headers={**cookie, "Accept-Encoding": "identity"}).body.decode()
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("The moderation page has no form.")
    return found[1]


def _create_feed(server: Server, cookie: Mapping[str, str]) -> str:
    site = urlsplit(BLOG).hostname
    fields = urlencode({"csrf": _find_csrf(server, cookie), "site": site, "text": "on"})
    headers = {**cookie, **FORM, "Accept-Encoding": "identity"}
    page = server.ask("POST", "/moderate/account/feeds", fields.encode(), headers).body.decode()
    found = re.search(r"/queue/[\w-]+\.atom", page)
    if found is None:
        raise RuntimeError("The account page made no feed.")
    return found[0]


def _find_name(server: Server, path: str, pattern: str) -> str:
    found = re.search(pattern, server.ask("GET", path).body.decode())
    return found[0] if found else "unknown.js"


def list_probes(data: Data) -> list[Probe]:
    """Return at least one kind of request for every route."""
    return [*_of_readers(data), *_of_writers(data), *_of_programs(data), *_of_operators(data), *_of_the_page(data)]


def get(name: str, path: str, headers: Mapping[str, str] = GZIP, route: str | None = None) -> Probe:
    """Return a request that can be repeated."""
    return Probe(name, ("GET", route or path.partition("?")[0]), lambda _: Request("GET", path, None, headers))


def send(
    name: str,
    method: str,
    path: str,
    body: Callable[[int], object] | object,
    headers: Mapping[str, str],
    route: str | None = None,
) -> Probe:
    """Return a request with a body, which may differ each time."""

    def make(number: int) -> Request:
        return Request(method, path, body(number) if callable(body) else body, headers)

    return Probe(name, (method, route or path), make)


def _of_readers(data: Data) -> list[Probe]:
    most, page, some = (f"thread={PAGES}/{rest}" for rest in ("long&limit=1000", "middle", "short"))
    html = {**GZIP, "Accept": "text/html"}
    counted = "&".join(f"thread={PAGES}/own/{at}" for at in range(200))
    return [
        get("list of 50", f"/v1/comments?{some}&view=flat"),
        get("list of 1,000, flat", f"/v1/comments?{most}&view=flat"),
        get("list of 1,000, flat, not compressed", f"/v1/comments?{most}&view=flat", {}),
        get("list of 1,000, tree", f"/v1/comments?{most}&view=tree"),
        get("list of 1,000 with Authorization", f"/v1/comments?{most}", {**GZIP, **data.tokens[0][1]}),
        get("fragment of 50", f"/v1/comments.html?{some}"),
        get("fragment of 1,000", f"/v1/comments.html?{most}"),
        get("fragment of 1,000, not compressed", f"/v1/comments.html?{most}", {}),
        get("comment", f"/v1/comments/{data.listed[0]}", route="/v1/comments/{id}"),
        get("comment as HTML", f"/v1/comments/{data.listed[1]}", html, "/v1/comments/{id}"),
        get("link to a comment", f"/c/{data.listed[0]}", html, "/c/{id}"),
        get("counts of 200", f"/v1/counts?{counted}"),
        send(
            "counts of 200 by POST", "POST", "/v1/counts", {"thread": [f"{PAGES}/own/{at}" for at in range(200)]}, GZIP
        ),
        get("latest 100", "/v1/latest?site=blog.example&limit=100"),
        get("form", "/v1/form"),
        get("feed of a thread", f"/v1/comments.atom?{most.partition('&')[0]}"),
        get("feed of a site", "/v1/latest.atom?site=blog.example"),
        get("page of a thread with 200", f"/t?{page}", html),
        get("page of a thread with 1,000", f"/t?{most.partition('&')[0]}", html),
        get("page of a refusal", "/t?thread=", html),
        get("page of a confirmation", "/confirm/nobodys", html, "/confirm/{token}"),
        get("page to ask for own comments", "/mine", html),
        get("page of own comments", "/mine/nobodys", html, "/mine/{token}"),
        get("export of own comments", "/mine/nobodys/export", html, "/mine/{token}/export"),
        get("demo", "/", html),
        get("reference", "/docs", html),
        get("openapi", "/openapi.json"),
        get("healthz", "/healthz"),
        get("readyz", "/readyz"),
        get("version", "/version"),
        *(
            get(path, path)
            for path in (
                "/docs.js",
                "/page.css",
                "/page.js",
                "/moderate.js",
                "/moderate.css",
                "/import.js",
                "/import.css",
                "/embed.js",
                "/thread.css",
                "/rules.css",
                "/statistics.css",
                *assets.NAMES_ELSEWHERE,
            )
        ),
        get("widget by its immutable name", f"/{data.widget}", route="/embed.{digest}.js"),
        get("form of the widget", f"/{data.form}", route="/embed-form.{digest}.js"),
    ]


def _of_writers(data: Data) -> list[Probe]:
    def new(text: str, number: int) -> dict[str, str]:
        name, email = f"Writer {number}", f"writer{number}@example.org"
        return {"thread": f"{PAGES}/new", "name": name, "email": email, "comment": f"{text[:9_980]} {number}"}

    def of_author(number: int) -> tuple[str, Mapping[str, str]]:
        return data.tokens[number % len(data.tokens)]

    def edit(number: int) -> Request:
        id_, headers = of_author(number)
        return Request("PATCH", f"/v1/comments/{id_}", {"comment": f"{LONG['words'][:9_980]} {number}"}, headers)

    def withdraw(number: int) -> Request:
        id_, headers = of_author(-1 - number)
        return Request("DELETE", f"/v1/comments/{id_}", None, headers)

    def report(number: int) -> Request:
        return Request("POST", f"/v1/comments/{data.listed[number]}/reports", {"reason": "rude"}, {})

    fields = urlencode([(f"field{at}", "1") for at in range(1000)]).encode()
    wrong = urlencode({"thread": f"{PAGES}/middle", "name": "", "email": "no", "comment": LONG["words"]}).encode()
    posts = [send(f"post {name}", "POST", "/v1/comments", partial(new, text), {}) for name, text in LONG.items()]
    previews = [send(f"preview {name}", "POST", "/v1/preview", {"comment": text}, {}) for name, text in LONG.items()]
    marks = {"name": "a" + "\u0301" * 600, "email": "a@" + "\u00fc" * 50 + ".example"}
    return [
        *posts,
        *previews,
        send("post from the widget", "POST", "/v1/comments", lambda at: new(f"widget {at}", at), _of_widget()),
        send("post with long marks", "POST", "/v1/comments", lambda at: new("x", at) | marks, {}),
        send("exchange of a proof", "POST", "/v1/proofs", {"code": "cp_nobodys"}, {}),
        send("request for own comments", "POST", "/mine", b"email=mia%40example.com", FORM),
        Probe("confirmation", ("POST", "/confirm/{token}"), lambda _: Request("POST", "/confirm/nobodys", b"", FORM)),
        Probe(
            "change of own comments",
            ("POST", "/mine/{token}"),
            lambda _: Request("POST", "/mine/nobodys", b"act=erase_all", FORM),
        ),
        send("form with errors, shown again", "POST", "/v1/comments", wrong, {**FORM, "Origin": data.own_url}),
        send("form with 1,000 fields", "POST", "/v1/comments", fields, FORM),
        Probe("edit", ("PATCH", "/v1/comments/{id}"), edit),
        Probe("withdraw", ("DELETE", "/v1/comments/{id}"), withdraw),
        Probe("report", ("POST", "/v1/comments/{id}/reports"), report),
        send("request for mail", "POST", "/v1/subscriptions", {"email": "user7@example.org", "scope": "site"}, {}),
        get("subscriptions of an address", "/u/nobodys", {}, "/u/{token}"),
        send("end of a subscription", "POST", "/u/nobodys", b"List-Unsubscribe=One-Click", FORM, "/u/{token}"),
    ]


def _of_widget() -> dict[str, str]:
    return {"Accept": "text/html, application/problem+json", "Origin": BLOG}


def _of_programs(data: Data) -> list[Probe]:
    key = {**data.key, **GZIP}
    one = data.listed[2]

    def act(number: int) -> dict[str, object]:
        return {"action": ("spam", "approve")[number % 2], "ids": data.waiting[250:650]}

    def undo(number: int) -> Request:
        return Request("POST", f"/v1/moderation/actions/{data.actions[number]}/undo", None, key)

    def update(number: int) -> Request:
        body, seen = {"note": f"note {number}"}, {"If-Match": f'"{1 + number}"'}
        return Request("PATCH", f"/v1/moderation/comments/{data.waiting[1050]}", body, key | seen)

    def reply(number: int) -> Request:
        body = {"comment": f"{LONG['words'][:9_980]} {number}"}
        return Request("POST", f"/v1/moderation/comments/{data.listed[3]}/replies", body, key)

    def erase(number: int) -> Request:
        return Request("DELETE", f"/v1/moderation/comments/{data.trashed[number]}", None, key)

    def change_rule(number: int) -> Request:
        body = {"match": f"again{number}\n{HELD}\n{WORD_LIST}"}
        return Request("PATCH", f"/v1/rules/{data.rule}", body, key)

    def remove_rule(number: int) -> Request:
        return Request("DELETE", f"/v1/rules/{data.removed_rules[number]}", None, key)

    def change_thread(number: int) -> Request:
        return Request("PATCH", f"/v1/threads/{data.threads[-1 - number]}", {"title": f"Title {number}"}, key)

    return [
        get("queue of 200", "/v1/moderation/comments?status=pending&limit=200", key),
        get("queue of 200, approved", "/v1/moderation/comments?status=approved&limit=200&order=newest", key),
        get("queue, text", "/v1/moderation/comments?status=any&limit=200&q=question", key),
        send("search for a rare word", "POST", "/v1/moderation/search", {"q": "zzzznothing"}, key),
        send("search by email", "POST", "/v1/moderation/search", {"email": "user7@example.org", "limit": 200}, key),
        get("details of a comment", f"/v1/moderation/comments/{one}", key, "/v1/moderation/comments/{id}"),
        Probe("note", ("PATCH", "/v1/moderation/comments/{id}"), update),
        Probe("erase", ("DELETE", "/v1/moderation/comments/{id}"), erase),
        Probe("reply", ("POST", "/v1/moderation/comments/{id}/replies"), reply),
        get(
            "ways to ban", f"/v1/moderation/comments/{one}/bans?sweep_days=0", key, "/v1/moderation/comments/{id}/bans"
        ),
        send(
            "ban",
            "POST",
            f"/v1/moderation/comments/{one}/bans",
            {"kind": "author"},
            key,
            "/v1/moderation/comments/{id}/bans",
        ),
        send("action on 400", "POST", "/v1/moderation/actions", act, key),
        Probe("undo of 20", ("POST", "/v1/moderation/actions/{id}/undo"), undo),
        get("threads", "/v1/threads?limit=200", key),
        Probe("change of a thread", ("PATCH", "/v1/threads/{id}"), change_thread),
        send(
            "removal of a thread, refused",
            "DELETE",
            f"/v1/threads/{data.threads[-1]}?expect=4999",
            None,
            key,
            "/v1/threads/{id}",
        ),
        send("removal of a flood", "POST", "/v1/threads/removals", {"where": {"network": NOBODY}, "expect": 0}, key),
        get("rules", "/v1/rules?limit=200", key),
        send("new rule of 30,000 words", "POST", "/v1/rules", lambda at: LONG_RULE | {"site": f"site{10 + at}"}, key),
        send("test of a rule of 30,000 words", "POST", "/v1/rules/test", LONG_RULE | {"last": 1000}, key),
        get("rule of 30,000 words", f"/v1/rules/{data.rule}", key, "/v1/rules/{id}"),
        Probe("change of a rule", ("PATCH", "/v1/rules/{id}"), change_rule),
        send(
            "count of what a rule did",
            "POST",
            f"/v1/rules/{data.rule}/undo",
            {"since": "2020-01-01T00:00:00Z"},
            key,
            "/v1/rules/{id}/undo",
        ),
        Probe("removal of a rule", ("DELETE", "/v1/rules/{id}"), remove_rule),
        send(
            "suppression",
            "POST",
            "/v1/suppressions",
            lambda at: {"email": f"user{at}@example.org", "reason": "bounce"},
            key,
        ),
        send("lifted suppression", "POST", "/v1/suppressions/lift", {"email": "user7@example.org"}, key),
        send(
            "1,000 events of a mail provider",
            "POST",
            "/v1/suppressions/feedback?email=/a&event=/e",
            [{"e": "open", "a": f"user{at}@example.org"} for at in range(1000)],
            key,
            "/v1/suppressions/feedback",
        ),
        get("audit log", "/v1/audit?limit=200", key),
        get("learned filters", "/v1/filters", key),
        send("rebuild of a learned filter", "POST", "/v1/filters/rebuild", {}, key),
        get("statistics", "/v1/stats?by=week", key),
    ]


def _of_operators(data: Data) -> list[Probe]:
    key = {**data.key, **GZIP}

    def rotate(number: int) -> Request:
        return Request("POST", f"/v1/keys/{data.keys[number]}/rotate", {}, key)

    def revoke(number: int) -> Request:
        return Request("DELETE", f"/v1/keys/{data.keys[-1 - number]}", None, key)

    def rename(number: int) -> Request:
        return Request("PATCH", f"/v1/sites/{data.sites[number]}", {"name": f"renamed{number}"}, key)

    def remove(number: int) -> Request:
        return Request("DELETE", f"/v1/sites/{data.sites[-1 - number]}", None, key)

    return [
        get("deliveries", "/v1/deliveries?limit=200", key),
        send("retry of all deliveries", "POST", "/v1/deliveries/retry", {}, key),
        send(
            "retry of a delivery, refused",
            "POST",
            f"/v1/deliveries/{data.rule}/retry",
            None,
            key,
            "/v1/deliveries/{id}/retry",
        ),
        get("keys", "/v1/keys", key),
        send("new key", "POST", "/v1/keys", lambda at: {"name": f"new {at}", "scopes": ["read"]}, key),
        Probe("rotation of a key", ("POST", "/v1/keys/{id}/rotate"), rotate),
        Probe("revocation of a key", ("DELETE", "/v1/keys/{id}"), revoke),
        get("moderators", "/v1/moderators", key),
        send("email of a moderator", "PATCH", f"/v1/moderators/{data.moderator}", {"email": None}, key,
             "/v1/moderators/{id}"),
        get("sites", "/v1/sites", key),
        send("new site", "POST", "/v1/sites",
             lambda at: {"name": f"new{at}", "origins": [f"https://new{at}.example"]}, key),
        Probe("change of a site", ("PATCH", "/v1/sites/{id}"), rename),
        Probe("removal of a site", ("DELETE", "/v1/sites/{id}"), remove),
        *_of_webhooks(data, key),
    ]  # fmt: skip


def _of_webhooks(data: Data, key: Mapping[str, str]) -> list[Probe]:
    one = f"/v1/webhooks/{data.webhooks[0]}"

    def remove(number: int) -> Request:
        return Request("DELETE", f"/v1/webhooks/{data.webhooks[-1 - number]}", None, key)

    return [
        get("webhooks", "/v1/webhooks", key),
        send("new webhook", "POST", "/v1/webhooks", WEBHOOK, key),
        send("change of a webhook", "PATCH", one, {"note": "lag"}, key, "/v1/webhooks/{id}"),
        send("new secret of a webhook", "POST", f"{one}/rotate", None, key, "/v1/webhooks/{id}/rotate"),
        send("test of a webhook", "POST", f"{one}/test", None, key, "/v1/webhooks/{id}/test"),
        get("deliveries", f"{one}/deliveries", key, "/v1/webhooks/{id}/deliveries"),
        send("unknown delivery", "POST", f"{one}/deliveries/none/retry", None, key,
             "/v1/webhooks/{id}/deliveries/{delivery}/retry"),
        Probe("removal of a webhook", ("DELETE", "/v1/webhooks/{id}"), remove),
        get("imports", "/v1/imports", key),
        send("upload, refused", "POST", "/v1/imports?site=nowhere", {}, key, "/v1/imports"),
        get("unknown import", "/v1/imports/none", key, "/v1/imports/{id}"),
        send("start of an import, refused", "POST", "/v1/imports/none/start", None, key, "/v1/imports/{id}/start"),
        send("end of an import, refused", "DELETE", "/v1/imports/none", None, key, "/v1/imports/{id}"),
        get("export of comments, refused", "/v1/export?site=nowhere", key, "/v1/export"),
        send("export of a person", "POST", "/v1/privacy", {"email": "user7@example.org", "action": "export"}, key),
    ]  # fmt: skip


def _of_the_page(data: Data) -> list[Probe]:
    cookie = dict(data.cookie)

    def fill(**fields: object) -> bytes:
        return urlencode({"csrf": data.csrf, **fields}, doseq=True).encode()

    def form(name: str, path: str, route: str | None = None, /, **fields: object) -> Probe:
        return send(name, "POST", path, fill(**fields), cookie | FORM, route)

    card, thread, rule = data.waiting[1051], data.threads[-1], data.rule
    queue = "/moderate?status=any&order=newest"
    selected = [f"{one}.1" for one in data.waiting[650:1050]]
    return [
        get("sign-in link", "/sign-in/nobodys", cookie, "/sign-in/{token}"),
        form("use of a sign-in link", "/sign-in/nobodys", "/sign-in/{token}"),
        get("link in a mail", "/m/nobodys", cookie, "/m/{token}"),
        form("decision by a mail", "/m/nobodys", "/m/{token}", act="spam", version=1),
        get("link that stops mails", "/m/stop/nobodys", cookie, "/m/stop/{token}"),
        form("stop of mails", "/m/stop/nobodys", "/m/stop/{token}"),
        form("sign-in by a wrong key", "/moderate/sign-in", key="nothing"),
        get("queue page", "/moderate", cookie),
        get("queue page, not compressed", queue, {**cookie, "Accept-Encoding": "identity"}),
        get("counts of the page", "/moderate/counts", cookie),
        form("search of the page", "/moderate/search", text="user7@example.org"),
        form("400 selected comments", "/moderate/act", act="spam selected", selected=selected),
        form("undo of the page", "/moderate/undo"),
        get("page of a comment", f"/moderate/comments/{card}", cookie, "/moderate/comments/{id}"),
        form("edit on the page, refused", f"/moderate/comments/{card}", "/moderate/comments/{id}", version=9,
             comment=LONG["words"]),
        form("reply on the page", f"/moderate/comments/{card}/reply", "/moderate/comments/{id}/reply", approve="1",
             comment=LONG["words"]),
        get("form of a ban", f"/moderate/comments/{card}/ban", cookie, "/moderate/comments/{id}/ban"),
        form("test of a ban", f"/moderate/comments/{card}/ban", "/moderate/comments/{id}/ban", kind="network",
             do="test"),
        form("erase on the page", f"/moderate/comments/{data.trashed[-1]}/erase", "/moderate/comments/{id}/erase"),
        get("page of threads", "/moderate/threads", cookie),
        get("page of a thread", f"/moderate/threads/{thread}", cookie, "/moderate/threads/{id}"),
        form("close a thread", f"/moderate/threads/{thread}", "/moderate/threads/{id}", do="close"),
        form("removal on the page, refused", f"/moderate/threads/{thread}/erase", "/moderate/threads/{id}/erase",
             expect=4999),
        form("search for a flood on the page", "/moderate/unpublished", network=NOBODY),
        get("page of rules", "/moderate/rules", cookie),
        form("test of 30,000 words on the page", "/moderate/rules", **LONG_RULE, do="test"),
        get("page of a rule of 30,000 words", f"/moderate/rules/{rule}", cookie, "/moderate/rules/{id}"),
        form("count of what a rule did, on the page", f"/moderate/rules/{rule}/undo", "/moderate/rules/{id}/undo",
             since="2020-01-01"),
        form("change of 30,000 words on the page", f"/moderate/rules/{rule}", "/moderate/rules/{id}",
             match=f"{HELD}\n{WORD_LIST}"),
        get("page of the audit log", "/moderate/audit", cookie),
        get("page of statistics", "/moderate/stats?days=365", cookie),
        get("statistics for a spreadsheet", "/moderate/stats.csv", cookie),
        get("sites", "/moderate/sites", cookie),
        get("deliveries", "/moderate/deliveries", cookie),
        form("retry of all deliveries", "/moderate/deliveries"),
        form("settings of a site", f"/moderate/sites/{data.sites[20]}", "/moderate/sites/{id}", name="lag", mode="all"),
        get("webhooks", "/moderate/webhooks", cookie),
        form("new webhook on the page, refused", "/moderate/webhooks", url="http://127.0.0.1/"),
        get("page of a webhook", f"/moderate/webhooks/{data.webhooks[1]}", cookie, "/moderate/webhooks/{id}"),
        form("change of a webhook on the page", f"/moderate/webhooks/{data.webhooks[1]}", "/moderate/webhooks/{id}",
             do="off"),
        get("page for imports", "/moderate/import", cookie),
        form("export on the page, refused", "/moderate/export", site="nowhere"),
        form("upload on the page, refused", "/moderate/import"),
        get("page of an unknown import", "/moderate/import/none", cookie, "/moderate/import/{id}"),
        get("books of an unknown import", "/moderate/import/none/books", cookie, "/moderate/import/{id}/books"),
        form("end of an unknown import", "/moderate/import/none", "/moderate/import/{id}", do="cancel"),
        get("account", "/moderate/account", cookie),
        form("preferences", "/moderate/account/preferences", language="de"),
        form("key on the page", "/moderate/account/keys"),
        form("revocation on the page", "/moderate/account/keys/revoke", key=data.keys[20]),
        form("mail on the page", "/moderate/account/mail", mode="digest"),
        form("feed on the page, refused", "/moderate/account/feeds", site="nowhere"),
        form("end of a feed, refused", "/moderate/account/feeds/revoke", feed="nobodys"),
        form("notice on the page", "/moderate/account/notice"),
        get("feed of the queue", data.feed, GZIP, "/queue/{token}.atom"),
        form("link by mail, refused", "/moderate/sign-in-link", email="nobody@blog.example"),
        form("sign out another", "/moderate/sign-out", session="nobodys"),
    ]  # fmt: skip
