"""A visitor opens a comment form and gets a form token and a proof-of-work challenge."""

import asyncio
import json
from contextlib import asynccontextmanager

import altcha
import msgspec
import pytest

from commentsvc.comments import post
from commentsvc.comments.form import (
    SUSPICIOUS_PER_HOUR,
    create_form_token,
    is_suspicious_network,
    open_form,
    requires_proof_of_work,
)
from commentsvc.config.environment import read_config
from commentsvc.config.settings import OLDEST_SECONDS, Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Duplicate, Invalid
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind, Status
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action
from commentsvc.rules import form_token, manage, proof_of_work
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.schemas import NewRule
from commentsvc.service import Service, private_read, write
from commentsvc.storage import used_tokens
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, SECRET, a_service, draft, open_database, visit

NEIGHBOUR = visit(address="198.51.100.200")  # in the same /24 network as the default visitor
STRANGER = visit(address="203.0.113.5")


async def send(service, number, **sent_from):
    return await post.post_comment(service, draft(comment=f"Comment {number}."), visit(**sent_from))


async def form_has_challenge(service, visitor):
    return (await open_form(service, visitor)).altcha is not None


async def test_a_form_token_records_when_the_form_was_opened(service, clock):
    form = await open_form(service, visit())
    clock.move(minutes=1)

    assert form_token.read_form_token(service.keyring, form.started, clock(), (60, 61))[0] == FormTokenState.VALID
    assert form_token.read_form_token(service.keyring, form.started, clock(), (61, 99))[0] == FormTokenState.TOO_QUICK
    again = await open_form(service, visit())
    assert again.started != form.started


async def test_a_form_without_javascript_also_has_a_form_token(service, clock):
    token = create_form_token(service)
    clock.move(minutes=1)
    assert form_token.read_form_token(service.keyring, token, clock(), (60, 61))[0] == FormTokenState.VALID


@pytest.mark.slow
@pytest.mark.parametrize("proof", ["off", "on"])
async def test_the_service_opens_a_form_without_the_database(tmp_path, clock, proof):
    closed = await open_database(f"sqlite:///{tmp_path}/closed.db")
    await closed.close()
    service = Service(db=closed, config=Config(proof_of_work=proof), keyring=Keyring([SECRET]), clock=clock)
    assert await form_has_challenge(service, visit()) == (proof == "on")


async def test_a_challenge_has_the_configured_cost_and_expires_with_the_form(database_url, clock):
    settings = {"proof_of_work": "on", "proof_cost": 17, "form_seconds": "5-600"}
    async with a_service(database_url, clock, **settings) as service:
        form = await open_form(service, visit())
    form_id = service.keyring.subject("form", form.started, clock())
    until = form.altcha.parameters.expires_at
    assert until == int(clock().timestamp()) + 600
    clock.move(seconds=600)
    assert form.altcha == proof_of_work.create_challenge(service.keyring, form_id, 17, clock())


async def test_mode_suspicious_asks_a_normal_visitor_for_no_proof_of_work(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        assert not await form_has_challenge(service, visit())
        await send(service, 1)
        assert not await form_has_challenge(service, visit())


async def test_a_network_that_sent_spam_must_send_a_proof_of_work(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        sent = await send(service, 1)
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[sent.id]))

        assert await form_has_challenge(service, NEIGHBOUR)
        assert not await form_has_challenge(service, STRANGER)
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[sent.id]))
        assert not await form_has_challenge(service, NEIGHBOUR)


async def test_spam_found_by_a_rule_does_not_require_a_proof_of_work(database_url, clock):
    """A rule may match an email. A challenge would reveal which email is banned."""
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        banned = NewRule(kind=RuleKind.EMAIL, match="mia@example.com", effect=Effect.SPAM)
        await manage.add_rule(service, EVERYTHING, banned)
        sent = await send(service, 1)
        assert (await queue.get_comment_detail(service, EVERYTHING, sent.id)).status == Status.SPAM

        assert not await form_has_challenge(service, visit())


