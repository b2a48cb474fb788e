"""The totals for statistics always equal a count of the comments and decisions themselves."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.comments import edit, erase
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import ActionVerb, Mode, RuleKind, Status
from commentsvc.moderation import actions, thread_removal, threads, undo
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadRemoval
from commentsvc.privacy.prune import Pruning, prune
from commentsvc.privacy.retention import erase_old_comments
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read
from commentsvc.sites import manage as sites
from commentsvc.sites.removal import remove_site
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.storage import day_totals
from tests.archives.made import PAGE, a_comment, import_records
from tests.conftest import EVERYTHING, MORE_EXAMPLES, Clock, a_service, copied, draft, visit

HOUR = 3600
OTHER = "https://other.example"
OF_OTHER = 2  # the number of the page on this site
MODERATOR_VERBS = [ActionVerb.APPROVE, ActionVerb.SPAM, ActionVerb.TRASH, ActionVerb.HOLD]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.sampled_from(["a plain text", "with a badword inside"]), st.integers(0, 2)),
        st.tuples(st.just("decide"), st.sampled_from(MODERATOR_VERBS), st.integers(0, 8)),
        st.tuples(st.just("undo"), st.none(), st.integers(0, 3)),
        st.tuples(st.just("edit"), st.sampled_from(["new words", "now a badword"]), st.integers(0, 8)),
        st.tuples(st.just("withdraw"), st.none(), st.integers(0, 8)),
        st.tuples(st.just("erase"), st.none(), st.integers(0, 8)),
        st.tuples(st.just("merge"), st.none(), st.integers(0, 2)),
        st.tuples(st.just("remove_thread"), st.none(), st.integers(0, 2)),
        st.tuples(st.just("bring"), st.sampled_from([Status.APPROVED, Status.PENDING, Status.SPAM]), st.integers(0, 8)),
        st.tuples(st.just("retain"), st.sampled_from([Status.SPAM, Status.TRASH]), st.none()),
        st.tuples(st.just("prune"), st.none(), st.none()),
        st.tuples(st.just("remove_site"), st.none(), st.none()),
        st.tuples(st.just("wait"), st.none(), st.sampled_from([30, 600, 5 * HOUR, 3 * 24 * HOUR, 40 * 24 * HOUR])),
    ),
    min_size=4,
    max_size=25,
)


class History:
    """Plays steps of readers and moderators on a service. A step that is refused changes nothing."""

    def __init__(self, service, clock):
        self.service, self.clock = service, clock
        self.posted, self.actions = [], []

    async def play(self, step, choice, at):
        with suppress(Refusal, IndexError):
            await getattr(self, step)(choice, at)

    async def post(self, text, at):
        page = {"thread": f"{OTHER}/2/"} if at == OF_OTHER else {"thread": f"/{at}/", "site": "blog"}
        sent = draft(comment=f"{text} {len(self.posted)}", email=f"p{at}@example.com", **page)
        self.posted.append(await post_comment(self.service, sent, visit(address="198.51.100.7")))

    async def decide(self, verb, at):
        ids = [one.id for one in self.posted[at : at + 3]]
        done = await actions.apply_action(self.service, EVERYTHING, Action(action=verb, ids=ids or ["none"]))
        self.actions.append(done.id)

    async def undo(self, _choice, at):
        await undo.undo_action(self.service, EVERYTHING, self.actions[-1 - at])

    async def edit(self, text, at):
        one = self.posted[at]
        await edit.edit_comment(self.service, one.id, one.edit_token, CommentEdit(comment=text), visit())

    async def withdraw(self, _choice, at):
        await erase.withdraw_comment(self.service, self.posted[at].id, self.posted[at].edit_token)

    async def erase(self, _choice, at):
        await erase_permanently(self.service, EVERYTHING, self.posted[at].id)

    async def merge(self, _choice, at):
        found = await list_threads(self.service)
        change = ThreadChange(merge_into=found[at - 1]["key"])
        merged = await threads.change_thread(self.service, EVERYTHING, found[at]["id"], change)
        self.actions.append(merged.action)

    async def remove_thread(self, _choice, at):
        found = (await list_threads(self.service))[at]["id"]
        number = await thread_removal.count_comments(self.service, EVERYTHING, found)
        await thread_removal.remove_thread(self.service, EVERYTHING, found, ThreadRemoval(expect=number))

    async def bring(self, status, at):
        await import_records(self.service, [PAGE, a_comment(at, status=status)], site="blog", keeps_spam=True)

    async def retain(self, status, _at):
        await erase_old_comments(self.service, status, 1)

    async def prune(self, _choice, _at):
        await prune(self.service, EVERYTHING, Pruning(spam=1, trash=1), None)

    async def remove_site(self, _choice, _at):
        other = next(
            (one for one in (await sites.list_sites(self.service, EVERYTHING)).sites if one.name == "other"), None
        )
        if other:
            number = await count_comments_of(self.service, other.id)
            await remove_site(self.service, EVERYTHING, other.id, SiteRemoval(expect=number))

    async def wait(self, _choice, seconds):
        self.clock.move(seconds=seconds)


@private_read
async def list_threads(unit):
    return await unit.all("SELECT id, key FROM thread WHERE merged_into IS NULL ORDER BY id")


@private_read
async def count_comments_of(unit, site_id):
    return (await unit.one("SELECT COUNT(*) AS number FROM comment WHERE site_id = :id", id=site_id))["number"]


@private_read
async def read_totals(unit):
    """Return the totals without zeros: of arrivals, threads, waits and rules."""
    found = []
    for table, keys, numbers in (
        ("arrival_total", "site_id, quarter", ("approved", "pending", "spam", "trash", "erased")),
        ("thread_total", "period, site_id, thread_id", ("number",)),
        ("wait_total", "site_id, quarter, bucket", ("number",)),
        ("rule_total", "site_id, quarter, name, rule_id", ("caught", "overruled")),
    ):
        sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in numbers)
        rows = await unit.all(f"SELECT {keys}, {sums} FROM {table} GROUP BY {keys}")
        names = keys.split(", ")
        found.append({tuple(row[key] for key in names): [row[name] for name in numbers] for row in rows})
    return [{key: value for key, value in one.items() if any(value)} for one in found]


@private_read
async def count_rows(unit):
    """Return what the totals should be, from comments and decisions."""
    arrivals, of_threads, waits, rules = {}, Counter(), Counter(), {}
    for row in await unit.all("SELECT * FROM comment"):
        quarter = day_totals.quarter_of(row["created_at"])
        outcome = "erased" if row["erased_at"] else row["status"]
        columns = ("approved", "pending", "spam", "trash", "erased")
        counts = arrivals.setdefault((row["site_id"], quarter), [0] * 5)
        counts[columns.index(outcome)] += 1
        if outcome == "approved":
            for length in (7, 10):
                of_threads[row["created_at"][:length], row["site_id"], row["thread_id"]] += 1
        decisions = await unit.all("SELECT * FROM decision WHERE comment_id = :id ORDER BY seq", id=row["id"])
        facts = {"site_id": row["site_id"], "arrived": row["created_at"], "now": row["status"]}
        facts |= {name: row[name] for name in ("erased_at", "published_at")}
        history = [dict(one) | facts | {"decided": one["created_at"]} for one in decisions]
        if wait := day_totals.find_wait(history):
            waits[wait] += 1
        if rule := day_totals.find_rule(history[0]):
            counted = rules.setdefault(rule, [0, 0])
            counted[0] += 1
            counted[1] += day_totals.is_overruled(history[0])
    return [arrivals, *({key: [value] for key, value in one.items()} for one in (of_threads, waits)), rules]


async def play_history(url, mode, steps):
    clock = Clock()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(a_service(url, clock, moderation=mode))
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="badword", effect="hold"))
        await sites.add_site(service, EVERYTHING, NewSite(name="other", origins=[OTHER]))
        history = History(service, clock)
        for step in steps:
            await history.play(*step)
        return await read_totals(service), await count_rows(service)


LONG_STORY = [
    ("post", "a plain text", 0), ("post", "with a badword inside", 0), ("post", "with a badword inside", 1),
    ("wait", None, 600), ("decide", ActionVerb.APPROVE, 0), ("decide", ActionVerb.SPAM, 1), ("undo", None, 0),
    ("merge", None, 0), ("post", "a plain text", 1), ("undo", None, 0), ("erase", None, 1), ("wait", None, 5 * HOUR),
    ("post", "with a badword inside", 2), ("decide", ActionVerb.TRASH, 2), ("withdraw", None, 4),
    ("edit", "now a badword", 0), ("remove_thread", None, 1), ("bring", Status.SPAM, 3), ("bring", Status.PENDING, 4),
    ("post", "with a badword inside", 0), ("decide", ActionVerb.SPAM, 5), ("wait", None, 40 * 24 * HOUR),
    ("retain", Status.SPAM, None), ("prune", None, None), ("post", "with a badword inside", 2),
    ("post", "with a badword inside", 0), ("decide", ActionVerb.APPROVE, 6), ("post", "a plain text", 1),
]  # fmt: skip


@pytest.mark.parametrize("mode", [Mode.NONE, Mode.ALL])
async def test_totals_follow_everything_that_happens_to_comments(database_url, mode):
    kept, counted = await play_history(database_url, mode, LONG_STORY)

    assert kept == counted
    assert all(counted)


async def test_the_comments_of_a_removed_site_leave_the_totals(database_url):
    story = [
        ("post", "with a badword inside", OF_OTHER),
        ("decide", ActionVerb.APPROVE, 0),
        ("remove_site", None, None),
    ]
    assert await play_history(database_url, Mode.NONE, story) == ([{}, {}, {}, {}], [{}, {}, {}, {}])


@pytest.fixture
def new_url(engine, request, laid_file, tmp_path):
    """Return a function that returns the URL of another empty database."""
    if engine == "postgres":
        return request.getfixturevalue("shared_database").empty
    numbers = count()
    return lambda: copied(laid_file, tmp_path, f"history{next(numbers)}.db")


def test_totals_of_any_history_equal_a_count_of_the_tables(new_url, engine):
    examples = 12 if engine == "sqlite" else 5  # a new database takes longer there

    @given(steps=STEPS, mode=st.sampled_from([Mode.NONE, Mode.ALL]))
    @settings(max_examples=examples * MORE_EXAMPLES, deadline=None, derandomize=True, database=None)
    def check(steps, mode):
        kept, counted = asyncio.run(play_history(new_url(), mode, steps))
        assert kept == counted

    check()


def test_every_wait_has_a_bucket():
    assert [day_totals.bucket_of(seconds) for seconds in (0, 59, 60, 2_591_999, 2_592_000, 10**9)] == [
        0,
        0,
        1,
        36,
        37,
        37,
    ]
