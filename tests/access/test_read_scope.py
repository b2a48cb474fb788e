"""A key with scope read sees no network and no full email address, on any route and any page."""

from commentsvc.access import keys, sign_in
from commentsvc.access.schemas import NewKey
from commentsvc.domain.models import RuleKind, Scope
from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import ROUTES, application
from tests.access.test_sessions import SAME_ORIGIN
from tests.conftest import EVERYTHING, post, visit

PRIVATE = ("203.0.113", "192.0.2.", "2001:db8:7", "mia@", "eve@")


SEARCHABLE = {"/v1/moderation/comments", "/moderate"}


async def headers_of(service, scope):
    made = await keys.create_key(service, EVERYTHING, NewKey(name=f"a key that may {scope}", scopes=[scope]))
    session = await sign_in.sign_in_by_key(service, made.key, visit())
    return SAME_ORIGIN | {"Authorization": f"Bearer {made.key}", "Cookie": f"commentsvc={session}"}


async def read_everything(client, ids, headers):
    """Return the answers of all routes and pages that a key with scope read may open, by path."""
    answers = {}
    for route in ROUTES:
        if route.method == "GET" and Scope.READ in {route.scope, route.session_scope}:
            kind = next((kind for kind in ids if f"/{kind}/" in route.path), "comments")
            for query in ("", "?status=any", "?status=any&q=mine") if route.path in SEARCHABLE else ("",):
                path = route.path.replace("{id}", ids[kind]) + query
                answer = await client.get(path, headers=headers)
                assert answer.status == 200, path
                answers[path] = await answer.text()
    return answers


async def test_a_key_with_scope_read_sees_no_network_anywhere(service, aiohttp_client):
    comment = await post(service, "Mine.", address="203.0.113.9", email="mia@example.com")
    await post(service, "Mine too.", address="203.0.113.10", email="mia@example.com")
    await post(service, "Another's.", address="2001:db8:7::9", email="eve@example.com")
    bans = ((RuleKind.EMAIL, "eve@example.com"), (RuleKind.NETWORK, "2001:db8:7::/48"), (RuleKind.NETWORK, "192.0.2.7"))
    for kind, match in bans:
        rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match))
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    ids = {"comments": comment, "rules": rule.id, "threads": thread.id}
    client = await aiohttp_client(application(service), cookies={})

    reading = await read_everything(client, ids, await headers_of(service, Scope.READ))
    found = {(path, text) for path, answer in reading.items() for text in PRIVATE if text in answer}
    assert (len(reading) > 15, found) == (True, set())

    moderating = "".join((await read_everything(client, ids, await headers_of(service, Scope.MODERATE))).values())
    assert [text for text in PRIVATE if text not in moderating] == []
