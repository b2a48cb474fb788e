"""Operators add, rename and change sites; the settings never split a blog or switch its comments off."""

import re

import pytest

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.domain.errors import Forbidden, Invalid
from commentsvc.domain.models import Mode, Scope
from commentsvc.moderation import undo
from commentsvc.sites import manage, resolve
from commentsvc.sites.schemas import NewSite, SiteChange
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, fields_of

HTML = "/v1/comments.html?thread=/a-page/"


async def sites_of(service):
    return {site.name: site.origins for site in (await manage.list_sites(service, EVERYTHING)).sites}


async def add_site(service, name, *origins):
    return await manage.add_site(service, EVERYTHING, NewSite(name=name, origins=list(origins)))


@pytest.mark.parametrize(
    "later",
    [
        "https://x.example http://x.example",
        "http://x.example https://x.example",
        "https://x.example https://X.example./ http://x.example:80 https://x.example:443",
        "http://x.example:443 https://x.example",
    ],
)
@pytest.mark.parametrize("first", ["", "https://x.example", "http://x.example"])
async def test_a_host_in_the_settings_is_one_site_whenever_it_was_set(
    database_url, clock, aiohttp_client, first, later
):
    async with a_service(database_url, clock, sites=first):
        pass
    for _ in range(2):
        async with a_service(database_url, clock, sites=later, moderation=Mode.NONE) as service:
            assert len(await sites_of(service)) == 1
            client = await aiohttp_client(application(service))
            for origin in later.split()[:2]:
                sent = fields_of(thread=f"{origin}/post/", comment=f"From {origin}, {len(origin)}.")
                answer = await client.post("/v1/comments", json=sent, headers={"Origin": origin.rstrip("/").lower()})
                assert answer.status in {201, 409}, await answer.text()


async def test_the_settings_use_the_site_that_has_the_host_under_any_name(database_url, clock):
    async with a_service(database_url, clock) as service:
        await add_site(service, "My blog", "https://x.example")
    async with a_service(database_url, clock, sites="http://x.example https://y.example") as service:
        expected = {"blog": ["https://y.example"], "My blog": ["http://x.example", "https://x.example"]}
        assert await sites_of(service) == expected, "the site without origins takes the new host"
    async with a_service(database_url, clock, sites="https://z.example https://x.example:443") as service:
        assert await sites_of(service) == expected | {"z.example": ["https://z.example"]}


