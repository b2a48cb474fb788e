"""Several servers on one database: what was changed through one counts on the others at once."""

import json

import altcha
import pytest

from commentsvc.access import moderators
from commentsvc.domain.models import Mode
from commentsvc.web.routes import application
from tests.conftest import a_key, a_moderators_key, a_service, fields_of

FROM_BLOG = {"Origin": "https://blog.example"}


@pytest.fixture
async def two(request, database_url, clock, aiohttp_client):
    """Two servers on one database, the headers of an administrator, and the service of the first one."""
    settings = {
        "moderation": Mode.NONE,
        "rate_limit": "3/300",
        "form_seconds": "0-86400",
        "trusted_proxies": "127.0.0.1",
    } | getattr(request, "param", {})
    async with a_service(database_url, clock, **settings) as one, a_service(database_url, clock, **settings) as other:
        clients = [await aiohttp_client(application(service)) for service in (one, other)]
        yield *clients, await a_key(one), one


async def post(client, text, *, network=1, **more):
    headers = more.pop("headers", {}) | {"X-Forwarded-For": f"198.51.{network}.7"}
    async with client.post("/v1/comments", json=fields_of(comment=text, **more), headers=headers) as response:
        return response.status, json.loads(await response.text())


async def call(client, method, path, headers, body=None):
    async with client.request(method, path, json=body, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text


async def test_a_network_has_one_rate_limit_for_all_servers(two):
    one, other, *_ = two
    statuses = [(await post(client, f"Comment {number}."))[0] for number, client in enumerate((one, other) * 2)]
    assert statuses == [201, 201, 201, 429]


async def test_a_commenter_who_repeats_a_submission_elsewhere_has_one_comment(two):
    one, other, *_ = two
    first = await post(one, "Once.", submission="the-first-draft")
    again = await post(other, "Once.", submission="the-first-draft")
    duplicate = await post(other, "Once.", submission="the-second-draft")
    assert first[0] == 201
    assert first == again
    assert (duplicate[0], duplicate[1]["code"]) == (409, "duplicate")


async def test_a_form_is_used_once_on_all_servers(two):
    one, other, *_ = two
    async with one.get("/v1/form") as response:
        started = json.loads(await response.text())["started"]
    statuses = []
    for client, text in ((one, "First."), (other, "Second.")):
        statuses.append((await post(client, text, started=started))[1]["status"])
    assert statuses == ["approved", "pending"]


@pytest.mark.parametrize("two", [{"proof_of_work": "on", "proof_cost": 10, "form_seconds": "off"}], indirect=True)
async def test_a_proof_of_work_is_used_once_on_all_servers(two):
    one, other, *_ = two
    async with one.get("/v1/form") as response:
        challenge = altcha.Challenge.from_dict(json.loads(await response.text())["altcha"])
    solved = altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()
    statuses = []
    for client, text in ((other, "First."), (one, "Second.")):
        statuses.append((await post(client, text, altcha=solved))[1]["status"])
    assert statuses == ["approved", "pending"]


async def test_a_network_has_one_limit_of_failed_sign_ins_for_all_servers(two):
    one, other, *_ = two
    headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": "198.51.1.7"}
    statuses = []
    for client in (one, other) * 6:
        async with client.post("/moderate/sign-in", data={"key": "cs_guess"}, headers=headers) as response:
            statuses.append(response.status)
    assert statuses == [401] * 10 + [429] * 2


async def test_a_new_rule_counts_on_every_server_at_once(two):
    one, other, key, _ = two
    assert (await post(other, "Buy casino chips."))[0] == 201  # its rules are compiled now
    rule = {"kind": "words", "match": "casino", "effect": "hold"}
    status, made = await call(one, "POST", "/v1/rules", key, rule)
    assert status == 201, made
    assert (await post(other, "More casino chips.", network=2))[1]["status"] == "pending"
    assert (await call(one, "DELETE", f"/v1/rules/{made['id']}", key))[0] == 200
    assert (await post(other, "Still casino chips.", network=3))[0] == 201


async def test_a_site_and_its_origins_change_on_every_server_at_once(two):
    one, other, key, _ = two
    refused = await post(other, "Too early.", headers=FROM_BLOG)
    assert (refused[0], refused[1]["code"]) == (403, "origin_not_allowed")
    status, site = await call(one, "POST", "/v1/sites", key, {"name": "blog", "origins": [FROM_BLOG["Origin"]]})
    assert status == 201, site
    assert (await post(other, "Now.", headers=FROM_BLOG, network=2))[1]["status"] == "approved"
    status, changed = await call(one, "PATCH", f"/v1/sites/{site['id']}", key, {"mode": "all"})
    assert status == 200, changed
    assert (await post(other, "Held.", headers=FROM_BLOG, network=3))[1]["status"] == "pending"


async def test_a_closed_thread_is_closed_on_every_server_at_once(two):
    one, other, key, _ = two
    await post(other, "The only one.")
    _, threads = await call(one, "GET", "/v1/threads", key)
    status, changed = await call(one, "PATCH", f"/v1/threads/{threads['threads'][0]['id']}", key, {"closed": True})
    assert status == 200, changed
    assert (await post(other, "Too late.", network=2))[1]["code"] == "thread_closed"


async def test_a_revoked_key_ends_on_every_server_at_once(two):
    one, other, key, _ = two
    _, made = await call(one, "POST", "/v1/keys", key, {"name": "script", "scopes": ["read"]})
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await call(other, "GET", "/v1/moderation/comments", headers))[0] == 200
    assert (await call(one, "DELETE", f"/v1/keys/{made['id']}", key))[0] == 204
    assert (await call(other, "GET", "/v1/moderation/comments", headers))[0] == 401


async def test_a_removed_moderator_is_signed_out_of_every_server_at_once(two):
    one, other, _, service = two
    key = await a_moderators_key(service, "Noa")
    form = {"key": key["Authorization"].removeprefix("Bearer ")}
    own = {"Sec-Fetch-Site": "same-origin"}
    async with one.post("/moderate/sign-in", data=form, headers=own, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
        cookie = {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}
    assert await opens_queue(other, own | cookie)  # sessions are shared
    await moderators.remove_moderator(service, "Noa")
    assert not await opens_queue(other, own | cookie)
    assert (await call(other, "GET", "/v1/moderation/comments", key))[0] == 401


async def opens_queue(client, headers):
    async with client.get("/moderate", headers=headers, allow_redirects=False) as response:
        return response.status == 200 and "csrf" in await response.text()
