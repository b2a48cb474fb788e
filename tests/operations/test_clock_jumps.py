"""The clock of the computer jumps by a year, forward and back, while the service runs. Nobody notices afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from commentsvc.access import keys, moderators, sign_in
from commentsvc.access.rate_limit import RefusedRequests
from commentsvc.access.schemas import KeyRotation, NewKey
from commentsvc.access.sessions import authenticate_session
from commentsvc.audit.verification import verify_log
from commentsvc.comments.edit import edit_comment
from commentsvc.comments.form import create_form_token
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.errors import NotAuthor, RateLimited, Unauthorized
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import Mode, Scope
from commentsvc.operations import clock_trust, maintenance, preparation, servers
from commentsvc.rules import manage
from commentsvc.rules.form_token import FormTokenState, read_form_token
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post, visit

YEAR = timedelta(days=365)
START = datetime(2026, 1, 1, tzinfo=UTC)
JUMPS = pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["forward", "back"])


@pytest.fixture
async def strict(database_url, clock):
    """The service with rate limits and form checks, as it is without settings."""
    async with a_service(
        database_url, clock, rate_limit="3/60", form_seconds="3-3600", moderation=Mode.NONE
    ) as service:
        yield service


def state_of(service, form):
    return read_form_token(service.keyring, form, service.clock(), service.config.form_age)[0]


@JUMPS
async def test_a_form_is_not_too_quick_after_the_clock_was_wrong(strict, clock, jump):
    await post(strict, "Before.")
    before = create_form_token(strict)
    clock.time += jump
    during = create_form_token(strict)
    await post(strict, "During.")
    clock.time -= jump
    after = create_form_token(strict)
    clock.move(seconds=10)

    assert [state_of(strict, form) for form in (before, after)] == [FormTokenState.VALID] * 2
    assert state_of(strict, during) == (FormTokenState.VALID if jump > timedelta() else FormTokenState.EXPIRED)
    receipt = await post_comment(strict, draft(comment="From a form.", started=after), visit(address="192.0.2.1"))
    assert receipt.status == "approved"


async def test_a_form_from_a_wrong_clock_can_still_be_used_only_once(strict, clock):
    clock.time += YEAR
    form = create_form_token(strict)
    clock.time -= YEAR
    first = await post_comment(strict, draft(comment="Once.", started=form), visit())
    clock.move(days=10)
    await maintenance.delete_expired(strict)  # records of used tokens are deleted after a week
    again = await post_comment(strict, draft(comment="Twice.", started=form), visit())
    assert (first.status, again.status) == ("approved", "pending")


@JUMPS
async def test_a_network_does_not_wait_for_the_time_of_a_wrong_clock(strict, clock, jump):
    clock.time += max(jump, timedelta())  # a year ahead, or right: then a year back is the jump
    for number in range(3):
        await post(strict, f"Number {number}.")
    clock.time -= YEAR
    for number in range(3):
        await post(strict, f"After, number {number}.")
    with pytest.raises(RateLimited) as refused:
        await post(strict, "Too many.")
    assert refused.value.retry_after <= 60


def test_a_network_whose_requests_are_counted_in_memory_does_not_wait_either():
    counted = RefusedRequests()
    later = YEAR.total_seconds()
    for _ in range(30):
        counted.count("192.0.2.0", later, (30, 60))
    assert counted.count("192.0.2.0", later, (30, 60)) > 0
    assert counted.count("192.0.2.0", 0, (30, 60)) == 0


KEPT = ("contact", "submission", "used_token", "session", "invitation", "rule", "action", "comment", "audit")


async def rows(service):
    return {table: await everything_in(service, table) for table in KEPT}


async def sign_in_noa(service):
    link = await moderators.create_sign_in_link(service, "Noa")
    return await sign_in.sign_in_by_link(service, link.rpartition("/")[2], visit())


@JUMPS
async def test_one_jump_of_the_clock_lets_the_service_forget_nothing(strict, clock, jump):
    await moderators.add_moderator(strict, "Noa", None, [])
    session = await sign_in_noa(strict)
    link = await moderators.create_sign_in_link(strict, "Noa")
    sent = draft(submission="0123456789abcdef", started=create_form_token(strict))
    clock.move(seconds=10)
    receipt = await post_comment(strict, sent, visit())
    rule = await manage.add_rule(strict, EVERYTHING, NewRule(kind="links", match="2", effect="hold"))
    await manage.remove_rule(strict, EVERYTHING, rule.id)
    await maintenance._clean_up(strict)
    before = await rows(strict)
    for wrong in (jump, -jump):
        clock.time += wrong
        for _ in range(3):
            await maintenance._clean_up(strict)
            clock.move(minutes=20)

    assert await rows(strict) == before
    assert (await post_comment(strict, sent, visit())).id == receipt.id, "a retry of the same submission"
    assert (await authenticate_session(strict, session, extend=False)).name == "Noa"
    assert await sign_in.find_invited_name(strict, link.rpartition("/")[2]) == "Noa"
    assert (await verify_log(strict)).entries == len(before["audit"])


async def test_a_session_and_a_link_of_a_wrong_clock_do_not_last_until_it_is_right(strict, clock):
    await moderators.add_moderator(strict, "Noa", None, [])
    await maintenance._clean_up(strict)
    clock.time += YEAR
    session = await sign_in_noa(strict)
    link = (await moderators.create_sign_in_link(strict, "Noa")).rpartition("/")[2]
    clock.time -= YEAR
    await maintenance._clean_up(strict)
    assert (await authenticate_session(strict, session, extend=False)).name == "Noa"
    clock.move(hours=25)

    assert await sign_in.find_invited_name(strict, link) is None
    with pytest.raises(Unauthorized):
        await authenticate_session(strict, session)


async def test_a_key_that_was_replaced_by_a_wrong_clock_does_not_work_for_a_year(strict, clock):
    made = await keys.create_key(strict, EVERYTHING, NewKey(name="newsletter", scopes=[Scope.READ]))
    await maintenance._clean_up(strict)
    clock.time += YEAR
    await keys.rotate_key(strict, EVERYTHING, made.id, KeyRotation(grace_minutes=60))
    clock.time -= YEAR
    await maintenance._clean_up(strict)
    clock.move(hours=25)
    with pytest.raises(Unauthorized):
        await keys.authenticate_key(strict, made.key)


async def test_expired_data_is_deleted_after_a_long_pause_and_a_day(strict, clock, caplog):
    await post_comment(strict, draft(submission="0123456789abcdef"), visit())
    await maintenance._clean_up(strict)
    clock.move(days=60)
    await maintenance._clean_up(strict)
    assert "the last cleanup was 60 days away" in caplog.text
    clock.move(hours=25)
    await maintenance._clean_up(strict)
    assert await everything_in(strict, "submission") == []
    assert {row["network"] for row in await everything_in(strict, "contact")} == {None}


def judge_all(*hours):
    cleaned = doubted = None
    for hour in hours:
        trusted, cleaned, doubted = clock_trust.judge_clock(START + timedelta(hours=hour), cleaned, doubted)
    return trusted


@pytest.mark.parametrize(
    ("hours", "trusted"),
    [
        ((0, 1, 2), True),
        ((0, 40), True),
        ((0, 9000), False),
        ((0, 9000, 9001, 9023), False),
        ((0, 9000, 9012, 9024), True),
        ((0, 9000, 1), True),
        ((0, 9000, 1, 9000), False),
        ((0, -9000, -8990), False),
        ((0, -9000, 1), True),
        ((0, 100, 200), True),
    ],
)
def test_the_clock_is_trusted_while_it_continues(hours, trusted):
    assert judge_all(*hours) is trusted


async def test_a_comment_of_a_wrong_clock_cannot_be_edited_for_a_year(strict, clock):
    clock.time += YEAR
    receipt = await post_comment(strict, draft(), visit())
    clock.time -= YEAR
    with pytest.raises(NotAuthor):
        await edit_comment(strict, receipt.id, receipt.edit_token, CommentEdit(comment="Changed."), visit())


async def test_new_comments_are_the_latest_ones_after_a_restart(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        clock.time += YEAR
        await post(service, "During.")
    clock.time -= YEAR
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        await preparation.continue_ids(service)
        texts = [f"After, number {number}." for number in range(3)]
        ids = [await post(service, text) for text in texts]
        client = await aiohttp_client(application(service))
        latest = (await (await client.get("/v1/latest")).json())["comments"]
    assert [one["html"] for one in latest] == [f"<p>{text}</p>" for text in [*texts[::-1], "During."]]
    assert ids == sorted(ids)


async def test_readers_see_an_open_thread_again_after_the_clock_was_ahead(strict, clock, aiohttp_client):
    await post(strict, "Before.")
    await manage.add_rule(strict, EVERYTHING, NewRule(kind="closing_age", match="30", effect="refuse"))
    client = await aiohttp_client(application(strict))

    async def is_closed():
        return (await (await client.get("/v1/comments?thread=/a-page/")).json())["thread"]["closed"]

    seen = [await is_closed()]
    for jump in (YEAR, -YEAR):
        clock.time += jump
        seen += [await is_closed(), await is_closed()]
    assert seen == [False, True, True, False, False]


async def test_a_server_of_a_wrong_clock_does_not_count_as_running_for_a_year(postgres_url, clock):
    async with a_service(postgres_url, clock) as service:
        clock.time += YEAR
        await servers.beat(service, "0" * 32, service.now())
        clock.time -= YEAR
        assert await servers.list_running(service) == []
        await servers.beat(service, "1" * 32, service.now())
        assert [one.id for one in await servers.list_running(service)] == ["1" * 32]
        assert len(await everything_in(service, "server")) == 1


def test_ids_follow_those_of_an_earlier_process():
    now = int(START.timestamp() * 1000)
    ahead = Ids(lambda: now + 10**9)()
    ids = Ids(lambda: now)
    ids.follow(ahead)
    ids.follow("f" * 8 + ahead[8:])  # no clock shows this
    assert ahead < ids() < Ids(lambda: now + 10**9 + 1)()
