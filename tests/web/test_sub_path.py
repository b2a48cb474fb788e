"""The service below a path of the blog: PUBLIC_URL=https://blog.example/comments."""

import asyncio
import html
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from commentsvc.access import moderators
from commentsvc.config.environment import read_config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.sites.manage import add_site
from commentsvc.sites.schemas import NewSite
from commentsvc.subscriptions import own_comments
from commentsvc.web.routes import ROUTES, application
from tests.conftest import EVERYTHING, fields_of, post
from tests.operations.test_operating import call, serving
from tests.subscriptions.test_confirm import ask_to_confirm

BLOG = "https://blog.example"
BASE = "/comments"
# Behind a proxy that removes the path, one that keeps it, and an nginx that leaves a second slash.
PROXIES = {"removes": "", "keeps": BASE, "doubles": "/"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Origin": BLOG}
FORM = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"} | SAME_ORIGIN


@pytest.fixture
async def blog_service(served):
    return await served(public_url=BLOG + BASE, sites=BLOG)


@pytest.fixture(params=PROXIES)
async def ask(request, blog_service, aiohttp_client):
    """Return a function that asks for an address of the blog as each kind of proxy does."""
    client = await aiohttp_client(application(blog_service))

    async def ask_below(address, method="GET", **more):
        assert address == BASE or address.startswith(f"{BASE}/"), f"{address} belongs to the blog"
        passed_on = PROXIES[request.param] + (address.removeprefix(BASE) or "/")
        url = f"http://127.0.0.1:{client.port}{passed_on}"
        return await client.session.request(method, url, allow_redirects=False, **more)

    return ask_below


# Routes that no page below links to: they need a token, or a thing that the test does not have.
UNLINKED = "token|digest|counts|rules/|webhooks/|import/|moderate/export|^/c/|^/js/|^/web/"


async def sign_in(ask, service, name="Ada"):
    """Sign a moderator in by a link; return their cookie as a header."""
    await moderators.add_moderator(service, name, None, [])
    link = await moderators.create_sign_in_link(service, name)
    assert link.startswith(f"{BLOG}{BASE}/sign-in/")
    page = await (await ask(link.removeprefix(BLOG), headers=SAME_ORIGIN)).text()
    assert '<form class="sign-in" method="post"><p>' in page, "the form is sent to its own address"
    answer = await ask(link.removeprefix(BLOG), "POST", headers=FORM)
    assert (answer.status, answer.headers["Location"]) == (303, f"{BASE}/moderate")
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


class Addresses(HTMLParser):
    """The addresses on its own host that a page loads or links to, and those that it sends forms to."""

    def __init__(self, page):
        super().__init__()
        self.links, self.forms = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        for name in ("href", "src", "data-url"):
            self._add(self.links, values.get(name))
        self._add(self.forms, values.get("action"))
        if values.get("http-equiv") == "refresh":
            self._add(self.links, values["content"].partition("url=")[2])

    def _add(self, addresses, address):
        if address and address.startswith("/"):
            addresses.add(address.partition("#")[0])


async def test_every_link_and_form_of_every_page_stays_below_the_path(ask, blog_service):
    first = await post(blog_service, "A word about casino games.", thread=f"{BLOG}/a-post/")
    await actions.apply_action(blog_service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))
    await post(blog_service, "Me too.", thread=f"{BLOG}/a-post/", name="Sam", email="sam@example.com", parent=first)
    for number in range(60):
        await post(blog_service, f"Number {number}.", thread=f"{BLOG}/a-post/", website="https://mia.example/")
    session = await sign_in(ask, blog_service, "owner")
    thread = await (await ask(f"{BASE}/moderate/threads", headers=session | SAME_ORIGIN)).text()
    thread_id = re.search(r"/moderate/threads/([0-9a-f-]{36})", thread)[1]
    to_visit = {
        BASE,
        f"{BASE}/",
        f"{BASE}/t?thread={BLOG}/a-post/&reply_to={first}",
        f"{BASE}/moderate",
        f"{BASE}/mine",  # each website links to it itself
    }
    visited, forms = set(), set()
    while to_visit:
        address = to_visit.pop()
        visited.add(address)
        answer = await ask(address, headers=session | SAME_ORIGIN)
        assert answer.status == 200, address
        if answer.content_type != "text/html":
            continue
        page = Addresses(await answer.text())
        forms |= page.forms
        # The queue links to a page for each comment. One of them is enough.
        to_visit |= {one for one in page.links - visited if "?back=" not in one or first in one}
    kinds = {re.sub(r"[0-9a-f-]{36}", "{id}", urlsplit(one).path) for one in visited}
    pages = {
        BASE + route.path
        for route in ROUTES
        if route.page and route.method == "GET" and not re.search(UNLINKED, route.path)
    }
    assert pages <= kinds
    assert all(one.startswith(f"{BASE}/") for one in forms)
    sent_to = {re.sub(r"[0-9a-f-]{36}", "{id}", urlsplit(one).path) for one in forms}
    assert {f"{BASE}/moderate/act", f"{BASE}/moderate/comments/{{id}}/reply", f"{BASE}/v1/comments"} <= sent_to
    assert f"{BASE}/moderate/threads/{thread_id}" in visited


