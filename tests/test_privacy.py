"""No public response, log or plain database column reveals an email address."""

import base64
import hashlib
import io
import json
import logging
import re
import uuid
from itertools import count

import pytest

from commentsvc.access import moderators
from commentsvc.app import join_outlets
from commentsvc.cli import log_format
from commentsvc.comments.post import post_comment
from commentsvc.config.settings import Config
from commentsvc.delivery import outbox
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Contact, Effect, Mode, RuleKind, Status, StatusFilter, Visit
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import PrivateSearch
from commentsvc.operations import maintenance, secrets, startup
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import Service, write
from commentsvc.storage import addresses, schema, subscriptions
from commentsvc.storage.subscriptions import NewSubscription
from commentsvc.web.pages import assets
from commentsvc.web.routes import ROUTES, application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_key, a_service, draft, fields_of, open_database, visit
from tests.delivery.test_outbox import MAIL

VARYING_HEADERS = {"X-Request-ID", "Date"}  # a random id, and the time of the real clock
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


def counting_ids():
    numbers = count(1)
    return lambda: str(uuid.UUID(int=next(numbers) | 7 << 76 | 2 << 62))


async def read_answer(response):
    headers = sorted((name, value) for name, value in response.headers.items() if name not in VARYING_HEADERS)
    return response.status, headers, await response.read()


async def send_all_requests(client, key, emails):
    """Send every public request with these emails; return every public byte of every answer."""
    first, second, third = emails
    answers = []

    async def send(method, path, **more):
        answers.append(await read_answer(await client.request(method, path, allow_redirects=False, **more)))
        return answers[-1]

    async def post(**changed):
        status, _, body = await send("POST", "/v1/comments", json=fields_of(**changed))
        return json.loads(body) if status < 300 else {}

    async def approve(*ids):
        done = await client.post("/v1/moderation/actions", json={"action": "approve", "ids": ids}, headers=key)
        assert done.status == 200

    one = await post(email=first, comment="One.")
    two = await post(email=second, comment="Two.")
    await post(email=third, comment="One.")  # a duplicate of another author's comment
    await send("GET", "/v1/form")
    await post(email=first, comment="One.", submission="same-form-1")
    await post(email=first, comment="Three.", submission="same-form-2")
    await post(email=first, comment="Three.", submission="same-form-2")
    await approve(one["id"])
    await post(email=first, comment="A known writer, perhaps.", name="Mia")
    await post(email=third, comment="A stranger, perhaps.", name="Mia")
    await post(email=third, comment="Proven.", author_token=one["author_token"])
    await post(email=second, comment="A reply.", parent=one["id"])
    await post(email=second, comment="A reply to what waits.", parent=two["id"])
    await post(email=first, comment="", name="", website="nonsense")
    for address in emails:
        await send("POST", "/v1/comments", data=fields_of(email=address, comment=""), headers=FORM)
    await send("POST", "/v1/comments", data=fields_of(email=second, comment="By form."), headers=FORM)
    mine = {"Authorization": f"Bearer {two['edit_token']}"}
    await send("PATCH", f"/v1/comments/{two['id']}", json={"comment": "Two, mended."}, headers=mine)
    for path in (
        "/v1/comments?thread=/a-page/",
        "/v1/comments?thread=/a-page/&view=flat&order=newest",
        "/v1/comments?thread=/unknown/",
        "/v1/comments.html?thread=/a-page/",
        f"/v1/comments/{one['id']}",
        f"/v1/comments/{two['id']}",
        "/v1/counts?thread=/a-page/",
        "/v1/latest",
        "/v1/form",
        "/v1/comments.atom?thread=/a-page/",
        "/v1/latest.atom",
        "/t?thread=/a-page/",
        f"/c/{one['id']}",
        f"/c/{two['id']}",
        "/",
        "/docs",
        "/openapi.json",
        "/readyz",
        "/version",
        "/nowhere",
        "/moderate",
        "/moderate/comments/" + one["id"],
        "/sign-in/nobodys",
        "/queue/nobodys.atom",
        "/m/nobodys",
        "/m/stop/nobodys",
        "/confirm/nobodys",
        "/mine",
        "/mine/nobodys",
        "/mine/nobodys/export",
    ):
        await send("GET", path)
        await send("GET", path, headers=mine)
    for _ in range(2):
        await send("POST", f"/v1/comments/{one['id']}/reports", json={"reason": "rude"})
        await send("POST", f"/v1/comments/{two['id']}/reports", json={})
    await post(email=second, comment="With mail.", subscribe="replies")
    await post(email=second, comment="With mail, proven.", subscribe="thread", author_token=one["author_token"])
    for number, address in enumerate(emails):
        await send("POST", "/v1/subscriptions", json={"email": address, "thread": "/a-page/"})
        await send("POST", "/v1/subscriptions", data={"email": address, "scope": "site"}, headers=FORM)
        await send(
            "POST",
            "/v1/comments",
            data=fields_of(email=address, subscribe="replies", comment=f"Mail {number}."),
            headers=FORM,
        )
    await send("GET", "/u/nobodys")
    await send("POST", "/u/nobodys", data={"List-Unsubscribe": "One-Click"})
    await send("POST", "/v1/preview", json={"comment": "*x*"})
    for address in emails:
        await send("POST", "/mine", data={"email": address}, headers=FORM)
        await send("POST", "/mine/nobodys", data={"act": "erase_all"}, headers=FORM)
    await send("POST", "/confirm/nobodys")
    await send("POST", "/v1/proofs", json={"code": "cp_nobodys", "author_token": one["author_token"]})
    for address in emails:
        await send("POST", "/moderate/sign-in", data={"key": address}, headers={"Sec-Fetch-Site": "same-origin"})
        await send("POST", "/moderate/sign-in-link", data={"email": address}, headers={"Sec-Fetch-Site": "same-origin"})
    await send("DELETE", f"/v1/comments/{two['id']}", headers=mine)
    await send("GET", "/v1/moderation/comments")
    return answers


