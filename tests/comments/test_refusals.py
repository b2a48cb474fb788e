"""Refused requests use up an allowance, without locking out people who correct typing errors."""

import asyncio
import socketserver
import threading

import dns.message
import dns.resolver
import dns.rrset
import pytest

from commentsvc.access import rate_limit
from commentsvc.comments import deliverability, post
from commentsvc.domain.errors import Invalid, RateLimited
from commentsvc.domain.models import Effect, Mode, RuleKind
from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_key, a_service, draft, fields_of, visit

NOBODY = "0190a2b4-0000-7000-8000-000000000000"


@pytest.fixture
async def opened(database_url, clock, aiohttp_client):
    """Return a function that opens the service and a client: ``service, client = await opened(rate_limit="3/300")``."""
    running = []

    async def make(**settings):
        context = a_service(database_url, clock, **{"moderation": Mode.NONE} | settings)
        running.append(context)
        service = await context.__aenter__()
        return service, await aiohttp_client(application(service))

    yield make
    for context in running:
        await context.__aexit__(None, None, None)


async def send(client, **changed):
    response = await client.post("/v1/comments", json=fields_of(**changed))
    return response.status


async def test_a_commenter_who_sends_the_same_again_and_again_is_stopped(opened):
    _, client = await opened(rate_limit="4/300")
    assert [await send(client) for _ in range(12)] == [201, 409, 409, 409] + [429] * 8


async def add_refusing_rules(service):
    for kind, match in ((RuleKind.LINKS, "0"), (RuleKind.TOO_MANY, "1"), (RuleKind.TOO_FAST, "60")):
        await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match, effect=Effect.REFUSE))


async def close_the_thread(service):
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(closed=True))


async def nothing(_service):
    """Change nothing before the requests."""


REFUSED = {
    "duplicate": (nothing, {}, 409),
    "unknown parent": (nothing, {"comment": "A reply", "parent": NOBODY}, 422),
    "unknown site": (nothing, {"comment": "A text", "site": "nowhere.example"}, 422),
    "foreign thread": (nothing, {"comment": "A text", "thread": "https://foreign.example/"}, 422),
    "reused submission": (nothing, {"comment": "Another text", "submission": "form-0001"}, 422),
    "closed thread": (close_the_thread, {"comment": "Too late"}, 403),
    "rule": (add_refusing_rules, {"comment": "See https://a.example"}, 403),
    "pace rule": (add_refusing_rules, {"comment": "Once more"}, 429),
}


@pytest.mark.parametrize(("prepare", "sent", "status"), REFUSED.values(), ids=REFUSED)
async def test_every_refused_comment_counts_against_the_rate_limit(opened, clock, prepare, sent, status):
    service, client = await opened(rate_limit="3/300")
    assert await send(client, submission="form-0001" if "submission" in sent else None) == 201
    await prepare(service)
    assert [await send(client, **sent) for _ in range(2)] == [status, status]
    assert await send(client, comment="Something else", thread="/other/") == 429
    clock.move(hours=2)
    assert await send(client, comment="Something else", thread="/other/") == 201


TOKENS = {
    "no token": ("PATCH", "", {"comment": "Mine"}, "", 401),
    "wrong token": ("PATCH", "", {"comment": "Mine"}, "ct_wrong", 403),
    "withdrawn with a wrong token": ("DELETE", "", None, "ct_wrong", 403),
    "withdrawn without a token": ("DELETE", "", None, "", 401),
}


@pytest.mark.parametrize(("method", "path", "body", "token", "status"), TOKENS.values(), ids=TOKENS)
async def test_wrong_edit_tokens_count_against_the_rate_limit(opened, method, path, body, token, status):
    _, client = await opened(rate_limit="3/300")
    made = await (await client.post("/v1/comments", json=fields_of())).json()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sent = [
        (await client.request(method, f"/v1/comments/{made['id']}{path}", json=body, headers=headers)).status
        for _ in range(4)
    ]
    assert sent == [status, status, 429, 429]


