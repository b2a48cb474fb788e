"""The moderation queue: counts, search and pagination."""

import asyncio
import itertools
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given

from commentsvc.comments import edit, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Gone
from commentsvc.domain.models import (
    ActionVerb,
    Actor,
    ActorKind,
    Comment,
    Effect,
    Mode,
    Principal,
    RuleKind,
    Scope,
    Status,
    StatusFilter,
)
from commentsvc.moderation import actions, erase, queue, undo
from commentsvc.moderation.schemas import Action, CommentUpdate, PrivateSearch, QueueQuery, Totals
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read, write
from commentsvc.sites import manage as sites
from commentsvc.sites.schemas import SiteChange
from commentsvc.storage import contacts, search
from commentsvc.storage import queue as storage_queue
from commentsvc.storage.sqlite import SqliteDatabase
from tests.audit.test_log import MOVES, Scenario, ScenarioRunner, runner_fixtures
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, post, visit
from tests.moderation.test_properties import often

BOTH_SITES = "https://one.example https://two.example"


async def act(service, verb, *ids):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


async def found(service, who=EVERYTHING, **query):
    """Return the texts of the comments found, in order."""
    return [card.comment for card in (await queue.search_comments(service, who, PrivateSearch(**query))).comments]


async def check_counts(service) -> None:
    """Check that the counts and copies kept for fast queries match the comments."""
    comments = {row["id"]: row for row in await everything_in(service, "comment")}
    for thread in await everything_in(service, "thread"):
        mine = [row for row in comments.values() if row["thread_id"] == thread["id"] and not row["erased_at"]]
        fresh = {status.value: [row["status"] for row in mine].count(status) for status in Status}
        fresh["reported"] = len([row for row in mine if row["reports"]])
        assert {name: thread[name] for name in fresh} == fresh
    await check_totals(service)
    there = {id_: row for id_, row in comments.items() if not row["erased_at"]}
    commenters = {id_: row for id_, row in there.items() if row["moderator_id"] is None}
    kept = {row["comment_id"]: row["status"] for row in await everything_in(service, "contact")}
    assert kept == {id_: row["status"] for id_, row in commenters.items()}
    await check_search(service)
    still_open = [row["comment_id"] for row in await everything_in(service, "report") if not row["settled_at"]]
    assert {id_: row["reports"] for id_, row in comments.items()} == {id_: still_open.count(id_) for id_ in comments}


async def check_search(service) -> None:
    """Check the tokens of every comment and thread, and that the index has the same ones."""
    rows = [row for row in await everything_in(service, "comment") if not row["erased_at"]]
    there = {
        row["id"]: msgspec.convert({name: row[name] for name in Comment.__struct_fields__}, Comment) for row in rows
    }
    kept = {row["comment_id"]: row for row in await everything_in(service, "comment_search")}
    assert kept.keys() == there.keys()
    for id_, comment in there.items():
        assert kept[id_]["words"] == search.comment_words(comment)
        assert kept[id_]["marks"].startswith(f"={comment.status} ")
    threads = {row["thread_id"]: row["words"] for row in await everything_in(service, "thread_search")}
    assert threads == {
        row["id"]: search.thread_words(row["site_id"], row["key"], row["title"])
        for row in await everything_in(service, "thread")
        if row["key"]
    }
    if isinstance(service.db, SqliteDatabase):
        await write(check_index)(service)