async def test_a_network_that_posts_often_in_an_hour_must_send_a_proof_of_work(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        for number in range(SUSPICIOUS_PER_HOUR - 1):
            await send(service, number)
        assert not await form_has_challenge(service, visit())
        await send(service, "the tenth")

        assert await form_has_challenge(service, NEIGHBOUR)
        assert not await form_has_challenge(service, STRANGER)
        clock.move(minutes=61)
        assert not await form_has_challenge(service, NEIGHBOUR)


async def test_the_service_groups_ipv6_visitors_by_64_bit_prefix(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        for number in range(SUSPICIOUS_PER_HOUR):
            await send(service, number, address=f"2001:db8:1:2::{number:x}")
        assert await form_has_challenge(service, visit(address="2001:db8:1:2:ffff::1"))
        assert not await form_has_challenge(service, visit(address="2001:db8:1:3::1"))


@pytest.mark.parametrize("proof", ["off", "on"])
async def test_a_normal_network_must_send_a_proof_of_work_only_in_mode_on(database_url, clock, proof):
    async with a_service(database_url, clock, proof_of_work=proof) as service:
        assert await requires_proof_of_work(service, visit()) == (proof == "on")
        assert not await private_read(is_suspicious_network)(service, visit())


async def test_a_token_can_be_used_once(service):
    assert await write(used_tokens.use_once)(service, "form:1", service.now())
    assert not await write(used_tokens.use_once)(service, "form:1", service.now())
    assert await write(used_tokens.use_once)(service, "work:1", service.now())


async def test_one_of_many_concurrent_requests_uses_a_token(service):
    uses = [write(used_tokens.use_once)(service, "form:1", service.now()) for _ in range(20)]
    assert sorted(await asyncio.gather(*uses)) == [False] * 19 + [True]


async def test_a_failed_transaction_does_not_use_its_token(service):
    async def refuse(tx):
        await used_tokens.use_once(tx, "form:1", service.now())  # either transaction may run first
        raise LookupError

    outcomes = await asyncio.gather(
        write(refuse)(service),
        write(used_tokens.use_once)(service, "form:1", service.now()),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [LookupError, bool]
    assert outcomes[1] is True
    assert len(await everything_in(service, "used_token")) == 1


async def test_the_service_deletes_a_used_token_after_it_has_expired(service, clock):
    await write(used_tokens.use_once)(service, "form:1", service.now())
    clock.move(seconds=OLDEST_SECONDS)
    await write(used_tokens.delete_expired)(service, service.ago(seconds=OLDEST_SECONDS))
    assert len(await everything_in(service, "used_token")) == 1
    clock.move(seconds=1)
    await write(used_tokens.delete_expired)(service, service.ago(seconds=OLDEST_SECONDS))
    assert await everything_in(service, "used_token") == []


async def fill_form(service, clock):
    """Open a form, solve its challenge, wait a minute, and return the fields that a browser sends."""
    form = await open_form(service, visit())
    challenge = altcha.Challenge.from_dict(json.loads(msgspec.json.encode(form.altcha)))
    clock.move(minutes=1)
    return {"started": form.started, "altcha": altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()}


@asynccontextmanager
async def service_with_all_checks(database_url, clock):
    settings_of_checks = {"form_seconds": "3-86400", "proof_of_work": "on", "proof_cost": 10, "moderation": Mode.NONE}
    async with a_service(database_url, clock, **settings_of_checks) as service:
        yield service


async def test_a_form_token_and_its_proof_of_work_are_valid_for_one_comment(database_url, clock):
    async with service_with_all_checks(database_url, clock) as service:
        form_fields = await fill_form(service, clock)
        first = await post.post_comment(service, draft(comment="One.", **form_fields), visit())
        second = await post.post_comment(service, draft(comment="Two.", **form_fields), visit())
    assert (first.status, second.status) == ("approved", "pending")


@pytest.mark.parametrize(("missing", "status"), [("started", "approved"), ("altcha", "pending")])
async def test_a_comment_is_held_without_proof_of_work_but_not_without_form_token(database_url, clock, missing, status):
    async with service_with_all_checks(database_url, clock) as service:
        form_fields = await fill_form(service, clock) | {missing: None}
        receipt = await post.post_comment(service, draft(**form_fields), visit())
    assert receipt.status == status


async def test_a_refused_comment_does_not_use_its_form_token_or_proof_of_work(database_url, clock):
    async with service_with_all_checks(database_url, clock) as service:
        form_fields = await fill_form(service, clock)
        with pytest.raises(Invalid):
            await post.post_comment(service, draft(parent="no-such-comment", **form_fields), visit())
        await post.post_comment(service, draft(comment="Said before."), visit())
        with pytest.raises(Duplicate):
            await post.post_comment(service, draft(comment="Said before.", **form_fields), visit())
        corrected = await post.post_comment(service, draft(**form_fields), visit())
    assert corrected.status == "approved"


async def test_a_comment_sent_again_gets_the_first_answer_after_its_form_token_is_used(database_url, clock):
    async with service_with_all_checks(database_url, clock) as service:
        same = draft(submission="the-same-form", **await fill_form(service, clock))
        first, again = [await post.post_comment(service, same, visit()) for _ in range(2)]
    assert first.status == "approved"
    assert first == again


async def test_a_form_sent_many_times_at_once_publishes_one_comment(database_url, clock):
    async with service_with_all_checks(database_url, clock) as service:
        form_fields = await fill_form(service, clock)
        sent = [post.post_comment(service, draft(comment=f"{number}", **form_fields), visit()) for number in range(10)]
        statuses = [receipt.status for receipt in await asyncio.gather(*sent)]
    assert sorted(statuses) == ["approved"] + ["pending"] * 9


@pytest.mark.parametrize(
    ("text", "age"),
    [("", (3, 86_400)), ("off", None), ("0-60", (0, 60)), ("10-604800", (10, 604_800))],
)
def test_an_operator_sets_the_minimum_and_maximum_age_of_a_form(text, age):
    assert read_config({"COMMENTSVC_FORM_SECONDS": text}).form_age == age


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("FORM_SECONDS", "3", "off, or minimum-maximum in seconds such as 3-86400"),
        ("FORM_SECONDS", "-3-60", "off, or minimum-maximum"),
        ("FORM_SECONDS", "3-0", "off, or minimum-maximum"),
        ("FORM_SECONDS", "60-60", "a minimum below its maximum"),
        ("FORM_SECONDS", "60-3", "a minimum below its maximum"),
        ("FORM_SECONDS", "3-604801", "at most 604800 (one week)"),
        ("PROOF_OF_WORK", "yes", "one of: off, suspicious, on"),
        ("PROOF_COST", "9", "a whole number from 10 to 100000"),
        ("RATE_LIMIT", "many", "off, or number/seconds such as 20/300"),
    ],
)
def test_an_invalid_setting_is_rejected_with_the_valid_values(name, text, expected):
    with pytest.raises(ConfigurationError) as refused:
        read_config({f"COMMENTSVC_{name}": text})
    assert str(refused.value).startswith(f"COMMENTSVC_{name} must ")
    assert expected in str(refused.value)


async def test_a_blog_page_opens_a_form_and_the_answer_is_not_cached(served, aiohttp_client):
    client = await aiohttp_client(application(await served(proof_of_work="on")))
    response = await client.get("/v1/form", headers={"Origin": "http://localhost:4000"})

    form = await response.json()
    assert set(form) == {"started", "altcha", "email_required", "consent_required"}
    assert form["started"].startswith("cf_")
    assert form["altcha"]["parameters"]["algorithm"] == "PBKDF2/SHA-256"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:4000"


async def test_a_form_has_no_challenge_when_proof_of_work_is_off(client):
    form = await (await client.get("/v1/form")).json()
    assert form["altcha"] is None
