"""No search of a moderator reads the whole table of comments, whatever filters are combined."""

import itertools

import pytest

from commentsvc.domain.models import Status
from commentsvc.domain.search_tokens import terms
from commentsvc.service import private_read, write
from commentsvc.storage.queue_plan import Plan, Search
from commentsvc.storage.score_order import build_statement
from commentsvc.storage.thread_list import ThreadPlan
from tests.conftest import a_service, post

TIME = "2026-11-22T16:02:11.000Z"
FILTERS = {
    "since": TIME,
    "until": TIME,
    "as_of": TIME,
    "reported": True,
    "same_text": "a digest",
    "email": ("one digest", "another"),
    "network": "198.51.100.0/24",
    "q": "word",
    "reason": "rule:links",
}
# Each filter alone and each pair; with each status; on all sites, one, two, and for one thread.
COMBINATIONS = [set(some) for number in range(3) for some in itertools.combinations(FILTERS, number)]
PLACES = ({}, {"sites": ("a",)}, {"sites": ("a", "b")}, {"sites": ("a",), "thread_id": "t"})


def searches():
    for names, status, place in itertools.product(COMBINATIONS, (None, *Status), PLACES):
        yield Search(status, values={name: FILTERS[name] for name in names}, **place)


def statements(search, newest_first):
    plan = Plan(search, newest_first)
    yield "page", *plan.page("an id")
    if search.terms:
        yield "index", *plan.matching(search.terms, "an id")


async def explain(unit, statement, values):
    rows = await unit.all(f"EXPLAIN QUERY PLAN {statement}", **{"limit": 50} | values)
    return [row["detail"] for row in rows]


def is_limited(search, kind, line):
    """Return whether a line of a plan reads a part of a table, or a whole one in the order of the page."""
    if not line.startswith("SCAN "):
        return True
    table = line.split()[1]
    if table.startswith(("branch", "seen", "matching", "(")):
        return True
    if kind == "index":
        return table == "comment_index"
    in_order = line == "SCAN comment USING COVERING INDEX sqlite_autoindex_comment_1"
    whole = search.status is None and search.sites is None
    return (in_order and whole) or (line.endswith("INDEX comment_reported") and "reported" in search.values)


def sorts_table(plan):
    """Return whether rows of a table are sorted. The rows of a branch are few: its limit ends it."""
    pairs = itertools.pairwise(plan)
    return any("TEMP B-TREE FOR ORDER BY" in line and not before.startswith("SCAN branch") for before, line in pairs)


@pytest.fixture(params=[False, True], ids=["new", "analyzed"])
async def filled(request, tmp_path, clock):
    """A database with a few comments: without the statistics that ANALYZE makes, and with them."""
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        for number in range(10):
            await post(service, f"Number {number}", thread=f"/{number % 3}/")
        if request.param:

            async def analyze(unit):
                await unit.run("ANALYZE")

            await write(analyze)(service)
        yield service


async def test_every_search_reads_a_range_of_an_index(filled):
    async def check(unit):
        for search, newest_first in itertools.product(searches(), (False, True)):
            for kind, statement, values in statements(search, newest_first):
                plan = await explain(unit, statement, values)
                assert all(is_limited(search, kind, line) for line in plan), (search, plan)

    await private_read(check)(filled)


async def test_pages_of_the_queue_are_read_in_order_and_never_sorted(filled):
    """A branch that were sorted would read all comments of its status or site for each page."""
    sorted_by_words = {"same_text", "email"}  # few rows: those with one text, or of one commenter

    async def check(unit):
        for search in searches():
            if sorted_by_words & search.values.keys() or search.terms:
                continue
            statement, values = Plan(search, newest_first=True).page("an id")
            plan = await explain(unit, statement, values)
            assert not sorts_table(plan), (search, plan)

    await private_read(check)(filled)


async def test_searches_for_threads_read_a_range_of_an_index(filled):
    async def check(unit):
        for sites in (None, ("a",), ("a", "b")):
            plan = ThreadPlan(sites)
            page, values = plan.page("an id")
            lines = await explain(unit, page, values)
            assert not sorts_table(lines), lines
            assert all("thread_site" in line for line in lines if line.startswith("SEARCH thread ")) or sites is None
            statement, values = plan.matching(terms("word"), None)
            lines = await explain(unit, statement, values)
            assert not any(line.startswith(("SCAN thread ", "SCAN thread_search")) for line in lines), lines

    await private_read(check)(filled)


async def test_the_order_of_scores_reads_the_index_of_pending_comments_and_sorts_nothing(filled):
    async def check(unit):
        for place, after in itertools.product(PLACES[:3], (None, (500, "an id"))):
            statement, values = build_statement(Search(Status.PENDING, **place), after)
            plan = await unit.all(f"EXPLAIN QUERY PLAN {statement}", wanted=50, **values)
            (line,) = [row["detail"] for row in plan]
            assert "COVERING INDEX contact_score" in line, (place, after)

    await private_read(check)(filled)


async def test_a_search_in_the_order_of_scores_reads_no_whole_table(filled):
    async def check(unit):
        for names, place in itertools.product(COMBINATIONS, PLACES):
            search = Search(Status.PENDING, values={name: FILTERS[name] for name in names}, **place)
            if search.terms is None and (names or "thread_id" in place):
                statement, values = build_statement(search, (500, "an id"))
                plan = await explain(unit, statement.replace(":wanted", "50"), values | {"limit": 9})
                assert all(is_limited(search, "page", line) or "found" in line for line in plan), plan

    await private_read(check)(filled)