async def test_comments_from_before_the_setting_stay_with_the_blog(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        assert (await client.post("/v1/comments", json=fields_of(thread="/post/"))).status == 201
    async with a_service(
        database_url, clock, sites="https://x.example http://x.example", moderation=Mode.NONE
    ) as service:
        client = await aiohttp_client(application(service))
        for origin in ("https://x.example", "http://x.example"):
            listed = await client.get("/v1/comments", params={"thread": f"{origin}/post/"}, headers={"Origin": origin})
            assert len((await listed.json())["comments"]) == 1


async def test_the_same_host_cannot_belong_to_two_sites(service):
    await add_site(service, "a", "https://x.example")
    for origin in ("http://x.example", "https://x.example:443", "http://x.example:80", "https://X.EXAMPLE."):
        with pytest.raises(Invalid) as refused:
            await add_site(service, "b", origin)
        assert [(fault.field, fault.code) for fault in refused.value.faults] == [("origins", "origin_taken")]
    await add_site(service, "b", "https://x.example:8443")
    assert await sites_of(service) == {"blog": [], "a": ["https://x.example"], "b": ["https://x.example:8443"]}


async def test_an_operator_renames_a_site_and_undoes_it(service, client, key):
    [site] = (await (await client.get("/v1/sites", headers=key)).json())["sites"]
    answer = await client.patch(f"/v1/sites/{site['id']}", json={"name": "  Ada’s   blog "}, headers=key)
    renamed = await answer.json()
    assert (renamed["name"], renamed["earlier_names"]) == ("Ada’s blog", ["blog"])
    for name in ("blog", "Ada’s blog"):
        listed = await client.get("/v1/comments", params={"thread": "/a/", "site": name})
        assert listed.status == 200, "pages that were built before still work"
        assert (await client.post("/v1/comments", json=fields_of(site=name, comment=name))).status == 202
        assert (await client.get("/v1/moderation/comments", params={"site": name}, headers=key)).status == 200
    assert (await undo.undo_action(service, EVERYTHING, renamed["action"])).changed == 1
    assert list(await sites_of(service)) == ["blog"]
    entries = [row["verb"] for row in await everything_in(service, "audit")]
    assert entries.count("site_change") == 1
    assert "undo" in entries


async def test_a_site_cannot_take_a_name_that_another_has_or_had(service, client, key):
    site = await add_site(service, "a", "https://a.example")
    await manage.change_site(service, EVERYTHING, site.id, SiteChange(name="b"))
    other = await add_site(service, "c", "https://c.example")
    for name in ("a", "b", "blog"):
        refused = await client.patch(f"/v1/sites/{other.id}", json={"name": name}, headers=key)
        assert (refused.status, (await refused.json())["errors"][0]["code"]) == (422, "name_taken")
    for empty in ("", None):
        for field in ("name", "origins"):
            refused = await client.patch(f"/v1/sites/{other.id}", json={field: empty}, headers=key)
            assert (refused.status, (await refused.json())["errors"][0]["code"]) == (422, "required")
    again = await manage.change_site(service, EVERYTHING, site.id, SiteChange(name="a"))
    assert (again.name, again.earlier_names) == ("a", ["b"])
    added = await add_site(service, "b", "https://more.example")
    assert (added.name, added.origins) == ("a", ["https://a.example", "https://more.example"])


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("name", ["Notes", "nоtes", "Ｎotes"])
async def test_a_site_cannot_have_a_name_that_looks_like_anothers(service, client, key, name):
    notes = await add_site(service, "notes", "https://notes.example")
    other = await add_site(service, "travel", "https://travel.example")
    new = {"name": name, "origins": ["https://new.example"]}
    for answer in (
        await client.post("/v1/sites", json=new, headers=key),
        await client.patch(f"/v1/sites/{other.id}", json={"name": name}, headers=key),
    ):
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (422, "name_taken")
    renamed = await manage.change_site(service, EVERYTHING, notes.id, SiteChange(name="NOTES"))
    assert renamed.name == "NOTES"


async def test_the_settings_find_a_site_that_was_renamed(database_url, clock):
    async with a_service(database_url, clock, sites="https://x.example") as service:
        [site] = (await manage.list_sites(service, EVERYTHING)).sites
        await manage.change_site(service, EVERYTHING, site.id, SiteChange(name="Notes"))
    async with a_service(database_url, clock, sites="http://x.example https://x.example") as service:
        assert await sites_of(service) == {"Notes": ["http://x.example", "https://x.example"]}


async def test_a_key_for_one_site_renames_it_but_cannot_change_its_origins(service):
    site = await add_site(service, "a", "https://a.example")
    made = await keys.create_key(service, EVERYTHING, NewKey(name="k", scopes=[Scope.ADMIN], site="a"))
    who = await keys.authenticate_key(service, made.key)
    assert (await manage.change_site(service, who, site.id, SiteChange(name="b"))).name == "b"
    with pytest.raises(Forbidden):
        await manage.change_site(service, who, site.id, SiteChange(origins=["https://b.example"]))


async def test_an_operator_removes_an_origin(service, client, key):
    site = await add_site(service, "a", "https://a.example", "https://old.example")
    answer = await client.patch(f"/v1/sites/{site.id}", json={"origins": ["https://a.example"]}, headers=key)
    assert (await answer.json())["origins"] == ["https://a.example"]
    directory = await resolve.read_directory(service)
    assert not directory.allows("https://old.example")
    assert await sites_of(service) == {"blog": [], "a": ["https://a.example"]}
    for origins, code in (
        ([], "invalid"),
        (["nonsense"], "invalid_origin"),
        (["http://localhost/x"], "invalid_origin"),
    ):
        refused = await client.patch(f"/v1/sites/{site.id}", json={"origins": origins}, headers=key)
        assert (refused.status, (await refused.json())["errors"][0]["code"]) == (422, code)
    entries = await everything_in(service, "audit")
    [entry] = [row for row in entries if row["verb"] == "site_origins"]
    assert "example" not in entry["body"]


async def test_an_origin_in_the_settings_cannot_be_removed(database_url, clock):
    async with a_service(database_url, clock, sites="https://a.example https://*.netlify.app") as service:
        [site] = (await manage.list_sites(service, EVERYTHING)).sites
        for kept in site.origins:
            with pytest.raises(Invalid) as refused:
                await manage.change_site(service, EVERYTHING, site.id, SiteChange(origins=[kept]))
            assert [fault.code for fault in refused.value.faults] == ["origin_in_settings"]
    async with a_service(database_url, clock, sites="https://a.example") as service:
        changed = await manage.change_site(service, EVERYTHING, site.id, SiteChange(origins=["https://a.example"]))
        assert changed.origins == ["https://a.example"]


async def read_html(client, **headers):
    answer = await client.get(HTML, headers=headers)
    return answer.status, answer.headers["ETag"], await answer.text() if answer.status == 200 else ""


@pytest.mark.parametrize("path", [HTML, "/v1/comments.atom?thread=/a-page/"])
async def test_a_second_site_changes_the_links_and_the_tag_of_cached_html(database_url, clock, aiohttp_client, path):
    origin = {"Origin": "https://x.example"}
    async with a_service(database_url, clock, sites="https://x.example", moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        await client.post("/v1/comments", json=fields_of(), headers=origin)

        async def read(**headers):
            answer = await client.get(path, headers=origin | headers)
            return answer.status, answer.headers["ETag"], await answer.text()

        seen = [await read() for _ in range(2)][1]
        assert await read(**{"If-None-Match": seen[1]}) == (304, seen[1], "")
        listing = await client.get("/v1/comments?thread=/a-page/", headers=origin)
        other = await add_site(service, "y", "https://y.example")
        status, tag, text = await read(**{"If-None-Match": seen[1]})
        assert (status, tag != seen[1]) == (200, True)
        links = re.findall(r'href="([^"]*/t\?[^"]*)"', text)
        assert links
        for link in links:
            assert "site=x.example" in link
            target = link.replace("&amp;", "&").removeprefix("http://localhost:8080").partition("#")[0]
            assert (await client.get(target)).status == 200
        json = await client.get("/v1/comments?thread=/a-page/", headers=origin)
        assert json.headers["ETag"] == listing.headers["ETag"], "nothing in the JSON has changed"
        site = next(site for site in (await manage.list_sites(service, EVERYTHING)).sites if site.id != other.id)
        await manage.change_site(service, EVERYTHING, site.id, SiteChange(name="Notes"))
        status, renamed_tag, text = await read(**{"If-None-Match": tag})
        assert (status, renamed_tag != tag, "site=Notes" in text) == (200, True, True)
        for link in links:
            target = link.replace("&amp;", "&").removeprefix("http://localhost:8080").partition("#")[0]
            assert (await client.get(target)).status == 200, "links with the earlier name still work"


async def test_a_reader_of_two_sites_gets_the_empty_thread_of_each(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://x.example https://y.example") as service:
        client = await aiohttp_client(application(service))
        answers = [await client.get(HTML, headers={"Origin": f"https://{one}.example"}) for one in "xy"]
        assert len({answer.headers["ETag"] for answer in answers}) == 2
        for one, answer in zip("xy", answers, strict=True):
            assert f'name="site" value="{one}.example"' in await answer.text()


async def test_a_moderator_of_a_renamed_site_keeps_it(service):
    site = await add_site(service, "a", "https://a.example")
    await moderators.add_moderator(service, "Noa", None, ["a"])
    await manage.change_site(service, EVERYTHING, site.id, SiteChange(name="b"))
    assert [one.sites for one in await moderators.list_moderators(service)] == [["b"]]
    assert (await a_key(service, Scope.READ, name="k", site="a"))["Authorization"]
