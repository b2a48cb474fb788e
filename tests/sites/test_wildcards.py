"""Preview deployments: a wildcard lets pages of many hosts use a site, and proves nothing about them."""

import pytest

from commentsvc.config.environment import read_config
from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError, Invalid
from commentsvc.domain.models import Mode
from commentsvc.sites import manage, resolve
from commentsvc.sites.schemas import NewSite
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, fields_of

BLOG, PREVIEW = "https://blog.example", "https://deploy-7.netlify.app"
SITES = f"{BLOG} https://*.netlify.app"
FORM = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://*.netlify.app", "https://*.netlify.app"),
        (" HTTPS://*.Netlify.APP./ ", "https://*.netlify.app"),
        ("http://*.preview.example:8080", "http://*.preview.example:8080"),
        ("https://*.preview.example:443", "https://*.preview.example"),
        ("https://*.bücher.example", "https://*.xn--bcher-kva.example"),
        ("http://*.localhost:4000", "http://*.localhost:4000"),
    ],
)
def test_an_operator_writes_a_wildcard_for_one_label(text, canonical):
    assert urls.parse_site_origin(text) == canonical
    assert urls.parse_site_origin(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "https://*",
        "https://*.",
        "https://*.app",
        "https://*.*.netlify.app",
        "https://a.*.netlify.app",
        "https://*-7.netlify.app",
        "https://deploy-*.netlify.app",
        "https://**.netlify.app",
        "https://%2A.netlify.app",
        "https://*.0.0.1",
        "https://*.[::1]",
        "https://*.netlify.app/path",
        "https://*.mia@netlify.app",
        "*.netlify.app",
        "*://*.netlify.app",
        "ftp://*.netlify.app",
    ],
)
def test_an_operator_cannot_write_a_wider_wildcard(text):
    with pytest.raises(ValueError, match=r"origin|host|wide|IPv6"):
        urls.parse_site_origin(text)
    with pytest.raises(ConfigurationError, match="COMMENTSVC_SITES contains an invalid origin"):
        read_config({"COMMENTSVC_SITES": text})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (PREVIEW, True),
        ("https://Deploy-7.Netlify.app.", True),
        ("https://netlify.app", False),
        ("https://a.b.netlify.app", False),
        ("http://deploy-7.netlify.app", False),
        ("https://deploy-7.netlify.app:8443", False),
        ("https://evilnetlify.app", False),
        ("https://deploy-7.netlify.app.evil.example", False),
        ("https://*.netlify.app", False),
        ("https://.netlify.app", False),
        ("null", False),
    ],
)
async def test_a_wildcard_allows_exactly_one_more_label(served, origin, allowed):
    directory = await resolve.read_directory(await served(sites=SITES))
    assert directory.allows(origin) is allowed


@pytest.fixture
async def blog(database_url, clock, aiohttp_client):
    """A blog with preview deployments, where comments need no approval."""
    async with a_service(database_url, clock, sites=SITES, moderation=Mode.NONE) as service:
        yield service, await aiohttp_client(application(service))


async def test_a_preview_page_reads_and_posts_as_its_site(blog):
    service, client = blog
    assert [row["name"] for row in await everything_in(service, "site")] == ["blog.example"]
    article = {"thread": f"{BLOG}/post/"}
    sent = await client.post("/v1/comments", json=fields_of(**article), headers={"Origin": BLOG})
    assert sent.status == 201
    page = f"{PREVIEW}/post/"
    listed = await client.get("/v1/comments", params={"thread": page}, headers={"Origin": PREVIEW})
    assert len((await listed.json())["comments"]) == 1
    assert listed.headers["Access-Control-Allow-Origin"] == PREVIEW
    assert "Origin" in listed.headers["Vary"]
    mine = await client.post(
        "/v1/comments", json=fields_of(thread=page, comment="From the preview."), headers={"Origin": PREVIEW}
    )
    receipt = await mine.json()
    assert mine.status == 201
    edited = await client.patch(
        f"/v1/comments/{receipt['id']}",
        json={"comment": "Changed."},
        headers={"Origin": PREVIEW, "Authorization": f"Bearer {receipt['edit_token']}"},
    )
    assert (edited.status, edited.headers["Access-Control-Allow-Origin"]) == (200, PREVIEW)
    withdrawn = await client.delete(
        f"/v1/comments/{receipt['id']}",
        headers={"Origin": PREVIEW, "Authorization": f"Bearer {receipt['edit_token']}"},
    )
    assert (withdrawn.status, withdrawn.headers["Access-Control-Allow-Origin"]) == (204, PREVIEW)


@pytest.mark.parametrize("origin", ["https://netlify.app", "https://a.b.netlify.app"])
async def test_pages_beside_the_wildcard_are_refused(blog, origin):
    _, client = blog
    sent = await client.post("/v1/comments", json=fields_of(thread=f"{BLOG}/post/"), headers={"Origin": origin})
    assert (sent.status, (await sent.json())["code"]) == (403, "origin_not_allowed")
    page = await client.post("/v1/comments", json=fields_of(thread=f"{origin}/post/"))
    assert (page.status, (await page.json())["errors"][0]["code"]) == (422, "foreign_thread")


