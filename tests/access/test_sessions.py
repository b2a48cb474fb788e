"""Moderators sign in to the moderation page and sign out; other people have no access."""

import re

import pytest

from commentsvc.access import keys, moderators, sessions, sign_in
from commentsvc.access.schemas import NewKey
from commentsvc.domain.errors import Forbidden, Invalid, NotFound, RateLimited, Unauthorized
from commentsvc.domain.models import Scope
from commentsvc.web.moderation import layout
from commentsvc.web.routes import ROUTES, application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, visit

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


async def create_link_token(service, name="Ada"):
    await moderators.add_moderator(service, name, None, [])
    return (await moderators.create_sign_in_link(service, name)).rpartition("/")[2]


async def sign_in_moderator(client, service, name="Ada"):
    """Add a moderator and sign in; return the CSRF token of their forms."""
    token = await create_link_token(service, name)
    answer = await client.post(f"/sign-in/{token}", headers=SAME_ORIGIN, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/moderate")
    return await read_csrf_token(client)


async def read_csrf_token(client):
    page = await (await client.get("/moderate", headers=SAME_ORIGIN)).text()
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]


async def test_a_session_expires_when_it_is_idle_or_too_old(service, clock):
    await moderators.add_moderator(service, "Ada", None, [])

    async def begin():
        token = (await moderators.create_sign_in_link(service, "Ada")).rpartition("/")[2]
        return await sign_in.sign_in_by_link(service, token, visit())

    idle = await begin()
    clock.move(hours=11)
    assert (await sessions.authenticate_session(service, idle)).name == "Ada", "each use extends the session"
    clock.move(hours=11)
    assert (await sessions.authenticate_session(service, idle)).name == "Ada"
    clock.move(hours=13)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, idle)

    busy = await begin()
    for _ in range(27):
        clock.move(hours=6)
        await sessions.authenticate_session(service, busy)
    clock.move(hours=7)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, busy)


async def test_the_database_does_not_contain_session_tokens(service):
    token = await sign_in.sign_in_by_link(service, await create_link_token(service), visit())
    (kept,) = await everything_in(service, "session")
    assert token not in str(kept)
    assert token not in str(await everything_in(service, "audit"))


async def test_a_session_started_with_a_key_has_its_scopes_and_ends_with_it(service, clock):
    made = await keys.create_key(service, EVERYTHING, NewKey(name="x", scopes=[Scope.READ], site="blog"))
    token = await sign_in.sign_in_by_key(service, f" {made.key}\n", visit())
    session = await sessions.authenticate_session(service, token)
    (site,) = session.who.sites
    assert (session.name, session.who.scopes, bool(site)) == ("x", {Scope.READ}, True)
    with pytest.raises(NotFound):
        await sessions.create_session_key(service, session)

    await keys.revoke_key(service, EVERYTHING, made.id)
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, token)


async def test_removing_or_signing_out_a_moderator_ends_their_sessions(service):
    first = await sign_in.sign_in_by_link(service, await create_link_token(service), visit())
    session = await sessions.authenticate_session(service, first)
    made = await sessions.create_session_key(service, session)
    second = await sign_in.sign_in_by_key(service, made.key, visit())
    assert await sessions.sign_out_moderator(service, "Ada") == 2
    for token in (first, second):
        with pytest.raises(Unauthorized):
            await sessions.authenticate_session(service, token)

    third = await sign_in.sign_in_by_key(service, made.key, visit())
    await moderators.remove_moderator(service, "Ada")
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, third)
    assert await everything_in(service, "session") == []


async def test_a_moderator_cannot_revoke_the_session_of_another(service):
    ada = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await create_link_token(service), visit())
    )
    sam = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await create_link_token(service, "Sam"), visit())
    )
    with pytest.raises(NotFound):
        await sessions.revoke_session(service, ada, sam.id)
    assert [row["id"] for row in await sessions.list_sessions(service, sam)] == [sam.id]
    await sessions.revoke_session(service, sam, sam.id)
    assert await sessions.list_sessions(service, sam) == []


async def test_failed_sign_ins_are_limited_by_network_and_a_valid_link_works(service, clock):
    for _ in range(10):
        with pytest.raises(Unauthorized):
            await sign_in.sign_in_by_key(service, "cs_guess", visit())
    with pytest.raises(RateLimited):
        await sign_in.sign_in_by_key(service, "cs_guess", visit())
    with pytest.raises(RateLimited):
        await sign_in.sign_in_by_link(service, "guess", visit())
    with pytest.raises(Unauthorized):
        await sign_in.sign_in_by_key(service, "cs_guess", visit(address="203.0.113.1"))
    assert await sign_in.sign_in_by_link(service, await create_link_token(service), visit()), (
        "a valid link is never limited"
    )
    clock.move(minutes=16)
    with pytest.raises(Unauthorized):
        await sign_in.sign_in_by_key(service, "cs_guess", visit())