class RequestRunner:
    """Sends the same requests with the same clock, ids and secrets, each time to a new database."""

    def __init__(self, tmp_path, clock, aiohttp_client):
        self.tmp_path, self.clock, self.aiohttp_client = tmp_path, clock, aiohttp_client

    async def run(self, name, emails, *, prepare=None, **settings):
        database = await open_database(f"sqlite:///{self.tmp_path}/{name}.db")
        limits = {"rate_limit": "off", "form_seconds": "off", "proof_of_work": "suspicious"}
        config = Config(database_url="sqlite:///unused.db", erasure_journal="off", **(limits | settings))
        service = Service(
            db=database, config=config, keyring=Keyring([SECRET]), clock=self.clock, new_id=counting_ids()
        )
        await schema.migrate(database, service.now())
        await startup.prepare_database(service)
        if prepare:
            await prepare(service)
        client = await self.aiohttp_client(application(service))
        answers = await send_all_requests(client, await a_key(service), emails)
        if config.smtp_url:
            await outbox.expand_events(service, join_outlets(config).fan_outs)
        await database.close()
        return answers


@pytest.mark.parametrize(
    "others",
    [
        ("aa@example.org", "bb@example.org", "cc@example.org"),
        ("MIA@EXAMPLE.COM", "mia@example.com", "Mia@Example.com"),  # one mailbox, three spellings
        ("a.very.long.address.with.many.dots@a.long.domain.example.co.uk", "用户@例子.广告", "12345678@example.com"),
    ],
)
async def test_public_responses_do_not_depend_on_the_email(tmp_path, clock, aiohttp_client, others):
    runner = RequestRunner(tmp_path, clock, aiohttp_client)
    first_run = await runner.run("first_run", ("mia@example.com", "noa@example.com", "lea@example.com"))
    second_run = await runner.run("second_run", others)

    assert len(first_run) == len(second_run) > 40
    for one, other in zip(first_run, second_run, strict=True):
        # A refused form repeats the email to the person who typed it; this answer is not cached.
        assert _without_typed_email(one) == _without_typed_email(other)


async def add_bans(service):
    """Add email rules of every kind and effect, and a moderator whose address a stranger may type."""
    for kind, match, effect in (
        ("email", "held@example.com", "hold"),
        ("email", "spammer@example.com", "spam"),
        ("email_domain", "held.example", "hold"),
        ("email_domain", "spam.example", "spam"),
        ("disposable", "", "spam"),
        ("all", "newcomer\nemail_domain: held.example", "spam"),
        ("all", "length: 1..\nemail_domain: spam.example", "note"),
    ):
        new = NewRule(kind=RuleKind(kind), match=match, effect=Effect(effect))
        await manage.add_rule(service, EVERYTHING, new)
    await moderators.add_moderator(service, "Ada", Email("ada@blog.example"), [])


