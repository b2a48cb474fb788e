"""PostgreSQL as providers run it: passwords, TLS, rights, poolers. Each refusal says what to do."""

import asyncio
import gc
import json
import logging
import shutil
import urllib.request

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.comments.read import list_thread
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.service import private_read, public_read
from commentsvc.storage.postgres_reader import scram_verifier
from tests.conftest import SECRET, a_service_at, draft, visit
from tests.operations.test_operating import port_of, run_main, serving
from tests.strict_postgres import ESCAPED, PASSWORD, pgbouncer, strict_server

# The driver does not wait for the end of TLS after a refusal. The command ends then, so nothing stays open.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


@pytest.fixture(autouse=True)
def collected():
    """Let the warnings of the driver come in the test that causes them, not in a later one."""
    yield
    gc.collect()


OTHER_SECRET = "another-secret-of-the-tests-long-enough-to-be-one"


@pytest.fixture(scope="session")
def strict(postgres_tools):
    with strict_server(postgres_tools) as server:
        server.create_database("good")
        yield server


@pytest.fixture(scope="session")
def bouncer(strict):
    """The port of a PgBouncer in transaction mode."""
    if shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.skip("PgBouncer is not installed")
    with pgbouncer(strict) as port:
        yield port


@pytest.fixture
def name(request):
    """A name for a database that only this test has."""
    return f"db_{abs(hash(request.node.name)) % 10**12}"


def migrate(folder, url, **settings):
    done = run_main(folder, "migrate", DATABASE_URL=url, **({"SECRET_KEY": SECRET, "DATABASE_WAIT": "0"} | settings))
    assert "Traceback" not in done.stderr
    for secret in (PASSWORD, ESCAPED, "hunter2", SECRET):
        assert secret not in done.stderr
    return done


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"password": "hunter2"}, "the user app or the password is wrong"),
        ({"password": ""}, "the user app or the password is wrong"),
        ({"user": "nobody"}, "the user nobody or the password is wrong"),
        ({"user": "nologin"}, "the right LOGIN"),
        ({"database": "nowhere"}, 'run: CREATE DATABASE "nowhere"'),
        ({"user": "tls", "more": "?sslmode=disable"}, "Set sslmode=require"),
        ({"user": "plain", "more": "?sslmode=require"}, "pg_hba.conf"),
        ({"more": "?sslmode=verify-full"}, "Set sslrootcert"),
        ({"more": "?sslmode=verify-full&sslrootcert=/nowhere.crt"}, "cannot open a certificate"),
        ({"more": "?sslrootcert=system"}, "Set sslrootcert"),
        ({"more": "?sslmode=disable&options=-c%20nonsense%3D1"}, "Correct or remove it"),
        ({"more": "?search_path=nowhere"}, "CREATE SCHEMA"),
    ],
)
def test_an_operator_reads_why_postgresql_refused_and_what_to_do(tmp_path, strict, changed, advice):
    done = migrate(tmp_path, strict.url(**({"database": "good"} | changed)))

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("commentsvc: COMMENTSVC_DATABASE_URL: ")
    assert advice in done.stderr


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("postgresql://app:hunter2@nohost.invalid/x", "the host name in nohost.invalid is unknown"),
        ("postgresql://app:hunter2@127.0.0.1:1/x", "no server listens at 127.0.0.1:1"),
        ("postgresql://app:hunter2@[::1]:1/x", "no server listens at [::1]:1"),
        ("postgresql://app:hunter2@127.0.0.1:1,[::1]:1/x", "no server listens at 127.0.0.1:1, [::1]:1"),
        ("postgresql://app:hunter2@/x?host=/nowhere", "cannot open the socket in /nowhere"),
        ("postgresql://app:hunter2@/x?host=/nowhere&port=1,2,3", "Check the parameters"),
    ],
)
def test_an_operator_reads_that_there_is_no_server(tmp_path, url, advice):
    done = migrate(tmp_path, url)
    # 75: the server may come back. More ports than hosts stay wrong.
    assert (done.returncode, advice in done.stderr) == (78 if "1,2,3" in url else 75, True), done.stderr