@pytest.mark.parametrize(
    ("thread", "origin"),
    [
        (f"{PREVIEW}/post/", PREVIEW),
        (f"{PREVIEW}/post/", BLOG),
        (f"{PREVIEW}/post/", None),
        (f"{BLOG}/post/", PREVIEW),
        ("/post/", PREVIEW),
    ],
)
async def test_a_preview_page_gives_a_thread_neither_address_nor_title(blog, thread, origin):
    _, client = blog
    headers = {"Origin": origin} if origin else {}
    sent = await client.post("/v1/comments", json=fields_of(thread=thread, title="Win a prize"), headers=headers)
    assert sent.status == 201
    listing = await (await client.get("/v1/comments", params={"thread": f"{BLOG}/post/"})).json()
    assert (listing["thread"]["url"], listing["thread"]["title"], listing["thread"]["count"]) == (None, None, 1)
    for path in ("/v1/latest", "/v1/latest.atom", "/v1/comments.atom?thread=/post/", "/v1/comments.html?thread=/post/"):
        text = await (await client.get(path)).text()
        assert "netlify" not in text
        assert "prize" not in text


async def test_a_moderator_does_not_see_the_address_that_a_preview_page_claims(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites=SITES) as service:
        client, key = await aiohttp_client(application(service)), await a_key(service)
        sent = fields_of(thread=f"{PREVIEW}/post/", title="Win a prize")
        assert (await client.post("/v1/comments", json=sent, headers={"Origin": PREVIEW})).status == 202
        [card] = (await (await client.get("/v1/moderation/comments", headers=key)).json())["comments"]
        assert (card["thread"]["key"], card["thread"]["url"], card["thread"]["title"]) == ("/post", None, None)


async def test_the_thread_page_does_not_link_to_a_preview_page(blog):
    _, client = blog
    for page, linked in ((f"{PREVIEW}/post/", False), (f"{BLOG}/post/", True)):
        text = await (await client.get("/t", params={"thread": page})).text()
        assert (f'href="{page}"' in text) is linked


@pytest.mark.parametrize(
    ("target", "origin", "leads_to"),
    [
        (f"{PREVIEW}/thanks/", PREVIEW, f"{PREVIEW}/thanks/#comment-"),
        ("/thanks/", PREVIEW, f"{PREVIEW}/thanks/#comment-"),
        (f"{BLOG}/thanks/", PREVIEW, f"{BLOG}/thanks/#comment-"),
        ("https://evil.netlify.app/thanks/", PREVIEW, "/t?"),
        ("https://evil.netlify.app/thanks/", BLOG, "/t?"),
        ("https://evil.netlify.app/thanks/", None, "/t?"),
        ("https://netlify.app/", PREVIEW, "/t?"),
        ("/thanks/", None, f"{BLOG}/thanks/#comment-"),
    ],
)
async def test_a_form_leads_to_a_preview_page_only_if_that_page_posted(blog, target, origin, leads_to):
    _, client = blog
    headers = FORM | ({"Origin": origin} if origin else {})
    sent = fields_of(thread=f"{BLOG}/post/", redirect_to=target)
    answer = await client.post("/v1/comments", data=sent, headers=headers, allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"].startswith(leads_to)


async def test_an_origin_that_is_listed_itself_comes_before_a_wildcard(database_url, clock):
    async with a_service(database_url, clock, sites=BLOG) as service:
        await manage.add_site(service, EVERYTHING, NewSite(name="blog.example", origins=["https://*.netlify.app"]))
        shop = NewSite(name="shop", origins=["https://shop.netlify.app"])
        assert (await manage.add_site(service, EVERYTHING, shop)).origins == ["https://shop.netlify.app"]
        directory = await resolve.read_directory(service)
        assert directory.by_origin("https://shop.netlify.app").name == "shop"
        assert directory.by_host("shop.netlify.app").name == "shop"
        assert directory.by_origin(PREVIEW).name == "blog.example"
        with pytest.raises(Invalid) as refused:
            await manage.add_site(service, EVERYTHING, NewSite(name="shop", origins=["http://*.netlify.app"]))
        assert [fault.code for fault in refused.value.faults] == ["origin_taken"]


@pytest.mark.parametrize("order", [1, -1])
async def test_a_wildcard_in_the_settings_joins_the_only_site(database_url, clock, order):
    sites = " ".join([BLOG, "https://*.netlify.app"][::order])
    async with a_service(database_url, clock, sites=sites) as service:
        [site] = (await manage.list_sites(service, EVERYTHING)).sites
        assert (site.name, site.origins) == ("blog.example", ["https://*.netlify.app", BLOG])


async def test_a_service_with_only_a_wildcard_has_a_site_with_a_name(database_url, clock):
    for _ in range(2):
        async with a_service(database_url, clock, sites="https://*.netlify.app") as service:
            [site] = (await manage.list_sites(service, EVERYTHING)).sites
            assert (site.name, site.origins) == ("blog", ["https://*.netlify.app"])


async def test_a_wildcard_in_the_settings_of_several_sites_stops_the_start(database_url, clock):
    two = f"{BLOG} https://other.example"
    with pytest.raises(ConfigurationError, match="commentsvc site add NAME --origin"):
        async with a_service(database_url, clock, sites=f"{two} https://*.netlify.app"):
            pass
    async with a_service(database_url, clock, sites=two) as service:
        new = NewSite(name="other.example", origins=["https://*.netlify.app"])
        await manage.add_site(service, EVERYTHING, new)
    async with a_service(database_url, clock, sites=f"{two} https://*.netlify.app") as service:
        assert (await resolve.read_directory(service)).by_origin(PREVIEW).name == "other.example"
