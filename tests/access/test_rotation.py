"""Operators rotate keys without an interruption, and change the email addresses of moderators."""

import json

import pytest

from commentsvc.access import keys, moderators, sessions, sign_in
from commentsvc.access.schemas import KeyRotation, NewKey
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Forbidden, NotFound, Unauthorized
from commentsvc.domain.models import Scope
from tests.cli.test_moderate import command
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_moderators_key, visit

QUEUE = "/v1/moderation/comments"


async def create_key(service, *scopes, **more):
    new = NewKey(**({"name": "script", "scopes": list(scopes) or [Scope.READ]} | more))
    return await keys.create_key(service, EVERYTHING, new)


async def rotate(client, admin, key_id, **body):
    answer = await client.post(f"/v1/keys/{key_id}/rotate", json=body, headers=admin)
    return answer.status, await answer.json()


async def is_valid(client, key):
    return (await client.get(QUEUE, headers={"Authorization": f"Bearer {key}"})).status == 200


async def test_a_rotated_key_keeps_its_id_name_and_rights(service, client, key):
    made = await create_key(service, expires_at="2027-01-01T00:00:00Z", site="blog", person=True)
    status, rotated = await rotate(client, key, made.id)
    assert status == 200
    assert rotated.pop("key") != made.key
    assert rotated["old_key_until"] is None
    listed = (await (await client.get("/v1/keys", headers=key)).json())["keys"]
    assert rotated in listed
    for name in ("id", "name", "scopes", "site", "person", "created_at", "expires_at"):
        assert rotated[name] == getattr(made, name)
    assert not await is_valid(client, made.key)
    entries = await everything_in(service, "audit")
    [entry] = [row for row in entries if row["verb"] == "key_rotate"]
    assert json.loads(entry["body"]) == {"key": made.id, "old_key_until": None}
    assert made.key not in str(await everything_in(service, "api_key"))


async def test_the_old_key_works_until_the_end_of_the_grace_time(service, client, key, clock):
    made = await create_key(service)
    status, first = await rotate(client, key, made.id, grace_minutes=60)
    assert (status, first["old_key_until"]) == (200, "2026-11-22T17:02:11.000Z")
    clock.move(minutes=59)
    assert await is_valid(client, made.key)
    assert await is_valid(client, first["key"])
    clock.move(minutes=1)
    assert not await is_valid(client, made.key)
    assert await is_valid(client, first["key"])


async def test_only_the_newest_two_keys_are_ever_valid(service, client, key):
    made = await create_key(service)
    _, first = await rotate(client, key, made.id, grace_minutes=60)
    _, second = await rotate(client, key, made.id, grace_minutes=60)
    assert [await is_valid(client, one) for one in (made.key, first["key"], second["key"])] == [False, True, True]
    _, third = await rotate(client, key, made.id)
    assert [await is_valid(client, one) for one in (first["key"], second["key"], third["key"])] == [False, False, True]


async def test_revoking_or_expiry_ends_both_keys(service, client, key, clock):
    made = await create_key(service)
    _, rotated = await rotate(client, key, made.id, grace_minutes=60)
    assert (await client.delete(f"/v1/keys/{made.id}", headers=key)).status == 204
    assert not await is_valid(client, made.key)
    assert not await is_valid(client, rotated["key"])
    assert (await rotate(client, key, made.id))[0] == 404
    made = await create_key(service, expires_at="2026-11-22T16:30:00Z")
    _, rotated = await rotate(client, key, made.id, grace_minutes=60)
    clock.move(minutes=40)
    assert not await is_valid(client, made.key)
    assert not await is_valid(client, rotated["key"])
    assert (await rotate(client, key, made.id))[0] == 404
    assert (await rotate(client, key, "01990000-0000-7000-8000-000000000000"))[0] == 404
    assert (await rotate(client, key, made.id, grace_minutes=43_201))[0] == 422


async def test_a_session_ends_with_the_old_key_that_started_it(service, clock):
    made = await create_key(service)
    old = await sign_in.sign_in_by_key(service, made.key, visit())
    rotated = await keys.rotate_key(service, EVERYTHING, made.id, KeyRotation(grace_minutes=30))
    new = await sign_in.sign_in_by_key(service, rotated.key, visit())
    assert (await sessions.authenticate_session(service, old)).name == "script"
    clock.move(minutes=31)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, old)
    assert (await sessions.authenticate_session(service, new)).name == "script"


async def test_a_moderator_who_is_signed_out_loses_sessions_of_their_old_key_too(service):
    await moderators.add_moderator(service, "Noa", None, [])
    made = await keys.create_moderator_key(service, "Noa", NewKey(name="Noa", scopes=[Scope.READ]))
    token = await sign_in.sign_in_by_key(service, made.key, visit())
    await keys.rotate_key(service, EVERYTHING, made.id, KeyRotation(grace_minutes=30), even_of_moderators=True)
    assert await sessions.sign_out_moderator(service, "Noa") == 1
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, token)


