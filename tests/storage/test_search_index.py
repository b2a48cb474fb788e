"""Moderators find comments by words and beginnings of words, with the index as without it; erased words are gone."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.domain.models import ActionVerb, Mode, Status, StatusFilter
from commentsvc.domain.search_tokens import terms, tokens
from commentsvc.moderation import actions, erase, queue, threads
from commentsvc.moderation.schemas import Action, PrivateSearch, ThreadListQuery
from commentsvc.operations import maintenance
from commentsvc.service import private_read
from commentsvc.storage import dialect, word_search
from commentsvc.storage.queue_plan import Plan, Search
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, MORE_EXAMPLES, a_service, post

# A text, what finds it, and what does not.
FOUND = {
    "words in any order": ("A blue house by the sea", ["sea house", "BLUE a"], ["sea green"]),
    "beginnings of words": ("An unforgettable evening", ["unforg", "un eve"], ["forgettable", "ening"]),
    "two Chinese characters": ("今天天气很好", ["天气", "今天", "很好"], ["气天", "明天"]),
    "one Chinese character": ("今天天气很好", ["今", "气", "好"], ["明"]),
    "several Chinese characters": ("今天天气很好", ["天气很好"], ["天气不好"]),
    "Japanese beside English": ("My ラーメン recipe", ["ラーメン", "ーメ", "recipe ラーメ"], ["ラメン"]),
    "Thai": ("สวัสดีครับ", ["สวัสดี", "ครับ"], ["ขอบคุณ"]),
    "Korean": ("서울에서 만나요", ["서울", "만나"], ["에서"]),
    "Hindi": ("हिन्दी में", ["हिन्दी"], ["हन्दी"]),
    "an email address": ("write to noa.k@example.com", ["noa.k@example.com", "noa", "example.com"], ["noa@k.de"]),
    "a web address": ("see https://shop.example/cheap_pills?x=1", ["shop.example", "https", "pills"], ["hop"]),
    "a number": ("it costs 1,299.50 euros", ["1,299.50", "299", "50"], ["99"]),
    "an emoji": ("great 🎉 news", ["🎉"], ["🔥"]),
    "quotes and operators": ('"rock" AND roll OR (this*)', ['"rock"', "AND (roll", "this* OR"], ["NOT near"]),
    "a long word": ("x" * 100, ["x" * 100, "x" * 64, "xxx"], ["y"]),
}


@pytest.fixture
def index_only(monkeypatch):
    """Ask the index at once: a window of no rows fills no page."""
    monkeypatch.setattr(word_search, "LAST_WINDOW", 0)


async def found(service, **query):
    page = await queue.search_comments(service, EVERYTHING, PrivateSearch(**query))
    return [card.comment for card in page.comments]


@pytest.mark.parametrize(("text", "finding", "not_finding"), FOUND.values(), ids=FOUND)
async def test_a_moderator_finds_comments_by_words_and_their_beginnings(
    service, monkeypatch, text, finding, not_finding
):
    await post(service, text)
    await post(service, "Nothing of all that: 東")
    for window in (word_search.LAST_WINDOW, 0):
        monkeypatch.setattr(word_search, "LAST_WINDOW", window)
        for q in finding:
            assert await found(service, q=q) == [text], (q, window)
        for q in not_finding:
            assert text not in await found(service, q=q), (q, window)


@pytest.mark.parametrize("nothing", ["!", "%", "…", '""', "*", "_"])
async def test_a_search_without_letters_or_digits_finds_nothing(service, nothing):
    await post(service, "Some words! 100 % … _ *")
    assert await found(service, q=nothing) == []
    assert (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q=nothing))).threads == []


async def test_reasons_are_found_by_rule_and_by_words_but_not_in_texts(service, index_only):
    held = await post(service, "links and approval")
    assert len(await found(service, reason="rule:mode")) == len(await found(service, reason="moder")) == 1
    assert await found(service, reason="rule:mod") == await found(service, reason="links") == []
    assert await found(service, q="mode") == await found(service, q="pending") == []
    note = Action(action=ActionVerb.SPAM, ids=[held], note="A shop again")
    await actions.apply_action(service, EVERYTHING, note)
    assert len(await found(service, reason="shop AGA", status=StatusFilter.SPAM)) == 1
    assert await found(service, reason="rule:mode", status=StatusFilter.ANY) == []


LETTERS = st.text("ab 東京-é", max_size=12)


@given(texts=st.lists(LETTERS, min_size=1, max_size=6), q=LETTERS)
@settings(max_examples=15 * MORE_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_is_found_if_each_word_begins_one_of_its_words(texts, q):
    for text in texts:
        there = tokens(text)
        expected = bool(terms(q)) and all(
            term.text in there if term.whole else any(token.startswith(term.text) for token in there)
            for term in terms(q)
        )
        row = sqlite3.connect(":memory:")
        with row:
            row.execute("CREATE TABLE comment_search (words TEXT, marks TEXT)")
            row.execute("INSERT INTO comment_search VALUES (?, '=pending ')", (f" {' '.join(there)} ",))
            condition, values = word_search.contain("comment_search", terms(q))
            (matched,) = row.execute(f"SELECT COUNT(*) FROM comment_search WHERE {condition}", values).fetchone()
        row.close()
        assert bool(terms(q)) * matched == expected


async def test_the_index_finds_what_reading_every_comment_finds(database_url, clock):
    words = ("sun", "sunny", "moon", "東京", "京都", "café", "50", "mia@example.com", "so")
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        for number in range(30):
            text = f"{number} {words[number % 9]} {words[number % 7]} {words[number % 4]}"
            id_ = await post(service, text, thread=f"https://{('one', 'two')[number % 2]}.example/{number % 3}/")
            if number % 3 == 0:
                await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[id_]))
        sites = {row["name"]: row["id"] for row in await everything_in(service, "site")}

        many = (sites["two.example"], *(f"unknown{number}" for number in range(word_search.MAX_BRANCHES)))

        async def both(unit, search, newest_first):
            plan = Plan(search, newest_first)
            statement, values = plan.matching(search.terms, None)
            by_index = [row["id"] for row in await unit.all(statement, limit=100, **values)]
            read = await word_search.find_words(unit, plan, "comment_search", search.terms, after=None, limit=100)
            return by_index, read

        for q in (*words, "s", "sun moon", "1 sun", "京"):
            for status in (None, Status.PENDING, Status.APPROVED):
                for on in (None, (sites["one.example"],), tuple(sites.values()), many):
                    for newest_first in (False, True):
                        search = Search(status, on, values={"q": q})
                        by_index, read = await private_read(both)(service, search, newest_first)
                        assert by_index == read, search


async def test_pages_continue_from_the_first_comments_to_the_index(service, monkeypatch):
    monkeypatch.setattr(word_search, "LAST_WINDOW", 12)
    wanted = []
    for number in range(40):
        text = f"{number} {'rare' if number in {1, 2, 17, 30, 31, 39} else 'common'}"
        await post(service, text)
        wanted += [text] * ("rare" in text)
    for order, expected in (("oldest", wanted), ("newest", wanted[::-1])):
        seen, cursor = [], None
        while cursor is not None or not seen:
            query = PrivateSearch(q="rare", limit=2, order=order, cursor=cursor)
            page = await queue.search_comments(service, EVERYTHING, query)
            seen, cursor = seen + [card.comment for card in page.comments], page.next_cursor
            if cursor is None:
                break
        assert seen == expected


async def test_threads_are_found_by_the_index_too(database_url, clock, index_only):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        tea = await post(service, "Hello", thread="/green-tea/", title="Über 東京")
        coffee = await post(service, "Hello", thread="/coffee/", title="Coffee")
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[tea, coffee]))
        for q, expected in (("tea gr", 1), ("東", 1), ("ube", 0), ("coff", 1), ("tea coffee", 0)):
            listed = await threads.list_threads(service, EVERYTHING, ThreadListQuery(q=q))
            assert len(listed.threads) == expected, q


async def test_erased_words_are_gone_from_the_file_after_the_maintenance(tmp_path, clock):
    file = tmp_path / "comments.db"
    async with a_service(f"sqlite:///{file}", clock) as service:
        for number in range(30):
            await post(service, f"before {number}")
        id_ = await post(service, "A canaryword of mine", name="Canaryname")
        for number in range(30):
            await post(service, f"after {number}")
        assert b"canaryword" in bytes_of(file)
        note = Action(action=ActionVerb.TRASH, ids=[id_], note="a canaryreason")
        await actions.apply_action(service, EVERYTHING, note)
        await erase.erase_permanently(service, EVERYTHING, id_)
        await maintenance.finish_erasing(service)
        assert len(await found(service, q="after 29")) == 1
    assert b"canary" not in bytes_of(file).lower()


def bytes_of(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


async def test_the_index_is_merged_only_after_an_erasure(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        id_ = await post(service, "Some words")
        await maintenance.finish_erasing(service)
        assert await everything_in(service, "search_cleanup") == []
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[id_]))
        await erase.erase_permanently(service, EVERYTHING, id_)
        for _ in range(2):
            await maintenance.finish_erasing(service)
            # Two: the words of the comment, and those of its thread.
            (row,) = await everything_in(service, "search_cleanup")
            assert (row["erased"], row["merged"]) == (2, 2)


def test_every_statement_for_one_engine_has_a_translation():
    for statements in (dialect.INDEX, dialect.UNINDEX):
        assert [dialect.in_postgres(statement) for statement in statements.values()] == ["", ""]
    for statement in dialect.MATCHING.values():
        assert "MATCH" not in dialect.in_postgres(statement)