async def check_index(tx) -> None:
    # FTS5 compares the index with the table: https://sqlite.org/fts5.html#the_integrity_check_command
    for index in ("comment_index", "thread_index"):
        await tx.run(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")


async def check_totals(service) -> None:
    """Check that the totals of each site are the sums of its threads' counters."""
    names = list(Totals.__struct_fields__)
    kept, counted = defaultdict(Counter), defaultdict(Counter)
    for sums, table in ((kept, "site_total"), (counted, "thread")):
        for row in await everything_in(service, table):
            sums[row["site_id"]].update({name: row[name] for name in names})
    zero = Counter(dict.fromkeys(names, 0))
    assert {site: kept.get(site, zero) for site in counted} == counted
    assert kept.keys() <= counted.keys()


async def check_trees(service) -> None:
    """Check that every comment is below its parent, in a thread with a name that is not merged into another."""
    comments = {row["id"]: row for row in await everything_in(service, "comment")}
    threads = {row["id"]: row for row in await everything_in(service, "thread")}
    named = {row["thread_id"] for row in await everything_in(service, "thread_name")}
    assert named == {id_ for id_, row in threads.items() if not row["merged_into"] and row["key"]}
    for row in comments.values():
        parent, above, own = comments.get(row["parent_id"]), row["path"][:-6], row["path"][-6:]
        assert row["thread_id"] in named or row["erased_at"]
        assert above == (parent["path"] if parent else "")
        assert row["thread_id"] == (parent or row)["thread_id"]
        assert len(own) == 6
        assert int(own, 16) <= threads[row["thread_id"]]["last_seq"]
        assert (row["top"], row["depth"]) == (row["path"][:6], len(above) // 6)


class CountRunner(ScenarioRunner):
    """Checks all counts and trees after every move."""

    async def _run(self, moves: list[Any]) -> None:
        scenario = Scenario(self.service, self.clock, self.noa, next(self.numbers))
        for move in moves:
            await scenario.perform(*move)
            await check_counts(self.service)
            await check_trees(self.service)


count_runner, count_runner_on_postgres = runner_fixtures(CountRunner)


# Publish without a decision, hold by reports, approve, undo (which reopens the reports), then erase.
REPORTED = [("change_mode", 0, 0), ("write", 0, 0), ("report", 1, 0), ("decide", 1, 0), ("undo", 0, 0), ("erase", 1, 0)]


@given(moves=MOVES)
@example(moves=REPORTED)
@often(20)
def test_counts_and_trees_are_right_after_random_actions(count_runner, moves):
    count_runner.run(moves)


@given(moves=MOVES)
@example(moves=REPORTED)
@often(5)
def test_counts_and_trees_are_right_after_random_actions_on_postgresql(count_runner_on_postgres, moves):
    count_runner_on_postgres.run(moves)


async def test_counts_are_right_after_concurrent_actions(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        ids = [await post(service, f"number {number}", thread=f"/{number % 2}/") for number in range(8)]

        async def report(comment, reader):
            with suppress(Gone):
                await reports.report_comment(service, comment, NewReport(), visit(address=f"203.0.{reader}.1"))

        verbs = (ActionVerb.SPAM, ActionVerb.APPROVE, ActionVerb.HOLD, ActionVerb.APPROVE)
        readers = [report(comment, reader) for comment in ids for reader in range(4)]
        await asyncio.gather(*readers[:16], *(act(service, verb, *ids) for verb in verbs), *readers[16:])

        await check_counts(service)


async def test_totals_include_only_the_sites_of_the_moderator(database_url, clock):
    async with a_service(database_url, clock, sites=BOTH_SITES) as service:
        ours = await post(service, "ours", thread="https://one.example/a/")
        await post(service, "theirs", thread="https://two.example/a/")
        await act(service, ActionVerb.TRASH, ours)
        await erase.erase_permanently(service, EVERYTHING, ours)
        (site,) = [row["id"] for row in await everything_in(service, "site") if row["name"] == "one.example"]
        site_moderator = Principal(Actor(ActorKind.PERSON, None, "noa"), frozenset(Scope), (site,))

        assert (await queue.search_comments(service, site_moderator, QueueQuery())).totals == Totals()
        assert (await queue.search_comments(service, EVERYTHING, QueueQuery())).totals == Totals(pending=1)


@pytest.fixture
async def archive(database_url, clock):
    """Create 24 comments on two sites, with different values for every search filter."""
    async with a_service(database_url, clock, sites=BOTH_SITES) as service:
        facts = {}
        for number in range(24):
            fact = {
                "site": f"{('one', 'two')[number % 2]}.example",
                "thread": f"/{number % 3}/",
                "network": f"203.0.{number % 4}.0/24",
                "email": f"writer{number % 5}@example.com",
                "q": ("Straße", "HAUS", "100% Hof_")[number % 3],
                "reason": "RULE:mode",
            }
            thread = f"https://{fact['site']}{fact['thread']}"
            address = fact["network"].replace("0/24", "9")
            id_ = await post(service, f"{number} {fact['q']}", thread=thread, email=fact["email"], address=address)
            facts[id_] = fact | {"status": StatusFilter.PENDING, "reported": False}
        await _decide(service, facts)
        yield service, facts


async def _decide(service, facts):
    ids = list(facts)
    for id_ in ids[::2]:
        await act(service, ActionVerb.APPROVE, id_)
        facts[id_] |= {"status": StatusFilter.APPROVED, "reason": "nothing said"}
    for id_ in ids[::4]:
        await reports.report_comment(service, id_, NewReport(), visit())
        facts[id_] |= {"reported": True}
    for id_ in ids[1::6]:
        await act(service, ActionVerb.SPAM, id_)
        facts[id_] |= {"status": StatusFilter.SPAM, "reason": "nothing said"}


def _matches(fact, filters):
    wanted = dict(filters)
    status = wanted.pop("status", StatusFilter.ANY if wanted.get("reported") else StatusFilter.PENDING)
    email = wanted.pop("email", None)
    return (
        status in {StatusFilter.ANY, fact["status"]}
        and (email is None or email.reveal() == fact["email"])
        and all(fact[name] == value for name, value in wanted.items())
    )


@pytest.mark.slow
async def test_every_combination_of_filters_finds_the_matching_comments(archive):
    service, facts = archive
    choices = {
        "status": (None, StatusFilter.ANY, StatusFilter.APPROVED, StatusFilter.SPAM),
        "site": (None, "two.example"),
        "network": (None, "203.0.1.0/24"),
        "email": (None, Email("writer1@example.com")),
        "q": (None, "HAUS", "100% Hof_"),
        "reason": (None, "RULE:mode"),
        "reported": (None, True, False),
        "thread": (None, "/1/"),
    }
    for values in itertools.product(*choices.values()):
        filters = {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        if "thread" in filters and "site" not in filters:
            continue  # a path without a site is ambiguous here
        expected = [id_ for id_, fact in facts.items() if _matches(fact, filters)]
        page = await queue.search_comments(service, EVERYTHING, PrivateSearch(**filters))
        assert [card.id for card in page.comments] == expected, filters


async def test_pagination_returns_every_result_in_order_with_any_filter(archive):
    service, facts = archive
    for filters in ({"status": StatusFilter.ANY}, {"q": "haus"}, {"network": "203.0.1.0/24"}, {"site": "one.example"}):
        whole = await found(service, **filters)
        for order, expected in (("oldest", whole), ("newest", whole[::-1])):
            seen, cursor = [], None
            while cursor is not None or not seen:
                query = PrivateSearch(limit=2, order=order, cursor=cursor, **filters)
                page = await queue.search_comments(service, EVERYTHING, query)
                seen, cursor = seen + [card.comment for card in page.comments], page.next_cursor
                if cursor is None:
                    break
            assert seen == expected, filters
    assert len(facts) == 24


async def test_a_moderator_of_one_site_finds_nothing_on_another_site(archive):
    service, _facts = archive
    (site,) = [row["id"] for row in await everything_in(service, "site") if row["name"] == "two.example"]
    site_moderator = Principal(Actor(ActorKind.PERSON, None, "noa"), frozenset(Scope), (site,))
    for filters in ({}, {"q": "HAUS"}, {"network": "203.0.1.0/24"}, {"reported": True}, {"status": StatusFilter.ANY}):
        page = await queue.search_comments(service, site_moderator, PrivateSearch(**filters))
        assert {card.site for card in page.comments} <= {"two.example"}, filters


async def test_a_comment_is_found_by_its_current_text(service):
    receipt = await post_comment(service, draft(comment="The FIRST words"), visit())
    assert await found(service, q="first") == ["The FIRST words"]
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="Other words"), visit())
    assert (await found(service, q="first"), await found(service, q="other")) == ([], ["Other words"])
    await actions.update_comment(service, EVERYTHING, receipt.id, 2, CommentUpdate(name="Ägidius"))
    assert await found(service, q="ÄGID") == ["Other words"]
    await act(service, ActionVerb.TRASH, receipt.id)
    await erase.erase_permanently(service, EVERYTHING, receipt.id)
    assert await found(service, q="words", status=StatusFilter.ANY) == []
    assert await everything_in(service, "comment_search") == []


async def test_a_held_comment_shows_every_reason_and_is_found_by_each(service):
    links = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    words = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="pills"))
    await post(service, "pills at https://shop.example")
    await post(service, "harmless")

    card = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments[0]
    assert {reason.actor for reason in card.reasons} == {
        Actor(ActorKind.RULE, links.id, "links"),
        Actor(ActorKind.RULE, words.id, "words"),
        Actor(ActorKind.RULE, None, "mode"),
    }
    decided, *others = card.reasons
    for name in ("links", "words", "PILLS", decided.text[:12], others[0].text.partition(" ")[2]):
        assert await found(service, reason=name) == ["pills at https://shop.example"], name
    assert len(await found(service, reason="mode")) == 2
    detail = await queue.get_comment_detail(service, EVERYTHING, card.id)
    (decision,) = detail.decisions
    assert _reason(decision) == _reason(decided)
    assert [_reason(one) for one in decision.verdicts] == [_reason(other) for other in others]
    assert {one.effect for one in decision.verdicts} == {"hold"}


