"""A moderator comes in to the moderation page and leaves it; nobody else gets in."""

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

OURS = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


async def invited(service, name="Ada"):
    await moderators.add_moderator(service, name, None, [])
    return (await moderators.create_sign_in_link(service, name)).rpartition("/")[2]


async def signed_in(client, service, name="Ada"):
    """Somebody's browser, signed in; returns the token that its forms carry."""
    token = await invited(service, name)
    answer = await client.post(f"/sign-in/{token}", headers=OURS, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/moderate")
    return await csrf(client)


async def csrf(client):
    page = await (await client.get("/moderate", headers=OURS)).text()
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]


async def test_a_session_ends_when_it_is_idle_and_when_it_is_old(service, clock):
    await moderators.add_moderator(service, "Ada", None, [])

    async def begin():
        token = (await moderators.create_sign_in_link(service, "Ada")).rpartition("/")[2]
        return await sign_in.sign_in_by_link(service, token, visit())

    idle = await begin()
    clock.move(hours=11)
    assert (await sessions.authenticate_session(service, idle)).name == "Ada", "each use is seen"
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


async def test_what_browsers_keep_stands_nowhere_in_the_database(service):
    token = await sign_in.sign_in_by_link(service, await invited(service), visit())
    (kept,) = await everything_in(service, "session")
    assert token not in str(kept)
    assert token not in str(await everything_in(service, "audit"))


async def test_who_came_in_with_a_key_has_its_rights_and_no_longer_than_it(service, clock):
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


async def test_a_moderator_who_is_removed_or_signed_out_is_out_at_once(service):
    first = await sign_in.sign_in_by_link(service, await invited(service), visit())
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


async def test_nobody_ends_the_session_of_another(service):
    ada = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await invited(service), visit())
    )
    sam = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await invited(service, "Sam"), visit())
    )
    with pytest.raises(NotFound):
        await sessions.revoke_session(service, ada, sam.id)
    assert [row["id"] for row in await sessions.list_sessions(service, sam)] == [sam.id]
    await sessions.revoke_session(service, sam, sam.id)
    assert await sessions.list_sessions(service, sam) == []


async def test_guessing_is_limited_by_network_and_locks_nobody_out(service, clock):
    for _ in range(10):
        with pytest.raises(Unauthorized):
            await sign_in.sign_in_by_key(service, "cs_guess", visit())
    with pytest.raises(RateLimited):
        await sign_in.sign_in_by_key(service, "cs_guess", visit())
    with pytest.raises(RateLimited):
        await sign_in.sign_in_by_link(service, "guess", visit())
    with pytest.raises(Unauthorized):
        await sign_in.sign_in_by_key(service, "cs_guess", visit(address="203.0.113.1"))
    assert await sign_in.sign_in_by_link(service, await invited(service), visit()), "who knows need not guess"
    clock.move(minutes=16)
    with pytest.raises(Unauthorized):
        await sign_in.sign_in_by_key(service, "cs_guess", visit())


async def test_a_session_begun_with_a_key_makes_no_other(service):
    """It would reach further, and last longer, than the key itself."""
    await moderators.add_moderator(service, "Ada", None, [])
    made = await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.READ], site="blog"))
    session = await sessions.authenticate_session(service, await sign_in.sign_in_by_key(service, made.key, visit()))
    with pytest.raises(NotFound):
        await sessions.create_session_key(service, session)
    assert await sessions.list_own_keys(service, session) == []
    with pytest.raises(NotFound):
        await sessions.revoke_own_key(service, session, made.id)


async def test_a_moderator_ends_a_key_of_their_own_and_what_was_begun_with_it(service):
    session = await sessions.authenticate_session(
        service, await sign_in.sign_in_by_link(service, await invited(service), visit())
    )
    made = await sessions.create_session_key(service, session)
    other = await keys.create_key(service, EVERYTHING, NewKey(name="Ada", scopes=[Scope.READ]))
    elsewhere = await sign_in.sign_in_by_key(service, made.key, visit())
    assert [row["id"] for row in await sessions.list_own_keys(service, session)] == [made.id]
    with pytest.raises(NotFound):
        await sessions.revoke_own_key(service, session, other.id)
    await sessions.revoke_own_key(service, session, made.id)
    assert await sessions.list_own_keys(service, session) == []
    with pytest.raises(Unauthorized):
        await sessions.authenticate_session(service, elsewhere)


async def test_a_page_that_looks_by_itself_keeps_nobody_signed_in(client, service, clock):
    await signed_in(client, service)
    for _ in range(13):
        clock.move(hours=1)
        looks = OURS | {"Commentsvc-Looks": "by itself"}
        status = (await client.get("/moderate/counts", headers=looks)).status
    assert status == 401


