"""The stage: a real database of either kind, a clock that is moved, and the service on a real socket."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import uvloop

from commentsvc import app
from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import NewComment
from commentsvc.config import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.fields import Limits
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import Principal, Scope, Visit
from commentsvc.domain.validation import validate
from commentsvc.operations import startup
from commentsvc.service import Service
from commentsvc.storage import schema
from commentsvc.storage.database import Database
from commentsvc.storage.postgres import PostgresDatabase
from commentsvc.storage.sqlite import SqliteDatabase
from commentsvc.web.routes import application
from commentsvc.web.server.connections import Deadlines

SECRET = "a-secret-of-the-tests-long-enough-to-be-one"
OLD_SECRET = "an-older-secret-of-the-tests-long-enough-too"
EVERYTHING = Principal("key:ada", frozenset(Scope), None)
pytest.register_assert_rewrite("tests.browser")  # before anything imports it
NO_ARCHIVES = "the archives of real blogs are not beside this checkout"
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


def pytest_sessionfinish(session, exitstatus):
    """Where everything must run, a test that was skipped has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [one for one in (reporter.stats.get("skipped", []) if reporter else []) if _should_have_run(one)]
    if os.environ.get("COMMENTSVC_TEST_ALL") and skipped:
        reporter.write_line(f"{len(skipped)} tests were skipped that should have run", red=True)
        session.exitstatus = 1


def _should_have_run(skipped):
    return SHARED.is_dir() or NO_ARCHIVES not in str(skipped.longrepr)


@pytest.fixture
def shared():
    if not SHARED.is_dir():
        pytest.skip(NO_ARCHIVES)
    return SHARED


class Clock:
    """Tells the time it was set to."""

    def __init__(self):
        self.time = datetime(2026, 11, 22, 16, 2, 11, tzinfo=UTC)

    def __call__(self):
        return self.time

    def milliseconds(self):
        return int(self.time.timestamp() * 1000)

    def move(self, **amount):
        self.time += timedelta(**amount)


@pytest.fixture
def clock():
    return Clock()


def _postgres_tools():
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return folders[0] if folders else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of our own, by a socket; without the name of a database."""
    tools = _postgres_tools()
    if tools is None:
        pytest.skip("PostgreSQL is not installed")
    owner = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="commentsvc-pg-"))
    shutil.chown(folder, owner)

    def run(*command):
        as_owner = ["runuser", "-u", owner, "--"] if os.getuid() == 0 else []
        subprocess.run([*as_owner, *command], check=True, capture_output=True, cwd=folder)

    # A collation that knows nothing of ASCII order: what we sort must not depend on it.
    collation = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"]
    run(tools / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync", *collation)
    options = f"-c listen_addresses='' -k {folder} -c fsync=off -c full_page_writes=off"
    run(tools / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
    yield f"postgresql://postgres@/{{}}?host={folder}"
    run(tools / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def laid(postgres) -> str:
    """The name of a PostgreSQL database whose schema is laid: others are copied from it."""

    async def lay():
        await make_database(postgres, "CREATE DATABASE laid")
        database = await PostgresDatabase.open(postgres.format("laid"))
        await schema.migrate(database, "2026-01-01T00:00:00.000Z")
        await database.close()

    asyncio.run(lay())
    return "laid"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def database_url(engine, request, tmp_path) -> str:
    """A database of either kind without a row in it."""
    return f"sqlite:///{tmp_path}/comments.db" if engine == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres, laid) -> str:
    """A PostgreSQL database of one's own, without a row in it."""
    name = f"test_{os.urandom(6).hex()}"
    asyncio.run(make_database(postgres, f"CREATE DATABASE {name} TEMPLATE {laid}"))
    return postgres.format(name)


async def make_database(postgres, statement):
    admin = await asyncpg.connect(postgres.format("postgres"))
    await admin.execute(statement)
    await admin.close()


async def open_database(url: str) -> Database:
    if url.startswith("sqlite"):
        return await SqliteDatabase.open(Path(url.removeprefix("sqlite:///")))
    return await PostgresDatabase.open(url)


@asynccontextmanager
async def a_service(url: str, clock: Clock, *, secrets=(SECRET,), **settings) -> AsyncIterator[Service]:
    """The service on this database, with these settings; limits are off unless a test wants them."""
    config = Config(database_url=url, **({"rate_limit": "off", "form_seconds": "off"} | settings))
    database = await open_database(url)
    try:
        service = Service(
            db=database,
            config=config,
            keyring=Keyring(list(secrets)),
            clock=clock,
            new_id=Ids(clock.milliseconds),
        )
        await schema.migrate(database, service.now())
        await startup.prepare_database(service)
        yield service
    finally:
        await database.close()


@pytest.fixture
async def service(database_url, clock) -> AsyncIterator[Service]:
    """The service as it is without any settings."""
    async with a_service(database_url, clock) as service:
        yield service


@pytest.fixture
async def served(request, tmp_path, clock):
    """Make the service on SQLite with settings: ``await served(moderation=Mode.NONE)``."""
    opened = []
    async with AsyncExitStack() as stack:

        async def make(**settings):
            url = f"sqlite:///{tmp_path}/served{len(opened)}.db"
            opened.append(url)
            return await stack.enter_async_context(a_service(url, clock, **settings))

        yield make


@pytest.fixture
async def client(service, aiohttp_client):
    """Somebody who calls the service's API."""
    return await aiohttp_client(application(service))


@pytest.fixture
async def key(service):
    """The headers of a moderator who may do everything."""
    return await a_key(service)


async def a_key(service, *scopes, name="ada", **more):
    made = await keys.create_key(service, EVERYTHING, NewKey(name=name, scopes=list(scopes) or [Scope.ADMIN], **more))
    return {"Authorization": f"Bearer {made.key}"}


async def a_moderators_key(service, name="Noa", sites=()):
    """The headers of a moderator who has a key of their own."""
    await moderators.add_moderator(service, name, None, list(sites))
    made = await keys.create_moderator_key(service, name, NewKey(name=name, scopes=keys.scopes_of(name)))
    return {"Authorization": f"Bearer {made.key}"}


async def post(service, text, *, address="198.51.100.7", **changed):
    """Somebody comments; returns the comment's id."""
    return (await post_comment(service, draft(comment=text, **changed), visit(address=address))).id


def fields_of(**changed):
    """What somebody fills in; None leaves a field out."""
    filled = {
        "thread": "/a-page/",
        "name": "Mia",
        "email": "mia@example.com",
        "comment": "I have been wondering about this too.",
    } | changed
    return {name: value for name, value in filled.items() if value is not None}


def draft(**changed) -> NewComment:
    return validate(NewComment, fields_of(**changed), Limits())


def visit(**changed) -> Visit:
    return Visit(**({"address": "198.51.100.7"} | changed))


@pytest.fixture
async def live(request, tmp_path, clock):
    """The service on a socket, as it is deployed: ``url, service = await live(...)``."""
    async with AsyncExitStack() as stack:

        async def start(deadlines=None, **settings):
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            of_its_own = a_service(f"sqlite:///{tmp_path}/live.db", clock, **{"public_url": url} | settings)
            service = await stack.enter_async_context(of_its_own)
            await stack.enter_async_context(app.listen(service, deadlines or Deadlines(drain=0, finish=2), listener))
            return url, service

        yield start


@pytest.fixture
async def browser_less():
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session
