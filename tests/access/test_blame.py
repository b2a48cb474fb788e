"""Nobody can make another person or program appear as the actor of what they did, nor open another's search."""

import re

import pytest

from commentsvc.access import keys, moderators, sign_in
from commentsvc.access.schemas import KeyRotation, NewKey
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import Scope
from commentsvc.web.moderation.search import SEALED_MINUTES
from commentsvc.web.routes import application
from tests.access.test_names import LOOKALIKES, create_key
from tests.access.test_sessions import SAME_ORIGIN
from tests.cli.test_moderate import command
from tests.conftest import EVERYTHING, a_key, a_service, post, visit

TWO_SITES = "https://one.example https://two.example"
only_sqlite = pytest.mark.parametrize("engine", ["sqlite"])


async def test_two_keys_in_one_log_cannot_have_names_that_look_alike(service, clock):
    made = await create_key(service, "Ada Lovelace", site="blog", expires_at="2026-11-23T00:00:00Z")
    for name in LOOKALIKES:
        for more in ({}, {"site": "blog"}, {"person": True}):
            with pytest.raises(Invalid, match="A key has this name"):
                await create_key(service, name, **more)
    rotated = await keys.rotate_key(service, EVERYTHING, made.id, KeyRotation())
    assert rotated.name == "Ada Lovelace"
    clock.move(days=2)
    again = await create_key(service, "ada lovelace")
    await keys.revoke_key(service, EVERYTHING, again.id)
    assert (await create_key(service, "Ada Lovelace")).name == "Ada Lovelace", "the name of a key that ended is free"


@only_sqlite
async def test_keys_of_two_sites_may_have_one_name_and_an_operator_tells_them_apart_by_id(
    database_url, clock, aiohttp_client
):
    async with a_service(database_url, clock, sites=TWO_SITES) as service:
        client = await aiohttp_client(application(service))
        for host in ("one", "two"):
            comment = await post(service, f"On {host}.", thread=f"https://{host}.example/a/")
            headers = await a_key(service, Scope.MODERATE, name="bot", site=f"{host}.example", person=False)
            action = {"action": "spam", "ids": [comment]}
            assert (await client.post("/v1/moderation/actions", json=action, headers=headers)).status == 200
        with pytest.raises(Invalid):
            await create_key(service, "bot")
        log = await (await client.get("/v1/audit", headers=await a_key(service))).json()
        done = [(one["site"], one["actor"]["id"]) for one in log["entries"] if one["verb"] == "spam"]
        assert [site for site, _ in done] == ["two.example", "one.example"]
        assert len({actor for _, actor in done}) == 2


@pytest.mark.parametrize(
    "name",
    ["The commenter", "thecommenter", "settings", "API key “backup”", 'api key "x"', "Rule “Links”", "rule: links",
     "The system (settings)", "Ｒule „links“", "The system: settings"],
)  # fmt: skip
def test_no_name_reads_like_an_actor_that_is_not_a_person(tmp_path, name):
    for arguments in (("key", "create", name), ("moderator", "add", name)):
        done = command(tmp_path, *arguments)
        assert (done.code, done.errors) == (1, "name: This name is reserved. Choose another.")


@only_sqlite
async def test_a_name_may_begin_with_a_word_of_the_log(service):
    for name in ("API key of the newsletter", "Rule maker", "Ruleman", "The system administrator's backup"):
        assert (await create_key(service, name)).name == name


async def session_of_key(client, service, name, site):
    made = await keys.create_key(service, EVERYTHING, NewKey(name=name, scopes=[Scope.MODERATE], site=site))
    return await session_of(client, await sign_in.sign_in_by_key(service, made.key, visit()))


async def session_of_moderator(client, service, name, site):
    await moderators.add_moderator(service, name, None, [site])
    return await link_session(client, service, name)


async def link_session(client, service, name):
    link = await moderators.create_sign_in_link(service, name)
    return await session_of(client, await sign_in.sign_in_by_link(service, link.rpartition("/")[2], visit()))


async def session_of(_client, token):
    return SAME_ORIGIN | {"Cookie": f"commentsvc={token}"}


async def search(client, session, text):
    """Search for a text on the page; return the address of the results."""
    page = await (await client.get("/moderate", headers=session)).text()
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1], "text": text}
    answer = await client.post("/moderate/search", data=form, headers=session, allow_redirects=False)
    return answer.headers["Location"]


@only_sqlite
@pytest.mark.parametrize("session_of_site", [session_of_key, session_of_moderator])
async def test_a_sealed_search_opens_only_in_its_session_and_for_an_hour(
    database_url, clock, aiohttp_client, session_of_site
):
    async with a_service(database_url, clock, sites=TWO_SITES) as service:
        client = await aiohttp_client(application(service), cookies={})
        await post(service, "Mine.", thread="https://one.example/a/", email="mia@example.com")
        own = await session_of_site(client, service, "Ada", "one.example")
        # A key on another site may have the name of a key; a moderator's name is theirs on every site.
        namesake = "Ada" if session_of_site is session_of_key else "Sam"
        foreign = await session_of_site(client, service, namesake, "two.example")
        results = await search(client, own, "mia@example.com")
        assert "mia" not in results
        shown = await client.get(results, headers=own)
        assert (shown.status, "Mine." in await shown.text()) == (200, True)
        others = [foreign]
        if session_of_site is session_of_moderator:
            others.append(await link_session(client, service, "Ada"))  # another browser of the same person
        for other in others:
            answer = await client.get(results, headers=other)
            assert (answer.status, "mia@" in await answer.text()) == (422, False)
        clock.move(minutes=SEALED_MINUTES - 1)
        assert (await client.get(results, headers=own)).status == 200
        clock.move(minutes=2)
        late = await client.get(results, headers=own)
        assert (late.status, "mia@" in await late.text()) == (422, False)
        assert "Search again." in await late.text()