async def test_a_session_started_with_a_key_cannot_create_keys(service):
    """A new key could have more scopes, and would outlive the first key."""
    await moderators.add_moderator(service, "Ada", None, [])
    made = await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.READ], site="blog"))
    session = await sessions.authenticate_session(service, await sign_in.sign_in_by_key(service, made.key, visit()))
    with pytest.raises(NotFound):
        await sessions.create_session_key(service, session)
    assert await sessions.list_own_keys(service, session) == []
    with pytest.raises(NotFound):
        await sessions.revoke_own_key(service, session, made.id)


async def test_a_moderator_revokes_their_own_key_and_the_sessions_started_with_it(service):
    session = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await create_link_token(service), visit())
    )
    made = await sessions.create_session_key(service, session)
    other = await keys.create_key(service, EVERYTHING, NewKey(name="Ben", scopes=[Scope.READ]))
    elsewhere = await sign_in.sign_in_by_key(service, made.key, visit())
    assert [row["id"] for row in await sessions.list_own_keys(service, session)] == [made.id]
    with pytest.raises(NotFound):
        await sessions.revoke_own_key(service, session, other.id)
    await sessions.revoke_own_key(service, session, made.id)
    assert await sessions.list_own_keys(service, session) == []
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, elsewhere)


async def test_background_polling_does_not_extend_a_session(client, service, clock):
    await sign_in_moderator(client, service)
    for _ in range(13):
        clock.move(hours=1)
        polling = SAME_ORIGIN | {"Commentsvc-Background": "true"}
        status = (await client.get("/moderate/counts", headers=polling)).status
    assert status == 401


async def test_a_key_cannot_have_a_name_reserved_in_the_audit_log(service):
    for name in ("operator", "COMMENTSVC_ADMIN_KEY"):
        with pytest.raises(Invalid):
            await keys.create_key(service, EVERYTHING, NewKey(name=name, scopes=[Scope.READ]))


async def test_the_admin_key_of_the_settings_works_until_it_is_removed(database_url, clock):
    secret = "the-operators-own-key-with-enough-letters"
    async with a_service(database_url, clock, admin_key=secret) as service:
        token = await sign_in.sign_in_by_key(service, secret, visit())
        assert (await sessions.authenticate_session(service, token)).who.may(Scope.ADMIN)
    async with a_service(database_url, clock) as service:
        with pytest.raises(Unauthorized):
            await sessions.authenticate_session(service, token)


async def test_a_moderators_key_cannot_exceed_their_scopes(service):
    await moderators.add_moderator(service, "Ada", None, [])
    with pytest.raises(Forbidden):
        await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.ADMIN]))
    made = await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.MODERATE]))
    assert (await keys.authenticate_key(service, made.key)).moderator_id


