"""Nobody can give a key or a moderator a name that people take for another's."""

import asyncio

import pytest

from commentsvc import app
from commentsvc.access import keys, moderators, names
from commentsvc.access.schemas import NewKey
from commentsvc.archives import jobs
from commentsvc.archives.formats import registry
from commentsvc.config.settings import Config
from commentsvc.domain.errors import Conflict, Invalid
from commentsvc.domain.models import Scope
from tests.cli.test_moderate import command
from tests.conftest import EVERYTHING, a_moderators_key

# Case, accents, spaces, full-width, Cyrillic and Greek lookalikes, invisible characters, digits.
LOOKALIKES = [
    "Ada Lovelace",
    "ada lovelace",
    "ADA LOVELACE",
    "Аda Lоvelace",
    "Ada\u200d Lovelace",
    "Ａｄａ Lovelace",
    "Ada  Love-lace",
    "Adá Lovelace",
    "Ada Love1ace",
    "𝐀𝐝𝐚 Lovelace",
]


async def create_key(service, name, **more):
    return await keys.create_key(service, EVERYTHING, NewKey(name=name, scopes=[Scope.READ], **more))


@pytest.mark.parametrize("name", LOOKALIKES)
async def test_a_key_cannot_be_named_like_a_moderator(service, client, key, name):
    await moderators.add_moderator(service, "Ada Lovelace", None, [])
    for person in (True, False):
        sent = {"name": name, "scopes": ["read"], "person": person}
        answer = await client.post("/v1/keys", json=sent, headers=key)
        fault = (await answer.json())["errors"][0]
        assert (answer.status, fault["field"], fault["code"]) == (422, "name", "name_taken")
    assert (await create_key(service, "backup of Ada Lovelace")).name == "backup of Ada Lovelace"


@pytest.mark.parametrize("name", LOOKALIKES)
async def test_a_moderator_cannot_be_named_like_a_key_or_another_moderator(service, clock, name):
    made = await create_key(service, "Ada Lovelace")
    with pytest.raises(Conflict):
        await moderators.add_moderator(service, name, None, [])
    await keys.revoke_key(service, EVERYTHING, made.id)
    await create_key(service, "Ada Lovelace", expires_at="2026-11-23T00:00:00Z")
    clock.move(days=2)
    await moderators.add_moderator(service, "Ada Lovelace", None, [])
    with pytest.raises(Conflict):
        await moderators.add_moderator(service, name, None, [])


async def test_the_name_of_a_removed_moderator_stays_theirs(service):
    await moderators.add_moderator(service, "Ada", None, [])
    await moderators.remove_moderator(service, "Ada")
    with pytest.raises(Conflict):
        await moderators.add_moderator(service, "ada", None, [])
    with pytest.raises(Invalid):
        await create_key(service, "ada")


@pytest.mark.parametrize(
    "name", ["owner", "Owner", "0wner", "оwner", "operator", "OPERATOR", "COMMENTSVC_ADMIN_KEY", "commentsvc admin key"]
)
def test_reserved_names_are_refused_however_they_are_written(tmp_path, name):
    for arguments in (("key", "create", name), ("moderator", "add", name)):
        done = command(tmp_path, *arguments)
        assert (done.code, done.errors) == (1, "name: This name is reserved. Choose another.")


async def test_a_moderators_own_key_can_have_their_name_but_no_others(service):
    assert await a_moderators_key(service, "Noa")
    await moderators.add_moderator(service, "Ada", None, [])
    new = NewKey(name="noa", scopes=[Scope.READ])
    assert (await keys.create_moderator_key(service, "Noa", new)).moderator == "Noa"
    with pytest.raises(Invalid):
        await keys.create_moderator_key(service, "Ada", new)
    assert await a_moderators_key(service, "owner")


async def test_a_key_and_a_moderator_made_at_the_same_time_get_different_names(service):
    for number in range(3):
        done = await asyncio.gather(
            create_key(service, f"ada {number}"),
            moderators.add_moderator(service, f"Ada {number}", None, []),
            moderators.add_moderator(service, f"АDA {number}", None, []),
            return_exceptions=True,
        )
        assert sum(not isinstance(one, Exception) for one in done) == 1
        assert all(isinstance(one, Invalid | Conflict) for one in done if isinstance(one, Exception))


def test_an_operator_learns_at_the_command_line_that_a_name_is_taken(tmp_path):
    assert command(tmp_path, "moderator", "add", "Ada").code == 0
    taken = command(tmp_path, "key", "create", "аda")
    assert (taken.code, taken.errors) == (1, "name: This is a moderator's name, or looks like it. Choose another.")
    assert command(tmp_path, "key", "create", "Noa").code == 0
    reverse = command(tmp_path, "moderator", "add", "noa")
    assert reverse.errors == ("An API key has this name, or one that looks like it. Revoke the key, or choose another.")
    assert (reverse.code, command(tmp_path, "moderator", "add", "Nora").code) == (1, 0)


def test_the_owner_acts_at_the_command_line_with_all_their_scopes(tmp_path):
    async def prepare():
        config = Config(database_url=f"sqlite:///{tmp_path}/data/commentsvc.db")
        async with app.open_ready_service(config) as service:
            assert await moderators.create_first_sign_in_link(service)

    command(tmp_path, "site", "list")
    asyncio.run(prepare())
    command(tmp_path, "moderator", "add", "Ada")
    renamed = command(tmp_path, "site", "rename", "blog", "Notes", "--json").json()
    refused = command(tmp_path, "undo", renamed["action"], "--as", "Ada")
    assert (refused.code, refused.errors) == (1, "Changing a site needs a key with scope admin.")
    assert command(tmp_path, "undo", renamed["action"], "--as", "owner").code == 0
    assert command(tmp_path, "site", "list").text == "blog  localhost only"


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_nobody_can_be_named_like_the_external_check_or_an_import(service):
    formats = {one.name for one in registry.FORMATS} | {jobs.OWN}
    assert set(names.IMPORT_NAMES) == formats
    for name in ("The external check", "externaI check", *formats, "Dísqus"):
        with pytest.raises(Invalid):
            await create_key(service, name, person=True)
        with pytest.raises(Invalid):
            await moderators.add_moderator(service, name, None, [])
    assert (await create_key(service, "Disqus import")).name == "Disqus import"