def test_an_operator_reads_that_a_server_offers_no_tls(tmp_path, bouncer, strict):
    done = migrate(tmp_path, strict.url("good", port=bouncer, more="?sslmode=require"))
    assert (done.returncode, "does not offer TLS" in done.stderr) == (78, True)


def test_an_operator_reads_that_a_user_of_the_system_cannot_log_in_as_another(tmp_path, strict):
    done = migrate(tmp_path, f"postgresql://peered@/good?host={strict.folder}&port={strict.port}")
    assert (done.returncode, "not the user of this process" in done.stderr) == (78, True)


@pytest.mark.parametrize(
    ("statements", "advice"),
    [
        ("DROP SCHEMA public", 'ALTER ROLE "app" SET search_path'),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", "names no schema that exists"),
        ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", 'CREATE ON SCHEMA "public" TO "app"'),
        ("CREATE TABLE schema_step (number BIGINT, applied_at TEXT)", 'ON TABLE "schema_step" TO "app"'),
    ],
)
def test_an_operator_reads_which_right_is_missing(tmp_path, strict, name, statements, advice):
    strict.create_database(name, owner="postgres")
    strict.psql("GRANT CREATE ON SCHEMA public TO PUBLIC", name)
    strict.psql(statements, name)

    done = migrate(tmp_path, strict.url(name))

    assert (done.returncode, advice in done.stderr) == (78, True), done.stderr


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "is read-only"),
        ("ALTER DATABASE {} CONNECTION LIMIT 0", "no free connection"),
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", "Correct this on the server"),
        ("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", "GRANT CONNECT ON DATABASE"),
    ],
)
def test_an_operator_reads_that_a_database_cannot_be_used(tmp_path, strict, name, change, advice):
    strict.create_database(name, owner="other")
    strict.psql(change.format(name))

    done = migrate(tmp_path, strict.url(name, more="?sslmode=disable"))

    code = 75 if "connection" in advice else 78  # 75: one may become free
    assert (done.returncode, advice in done.stderr) == (code, True), done.stderr