async def test_scripts_and_other_sites_cannot_use_the_session_cookie(client, service):
    token = await create_link_token(service)
    answer = await client.post(f"/sign-in/{token}", headers=SAME_ORIGIN, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("commentsvc=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert token not in cookie


async def test_a_service_with_https_accepts_only_a_secure_session_cookie(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, public_url="https://comments.example") as service:
        client = await aiohttp_client(application(service))
        answer = await client.post(
            f"/sign-in/{await create_link_token(service)}", headers=SAME_ORIGIN, allow_redirects=False
        )
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-commentsvc=")
        assert "Secure" in cookie.split("; ")
        session = {"Cookie": cookie.partition(";")[0]} | SAME_ORIGIN
        assert (await client.get("/moderate", headers=session)).status == 200
        plain = {"Cookie": cookie.partition(";")[0].removeprefix("__Host-")} | SAME_ORIGIN
        assert (await client.get("/moderate", headers=plain)).status == 401


async def test_a_moderator_cannot_sign_in_over_plain_http(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, public_url="http://comments.example") as service:
        client = await aiohttp_client(application(service))
        token = await create_link_token(service)
        assert "Put a proxy with TLS in front of the service" in await (await client.get(f"/sign-in/{token}")).text()
        assert "Put a proxy with TLS in front of the service" in await (await client.get("/moderate")).text()
        answer = await client.post(f"/sign-in/{token}", headers=SAME_ORIGIN, allow_redirects=False)
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
        assert await sign_in.find_invited_name(service, token) == "Ada", "the link is still valid"


async def test_only_localhost_can_sign_in_without_https(client, service):
    """This also applies when the public URL is not set."""
    elsewhere = {"Host": "comments.example:8080", "Origin": "http://comments.example:8080"}
    answer = await client.post(f"/sign-in/{await create_link_token(service)}", headers=elsewhere, allow_redirects=False)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    token = await sign_in.sign_in_by_link(
        service, (await moderators.create_sign_in_link(service, "Ada")).rpartition("/")[2], visit()
    )
    cookie = {"Cookie": f"commentsvc={token}"}
    assert (await client.get("/moderate", headers=cookie)).status == 200
    assert (await client.get("/moderate", headers=cookie | elsewhere)).status == 401


async def test_the_form_of_a_stranger_is_limited_in_size_and_not_shown_again(client):
    answer = await client.post("/moderate/rules", data=b"match=" + b"%" * 70_000, headers=SAME_ORIGIN)
    assert answer.status == 401  # before the body is read
    foreign = await client.post("/moderate/rules", data={"match": "call this number"}, headers=CROSS_SITE)
    assert "call this number" not in await foreign.text()


async def test_a_sign_in_link_works_once_and_opening_it_does_not_use_it(client, service):
    token = await create_link_token(service)
    for _ in range(3):
        answer = await client.get(f"/sign-in/{token}")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Sign in as" in await answer.text()
    assert (await client.post(f"/sign-in/{token}", headers=SAME_ORIGIN, allow_redirects=False)).status == 303
    late = await client.post(f"/sign-in/{token}", headers=SAME_ORIGIN, allow_redirects=False)
    assert (late.status, "Set-Cookie" in late.headers) == (404, False)
    assert "Sign-in link not valid" in await late.text()


async def test_a_moderator_who_signs_out_has_no_access(client, service):
    token = await sign_in_moderator(client, service)
    answer = await client.post("/moderate/sign-out", data={"csrf": token}, headers=SAME_ORIGIN, allow_redirects=False)
    assert answer.status == 303
    assert (await client.get("/moderate", headers=SAME_ORIGIN)).status == 401


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.session_scope], ids=lambda one: f"{one.method} {one.path}"
)
async def test_a_visitor_without_a_session_cannot_use_the_moderation_page(served, aiohttp_client, route):
    client = await aiohttp_client(application(await served()))
    path = route.path.replace("{id}", "01990000-0000-7000-8000-000000000000")
    for cookies in ({}, {"commentsvc": "guess"}, {"__Host-commentsvc": "guess"}):
        answer = await client.request(
            route.method, path, headers=SAME_ORIGIN, data={}, cookies=cookies, allow_redirects=False
        )
        assert (answer.status, answer.content_type) == (401, "text/html")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Sign in to moderate" in await answer.text()


async def test_another_website_cannot_sign_a_moderator_in(client, service):
    token = await create_link_token(service)
    for headers in (CROSS_SITE, {"Origin": "https://evil.example"}, {}):
        for path, data in ((f"/sign-in/{token}", {}), ("/moderate/sign-in", {"key": "cs_x"})):
            answer = await client.post(path, data=data, headers=headers, allow_redirects=False)
            assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_the_service_checks_the_origin_header_of_an_old_browser(client, service):
    token = await sign_in_moderator(client, service)
    own = {"Origin": str(client.make_url("")).rstrip("/")}
    answer = await client.post("/moderate/undo", data={"csrf": token}, headers=own, allow_redirects=False)
    assert answer.status == 404, "there is nothing to undo"


async def test_an_invalid_key_gets_an_error_message_and_failed_sign_ins_are_limited(client):
    for _ in range(10):
        answer = await client.post("/moderate/sign-in", data={"key": "cs_guess"}, headers=SAME_ORIGIN)
        assert answer.status == 401
        assert "This key is not valid." in await answer.text()
    answer = await client.post("/moderate/sign-in", data={"key": "cs_guess"}, headers=SAME_ORIGIN)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "90")


async def test_a_signed_in_moderator_can_follow_a_link_from_another_website(client):
    """The browser does not send the cookie with this request. It does when the page reloads itself."""
    page = await (await client.get("/moderate?status=spam", headers=CROSS_SITE)).text()
    assert '<meta http-equiv="refresh" content="0; url=/moderate?status=spam">' in page
    assert "refresh" not in await (await client.get("/moderate", headers=SAME_ORIGIN)).text()


@pytest.mark.parametrize(
    ("back", "leads"),
    [
        ("/moderate?status=spam&done=x", "/moderate?status=spam"),
        ("/moderate/comments/0199?back=%2Fmoderate", "/moderate/comments/0199?back=%2Fmoderate"),
        ("https://evil.example", "/moderate"),
        ("//evil.example/moderate", "/moderate"),
        ("/moderate@evil.example", "/moderate"),
        ("/moderate\\@evil.example", "/moderate"),
        ("/moderate/../t", "/moderate"),
        ("/moderate?x=\r\nSet-Cookie: a=b", "/moderate"),
        ("/moderate?q=%0d%0aSet-Cookie:%20a", "/moderate?q=%0D%0ASet-Cookie%3A+a"),
        ("", "/moderate"),
        (None, "/moderate"),
    ],
)
def test_a_form_redirects_only_to_the_moderation_page(back, leads):
    assert layout.safe_back_url(back) == leads