async def test_a_moderator_returns_to_the_page_of_the_form_below_the_path(ask, blog_service):
    comment = await post(blog_service, "A first word.", thread=f"{BLOG}/a-post/")
    session = await sign_in(ask, blog_service) | SAME_ORIGIN
    page = await (await ask(f"{BASE}/moderate?status=any&q=first", headers=session)).text()
    back = re.search(r'name="back" value="([^"]+)"', page)[1].replace("&amp;", "&")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    form = {"csrf": csrf, "back": back, "act": f"approve {comment}.1"}
    answer = await ask(f"{BASE}/moderate/act", "POST", data=form, headers=session)
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"{BASE}/moderate?status=any&q=first&done=")
    assert "1 comment approved" in await (await ask(answer.headers["Location"], headers=session)).text()
    out = await ask(f"{BASE}/moderate/sign-out", "POST", data={"csrf": csrf}, headers=session)
    assert out.headers["Location"] == f"{BASE}/moderate"
    assert {"Path=/comments", "Secure"} <= set(out.headers["Set-Cookie"].split("; "))
    assert (await ask(f"{BASE}/moderate", headers=session)).status == 401


async def test_the_session_cookie_is_not_sent_to_the_blog(ask, blog_service):
    await moderators.add_moderator(blog_service, "Ada", None, [])
    link = await moderators.create_sign_in_link(blog_service, "Ada")
    answer = await ask(link.removeprefix(BLOG), "POST", headers=FORM)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-commentsvc=")
    assert {"Path=/comments", "Secure", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))


async def test_a_reader_without_script_is_led_to_their_comment(ask):
    fields = fields_of(thread=f"{BLOG}/a-post/")
    answer = await ask(f"{BASE}/v1/comments", "POST", data=fields, headers=FORM)
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"{BASE}/t?thread=")
    shown = await (await ask(answer.headers["Location"].partition("#")[0], headers=FORM)).text()
    assert fields["comment"] in shown
    assert f'action="{BASE}/v1/comments?lang=en#ct-problem"' in shown
    to_blog = await ask(
        f"{BASE}/v1/comments", "POST", data=fields | {"comment": "Two.", "redirect_to": "/thanks/"}, headers=FORM
    )
    assert to_blog.headers["Location"] == f"{BLOG}/thanks/#comment-pending"
    refused = await ask(f"{BASE}/v1/comments", "POST", data=fields | {"email": "mia"}, headers=FORM)
    assert (refused.status, f'action="{BASE}/v1/comments' in await refused.text()) == (422, True)