def _reason(record):
    return record.actor, record.code, record.args, record.text


async def test_a_moderators_reason_replaces_the_reasons_of_the_rules(service):
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    comment = await post(service, "see https://shop.example")
    await actions.apply_action(
        service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[comment], note="The same SHOP again")
    )

    (card,) = (await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.SPAM))).comments
    assert [_reason(one) for one in card.reasons] == [(EVERYTHING.actor, None, {}, "The same SHOP again")]
    assert len(await found(service, status=StatusFilter.SPAM, reason="same shop")) == 1
    for name in ("links", "mode", "ada"):
        assert await found(service, status=StatusFilter.SPAM, reason=name) == []
    detail = await queue.get_comment_detail(service, EVERYTHING, comment)
    assert [len(decision.verdicts) for decision in detail.decisions] == [1, 0]


async def test_a_comment_shows_its_first_reasons_again_after_an_undo(service):
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    comment = await post(service, "see https://shop.example")
    done = await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[comment]))
    await undo.undo_action(service, EVERYTHING, done.id)

    (card,) = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments
    assert [reason.actor.name for reason in card.reasons] == ["ada", "links", "mode"]


async def test_a_namesake_is_found_on_both_engines_until_they_are_renamed(service):
    known = [await post(service, f"known {n}", name="Sam Lee", email="sam@example.net") for n in range(4)]
    for one in known:
        await act(service, ActionVerb.APPROVE, one)
    false = await post(service, "not his", name="sam lee", email="sam.l@mail.example")
    waiting = QueueQuery()
    found = {one.id: one.namesake for one in (await queue.search_comments(service, EVERYTHING, waiting)).comments}
    assert found == {false: 4}
    same = await queue.search_comments(service, EVERYTHING, QueueQuery(status="approved", same_name=false))
    assert [one.id for one in same.comments] == known
    await actions.update_comment(service, EVERYTHING, known[0], 2, CommentUpdate(name="Someone else"))
    (one,) = (await queue.search_comments(service, EVERYTHING, waiting)).comments
    assert one.namesake == 3


