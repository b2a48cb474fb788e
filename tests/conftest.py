"""Shared fixtures: databases of both engines, a clock that tests move, and the service on a real socket."""

import asyncio
import os
import shutil
import socket
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import hypothesis
import pytest
import uvloop
from aiohttp.test_utils import TestServer

from commentsvc import app
from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import NewComment
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.fields import Limits
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import Actor, ActorKind, Mode, Principal, Scope, Visit
from commentsvc.domain.validation import validate
from commentsvc.operations import startup
from commentsvc.service import Service
from commentsvc.storage import schema
from commentsvc.storage.database import Database
from commentsvc.storage.postgres import PostgresDatabase
from commentsvc.storage.sqlite import SqliteDatabase
from commentsvc.web.routes import application
from commentsvc.web.server.connections import Deadlines, Runner
from commentsvc.web.server.routing import SERVICE
from tests.postgres import SharedDatabase, find_tools, make_database, server

SECRET = "a-secret-of-the-tests-long-enough-to-be-one"
OLD_SECRET = "an-older-secret-of-the-tests-long-enough-too"
EVERYTHING = Principal(Actor(ActorKind.PERSON, None, "ada"), frozenset(Scope), None)
pytest.register_assert_rewrite("tests.browser")  # before anything imports it
# `make check` searches for unexpected inputs five times as long.
MORE_EXAMPLES = int(os.environ.get("COMMENTSVC_TEST_EXAMPLES", "1"))
hypothesis.settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
hypothesis.settings.load_profile("untimed")
PROJECT = Path(__file__).parent / "project"  # documents, the image, deployment files
STORAGE = Path(__file__).parent / "storage"  # the drivers: other tests on PostgreSQL check SQL, with one Python
# These contain no SQL: `make test` runs their tests on SQLite, and `make check` on PostgreSQL.
ABOVE_STORAGE = tuple(
    Path(__file__).parent / name for name in ("cli", "delivery", "operations", "subscriptions", "web")
)
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


class ServiceServer(TestServer):
    """Runs an application as ``serve`` does: with our connections, and with the answers in memory."""

    __test__ = False

    async def _make_runner(self, **_options):
        return Runner(self.app, Deadlines(drain=0, last=0))


@pytest.fixture
def aiohttp_client(aiohttp_client):
    async def make(app, **options):
        return await aiohttp_client(ServiceServer(app) if SERVICE in app else app, **options)

    return make


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items):
    """Mark the tests that need one Python only, and more of those that are slow: see ``pyproject.toml``."""
    for item in items:
        on_postgres = "postgres" in item.name and not item.path.is_relative_to(STORAGE)
        if "chromium" in item.fixturenames or item.path.is_relative_to(PROJECT) or on_postgres:
            item.add_marker("once")
        if on_postgres and any(item.path.is_relative_to(folder) for folder in ABOVE_STORAGE):
            item.add_marker("slow")


def pytest_sessionfinish(session, exitstatus):
    """Fail the run if any test was skipped and COMMENTSVC_TEST_ALL is set, as in CI."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("COMMENTSVC_TEST_ALL") and skipped:
        reporter.write_line(f"{len(skipped)} tests were skipped that should have run", red=True)
        session.exitstatus = 1


@pytest.fixture
def shared():
    if not SHARED.is_dir():
        pytest.skip("the archives of real blogs are not beside this checkout")
    return SHARED


class NameServer(socketserver.UDPServer):
    """A DNS server on loopback: domains in ``known`` have an MX record, no other domain exists."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), None)
        self.known, self.asked = set(), []

    def finish_request(self, request, client_address):
        data, answering = request
        reply = dns.message.make_response(dns.message.from_wire(data))
        [question] = reply.question
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if name in self.known:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "MX", f"10 mail.{name}."))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        answering.sendto(reply.to_wire(), client_address)


@pytest.fixture
def name_server(monkeypatch):
    """The only DNS server that the service queries."""
    with NameServer() as server:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        answering.start()
        yield server
        server.shutdown()
        answering.join()


class Clock:
    """A clock that shows the time it was set to."""

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


@pytest.fixture(scope="session")
def postgres_tools() -> Path:
    """Return the folder of the programs of PostgreSQL. Without them, the test is skipped."""
    tools = find_tools()
    if tools is None:
        pytest.skip("PostgreSQL is not installed")
    return tools


@pytest.fixture(scope="session")
def postgres(postgres_tools) -> Iterator[str]:
    """Start a PostgreSQL server for the tests; yield its socket URL, a format for a database name."""
    with server(postgres_tools) as address:
        yield address


@pytest.fixture(scope="session")
def laid(postgres) -> str:
    """Create a PostgreSQL template database with the schema; return its name."""
    asyncio.run(make_database(postgres, "CREATE DATABASE laid"))
    asyncio.run(_lay(postgres.format("laid")))
    return "laid"