async def test_an_admin_cannot_take_over_a_moderator_by_rotating_their_key(service, client, key):
    noa = await a_moderators_key(service, "Noa")
    [made] = [one for one in (await keys.list_keys(service, EVERYTHING)).keys if one.moderator]
    status, refused = await rotate(client, key, made.id)
    assert (status, refused["code"]) == (403, "forbidden")
    assert (await client.get(QUEUE, headers=noa)).status == 200
    owner = await a_moderators_key(service, "owner")
    own = next(one for one in (await keys.list_keys(service, EVERYTHING)).keys if one.moderator == "owner")
    assert (await rotate(client, owner, own.id))[0] == 200
    assert (await client.get(QUEUE, headers=owner)).status == 401
    assert (
        await keys.rotate_key(service, EVERYTHING, made.id, KeyRotation(), even_of_moderators=True)
    ).moderator == "Noa"


async def test_a_key_of_one_site_rotates_only_keys_of_that_site(service, client):
    site_admin = await a_key(service, Scope.ADMIN, name="site admin", site="blog")
    everywhere, here = await create_key(service), await create_key(service, name="here", site="blog")
    assert (await rotate(client, site_admin, everywhere.id))[0] == 404
    assert (await rotate(client, site_admin, here.id))[0] == 200
    reader = await a_key(service, Scope.MODERATE, name="moderator")
    assert (await rotate(client, reader, here.id))[0] == 403


def test_an_operator_rotates_a_key_at_the_command_line(tmp_path):
    made = command(tmp_path, "key", "create", "script", "--json").json()
    rotated = command(tmp_path, "key", "rotate", made["id"], "--grace", "90", "--json").json()
    assert (rotated["id"], rotated["name"]) == (made["id"], "script")
    assert rotated["old_key_until"]
    again = command(tmp_path, "key", "rotate", made["id"])
    assert (again.code, again.text[:3]) == (0, "cs_")
    for wrong in ("-1", "43201"):
        assert command(tmp_path, "key", "rotate", made["id"], "--grace", wrong).code == 1
    assert command(tmp_path, "key", "rotate", "nothing").code == 1


async def change_email(client, admin, moderator, **body):
    answer = await client.patch(f"/v1/moderators/{moderator}", json=body, headers=admin)
    return answer.status, await answer.json()


async def test_an_admin_changes_the_email_address_of_a_moderator(service, client, key):
    added = await moderators.add_moderator(service, "Noa", Email("noa@old.example"), ["blog"])
    status, changed = await change_email(client, key, added.id, email=" Noa@New.example ")
    assert (status, changed["email"], changed["sites"]) == (200, "Noa@new.example", ["blog"])
    listed = await (await client.get("/v1/moderators", headers=key)).json()
    assert listed == {"moderators": [changed]}
    assert "example" not in str([row for row in await everything_in(service, "audit") if "moderator" in row["verb"]])
    assert "new.example" not in str(await everything_in(service, "moderator"))
    assert (await change_email(client, key, added.id, email=None))[1]["email"] is None
    assert (await change_email(client, key, added.id))[1]["email"] is None
    verbs = [row["verb"] for row in await everything_in(service, "audit")]
    assert verbs.count("moderator_change") == 2
    status, refused = await change_email(client, key, added.id, email="nonsense")
    assert (status, refused["errors"][0]["code"]) == (422, "invalid_email")
    assert (await change_email(client, key, "01990000-0000-7000-8000-000000000000", email="a@b.example"))[0] == 404
    await moderators.remove_moderator(service, "Noa")
    assert (await change_email(client, key, added.id, email="noa@new.example"))[0] == 404


async def test_a_changed_address_ends_open_sign_in_links(service, client, key):
    added = await moderators.add_moderator(service, "Noa", Email("noa@old.example"), [])
    token = (await moderators.create_sign_in_link(service, "Noa")).rpartition("/")[2]
    assert (await change_email(client, key, added.id, email="noa@old.example"))[0] == 200
    assert await sign_in.find_invited_name(service, token) == "Noa", "nothing changed"
    assert (await change_email(client, key, added.id, email="noa@new.example"))[0] == 200
    with pytest.raises(NotFound):
        await sign_in.sign_in_by_link(service, token, visit())


async def test_a_key_for_some_sites_cannot_see_or_change_moderators(service, client):
    added = await moderators.add_moderator(service, "Noa", Email("noa@old.example"), ["blog"])
    for who in (
        await a_key(service, Scope.ADMIN, name="site admin", site="blog"),
        await a_key(service, Scope.MODERATE, name="moderator"),
    ):
        assert (await client.get("/v1/moderators", headers=who)).status == 403
        assert (await change_email(client, who, added.id, email="noa@new.example"))[0] == 403
    made = await create_key(service, Scope.ADMIN, site="blog")
    with pytest.raises(Forbidden):
        await moderators.read_moderators(service, await keys.authenticate_key(service, made.key))


def test_an_operator_changes_an_address_at_the_command_line(tmp_path):
    command(tmp_path, "moderator", "add", "Noa", "--email", "noa@old.example")
    done = command(tmp_path, "moderator", "email", "Noa", "-", typed="noa@new.example\n")
    assert (done.code, done.text) == (0, "Changed the email address of Noa.")
    [listed] = command(tmp_path, "moderator", "list", "--json").json()
    assert listed["email"] == "noa@new.example"
    assert command(tmp_path, "moderator", "email", "Noa", "--remove").text == "Removed the email address of Noa."
    assert command(tmp_path, "moderator", "email", "Nobody", "a@b.example").code == 1
    with pytest.raises(SystemExit) as left:
        command(tmp_path, "moderator", "email", "Noa", "")
    assert left.value.code == 2