@pytest.mark.parametrize(
    ("name", "email", "warned"),
    [
        ("\u0405am L\u0435e", "sam.l@mail.example", 3),  # with Cyrillic letters that look the same
        ("sam  lee", "sam.l@mail.example", 3),
        ("Sam Lee", None, 3),
        ("Sam Lee", "SAM@example.net", 0),  # himself, as far as the address says
        ("Sam Leeds", "sam.l@mail.example", 0),
        ("Bo", "sam.l@mail.example", 0),  # two approved comments are no record yet
    ],
)
async def test_the_name_of_a_known_commenter_is_marked_under_another_address(service, name, email, warned):
    (site,) = (await sites.list_sites(service, EVERYTHING)).sites
    await sites.change_site(service, EVERYTHING, site.id, SiteChange(email_required=False))
    known = [await post(service, f"S {number}", name="Sam Lee", email="sam@example.net") for number in range(3)]
    known += [await post(service, f"B {number}", name="Bo", email="bo@example.net") for number in range(2)]
    for one in known:
        await act(service, ActionVerb.APPROVE, one)
    await post(service, "not his", name=name, email=email)
    (card,) = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments
    assert card.namesake == warned


async def test_the_count_of_similar_comments_has_a_limit(service):
    ids = [await post(service, "the same", thread=f"/{number}/") for number in range(5)]

    async def count(tx, most):
        return await contacts.count_pending_by_network(tx, ids, None, most), await storage_queue.count_same_text(
            tx, ids, None, most
        )

    by_network, by_text = await private_read(count)(service, 3)
    assert (by_network, list(by_text.values())) == ({"198.51.100.0/24": 3}, [3])
    by_network, by_text = await private_read(count)(service, 9)
    assert (by_network, list(by_text.values())) == ({"198.51.100.0/24": 5}, [5])


