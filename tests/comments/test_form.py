"""A visitor opens a form."""

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
from commentsvc.config import OLDEST_SECONDS, Config
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

NEIGHBOUR = visit(address="198.51.100.200")  # of the same /24 as everybody's
STRANGER = visit(address="203.0.113.5")


async def send(service, number, **sent_from):
    return await post.post_comment(service, draft(comment=f"Comment {number}."), visit(**sent_from))


async def asks_work(service, who):
    return (await open_form(service, who)).altcha is not None


async def test_a_form_is_told_when_it_was_opened(service, clock):
    form = await open_form(service, visit())
    clock.move(minutes=1)

    assert form_token.read_form_token(service.keyring, form.started, clock(), (60, 61))[0] == FormTokenState.VALID
    assert form_token.read_form_token(service.keyring, form.started, clock(), (61, 99))[0] == FormTokenState.TOO_QUICK
    again = await open_form(service, visit())
    assert again.started != form.started


async def test_a_form_without_script_is_told_too(service, clock):
    token = create_form_token(service)
    clock.move(minutes=1)
    assert form_token.read_form_token(service.keyring, token, clock(), (60, 61))[0] == FormTokenState.VALID


@pytest.mark.parametrize("proof", ["off", "on"])
async def test_to_open_a_form_needs_no_database(tmp_path, clock, proof):
    gone = await open_database(f"sqlite:///{tmp_path}/gone.db")
    await gone.close()
    service = Service(db=gone, config=Config(proof_of_work=proof), keyring=Keyring([SECRET]), clock=clock)
    assert await asks_work(service, visit()) == (proof == "on")


async def test_the_work_is_as_dear_as_the_operator_says_and_good_for_as_long_as_the_form(database_url, clock):
    settings = {"proof_of_work": "on", "proof_cost": 17, "form_seconds": "5-600"}
    async with a_service(database_url, clock, **settings) as service:
        form = await open_form(service, visit())
    form_id = service.keyring.subject("form", form.started, clock())
    until = form.altcha.parameters.expires_at
    assert until == int(clock().timestamp()) + 600
    clock.move(seconds=600)
    assert form.altcha == proof_of_work.create_challenge(service.keyring, form_id, 17, clock())


async def test_where_work_is_asked_of_the_suspicious_nobody_else_is_asked(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        assert not await asks_work(service, visit())
        await send(service, 1)
        assert not await asks_work(service, visit())


async def test_a_network_that_sent_spam_is_asked_for_work(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        sent = await send(service, 1)
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[sent.id]))

        assert await asks_work(service, NEIGHBOUR)
        assert not await asks_work(service, STRANGER)
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[sent.id]))
        assert not await asks_work(service, NEIGHBOUR)


async def test_what_a_rule_calls_spam_asks_nobody_for_work(database_url, clock):
    """A rule may go by an email: who is then asked for work would learn whose is banned."""
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        banned = NewRule(kind=RuleKind.EMAIL, match="mia@example.com", effect=Effect.SPAM)
        await manage.add_rule(service, EVERYTHING, banned)
        sent = await send(service, 1)
        assert (await queue.get_comment_detail(service, EVERYTHING, sent.id)).status == Status.SPAM

        assert not await asks_work(service, visit())


