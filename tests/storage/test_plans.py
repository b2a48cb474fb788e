"""Queries of readers and of new comments read few rows: each uses an index, on a new and on a large database."""

import re
import sqlite3
from contextlib import closing

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import Mode, Status
from commentsvc.storage import (
    comments,
    contacts,
    duplicates,
    network_contacts,
    rule_decisions,
    sweeps,
    thread_numbers,
    thread_pages,
    threads,
)
from commentsvc.storage.public_state import counts_check, latest_check, read_basis, thread_check
from tests.conftest import a_service, draft, visit

TIME = "2026-11-22T16:00:00.000Z"
POSITION = thread_pages.Position("000001", "01a2233b-2a21-7000-acb4-45d0ce9c6c6f")
SWEPT = sweeps.Range(status=Status.PENDING, sites=("s",), since=TIME, as_of=TIME)


def list_page(view, order, after=None):
    return lambda unit, _: thread_pages.list_after(unit, thread_pages.Listing("t", view, order), after, 50)


def list_before(view, order):
    return lambda unit, _: thread_pages.list_positions_before(
        unit, thread_pages.Listing("t", view, order), POSITION, 50
    )


def recent_activity(unit, _):
    return network_contacts.recent_activity(
        unit, "10.0.0.0/24", "s", day_ago=TIME, hour_ago=TIME, before=TIME, but=None
    )


# Each with the indexes that its plan uses.
QUERIES = {
    "oldest tree": (list_page("tree", "oldest"), {"sqlite_autoindex_comment_2"}),
    "oldest tree, next page": (list_page("tree", "oldest", POSITION), {"sqlite_autoindex_comment_2"}),
    "newest tree": (list_page("tree", "newest"), {"sqlite_autoindex_comment_2"}),
    "newest tree, next page": (list_page("tree", "newest", POSITION), {"sqlite_autoindex_comment_2"}),
    "oldest flat": (list_page("flat", "oldest"), {"comment_thread"}),
    "newest flat, next page": (list_page("flat", "newest", POSITION), {"comment_thread"}),
    "oldest tree, before a comment": (list_before("tree", "oldest"), {"sqlite_autoindex_comment_2"}),
    "newest tree, before a comment": (list_before("tree", "newest"), {"sqlite_autoindex_comment_2"}),
    "oldest flat, before a comment": (list_before("flat", "oldest"), {"comment_thread"}),
    "newest flat, before a comment": (list_before("flat", "newest"), {"comment_thread"}),
    "comments that a rule holds": (
        lambda unit, _: rule_decisions.list_decided_by_rule(unit, "links", None, since=TIME, sites=("s",), limit=9),
        {"decision_by_rule", "sqlite_autoindex_comment_1", "decision_comment"},
    ),
    "comments that a rule holds below another": (
        lambda unit, _: rule_decisions.list_also_by_rule(
            unit, ("all", "email"), "links", since=TIME, sites=("s",), limit=9
        ),
        {"decision_by_rule", "sqlite_autoindex_comment_1", "decision_comment"},
    ),
    "a comment of a thread": (
        lambda unit, _: thread_pages.find_comment(unit, "t", POSITION.id),
        {"sqlite_autoindex_comment_1"},
    ),
    "latest": (lambda unit, _: comments.list_latest(unit, "s", None, 20), {"comment_site"}),
    "state of a thread": (
        lambda unit, _: read_basis(unit, thread_check("s", "/a/")),
        {"PRIMARY KEY", "sqlite_autoindex_directory_1", "sqlite_autoindex_thread_1"},
    ),
    "state of counts": (
        lambda unit, _: read_basis(unit, counts_check([("s", "/a/"), ("s", "/b/")])),
        {"PRIMARY KEY", "sqlite_autoindex_directory_1", "sqlite_autoindex_thread_1"},
    ),
    "state of the latest comments": (
        lambda unit, _: read_basis(unit, latest_check("s", None, 20)),
        {"comment_site", "sqlite_autoindex_directory_1", "sqlite_autoindex_thread_1"},
    ),
    "thread of a new comment": (
        lambda unit, _: thread_numbers.take_number(unit, "s", "/a/"),
        {"PRIMARY KEY", "sqlite_autoindex_thread_1"},
    ),
    "duplicate": (
        lambda unit, thread: duplicates.is_posted(unit, "d", "t", thread, TIME, TIME),
        {"comment_same_text", "comment_edited_text"},
    ),
    "same text": (lambda unit, thread: duplicates.count_same_text(unit, "t", thread, TIME), {"comment_same_text"}),
    "comments of an author": (
        lambda unit, _: comments.count_approved_by(unit, "s", "a", before=TIME, but=None),
        {"comment_author"},
    ),
    "activity of a network": (recent_activity, {"contact_network"}),
    "number of a network": (
        lambda unit, _: network_contacts.count_since(unit, "10.0.0.0/24", TIME, TIME),
        {"contact_network"},
    ),
    "spam of a network": (
        lambda unit, _: network_contacts.has_spam_from(unit, "10.0.0.0/24"),
        {"contact_network", "decision_comment"},
    ),
    "expired networks": (lambda unit, _: contacts.list_expired_networks(unit, TIME), {"contact_network"}),
    "counts of an address": (lambda unit, _: contacts.count_by_email(unit, ["d"], None, 100), {"contact_email"}),
    "commenters with one name": (
        lambda unit, _: contacts.find_namesakes(unit, [("s", "mia"), ("s", "bo")], 100),
        {"contact_name"},
    ),
    "what an author wrote": (lambda unit, _: sweeps.list_by_author(unit, "a", SWEPT, 100), {"comment_author"}),
    "what a network wrote": (
        lambda unit, _: sweeps.list_by_network(unit, "10.0.0.0/24", SWEPT, 100),
        {"contact_network", "sqlite_autoindex_comment_1"},
    ),
    "what an address wrote": (
        lambda unit, _: sweeps.list_by_address(unit, ["d"], (True,), SWEPT, 100),
        {"contact_email", "sqlite_autoindex_comment_1"},
    ),
    "what was sent with a website": (
        lambda unit, _: sweeps.list_with_website(unit, ["a.example"], SWEPT, 100),
        {"comment_site"},
    ),
    "pending comments of a network": (
        lambda unit, _: contacts.count_pending_by_network(unit, ["a", "b"], None, 100),
        {"contact_network", "PRIMARY KEY"},
    ),
}