@pytest.mark.parametrize("mode", Mode)
async def test_public_responses_do_not_reveal_a_banned_email_or_a_moderators_email(
    tmp_path, clock, aiohttp_client, mode
):
    runner = RequestRunner(tmp_path, clock, aiohttp_client)
    mail = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example"}
    runs = [
        await runner.run(name, emails, prepare=add_bans, moderation=mode, **mail)
        for name, emails in (
            ("strangers", ("mia@example.org", "noa@example.org", "lea@example.org")),
            ("banned", ("held@example.com", "spammer@example.com", "ada@blog.example")),
            ("domains", ("a@spam.example", "b@held.example", "c@mailinator.com")),
            ("mixed", ("ada@blog.example", "SPAMMER@example.com", "x@y.spam.example")),
        )
    ]
    assert_alike(runs)


ADDRESS_STATES = ("known@example.com", "confirmed@example.com", "bounced@example.com", "stopped@example.com")


@write
async def add_addresses(unit):
    """Bring an address to each state, and let each subscribe to the site; the strangers are in none."""
    site_id = (await unit.one("SELECT id FROM site"))["id"]
    for email in ADDRESS_STATES:
        address = await addresses.find_or_add(unit, Email(email))
        new = NewSubscription(address_id=address.id, site_id=site_id, scope=SubscriptionScope.SITE, language="en")
        subscription = await subscriptions.add(unit, new)
        if email != "known@example.com":
            await addresses.confirm(unit, address.id, unit.now())
            await subscriptions.confirm(unit, subscription.id, unit.now())
        if email.startswith("bounced"):
            await addresses.suppress(unit, address.id, "bounce", unit.now())
        if email.startswith("stopped"):
            await addresses.suppress(unit, address.id, "request", unit.now())


@pytest.mark.parametrize("mode", [Mode.ALL, Mode.NONE])
async def test_public_responses_do_not_reveal_who_gets_mail(tmp_path, clock, aiohttp_client, mode):
    runner = RequestRunner(tmp_path, clock, aiohttp_client)
    runs = [
        await runner.run(name, emails, prepare=add_addresses, moderation=mode, **MAIL)
        for name, emails in (
            ("strangers", ("mia@example.org", "noa@example.org", "lea@example.org")),
            ("first", ADDRESS_STATES[:3]),
            ("last", ADDRESS_STATES[1:]),
            ("spelled", ("STOPPED@example.com", *ADDRESS_STATES[:2])),
        )
    ]
    assert sum(status == 202 for status, _, _ in runs[0]) > 5
    assert_alike(runs)


def assert_alike(runs):
    strangers, *others = runs
    for other in others:
        for one, same in zip(strangers, other, strict=True):
            assert _without_typed_email(one) == _without_typed_email(same)


def _without_typed_email(answer):
    status, headers, body = answer
    if status == 422 and b"<form" in body:
        body = re.sub(rb'(name="email"[^>]*) value="[^"]*"', rb"\1", body)
        headers = [(name, value) for name, value in headers if name != "Content-Length"]
        assert ("Cache-Control", "no-store") in headers
    return status, headers, body


def encodings_of(address):
    """Return the spellings, encodings and digests of an address that could reveal it."""
    plain = {address, address.lower(), address.replace("@", "%40"), address.replace("@", "&#64;")}
    raw = {base64.b64encode(b"x" * pad + address.encode()).decode()[4:-4] for pad in range(3)}
    digests = {
        hashlib.new(name, spelling.encode()).hexdigest()[:10]
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b")
        for spelling in (address, address.lower(), address.strip().lower())
    }
    return [text.encode() for text in plain | raw | digests]


async def test_an_email_is_stored_only_encrypted_and_never_logged(tmp_path, clock, aiohttp_client, caplog):
    canary = "c0ffee0123456789abcdef@canary.example.com"
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log_format.Formatter("text"))
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    runner = RequestRunner(tmp_path, clock, aiohttp_client)
    answers = await runner.run("kept", (canary, canary.upper().replace("CANARY", "canary"), canary), **MAIL)
    logging.getLogger().removeHandler(handler)

    outputs = [body for status, _, body in answers if not (status == 422 and b"<form" in body)]
    outputs += [str(headers).encode() for _, headers, _ in answers]
    outputs += [written.getvalue().encode(), caplog.text.encode()]
    outputs += [file.read_bytes() for file in tmp_path.glob("kept.db*")]
    assert len(outputs) > 80
    for output in outputs:
        for encoding in encodings_of(canary):
            assert encoding not in output
            assert encoding not in output.lower()