async def test_nobody_takes_a_name_that_the_log_gives_to_others(service):
    for name in ("operator", "COMMENTSVC_ADMIN_KEY"):
        with pytest.raises(Invalid):
            await keys.create_key(service, EVERYTHING, NewKey(name=name, scopes=[Scope.READ]))


async def test_a_key_of_the_settings_lets_in_while_it_stands_there(database_url, clock):
    secret = "the-operators-own-key-with-enough-letters"
    async with a_service(database_url, clock, admin_key=secret) as service:
        token = await sign_in.sign_in_by_key(service, secret, visit())
        assert (await sessions.authenticate_session(service, token)).who.may(Scope.ADMIN)
    async with a_service(database_url, clock) as service:
        with pytest.raises(Unauthorized):
            await sessions.authenticate_session(service, token)


async def test_a_moderators_key_allows_no_more_than_they_may(service):
    await moderators.add_moderator(service, "Ada", None, [])
    with pytest.raises(Forbidden):
        await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.ADMIN]))
    made = await keys.create_moderator_key(service, "Ada", NewKey(name="x", scopes=[Scope.MODERATE]))
    assert (await keys.authenticate_key(service, made.key)).moderator_id


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(client, service):
    token = await invited(service)
    answer = await client.post(f"/sign-in/{token}", headers=OURS, allow_redirects=False)
    kept = answer.headers["Set-Cookie"]
    assert kept.startswith("commentsvc=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(kept.split("; "))
    assert "Secure" not in kept
    assert token not in kept


async def test_behind_https_the_cookie_never_travels_openly(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, public_url="https://comments.example") as service:
        client = await aiohttp_client(application(service))
        answer = await client.post(f"/sign-in/{await invited(service)}", headers=OURS, allow_redirects=False)
        kept = answer.headers["Set-Cookie"]
        assert kept.startswith("__Host-commentsvc=")
        assert "Secure" in kept.split("; ")
        session = {"Cookie": kept.partition(";")[0]} | OURS
        assert (await client.get("/moderate", headers=session)).status == 200
        plain = {"Cookie": kept.partition(";")[0].removeprefix("__Host-")} | OURS
        assert (await client.get("/moderate", headers=plain)).status == 401


async def test_nobody_signs_in_where_the_cookie_could_be_read_on_its_way(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, public_url="http://comments.example") as service:
        client = await aiohttp_client(application(service))
        token = await invited(service)
        assert "Put a proxy with TLS in front of it" in await (await client.get(f"/sign-in/{token}")).text()
        assert "Put a proxy with TLS in front of it" in await (await client.get("/moderate")).text()
        answer = await client.post(f"/sign-in/{token}", headers=OURS, allow_redirects=False)
        assert (answer.status, "Set-Cookie" in answer.headers) == (404, False)
        assert await sign_in.find_invited_name(service, token) == "Ada", "the link is still good"


async def test_only_this_very_machine_signs_in_without_https(client, service):
    """Also where nobody has said what the service is called."""
    elsewhere = {"Host": "comments.example:8080", "Origin": "http://comments.example:8080"}
    answer = await client.post(f"/sign-in/{await invited(service)}", headers=elsewhere, allow_redirects=False)
    assert (answer.status, "Set-Cookie" in answer.headers) == (404, False)
    token = await sign_in.sign_in_by_link(
        service, (await moderators.create_sign_in_link(service, "Ada")).rpartition("/")[2], visit()
    )
    cookie = {"Cookie": f"commentsvc={token}"}
    assert (await client.get("/moderate", headers=cookie)).status == 200
    assert (await client.get("/moderate", headers=cookie | elsewhere)).status == 401


async def test_a_stranger_sends_no_more_than_a_comment_may_have(client):
    answer = await client.post("/moderate/rules", data=b"match=" + b"%" * 70_000, headers=OURS)
    assert answer.status == 413
    foreign = await client.post("/moderate/rules", data={"match": "call this number"}, headers=CROSS)
    assert "call this number" not in await foreign.text()


async def test_a_link_works_once_and_looking_changes_nothing(client, service):
    token = await invited(service)
    for _ in range(3):
        answer = await client.get(f"/sign-in/{token}")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Sign in as" in await answer.text()
    assert (await client.post(f"/sign-in/{token}", headers=OURS, allow_redirects=False)).status == 303
    late = await client.post(f"/sign-in/{token}", headers=OURS, allow_redirects=False)
    assert (late.status, "Set-Cookie" in late.headers) == (404, False)
    assert "Sign-in link not valid" in await late.text()


async def test_whoever_signs_out_is_out(client, service):
    token = await signed_in(client, service)
    answer = await client.post("/moderate/sign-out", data={"csrf": token}, headers=OURS, allow_redirects=False)
    assert answer.status == 303
    assert (await client.get("/moderate", headers=OURS)).status == 401


def forms():
    return [route for route in ROUTES if route.session_scope and route.method == "POST"]


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.session_scope], ids=lambda one: f"{one.method} {one.path}"
)
async def test_nobody_sees_or_does_anything_there_without_a_session(served, aiohttp_client, route):
    client = await aiohttp_client(application(await served()))
    path = route.path.replace("{id}", "01990000-0000-7000-8000-000000000000")
    for cookies in ({}, {"commentsvc": "guess"}, {"__Host-commentsvc": "guess"}):
        answer = await client.request(route.method, path, headers=OURS, data={}, cookies=cookies, allow_redirects=False)
        assert (answer.status, answer.content_type) == (401, "text/html")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Sign in to moderate" in await answer.text()


