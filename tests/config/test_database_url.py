"""An operator reads what is wrong with the address of a database, and how to write it."""

import pytest

from commentsvc.config import PREFIX
from tests.config.test_environment import fault, read
from tests.conftest import SECRET


def fault_of(url):
    """Return the fault without the name of the setting."""
    line = fault(DATABASE_URL=url, SECRET_KEY=SECRET)
    assert line.startswith(f"{PREFIX}DATABASE_URL ")
    assert "hunter" not in line
    return line.removeprefix(f"{PREFIX}DATABASE_URL ")


@pytest.mark.parametrize(
    ("password", "cures"),
    [
        ("hunter@2", ["Write @ as %40."]),
        ("hunter/2", ["Write / as %2F."]),
        ("hunter?2", ["Write ? as %3F."]),
        ("hunter#2", ["Write # as %23."]),
        ("hunter%2", ["Write % as %25."]),
        ("hunter[2", ["Write [ as %5B."]),
        ("hunter 2", ["Write a space as %20."]),
        ("hun@ter/2#", ["has # and / and @ in", "# as %23, / as %2F, @ as %40."]),
    ],
)
def test_a_character_of_a_password_that_must_be_escaped_is_named(password, cures):
    for start in ("postgresql://ada", "postgres://ada", "postgresql://"):
        for end in ("db.example/comments", "db.example:5432/comments?sslmode=require", "[::1]:5432/x", "db.example"):
            line = fault_of(f"{start}:{password}@{end}")
            for cure in cures:
                assert cure in line


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter%402%2F3@db.example/comments",
        "postgresql://ada:a:b!$&'()*+,;=~@db.example/comments",
        "postgresql://db.example:5432/comments?user=ada@srv&password=p@ss",
        "postgresql://db.example/comments?user=ada@srv",
        "postgresql://[::1]:5432/comments?user=ada@srv",
        "postgresql://ada@one.example:5432,two.example:5432/comments?target_session_attrs=read-write",
        "postgresql:///comments?host=/run/postgresql",
        "postgresql://ada:x@/comments?host=/run/postgresql",
        "sqlite:///relative/comments.db",
        "sqlite:////var/lib/my comments/a%20b@c.db",
    ],
)
def test_a_right_address_is_accepted(url):
    assert read(DATABASE_URL=url, SECRET_KEY=SECRET).database_url == url


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///{}/", "sqlite:///{}/.", "sqlite:///{}/new/"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path, url):
    assert fault_of(url.format(tmp_path)) == "names a folder. Add the name of a file, such as commentsvc.db."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("sqlite:////data/x.db?mode=rwc", "remove everything from the ?"),
        ("sqlite:///x.db?cache=shared&mode=ro", "remove everything from the ?"),
        ("sqlite:///file:x.db", "Leave it out"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///~/x.db", "Write the full path"),
        ("sqlite:///.", "names a folder"),
        ("sqlite://data/x.db", "Write sqlite:/// with 3 slashes."),
        ("sqlite:x.db", "Write sqlite:/// with 3 slashes."),
        ("SQLite:////data/x.db", "Use small letters: write sqlite:///."),
        ("PostgreSQL://db.example/x", "Use small letters: write postgresql://."),
        ("postgresql:/db.example/x", "Write postgresql:// with 2 slashes."),
        ("postgresql+asyncpg://db.example/x", "Leave out the driver: write postgresql://."),
        ("sqlite+aiosqlite:///x.db", "Leave out the driver: write sqlite:///."),
        ("/data/comments.db", "write sqlite:/// before its path."),
        ("comments.db", "write sqlite:/// before its path."),
        ("mysql://db.example/x", "must start with sqlite:/// or postgresql://"),
        ("host=db.example dbname=x", "must start with sqlite:/// or postgresql://"),
        ("postgresql://", "must name a server and a database"),
        ("postgresql://db.example/x\nsqlite:///x.db", "on one line"),
    ],
)
def test_a_wrong_address_is_named_with_its_cure(url, cure):
    assert cure in fault_of(url)