async def test_a_program_finds_everything_below_the_path(ask, blog_service):
    fields = fields_of(thread=f"{BLOG}/a-post/")
    made = await ask(f"{BASE}/v1/comments", "POST", json=fields, headers=SAME_ORIGIN)
    receipt = await made.json()
    assert made.headers["Location"] == f"{BASE}/v1/comments/{receipt['id']}"
    token = {"Authorization": f"Bearer {receipt['edit_token']}"}
    assert (await ask(made.headers["Location"], headers=token)).status == 200
    refused = await ask(f"{BASE}/v1/comments", "POST", json={}, headers=SAME_ORIGIN)
    assert (await refused.json())["type"] == f"{BASE}/docs#invalid"
    unknown = await ask(f"{BASE}/v1/nothing")
    assert (unknown.status, (await unknown.json())["type"]) == (404, f"{BASE}/docs#not_found")
    assert (await (await ask(f"{BASE}/openapi.json")).json())["servers"] == [{"url": BASE}]
    reference = await (await ask(f"{BASE}/docs")).text()
    assert f"Every path is below <code>{BLOG}{BASE}</code>." in reference
    wrong_method = await ask(f"{BASE}/v1/latest", "POST")
    assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "GET,HEAD,OPTIONS")


async def test_feeds_and_fragments_link_to_addresses_below_the_path(ask, blog_service):
    await add_site(blog_service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    comment = await post(blog_service, "A word.", thread="a-key", site="other")
    await actions.apply_action(blog_service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[comment]))
    for name in ("comments.atom?thread=a-key&site=other", "latest.atom?site=other"):
        feed = await (await ask(f"{BASE}/v1/{name}")).text()
        assert f'rel="self" type="application/atom+xml" href="{BLOG}{BASE}/v1/{name.partition("?")[0]}' in feed
        assert f'href="{BLOG}{BASE}/t?thread=a-key&amp;site=other#comment-{comment}"' in feed
    fragment = await (await ask(f"{BASE}/v1/comments.html?thread=a-key&site=other")).text()
    assert f'action="{BLOG}{BASE}/v1/comments?lang=en#ct-problem"' in fragment
    assert f'href="{BLOG}{BASE}/t?thread=a-key&amp;site=other&amp;reply_to={comment}' in fragment