@pytest.fixture
async def large(tmp_path, clock):
    """A database with 400 comments in 40 threads, 200 from one network, and statistics of its tables."""
    path = tmp_path / "large.db"
    async with a_service(f"sqlite:///{path}", clock, moderation=Mode.NONE) as service:
        for number in range(400):
            address = f"10.{number % 2}.{number // 2 * (number % 2)}.1"
            await post_comment(
                service, draft(thread=f"/{number % 40}/", comment=f"Comment {number}."), visit(address=address)
            )
        await service.db._writer.execute_fetchall("ANALYZE")
    return path


class AskedError(Exception):
    """The statement of a query, which is not run."""


class Recorder:
    """A unit that stops at its first statement."""

    async def all(self, sql, /, **values):
        raise AskedError(sql, values)

    async def one(self, sql, /, **values):
        raise AskedError(sql, values)


async def plan_of(path, query):
    thread = threads.Thread("t", "s", "/a/", None, None, 0, 0, None, None, None, TIME)
    with pytest.raises(AskedError) as asked:
        await query(Recorder(), thread)
    sql, values = asked.value.args
    with closing(sqlite3.connect(path)) as database:
        return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def indexes_in(plan):
    found = {match[1] for line in plan if (match := re.search(r"USING (?:COVERING )?(?:INDEX )?(.+?)(?: \(|$)", line))}
    return {name for name in found if "B-TREE" not in name}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_uses_its_index_on_a_new_database(laid_file, name):
    query, indexes = QUERIES[name]
    plan = await plan_of(laid_file, query)
    assert indexes_in(plan) == indexes, plan


async def test_commenters_with_one_name_are_found_in_the_index_alone(laid_file):
    plan = await plan_of(laid_file, QUERIES["commenters with one name"][0])
    assert sum("USING COVERING INDEX contact_name" in line for line in plan) == 2, plan


async def test_queries_use_their_indexes_on_a_large_database(large):
    for name, (query, indexes) in QUERIES.items():
        plan = await plan_of(large, query)
        assert indexes_in(plan) == indexes, (name, plan)