async def test_a_network_that_writes_much_within_the_hour_is_asked_for_work(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        for number in range(SUSPICIOUS_PER_HOUR - 1):
            await send(service, number)
        assert not await asks_work(service, visit())
        await send(service, "the tenth")

        assert await asks_work(service, NEIGHBOUR)
        assert not await asks_work(service, STRANGER)
        clock.move(minutes=61)
        assert not await asks_work(service, NEIGHBOUR)


async def test_an_ipv6_network_is_a_64(database_url, clock):
    async with a_service(database_url, clock, proof_of_work="suspicious") as service:
        for number in range(SUSPICIOUS_PER_HOUR):
            await send(service, number, address=f"2001:db8:1:2::{number:x}")
        assert await asks_work(service, visit(address="2001:db8:1:2:ffff::1"))
        assert not await asks_work(service, visit(address="2001:db8:1:3::1"))


@pytest.mark.parametrize("proof", ["off", "on"])
async def test_in_a_unit_of_work_one_can_ask_the_same(database_url, clock, proof):
    async with a_service(database_url, clock, proof_of_work=proof) as service:
        assert await requires_proof_of_work(service, visit()) == (proof == "on")
        assert not await private_read(is_suspicious_network)(service, visit())


async def test_a_name_is_used_up_once(service):
    assert await write(used_tokens.use_once)(service, "form:1", service.now())
    assert not await write(used_tokens.use_once)(service, "form:1", service.now())
    assert await write(used_tokens.use_once)(service, "work:1", service.now())


async def test_of_many_at_once_one_uses_it_up(service):
    uses = [write(used_tokens.use_once)(service, "form:1", service.now()) for _ in range(20)]
    assert sorted(await asyncio.gather(*uses)) == [False] * 19 + [True]


async def test_what_is_not_kept_uses_nothing_up(service):
    async def refuse(tx):
        await used_tokens.use_once(tx, "form:1", service.now())  # of two at once either may come first
        raise LookupError

    outcomes = await asyncio.gather(
        write(refuse)(service),
        write(used_tokens.use_once)(service, "form:1", service.now()),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [LookupError, bool]
    assert outcomes[1] is True
    assert len(await everything_in(service, "used_token")) == 1


async def test_a_used_name_is_forgotten_when_it_is_too_old_anyway(service, clock):
    await write(used_tokens.use_once)(service, "form:1", service.now())
    clock.move(seconds=OLDEST_SECONDS)
    await write(used_tokens.delete_expired)(service, service.ago(seconds=OLDEST_SECONDS))
    assert len(await everything_in(service, "used_token")) == 1
    clock.move(seconds=1)
    await write(used_tokens.delete_expired)(service, service.ago(seconds=OLDEST_SECONDS))
    assert await everything_in(service, "used_token") == []


async def filled_in(service, clock):
    """What a browser sends that opened a form, did the work, and took a minute."""
    form = await open_form(service, visit())
    challenge = altcha.Challenge.from_dict(json.loads(msgspec.json.encode(form.altcha)))
    clock.move(minutes=1)
    return {"started": form.started, "altcha": altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()}


@asynccontextmanager
async def asking_for_all(database_url, clock):
    asks = {"form_seconds": "3-86400", "proof_of_work": "on", "proof_cost": 10, "moderation": Mode.NONE}
    async with a_service(database_url, clock, **asks) as service:
        yield service


async def test_a_form_with_its_work_is_good_for_one_comment(database_url, clock):
    async with asking_for_all(database_url, clock) as service:
        shown = await filled_in(service, clock)
        first = await post.post_comment(service, draft(comment="One.", **shown), visit())
        second = await post.post_comment(service, draft(comment="Two.", **shown), visit())
    assert (first.status, second.status) == ("approved", "pending")


@pytest.mark.parametrize(("missing", "status"), [("started", "approved"), ("altcha", "pending")])
async def test_without_work_a_comment_waits_but_not_for_leaving_out_a_time(database_url, clock, missing, status):
    async with asking_for_all(database_url, clock) as service:
        shown = await filled_in(service, clock) | {missing: None}
        receipt = await post.post_comment(service, draft(**shown), visit())
    assert receipt.status == status


async def test_a_refused_comment_uses_up_neither_form_nor_work(database_url, clock):
    async with asking_for_all(database_url, clock) as service:
        shown = await filled_in(service, clock)
        with pytest.raises(Invalid):
            await post.post_comment(service, draft(parent="no-such-comment", **shown), visit())
        await post.post_comment(service, draft(comment="Said before."), visit())
        with pytest.raises(Duplicate):
            await post.post_comment(service, draft(comment="Said before.", **shown), visit())
        mended = await post.post_comment(service, draft(**shown), visit())
    assert mended.status == "approved"


async def test_a_comment_that_is_sent_again_gets_its_answer_though_its_form_is_used_up(database_url, clock):
    async with asking_for_all(database_url, clock) as service:
        same = draft(submission="the-same-form", **await filled_in(service, clock))
        first, again = [await post.post_comment(service, same, visit()) for _ in range(2)]
    assert first.status == "approved"
    assert first == again


async def test_of_one_form_sent_many_times_at_once_one_passes(database_url, clock):
    async with asking_for_all(database_url, clock) as service:
        shown = await filled_in(service, clock)
        sent = [post.post_comment(service, draft(comment=f"{number}", **shown), visit()) for number in range(10)]
        statuses = [receipt.status for receipt in await asyncio.gather(*sent)]
    assert sorted(statuses) == ["approved"] + ["pending"] * 9


@pytest.mark.parametrize(
    ("text", "age"),
    [("", (3, 86_400)), ("off", None), ("0-60", (0, 60)), ("10-604800", (10, 604_800))],
)
def test_how_old_a_form_may_be_is_the_operators_to_say(text, age):
    assert Config.read({"COMMENTSVC_FORM_SECONDS": text}).form_age == age


@pytest.mark.parametrize(
    ("name", "text", "said"),
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
def test_a_wrong_wish_is_named_with_what_would_be_right(name, text, said):
    with pytest.raises(ConfigurationError) as refused:
        Config.read({f"COMMENTSVC_{name}": text})
    assert str(refused.value).startswith(f"COMMENTSVC_{name} must ")
    assert said in str(refused.value)


async def test_a_page_of_the_blog_opens_a_form_and_nothing_keeps_the_answer(served, aiohttp_client):
    client = await aiohttp_client(application(await served(proof_of_work="on")))
    response = await client.get("/v1/form", headers={"Origin": "http://localhost:4000"})

    form = await response.json()
    assert set(form) == {"started", "altcha"}
    assert form["started"].startswith("cf_")
    assert form["altcha"]["parameters"]["algorithm"] == "PBKDF2/SHA-256"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:4000"


async def test_where_no_work_is_asked_for_the_form_says_so(client):
    form = await (await client.get("/v1/form")).json()
    assert form["altcha"] is None