async def test_another_blog_can_use_the_service_below_the_path(ask, blog_service):
    await add_site(blog_service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    origin = {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/v1/comments?thread=a", "/v1/comments.html?thread=a", "/v1/form"):
        answer = await ask(BASE + path, headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://other.example"
    asked = {**origin, "Access-Control-Request-Method": "PATCH"}
    assert (await ask(f"{BASE}/v1/comments/x", "OPTIONS", headers=asked)).status == 204
    moderating = await ask(f"{BASE}/moderate/act", "POST", headers=origin | {"Accept": "text/html"})
    assert moderating.status == 403


async def test_a_thread_key_belongs_to_the_blog_around_the_path_though_no_origin_is_sent(ask, blog_service):
    """A page of the same origin sends no Origin with a GET. With several sites, the service must still know which."""
    await add_site(blog_service, EVERYTHING, NewSite(name="other", origins=["https://other.example"]))
    made = await ask(f"{BASE}/v1/comments", "POST", json=fields_of(thread="17"), headers=SAME_ORIGIN)
    assert made.status == 202
    token = {"Authorization": f"Bearer {(await made.json())['edit_token']}"}
    listed = await ask(f"{BASE}/v1/comments?thread=17", headers={"Sec-Fetch-Site": "same-origin"} | token)
    assert len((await listed.json())["comments"]) == 1


async def test_links_in_mails_lead_below_the_path_and_so_do_the_pages_behind_them(ask, blog_service):
    comment_id = await post(blog_service, "Hello.", email="mia@example.com", thread=f"{BLOG}/a-page")
    token, address_id = await ask_to_confirm(blog_service, "mia@example.com")
    page = await (await ask(f"{BASE}/confirm/{token}")).text()
    assert 'action="' not in page, "the form is sent to its own address"
    done = await ask(f"{BASE}/confirm/{token}", "POST", headers=FORM)
    assert done.headers["Location"].startswith(f"{BLOG}/a-page#confirmed=")
    stop = f"{BASE}/u/{blog_service.keyring.token('unsubscribe', address_id)}"
    assert 'action="' not in await (await ask(stop)).text()
    for change in ("daily", "stop_all"):
        answer = await ask(stop, "POST", data={"change": change}, headers=FORM)
        assert answer.headers["Location"].startswith(f"{BASE}/u/cu_")
        assert (await ask(answer.headers["Location"])).status == 200
    own, _ = own_comments.create_link_token(blog_service, address_id, blog_service.now())
    page = await (await ask(f"{BASE}/mine/{own}")).text()
    linked = re.findall(r'(?:href|action)="(/[^"]*)"', page)
    assert linked
    assert all(link.startswith(f"{BASE}/") for link in linked), linked
    answer = await ask(f"{BASE}/mine/{own}", "POST", data={"act": "erase", "id": comment_id}, headers=FORM)
    assert answer.headers["Location"] == f"{BASE}/mine/{own}?done=erased"


async def test_a_program_reads_below_the_path_why_its_request_was_not_understood(live):
    url, _ = await live(public_url=BLOG + BASE, sites=BLOG)
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert b'"type":"/comments/docs#bad_request"' in answer


async def test_the_widget_is_the_same_file_below_the_path(ask):
    page = await (await ask(f"{BASE}/")).text()
    pinned = re.search(rf'src="{BLOG}({BASE}/embed\.\w+\.js)"', html.unescape(page))[1]
    files = [await (await ask(address)).read() for address in (f"{BASE}/embed.js", pinned)]
    assert files[0] == files[1]


def test_an_operator_reads_addresses_with_the_path_at_the_start(tmp_path):
    with serving(tmp_path, PUBLIC_URL=f"{BLOG}{BASE}/", SITES=BLOG) as (_, printed):
        assert f"commentsvc is running at {BLOG}{BASE}/\n" in printed
        assert f"within one day: {BLOG}{BASE}/sign-in/" in printed
        assert f'<script async src="{BLOG}{BASE}/embed.js"></script>' in printed
        port = int(re.search(r"port (\d+)", (tmp_path / "log").read_text())[1])
        assert call(port, "GET", "/healthz")[0] == 200


async def test_a_path_may_be_named_like_a_page_of_the_service(served, aiohttp_client):
    client = await aiohttp_client(application(await served(public_url=f"{BLOG}/t", sites=BLOG)))
    for address in ("/t?thread=a", "/t/t?thread=a", "/t/", "/"):
        page = await (await client.get(address)).text()
        assert ("commentsvc is running" in page) == (not address.endswith("thread=a")), address


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("https://blog.example/comments", BLOG, "/comments"),
        ("https://blog.example/comments/", BLOG, "/comments"),
        ("HTTPS://Blog.Example:443/a/b_c/", BLOG, "/a/b_c"),
        ("https://blog.example/", BLOG, ""),
        ("https://blog.example", BLOG, ""),
        ("https://[2001:db8::1]:8443/v2.0/~mia", "https://[2001:db8::1]:8443", "/v2.0/~mia"),
        ("http://localhost:8080/comments", "http://localhost:8080", "/comments"),
    ],
)
def test_an_operator_sets_an_address_with_a_path(text, origin, path):
    config = read_config({"COMMENTSVC_PUBLIC_URL": text})
    assert (config.own_origin, config.base_path, config.own_url) == (origin, path, origin + path)


@pytest.mark.parametrize(
    "text",
    [
        "comments",
        "/comments",
        "blog.example/comments",
        "https://blog.example//comments",
        "https://blog.example/a/../b",
        "https://blog.example/./a",
        "https://blog.example/comments?x=1",
        "https://blog.example/comments#x",
        "https://ada@blog.example/comments",
        "https://blog.example/a;b",
        "https://blog.example/a b",
        "https://blog.example/kommentare-für-alle",
        "ftp://blog.example/comments",
        "https:///comments",
    ],
)
def test_an_operator_reads_that_an_address_is_wrong(text):
    with pytest.raises(ConfigurationError, match="COMMENTSVC_PUBLIC_URL"):
        read_config({"COMMENTSVC_PUBLIC_URL": text})