@pytest.fixture(scope="session")
def laid_file(tmp_path_factory) -> Path:
    """Create an SQLite file with the schema; tests copy it."""
    file = tmp_path_factory.mktemp("laid") / "comments.db"
    asyncio.run(_lay(f"sqlite:///{file}"))
    return file


async def _lay(url):
    database = await open_database(url)
    await schema.migrate(database, "2026-01-01T00:00:00.000Z")
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def database_url(engine, request, laid_file, tmp_path) -> str:
    """The URL of an empty database, once for each engine."""
    return copied(laid_file, tmp_path) if engine == "sqlite" else request.getfixturevalue("postgres_url")


def copied(laid_file, folder, name="comments.db") -> str:
    shutil.copyfile(laid_file, folder / name)
    return f"sqlite:///{folder / name}"


@pytest.fixture(scope="session")
def shared_database(postgres, laid) -> Iterator[SharedDatabase]:
    """The PostgreSQL database that the tests use one after the other."""
    with closing(SharedDatabase(postgres, laid)) as database:
        yield database


@pytest.fixture
def postgres_url(shared_database) -> str:
    """The URL of an empty PostgreSQL database."""
    return shared_database.empty()


async def open_database(url: str) -> Database:
    if url.startswith("sqlite"):
        return await SqliteDatabase.open(Path(url.removeprefix("sqlite:///")))
    return await PostgresDatabase.open(url, Keyring([SECRET]))


@asynccontextmanager
async def a_service(url: str, clock: Clock, *, secrets=(SECRET,), **settings) -> AsyncIterator[Service]:
    """Open the service on a database with these settings. Rate and form limits are off by default."""
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
        yield await prepare_service(service)
    finally:
        await database.close()


@asynccontextmanager
async def a_service_at(url: str, secret: str = SECRET, **connections) -> AsyncIterator[Service]:
    """Open the service on PostgreSQL with these settings of its connections. Comments are approved at once."""
    keyring = Keyring([secret])
    database = await PostgresDatabase.open(url, keyring, **connections)
    try:
        config = Config(database_url=url, rate_limit="off", form_seconds="off", moderation=Mode.NONE)
        yield await prepare_service(Service(db=database, config=config, keyring=keyring))
    finally:
        await database.close()


async def prepare_service(service: Service) -> Service:
    """Create or upgrade the tables of a service, and let it start as ``serve`` does."""
    await schema.migrate(service.db, service.now())
    await startup.prepare_database(service)
    return service


@pytest.fixture
async def service(database_url, clock) -> AsyncIterator[Service]:
    """The service with the default settings of `a_service`."""
    async with a_service(database_url, clock) as service:
        yield service


@pytest.fixture
async def served(laid_file, tmp_path, clock):
    """Return a function that opens the service on SQLite: ``await served(moderation=Mode.NONE)``."""
    opened = []
    async with AsyncExitStack() as stack:

        async def make(**settings):
            url = copied(laid_file, tmp_path, f"served{len(opened)}.db")
            opened.append(url)
            return await stack.enter_async_context(a_service(url, clock, **settings))

        yield make


@pytest.fixture
async def client(service, aiohttp_client):
    """An HTTP client of the service."""
    return await aiohttp_client(application(service))


@pytest.fixture
async def key(service):
    """The headers of a moderator with all scopes."""
    return await a_key(service)


async def a_key(service, *scopes, name=None, **more):
    """Create a key; return its headers. Its name is grace, and grace 2 if there is a key already."""
    others = len((await keys.list_keys(service, EVERYTHING)).keys)
    name = name or (f"grace {others + 1}" if others else "grace")
    made = await keys.create_key(
        service, EVERYTHING, NewKey(name=name, scopes=list(scopes) or [Scope.ADMIN], **({"person": True} | more))
    )
    return {"Authorization": f"Bearer {made.key}"}


async def a_moderators_key(service, name="Noa", sites=()):
    """Add a moderator; return the headers with a key of theirs."""
    await moderators.add_moderator(service, name, None, list(sites))
    made = await keys.create_moderator_key(service, name, NewKey(name=name, scopes=keys.scopes_of(name)))
    return {"Authorization": f"Bearer {made.key}"}


async def post(service, text, *, address="198.51.100.7", **changed):
    """Post a comment and return its id."""
    return (await post_comment(service, draft(comment=text, **changed), visit(address=address))).id


def fields_of(**changed):
    """Return the fields of a comment form; None leaves a field out."""
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
async def live(laid_file, tmp_path, clock):
    """Return a function that starts the service on a socket: ``url, service = await live(...)``."""
    database = copied(laid_file, tmp_path, "live.db")
    async with AsyncExitStack() as stack:

        async def start(deadlines=None, **settings):
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            of_its_own = a_service(database, clock, **{"public_url": url} | settings)
            service = await stack.enter_async_context(of_its_own)
            await stack.enter_async_context(
                app.listen(service, deadlines or Deadlines(drain=0, last=0, finish=2), listener)
            )
            return url, service

        yield start


@pytest.fixture
async def browser_less():
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session