QUERIES = (
    {},
    {"order": "newest"},
    {"status": StatusFilter.ANY},
    {"site": "one.example"},
    {"site": "one.example", "status": StatusFilter.ANY},
    {"site": "one.example", "thread": "/busy/"},
    {"network": "203.0.113.0/24"},
    {"email": Email("mia@example.com")},
    {"reported": True},
    {"reported": True, "status": StatusFilter.APPROVED, "site": "one.example"},
    {"q": "Number"},
    {"reason": "mode"},
)


async def test_a_page_takes_the_same_number_of_steps_in_a_long_queue(tmp_path, clock):
    """Count SQLite steps instead of time, so that other work on the machine does not matter."""
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock, sites=BOTH_SITES) as service:
        for number in range(6):
            shown = await post(service, f"shown {number}", thread="https://one.example/busy/")
            await act(service, ActionVerb.APPROVE, shown)
            await reports.report_comment(service, shown, NewReport(), visit())
        await _fill(service, range(40))
        short = [await _steps(service, filters) for filters in QUERIES]
        await _fill(service, range(40, 400))
        for filters, before in zip(QUERIES, short, strict=True):
            assert await _steps(service, filters) < 1.2 * before, filters


async def _fill(service, numbers):
    """Post comments: half of them in one thread, from one network and one commenter."""
    for number in numbers:
        busy, calm = {"thread": "https://one.example/busy/"}, {"thread": "https://one.example/calm/"}
        calm |= {"email": f"w{number}@example.com", "address": f"192.0.{number % 250}.1"}
        await post(service, f"Number {number}", **{"address": "203.0.113.4"} | (calm if number % 2 else busy))


async def _steps(service, filters):
    query = PrivateSearch(**filters)
    wanted = await private_read(queue.build_search)(service, EVERYTHING, query)
    steps = itertools.count()
    await _on_every_reader(service, lambda: next(steps) and None, 10)
    newest_first = query.order == "newest"
    found = await private_read(storage_queue.list_page)(service, wanted, after=None, newest_first=newest_first, limit=5)
    await _on_every_reader(service, None, 0)
    assert len(found) == 5, filters
    return next(steps)


async def _on_every_reader(service, handler, every):
    readers = [service.db._private.get_nowait() for _ in range(service.db._private.qsize())]
    for reader in readers:
        await reader.set_progress_handler(handler, every)
        service.db._private.put_nowait(reader)


async def test_a_reopened_database_has_correct_counts_and_search(database_url, clock):
    """Create comments in each status and an erased one, then start again, which runs the migrations."""
    async with a_service(database_url, clock) as service:
        ids = [await post(service, f"ÉTAT {number}", name="Zoë") for number in range(5)]
        await act(service, ActionVerb.APPROVE, ids[1])
        await act(service, ActionVerb.TRASH, ids[3], ids[4])
        await erase.erase_permanently(service, EVERYTHING, ids[4])
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0", effect=Effect.SPAM))
        await post(service, "ÉTAT: https://shop.example", name="Zoë")
    async with a_service(database_url, clock) as service:
        await check_counts(service)
        assert await found(service, q="ZOË", status=StatusFilter.ANY) == [
            "ÉTAT 0", "ÉTAT 1", "ÉTAT 2", "ÉTAT 3", "ÉTAT: https://shop.example",
        ]  # fmt: skip
        assert await found(service, reason="links", status=StatusFilter.SPAM) == ["ÉTAT: https://shop.example"]
        assert await found(service, reason="mode", status=StatusFilter.APPROVED) == []
        assert (await queue.search_comments(service, EVERYTHING, QueueQuery())).totals == Totals(
            pending=2, approved=1, spam=1, trash=1
        )