async def test_an_internal_error_does_not_reveal_the_submitted_data(service, aiohttp_client):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log_format.Formatter("json"))
    logging.getLogger().addHandler(handler)
    client = await aiohttp_client(application(service))

    async def break_it(tx):
        await tx.run("ALTER TABLE decision RENAME TO elsewhere")

    await write(break_it)(service)
    response = await client.post("/v1/comments", json=fields_of(email="canary@example.com", name="Canary"))
    logging.getLogger().removeHandler(handler)

    assert response.status in {500, 503}
    assert "anary" not in await response.text()
    assert "decision" not in await response.text()
    assert "anary" not in written.getvalue()
    assert response.headers["X-Request-ID"] in written.getvalue(), "an operator can find the error in the log"


def test_objects_with_private_data_do_not_print_it(clock):
    email = Email("mia@example.com")
    config = Config(secret_key=SECRET, admin_key=SECRET)
    holders = [
        email,
        draft(),
        Contact("id", "sealed", "digest", "198.51.100.0/24", "digest", "Browser", "2026", "site", Status.PENDING),
        Visit("https://blog.example", "198.51.100.7", "Browser"),
        config,
        Keyring([SECRET]),
    ]
    for holder in holders:
        for text in (repr(holder), str(holder), f"{holder}", repr([holder]), f"{[holder]!r}"):
            for secret in ("mia@", "198.51", "Browser", SECRET, "sealed"):
                assert secret not in text


async def test_a_network_is_stored_shortened_and_deleted_after_its_retention(service, clock):
    await post_comment(service, draft(), visit(address="2001:db8:aa:bb:cc:dd:ee:ff", agent="A browser"))
    await post_comment(service, draft(comment="v4"), visit(address="198.51.100.77"))
    await post_comment(service, draft(comment="mapped"), visit(address="::ffff:198.51.100.78"))
    kept = await everything_in(service, "contact")
    assert [row["network"] for row in kept] == ["2001:db8:aa:bb::/64", "198.51.100.0/24", "198.51.100.0/24"]
    assert "198.51.100.7" not in str([row["network_digest"] for row in kept])

    clock.move(days=29)
    await maintenance.delete_expired(service)
    assert (await everything_in(service, "contact"))[0]["agent"] == "A browser"
    clock.move(days=2)
    await maintenance.delete_expired(service)
    kept = await everything_in(service, "contact")
    assert {(row["network"], row["network_digest"], row["agent"]) for row in kept} == {(None, None, None)}


async def test_an_email_is_encrypted_differently_each_time_and_found_by_its_digest(service):
    await post_comment(service, draft(), visit())
    await post_comment(service, draft(comment="again", email="MIA@example.com"), visit())

    one, two = await everything_in(service, "contact")
    assert one["email_sealed"] != two["email_sealed"]
    assert one["email_digest"] == two["email_digest"]


async def test_an_operator_rotates_the_secret_key_without_losing_data(database_url, clock):
    search = PrivateSearch(status=StatusFilter.ANY, email=Email("Mia@example.com"))
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        receipt = await post_comment(service, draft(), visit())
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        async with a_service(database_url, clock, secrets=[SECRET]):
            pass
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        await post_comment(service, draft(comment="With the new key."), visit())
        assert len((await queue.search_comments(service, EVERYTHING, search)).comments) == 2
        assert service.keyring.subject("edit", receipt.edit_token, clock()) == receipt.id
        assert await secrets.reseal_emails(service) == secrets.Resealed(2, 0)
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        found = (await queue.search_comments(service, EVERYTHING, search)).comments
        assert [card.email for card in found] == ["mia@example.com"] * 2


def test_every_public_route_is_among_the_requests():
    """Add a new public route to ``send_all_requests`` above."""
    covered = {
        "/v1/comments", "/v1/comments/{id}", "/v1/comments/{id}/reports", "/v1/form", "/v1/counts", "/v1/latest",
        "/v1/comments.atom", "/v1/latest.atom",
        "/v1/preview", "/healthz", "/readyz",
        "/version", "/openapi.json", "/", "/t", "/c/{id}", "/docs", "/docs.js", "/page.css", "/page.js",
        "/sign-in/{token}", "/m/{token}", "/m/stop/{token}", "/moderate/sign-in", "/moderate/sign-in-link",
        "/queue/{token}.atom", "/moderate.js", "/moderate.css", "/rules.css", "/statistics.css",
        "/import.js", "/import.css", "/v1/subscriptions", "/u/{token}",
        "/v1/proofs", "/confirm/{token}", "/mine", "/mine/{token}", "/mine/{token}/export",
        "/v1/comments.html", "/embed.js", "/embed.{digest}.js", "/embed-form.{digest}.js", "/thread.css",
        *assets.NAMES_ELSEWHERE,
    }  # fmt: skip
    assert {route.path for route in ROUTES if route.scope is None and route.session_scope is None} == covered
