"""Servers of one database agree on the time, whatever their own clocks show."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from commentsvc import app
from commentsvc.comments.form import create_form_token
from commentsvc.comments.post import post_comment
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.ids import Ids
from commentsvc.domain.timestamps import parse_time
from commentsvc.operations import maintenance, startup
from commentsvc.rules.form_token import FormTokenState, read_form_token
from commentsvc.service import Service
from commentsvc.storage import schema
from commentsvc.storage.clock import DatabaseClock
from tests.comments.test_post import everything_in
from tests.conftest import SECRET, draft, open_database, visit

FORM_SECONDS = "0-60"
CLOSE = timedelta(seconds=5)


class LocalClock:
    """The clock of a computer that is wrong by some time."""

    def __init__(self, **wrong):
        self.wrong = timedelta(**wrong)

    def __call__(self):
        return datetime.now(UTC) + self.wrong


@pytest.fixture
async def opened(database_url):
    """Return a function that starts a server on a computer with this clock."""
    databases = []

    async def start(local):
        databases.append(await open_database(database_url))
        clock = DatabaseClock(databases[-1], local)
        await clock.adjust()
        config = Config(database_url=database_url, rate_limit="off", form_seconds=FORM_SECONDS)
        service = Service(
            db=databases[-1],
            config=config,
            keyring=Keyring([SECRET]),
            clock=clock,
            new_id=Ids(clock.milliseconds),
        )
        await schema.migrate(service.db, service.now())
        await startup.prepare_database(service)
        return service

    yield start
    for database in databases:
        await database.close()


@pytest.fixture
def engine():
    return "postgres"


def is_right(time):
    return abs(time - datetime.now(UTC)) < CLOSE


@pytest.mark.parametrize("minutes", [-600, -7, 0, 7, 600])
async def test_a_server_with_a_wrong_clock_has_the_time_of_the_database(opened, minutes):
    service = await opened(LocalClock(minutes=minutes))

    await post_comment(service, draft(), visit())

    (comment,) = await everything_in(service, "comment")
    assert is_right(service.clock())
    assert is_right(parse_time(comment["created_at"]))
    assert is_right(datetime.fromtimestamp(int(comment["id"].replace("-", "")[:12], 16) / 1000, UTC))


@pytest.mark.parametrize("minutes", [-7, 7])
async def test_a_form_opened_on_one_server_can_be_sent_to_the_other(opened, minutes):
    first, second = await opened(LocalClock(minutes=minutes)), await opened(LocalClock())
    for here, there in ((first, second), (second, first)):
        state, _ = read_form_token(here.keyring, create_form_token(there), here.clock(), here.config.form_age)
        assert state is FormTokenState.VALID


async def test_a_clock_that_is_corrected_while_the_service_runs_is_noticed(opened):
    local = LocalClock(minutes=9)
    service = await opened(local)
    local.wrong = timedelta(0)

    await service.clock.adjust()

    assert is_right(service.clock())
    state, _ = read_form_token(service.keyring, create_form_token(service), service.clock(), (0, 60))
    assert state is FormTokenState.VALID


async def test_the_regular_maintenance_compares_the_clocks(opened):
    local = LocalClock()
    service = await opened(local)
    local.wrong = timedelta(minutes=3)

    await maintenance.adjust_clock(service)

    assert is_right(service.clock())


async def test_the_log_warns_of_a_wrong_clock_once(opened, caplog):
    caplog.set_level(logging.WARNING)
    service = await opened(LocalClock(minutes=2))
    await service.clock.adjust()
    assert caplog.text.count("120.0 seconds ahead of the clock of the database. Times are corrected.") == 1


async def test_the_time_does_not_jump_within_the_error_of_a_measurement(opened):
    service = await opened(LocalClock())
    times = []
    for _ in range(20):
        times.append(service.clock())
        await service.clock.adjust()
    assert times == sorted(times)


async def test_the_command_line_and_the_server_use_the_clock_of_the_database(postgres_url):
    config = Config(database_url=postgres_url, secret_key=SECRET)
    async with app.open_ready_service(config) as server, app.open_service(config) as command:
        assert isinstance(server.clock, DatabaseClock)
        assert isinstance(command.clock, DatabaseClock)


async def test_sqlite_has_the_clock_of_its_computer(tmp_path):
    database = await open_database(f"sqlite:///{tmp_path}/comments.db")
    local = LocalClock(minutes=7)
    clock = DatabaseClock(database, local)
    await clock.adjust()
    assert abs(clock() - local()) < CLOSE
    await database.close()
