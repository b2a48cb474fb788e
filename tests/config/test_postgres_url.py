"""An operator pastes the address of a PostgreSQL database as a provider shows it."""

import pytest

from commentsvc.config.environment import read_config
from commentsvc.config.postgres_url import parse_postgres_url
from commentsvc.domain.errors import ConfigurationError

PASSWORD = "hunter2"
ESCAPES = {"@": "%40", "/": "%2F", "?": "%3F", "#": "%23", "%": "%25", "[": "%5B", "]": "%5D", " ": "%20"}


def parse(url):
    return parse_postgres_url("COMMENTSVC_DATABASE_URL", url)


def refusal(url):
    with pytest.raises(ConfigurationError) as refused:
        parse(url)
    return str(refused.value)


@pytest.mark.parametrize("character", ESCAPES)
@pytest.mark.parametrize("place", ["{c}hunter2", "hun{c}ter2", "12{c}x4hunter2", "hunter2{c}"])
@pytest.mark.parametrize("tail", ["db.example/comments", "db.example:5432/comments?sslmode=require", "db.example"])
def test_an_operator_reads_how_to_escape_a_character_of_a_password(character, place, tail):
    message = refusal(f"postgresql://app:{place.format(c=character)}@{tail}")

    assert ESCAPES[character] in message
    assert "hun" not in message
    assert "ter2" not in message


@pytest.mark.parametrize(
    "password",
    ["p@ss@hunter2", "a/b@hunter2", "a?hunter2=b", "12?hunter2=b", "x@y?hunter2=z", "a#hunter2", "hunter2%zz"],
)
def test_no_part_of_a_password_is_in_a_message_whatever_its_characters(password):
    assert PASSWORD not in refusal(f"postgresql://app:{password}@db.example/comments")


@pytest.mark.parametrize("character", "!$&'()*+,;=-._~:^|<>\"\\{}`ü密")
def test_a_password_may_have_every_other_character_as_it_is(character):
    assert parse(f"postgresql://app:a{character}b@db.example/comments").user == "app"


def test_the_text_of_an_address_hides_the_password():
    address = parse("postgresql://app:hunter2@db.example/comments?sslpassword=hunter2")
    assert PASSWORD not in repr(address)


@pytest.mark.parametrize(
    ("url", "place", "user", "database"),
    [
        ("postgres://db.example", "db.example", "", ""),
        ("postgresql://app:x@db.example:6432/comments", "db.example:6432", "app", "comments"),
        ("postgresql://app@[::1]:5433/comments", "[::1]:5433", "app", "comments"),
        ("postgresql://a%40b:x@[2001:db8::1]/comments", "[2001:db8::1]", "a@b", "comments"),
        ("postgresql:///comments?host=/run/postgresql&user=app", "/run/postgresql", "app", "comments"),
        ("postgresql://app@%2Frun%2Fpostgresql/comments", "/run/postgresql", "app", "comments"),
        ("postgresql://app@one:5432,two:5433/comments", "one:5432, two:5433", "app", "comments"),
        ("postgresql://app@/comments?host=one,two&port=1,2", "one, two", "app", "comments"),
        ("postgresql:///?dbname=comments&user=app", "the local socket", "app", "comments"),
    ],
)
def test_hosts_sockets_and_names_are_read_as_psql_reads_them(url, place, user, database):
    address = parse(url)
    assert (address.place, address.user, address.database) == (place, user, database)


@pytest.mark.parametrize(
    "parameter",
    [
        "channel_binding=require",
        "gssencmode=disable",
        "keepalives_idle=30",
        "keepalives=1",
        "tcp_user_timeout=3000",
        "sslcompression=0",
        "sslsni=1",
        "load_balance_hosts=random",
        "client_encoding=utf8",
        "require_auth=scram-sha-256",
        "connection_limit=5",
        "pool_timeout=10",
    ],
)
def test_parameters_of_libpq_and_of_other_drivers_that_change_nothing_are_ignored(parameter):
    address = parse(f"postgresql://app@db.example/comments?{parameter}&sslmode=require")

    assert address.url == "postgresql://app@db.example/comments?sslmode=require"
    assert address.server_settings == {}


def test_settings_of_the_server_are_sent_when_a_connection_starts():
    address = parse("postgresql://app@db.example/comments?application_name=blog&options=-c%20work_mem%3D1MB&schema=app")
    assert address.server_settings == {
        "application_name": "blog",
        "options": "-c work_mem=1MB",
        "search_path": "app",
    }


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), ("0", 4), ("-1", 4)])
def test_connect_timeout_is_the_time_for_each_host(text, seconds):
    assert parse(f"postgresql://app@db.example/x?connect_timeout={text}").timeout == seconds
    assert parse(f"postgresql://app@one,two/x?connect_timeout={text}").timeout == 2 * seconds


def test_one_of_several_hosts_must_accept_writes():
    assert "target_session_attrs=read-write" in parse("postgresql://app@one,two/x").url
    assert "target_session_attrs=any" in parse("postgresql://app@one,two/x?target_session_attrs=any").url


def test_the_certificates_of_the_system_check_the_server():
    address = parse("postgresql://app@db.example/x?sslmode=verify-full&sslrootcert=system")
    assert (address.system_certificates, "ssl" in address.url.partition("?")[2]) == (True, False)


@pytest.mark.parametrize(
    ("parameter", "pooler"),
    [
        ("pgbouncer=true", True),
        ("pgbouncer=false", False),
        ("prepared_statements=false", True),
        ("statement_cache_size=0", True),
        ("statement_cache_size=100", False),
        ("prepareThreshold=0", True),
        ("prepare_threshold=none", True),
        ("sslmode=prefer", False),
    ],
)
def test_an_operator_asks_in_the_url_to_keep_no_prepared_statements(parameter, pooler):
    assert parse(f"postgresql://app@db.example/x?{parameter}").pooler is pooler


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("postgresql://app@db.example/x?sslmod=require", "Did you mean sslmode?"),
        ("postgresql://app@db.example/x?zzz=1", "unknown parameter zzz"),
        ("postgresql://app@db.example/x?sslmode=yes", "Use one of: disable, allow, prefer"),
        ("postgresql://app@db.example/x?target_session_attrs=writer", "read-write"),
        ("postgresql://app@db.example/x?connect_timeout=soon", "number of seconds"),
        ("postgresql://app@db.example:port/x", "from 1 to 65535"),
        ("postgresql://app@db.example:65536/x", "from 1 to 65535"),
        ("postgresql://app@db.example/x?port=http", "from 1 to 65535"),
        ("postgresql://app@::1:5432/x", "in brackets"),
        ("postgresql://app@one,,two/x", "host that cannot be read"),
        ("mysql://app@db.example/x", "must start with"),
    ],
)
def test_an_operator_reads_what_to_write_instead(url, advice):
    assert advice in refusal(url)


def test_both_addresses_are_checked_with_the_other_settings():
    for name in ("DATABASE_URL", "READER_DATABASE_URL", "READ_DATABASE_URL"):
        urls = {"COMMENTSVC_DATABASE_URL": "postgresql://app@db.example/x"}
        with pytest.raises(ConfigurationError, match=f"COMMENTSVC_{name} has @ in its user name or password"):
            read_config(urls | {f"COMMENTSVC_{name}": "postgresql://app:p@ss@db.example/x"})