@pytest.mark.parametrize("route", forms(), ids=lambda one: one.path)
async def test_no_form_is_taken_that_another_page_could_have_sent(served, aiohttp_client, route):
    service = await served()
    client = await aiohttp_client(application(service))
    token = await signed_in(client, service, "owner")
    path = route.path.replace("{id}", "01990000-0000-7000-8000-000000000000")
    before = await everything_in(service, "audit")

    async def send(headers, **more):
        return (await client.post(path, headers=headers, allow_redirects=False, **more)).status

    right = {"csrf": token}
    assert await send(CROSS, data=right) == 403
    assert await send({"Sec-Fetch-Site": "same-site"}, data=right) == 403
    assert await send({"Origin": "https://evil.example"}, data=right) == 403
    assert await send({"Origin": "null"}, data=right) == 403
    assert await send({}, data=right) == 403
    assert await send(OURS, data={}) == 403
    assert await send(OURS, data={"csrf": "cx_" + "A" * 45}) == 403
    assert await send(OURS, json={"csrf": token}) == 403
    assert await send(OURS | {"Content-Type": "text/plain"}, data=f"csrf={token}") == 403
    assert await everything_in(service, "audit") == before
    assert (await client.get("/moderate", headers=OURS)).status == 200, "nobody was signed out"


async def test_the_token_of_one_session_is_no_good_in_another(client, service, aiohttp_client):
    adas = await signed_in(client, service)
    sams = await aiohttp_client(application(service))
    await signed_in(sams, service, "Sam")
    answer = await sams.post("/moderate/sign-out", data={"csrf": adas}, headers=OURS, allow_redirects=False)
    assert answer.status == 403


async def test_nobody_is_signed_in_by_another_page(client, service):
    token = await invited(service)
    for headers in (CROSS, {"Origin": "https://evil.example"}, {}):
        for path, data in ((f"/sign-in/{token}", {}), ("/moderate/sign-in", {"key": "cs_x"})):
            answer = await client.post(path, data=data, headers=headers, allow_redirects=False)
            assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_who_only_may_read_changes_nothing(client, service):
    made = await keys.create_key(service, EVERYTHING, NewKey(name="x", scopes=[Scope.READ]))
    await client.post("/moderate/sign-in", data={"key": made.key}, headers=OURS)
    token = await csrf(client)
    for route in forms():
        if route.session_scope is Scope.READ:
            continue
        path = route.path.replace("{id}", "01990000-0000-7000-8000-000000000000")
        answer = await client.post(path, data={"csrf": token}, headers=OURS, allow_redirects=False)
        assert answer.status == 403, path


async def test_an_old_browser_says_by_origin_where_a_form_comes_from(client, service):
    token = await signed_in(client, service)
    own = {"Origin": str(client.make_url("")).rstrip("/")}
    answer = await client.post("/moderate/undo", data={"csrf": token}, headers=own, allow_redirects=False)
    assert answer.status == 404, "there is nothing to take back"


async def test_a_wrong_key_is_refused_in_words_and_guessing_is_slow(client):
    for _ in range(10):
        answer = await client.post("/moderate/sign-in", data={"key": "cs_guess"}, headers=OURS)
        assert answer.status == 401
        assert "This key is not valid." in await answer.text()
    answer = await client.post("/moderate/sign-in", data={"key": "cs_guess"}, headers=OURS)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "90")


async def test_a_link_from_elsewhere_leads_in_for_whoever_is_signed_in(client):
    """A browser keeps the cookie back then; asked once more by the page itself it sends it along."""
    page = await (await client.get("/moderate?status=spam", headers=CROSS)).text()
    assert '<meta http-equiv="refresh" content="0; url=/moderate?status=spam">' in page
    assert "refresh" not in await (await client.get("/moderate", headers=OURS)).text()


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
def test_no_form_leads_anywhere_else(back, leads):
    assert layout.safe_back_url(back) == leads