async def test_reports_of_unknown_comments_count_like_reports(opened):
    _, client = await opened(rate_limit="2/300")
    sent = [(await client.post(f"/v1/comments/{NOBODY}/reports", json={})).status for _ in range(3)]
    assert sent == [404, 404, 429]
    assert await send(client) == 201


async def test_a_retry_that_gets_the_same_receipt_costs_nothing(opened):
    _, client = await opened(rate_limit="1/300")
    assert [await send(client, submission="form-0001") for _ in range(5)] == [201] * 5


UNREADABLE = {
    "typing error": {"json": fields_of(email="mia@example")},
    "nothing filled in": {"data": {"thread": "/a-page/", "comment": ""}},
    "not JSON": {"data": b"{", "headers": {"Content-Type": "application/json"}},
    "too large": {"json": {"comment": "x" * 70_000}},
    "unknown type": {"data": b"x", "headers": {"Content-Type": "text/plain"}},
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_commenter_may_correct_many_typing_errors(served, aiohttp_client, clock, sent):
    client = await aiohttp_client(application(await served(rate_limit="2/60", moderation=Mode.NONE)))
    most = 2 * rate_limit.REFUSALS_PER_COMMENT
    answers = [await client.post("/v1/comments", **sent) for _ in range(most + 2)]
    assert {answer.status for answer in answers[:most]} <= {400, 413, 415, 422}
    assert [answer.status for answer in answers[most:]] == [429, 429]
    assert answers[-1].headers["Retry-After"] == "3"
    assert await send(client) == 201, "a valid comment never waits for typing errors"
    clock.move(seconds=3)
    assert (await client.post("/v1/comments", **sent)).status in {400, 413, 415, 422}
    assert (await client.post("/v1/comments", **sent)).status == 429


async def test_unreadable_edits_and_reports_count_too_and_reads_do_not(served, aiohttp_client):
    client = await aiohttp_client(application(await served(rate_limit="1/60")))
    for _ in range(30):
        assert (await client.get("/v1/comments", params={"limit": "many"})).status == 422
    path = f"/v1/comments/{NOBODY}"
    sent = [(await client.patch(path, json={})).status for _ in range(5)]
    sent += [(await client.post(f"{path}/reports", json={"reason": 7})).status for _ in range(6)]
    assert sent == [422] * 10 + [429]


async def test_wrong_api_keys_are_limited_and_a_valid_key_always_works(opened):
    service, client = await opened(rate_limit="1/60")
    wrong, right = {"Authorization": "Bearer ck_wrong"}, await a_key(service)
    paths = ["/v1/threads", "/v1/keys", "/v1/audit", "/v1/moderation/comments"] * 3
    sent = [(await client.get(path, headers=wrong)).status for path in paths]
    assert sent == [401] * 10 + [429] * 2
    assert (await client.get("/v1/threads", headers=right)).status == 200
    assert await send(client, email="mia@example") == 422, "typing errors of readers are counted apart"


async def test_a_reader_without_a_script_keeps_their_text_when_their_typing_errors_are_too_many(served, aiohttp_client):
    client = await aiohttp_client(application(await served(rate_limit="1/60")))
    browser = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    form = fields_of(email="mia@example", comment="Words that took an hour")
    for _ in range(11):
        response = await client.post("/v1/comments", data=form, headers=browser)
    assert response.status == 429
    assert "Words that took an hour" in await response.text()


async def test_networks_do_not_share_an_allowance_and_memory_is_limited():
    counter = rate_limit.RefusedRequests()
    assert [bool(counter.count("198.51.100.0/24", 0, (2, 60))) for _ in range(3)] == [False, False, True]
    for number in range(rate_limit.MAX_NETWORKS + 5):
        assert counter.count(f"2001:db8:{number:x}::/64", 0, (2, 60)) == 0
    assert len(counter._available_at) == rate_limit.MAX_NETWORKS


async def test_a_page_of_another_site_does_not_use_up_the_allowance_of_its_visitors(opened):
    _, client = await opened(rate_limit="1/300", sites="https://blog.example")
    foreign, own = {"Origin": "https://evil.example"}, {"Origin": "https://blog.example"}
    body = fields_of(thread="https://blog.example/a/")
    sent = [(await client.post("/v1/comments", json=body, headers=foreign)).status for _ in range(12)]
    assert sent == [403] * 10 + [429] * 2
    assert (await client.post("/v1/comments", json=body, headers=own)).status == 201


async def test_without_a_rate_limit_nothing_is_counted(opened):
    service, client = await opened(rate_limit="off")
    assert [await send(client) for _ in range(25)] == [201] + [409] * 24
    assert [await send(client, email="mia@example") for _ in range(25)] == [422] * 25
    assert await everything_in(service, "rate_limit") == []


async def test_the_dns_is_asked_only_for_comments_within_the_rate_limit(database_url, clock, name_server):
    async with a_service(database_url, clock, rate_limit="2/300", deliverability="on") as service:
        name_server.known.add("blog.example")
        receipt = await post.post_comment(service, draft(email="x@blog.example", submission="form-0001"), visit())
        with pytest.raises(Invalid):
            await post.post_comment(service, draft(email="x@typo.example"), visit())
        for _ in range(3):
            with pytest.raises(RateLimited):
                await post.post_comment(service, draft(email="x@other.example"), visit())
        assert name_server.asked == ["blog.example", "typo.example"]
        again = await post.post_comment(service, draft(email="x@blog.example", submission="form-0001"), visit())
        assert (again.id, len(name_server.asked)) == (receipt.id, 2), "a retry is neither counted nor checked"


async def test_a_refused_comment_with_a_checked_address_counts_once(database_url, clock, name_server):
    async with a_service(database_url, clock, rate_limit="3/300", deliverability="on") as service:
        name_server.known.add("blog.example")
        await post.post_comment(service, draft(email="x@blog.example"), visit())
        for _ in range(2):
            with pytest.raises(Invalid):
                await post.post_comment(service, draft(email="x@blog.example", parent=NOBODY), visit())
        with pytest.raises(RateLimited):
            await post.post_comment(service, draft(email="x@blog.example", comment="More"), visit())


class BusyNameServer(socketserver.ThreadingUDPServer):
    """A DNS server that answers when ``together`` questions have arrived, and knows every domain."""

    def __init__(self, together):
        super().__init__(("127.0.0.1", 0), None)
        self.gate, self.lock = threading.Barrier(together), threading.Lock()
        self.now, self.most = 0, 0

    def finish_request(self, request, client_address):
        data, answering = request
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(10)
        with self.lock:
            self.now -= 1
        self.gate.wait(10)  # nobody's next question arrives before all of this round are counted off
        reply = dns.message.make_response(dns.message.from_wire(data))
        name = reply.question[0].name
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", "10 mail.example."))
        answering.sendto(reply.to_wire(), client_address)


@pytest.mark.parametrize(
    ("networks", "together"), [(1, deliverability.LOOKUPS_PER_NETWORK), (8, deliverability.LOOKUPS)]
)
async def test_no_network_and_no_crowd_starts_more_lookups_than_allowed(served, monkeypatch, networks, together):
    service = await served(deliverability="on")
    with BusyNameServer(together) as server:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        answering.start()
        try:
            await asyncio.gather(
                *(
                    post.post_comment(
                        service,
                        draft(comment=f"Number {number}", email=f"x@blog{number}.example"),
                        visit(address=f"203.0.{number % networks}.1"),
                    )
                    for number in range(2 * together)
                )
            )
        finally:
            server.shutdown()
            answering.join()
    assert server.most == together
