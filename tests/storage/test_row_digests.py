"""Every changed byte of a comment's text, name, time and encrypted address is found."""

import random
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

import commentsvc
from commentsvc.domain.models import Mode
from commentsvc.domain.row_digest import digest_row
from commentsvc.operations.integrity import find_damaged_rows
from commentsvc.storage import row_digests, sqlite_inspection
from tests.conftest import post

COLUMNS = (("comment", "text"), ("comment", "name"), ("comment", "created_at"), ("contact", "email_sealed"))
FLIPS = 200
SEED = 16


def places_of(path, table, column):
    """Return the places in the file of each value's bytes, on pages of this table."""
    data = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        size = database.execute("PRAGMA page_size").fetchone()[0]
        pages = [row[0] for row in database.execute("SELECT pageno FROM dbstat WHERE name = ?", [table])]
        values = [row[0].encode() for row in database.execute(f"SELECT {column} FROM {table}")]
    places = []
    for value in values:
        for page in pages:
            found = data.find(value, (page - 1) * size, page * size)
            if found >= 0:
                places += range(found, found + len(value))
                break
        else:
            raise AssertionError(f"{table}.{column} has a value that is on no page")
    return places


async def test_200_flipped_bytes_are_all_found(served, clock):
    service = await served(moderation=Mode.NONE)
    for number in range(60):
        clock.time += timedelta(seconds=number + 1)
        text = f"Comment {number} about lamps. " * (number + 1)
        await post(service, text, name=f"Reader ünd {number}", email=f"r{number}@example.com")
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    path = service.config.sqlite_path
    assert await find_damaged_rows(path) == []
    copy = path.with_name("flipped.db")
    chance, data = random.Random(SEED), bytearray(path.read_bytes())  # noqa: S311 -- the same bytes in each run
    places = {column: places_of(path, *column) for column in COLUMNS}
    for number in range(FLIPS):
        place = chance.choice(places[COLUMNS[number % len(COLUMNS)]])
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        copy.write_bytes(flipped)
        damaged = sqlite_inspection.check_file(copy).damaged
        assert damaged, (COLUMNS[number % len(COLUMNS)], place)


async def test_a_check_says_which_row_is_damaged_on_both_engines(service):
    whole, damaged = await post(service, "Stays as it is."), await post(service, "Will be changed.")
    assert await find_damaged_rows(service) == []

    async def change(statements):
        await statements.run("UPDATE comment SET text = 'Was changed.' WHERE id = :id", id=damaged)
        await statements.run("UPDATE contact SET row_digest = NULL WHERE comment_id = :id", id=whole)

    await service.db.write(change)
    found = await find_damaged_rows(service)
    assert [str(one) for one in found] == [
        f"comment {damaged} does not match its digest",
        f"contact {whole} has no digest",
    ]


async def test_rows_are_checked_in_pieces(service, monkeypatch):
    monkeypatch.setattr(row_digests, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(sqlite_inspection, "ROWS_AT_ONCE", 3)
    for number in range(7):
        await post(service, f"Comment {number}")

    async def change(statements):
        await statements.run("UPDATE comment SET text = 'Was changed.'")

    await service.db.write(change)
    assert len(await find_damaged_rows(service)) == 7


@given(some.lists(some.one_of(some.none(), some.text()), min_size=2), some.data())
def test_values_that_differ_have_different_digests(values, data):
    at = data.draw(some.integers(0, len(values) - 1))
    other = data.draw(some.one_of(some.none(), some.text()).filter(lambda one: one != values[at]))
    assert digest_row(*values) != digest_row(*values[:at], other, *values[at + 1 :])


def test_a_moved_boundary_between_values_changes_the_digest():
    assert len({digest_row("ab", "c"), digest_row("a", "bc"), digest_row("abc", ""), digest_row("abc", None)}) == 4


def test_every_statement_that_writes_a_digested_column_writes_the_digest():
    """An importer that forgets it would let every check report damage."""
    for file in (Path(commentsvc.__file__).parent / "storage").glob("*.py"):
        for statement in re.findall(r'"""(.*?)"""|"([^"\n]*)"', file.read_text(encoding="utf-8"), re.DOTALL):
            sql = " ".join("".join(statement).split())
            inserts = re.search(r"INSERT INTO (comment|contact) \(", sql)
            updates = re.search(
                r"UPDATE (comment|contact) SET .*\b(?<![.:])(name|text|html|created_at|email_sealed) = ", sql
            )
            assert not (inserts or updates) or "row_digest" in sql, (file.name, sql)