def test_an_operator_reads_that_a_database_cannot_hold_every_language(tmp_path, strict, name):
    strict.create_database(name, more="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    done = migrate(tmp_path, strict.url(name))
    assert (done.returncode, "ENCODING 'UTF8'" in done.stderr) == (78, True)


@pytest.mark.parametrize("command", [("site", "list"), ("serve",), ("key", "list")])
def test_every_command_says_the_same(tmp_path, strict, command):
    done = run_main(tmp_path, *command, DATABASE_URL=strict.url("good", password="hunter2"), SECRET_KEY=SECRET)
    assert (done.returncode, "hunter2" in done.stderr) == (78, False)
    assert "the user app or the password is wrong" in done.stderr


@pytest.mark.parametrize(
    "more",
    [
        "?sslmode=require&channel_binding=require&connect_timeout=5&application_name=blog&gssencmode=disable",
        "?target_session_attrs=read-write&keepalives=1&pgbouncer=true",
        "?sslmode=verify-full&sslrootcert={authority}",
        "?options=-c%20statement_timeout%3D60s",
    ],
)
def test_an_operator_pastes_the_address_that_a_provider_shows(tmp_path, strict, more):
    done = migrate(tmp_path, strict.url("good", more=more.format(authority=strict.authority)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "host", ["[::1]:{port}", "localhost:{port}", "127.0.0.1:1,127.0.0.1:{port}", "[::1]:1,[::1]:{port}"]
)
def test_an_operator_names_hosts_of_every_kind(tmp_path, strict, host):
    done = migrate(tmp_path, f"postgresql://app:{ESCAPED}@{host.format(port=strict.port)}/good")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("url", ["app:{pw}@/good?host={folder}&port={port}", "app:{pw}@{quoted}:{port}/good"])
def test_an_operator_names_a_socket(tmp_path, strict, url):
    quoted = str(strict.folder).replace("/", "%2F")
    done = migrate(
        tmp_path, "postgresql://" + url.format(pw=ESCAPED, folder=strict.folder, quoted=quoted, port=strict.port)
    )
    assert (done.returncode, done.stderr) == (0, "")


async def who(tx):
    return (await tx.one("SELECT session_user AS name"))["name"]


async def listed(service, thread="/a-page/"):
    page = await list_thread(service, ThreadQuery(thread=thread, view="flat"), visit())
    return [comment.id for comment in page.listing.comments]


async def read_emails(tx):
    return await tx.all("SELECT email_sealed FROM contact")


async def is_refused(service):
    with pytest.raises(Exception, match="permission denied"):
        await public_read(read_emails)(service)
    return True


async def test_readers_log_in_as_a_role_of_their_own(strict, name):
    async with a_service_at(strict.url(strict.create_database(name))) as service:
        assert await public_read(who)(service) == service.keyring.reader_login[0]
        assert await private_read(who)(service) == "app"
        assert await is_refused(service)


async def test_the_password_of_readers_is_in_no_log_of_statements(strict, name):
    async with a_service_at(strict.url(strict.create_database(name))) as service:
        await public_read(who)(service)
        assert service.keyring.reader_login[1] not in (strict.folder / "log").read_text(encoding="utf-8")


def test_postgresql_stores_the_password_of_readers_as_it_would_itself(strict):
    # RFC 7677, 3, and what CREATE ROLE makes of the same password and salt
    assert scram_verifier("pencil", b"W22ZaJ0SNY7soEsUEjb6gQ==").startswith("SCRAM-SHA-256$4096:")
    strict.psql(f"CREATE ROLE verified LOGIN PASSWORD '{scram_verifier('pencil', b'0123456789abcdef')}'")
    stored = strict.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'verified'")
    assert stored == scram_verifier("pencil", b"0123456789abcdef")


async def test_readers_find_the_tables_in_a_schema_with_another_name(strict, name):
    strict.create_database(name)
    strict.psql(
        f'CREATE SCHEMA "My blog" AUTHORIZATION app; ALTER ROLE app IN DATABASE {name} SET search_path = "My blog"',
        name,
    )
    async with a_service_at(strict.url(name)) as service:
        assert await public_read(who)(service) == service.keyring.reader_login[0]
        await post_comment(service, draft(), visit())
        assert len(await listed(service)) == 1
        assert await is_refused(service)


async def test_readers_use_the_address_that_the_operator_gives(strict, name):
    strict.create_database(name, owner="other")
    url = strict.url(name, user="other")
    async with a_service_at(url, OTHER_SECRET, reader_url=strict.url(name, user="reader")) as service:
        await post_comment(service, draft(), visit())
        assert await public_read(who)(service) == "reader"
        assert len(await listed(service)) == 1
        assert await is_refused(service)


@pytest.mark.parametrize("reader", ["", "other"])
async def test_the_log_warns_if_readers_can_read_private_tables(strict, name, reader, caplog):
    caplog.set_level(logging.WARNING)
    strict.create_database(name, owner="other")
    reader_url = strict.url(name, user=reader) if reader else ""
    async with a_service_at(strict.url(name, user="other"), OTHER_SECRET, reader_url=reader_url) as service:
        await post_comment(service, draft(), visit())
        assert len(await listed(service)) == 1
        assert await public_read(who)(service) == "other"
    assert caplog.text.count("Read connections are not restricted to public columns.") == 1
    assert "Set COMMENTSVC_READER_DATABASE_URL" in caplog.text


def test_an_operator_reads_that_the_address_for_readers_is_wrong(tmp_path, strict):
    done = migrate(
        tmp_path, strict.url("good"), READER_DATABASE_URL=strict.url("good", user="reader", password="hunter2")
    )
    assert done.returncode == 78
    assert "COMMENTSVC_READER_DATABASE_URL: the user reader or the password is wrong" in done.stderr


# --- PgBouncer in transaction mode: each transaction may get another connection of the server


async def post_and_read(service, number):
    thread = f"/page-{number % 7}/"
    receipt = await post_comment(service, draft(comment=f"Comment {number}", thread=thread), visit())
    return receipt.id in await listed(service, thread)


@pytest.mark.parametrize("prepared", ["auto", "off"])
async def test_two_servers_work_behind_one_pgbouncer_in_transaction_mode(strict, bouncer, name, prepared):
    url = strict.url(strict.create_database(name), port=bouncer)
    async with (
        a_service_at(url, prepared_statements=prepared) as first,
        a_service_at(url, prepared_statements=prepared) as second,
    ):
        work = [post_and_read((first, second)[number % 2], number) for number in range(60)]
        assert all(await asyncio.gather(*work))
        assert strict.psql("SELECT COUNT(*) FROM comment", name) == "60"
        for service in (first, second):
            assert await public_read(who)(service) == service.keyring.reader_login[0]
            assert await private_read(who)(service) == "app"
            assert await is_refused(service)


async def prepared_statements(tx):
    return [row["name"] for row in await tx.all("SELECT name FROM pg_prepared_statements")]


async def test_connections_keep_prepared_statements_unless_a_pooler_is_between(strict, bouncer, name):
    strict.create_database(name)
    async with a_service_at(strict.url(name)) as direct:
        assert await private_read(prepared_statements)(direct) != []
    async with a_service_at(strict.url(name), prepared_statements="off") as asked:
        assert await private_read(prepared_statements)(asked) == []
    async with a_service_at(strict.url(name, more="?pgbouncer=true")) as asked:
        assert await private_read(prepared_statements)(asked) == []
    async with a_service_at(strict.url(name, port=bouncer)) as pooled:
        assert await private_read(prepared_statements)(pooled) == []


async def test_the_log_warns_if_the_pooler_does_not_know_the_readers(strict, name, caplog):
    caplog.set_level(logging.WARNING)
    strict.create_database(name)
    with pgbouncer(strict, users={"app": PASSWORD}) as port:
        async with a_service_at(strict.url(name, port=port)) as service:
            await post_comment(service, draft(), visit())
            assert len(await listed(service)) == 1
            assert await public_read(who)(service) == "app"
    assert "cannot log in: pg_hba.conf or a pooler may not allow it." in caplog.text
    assert service.keyring.reader_login[1] not in caplog.text


def test_an_operator_starts_the_service_behind_pgbouncer_on_an_empty_database(tmp_path, strict, bouncer, name):
    url = strict.url(strict.create_database(name), port=bouncer)
    with serving(tmp_path, DATABASE_URL=url, SECRET_KEY=SECRET) as (process, printed):
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(printed)}/readyz") as response:
            assert json.load(response) == {"status": "ready"}
        assert "not restricted" not in process.stderr.read()


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"password": "hunter2"}, "the user app or the password is wrong"),
        ({"user": "unknown"}, "the user unknown or the password is wrong"),
        ({"database": "nowhere"}, 'run: CREATE DATABASE "nowhere"'),
        ({"more": "?search_path=public"}, "the pooler does not accept search_path. Remove it from the URL."),
        ({"more": "?options=-c%20statement_timeout%3D60s"}, "the pooler does not accept options"),
    ],
)
def test_an_operator_reads_why_pgbouncer_refused(tmp_path, strict, bouncer, changed, advice):
    done = migrate(tmp_path, strict.url(**({"database": "good", "port": bouncer} | changed)))
    assert (done.returncode, advice in done.stderr) == (78, True), done.stderr


def test_an_operator_reads_that_pgbouncer_must_allow_transactions(tmp_path, strict, bouncer):
    with pgbouncer(strict, mode="statement") as port:
        done = migrate(tmp_path, strict.url("good", port=port))
    assert (done.returncode, "Set pool_mode = transaction" in done.stderr) == (78, True)
