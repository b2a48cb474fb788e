"""Properties of names, texts, tokens and moderation actions.

Hypothesis generates the same examples in every run, so that no build fails by chance.
"""

import asyncio
import base64
import itertools
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from commentsvc.comments import edit, erase, post, read
from commentsvc.comments.schemas import CommentEdit, CountsQuery, ThreadQuery
from commentsvc.domain import fields, markdown, pagination, urls
from commentsvc.domain.crypto import PREFIX, Keyring
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.errors import Conflict, Invalid, InvalidValue
from commentsvc.domain.fields import Limits
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import ActionVerb, Mode, Status
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.domain.urls import ThreadRef
from commentsvc.moderation import actions, undo
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.service import Service, private_read
from tests.conftest import EVERYTHING, MORE_EXAMPLES, OLD_SECRET, SECRET, Clock, a_service, draft, visit
from tests.web.test_hostile_input import unsafe_parts


def often(examples: int) -> settings:
    return settings(max_examples=examples * MORE_EXAMPLES, deadline=None, derandomize=True, database=None)


# All characters except lone surrogates and NUL, which are rejected earlier.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


HOSTS = st.sampled_from(
    ["blog.example", "sub.blog.example", "xn--bcher-kva.example", "127.0.0.1", "[::1]", "localhost"]
)
PATH_PARTS = st.one_of(
    st.sampled_from(
        ["index.html", "INDEX.PHP", ".", "..", "", "%2e", "%2E%2e", "%2f", "%41", "%zz", "%", "%C3%A9", "é"]
    ),
    st.sampled_from(
        ["日本", "e\u0301", "a b", "a+b", "a;b", "a,b", "[x]", "{x}", '"x"', "\\", "%ff", "%00", "~x", "post-1"]
    ),
    TEXT,
)
PARAMETERS = st.one_of(
    PATH_PARTS, st.sampled_from(["p=17", "p=18", "utm_source=x", "%75tm_source=x", "fbclid=1", "a=1", "a", "="])
)
UNUSUAL_ADDRESSES = st.builds(
    lambda scheme, host, path, query, fragment: (
        f"{scheme}{host}/{'/'.join(path)}{query and '?'}{'&'.join(query)}{fragment}"
    ),
    st.sampled_from(["https://", "http://", "HTTPS://", "//", ""]),
    HOSTS,
    st.lists(PATH_PARTS, max_size=4),
    st.lists(PARAMETERS, max_size=4),
    st.sampled_from(["", "#", "#comments"]),
)


@given(
    text=st.one_of(
        UNUSUAL_ADDRESSES, UNUSUAL_ADDRESSES.map(lambda text: "/" + text.partition("/")[2]), TEXT, PATH_PARTS
    )
)
@example(text="/%%34%31")
@example(text="\u200b/a-page/")
@example(text="\u200bhttps://blog.example/")
@example(text="a\u200b\u0301")
@example(text="/" + "é" * 400)
@often(250)
def test_parsing_a_thread_name_again_returns_the_same_name(text):
    try:
        ref = urls.parse_thread(text)
    except Invalid:
        assume(False)

    assert urls.parse_thread(ref.name).name == ref.name
    if ref.url is not None:
        assert urls.parse_thread(ref.url) == ref


SEGMENTS = st.lists(
    st.text("abcXYZ019-._~!$&'()*+,;=:@éñ日本", min_size=1, max_size=8).filter(
        lambda segment: segment not in {".", ".."} and not segment.lower().startswith("index.")
    ),
    max_size=4,
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["p", "page_id", "id", "lang", "q"]), st.text("abc019-é ", min_size=1, max_size=6)),
    max_size=3,
    unique_by=lambda pair: pair[0],
)
TRACKERS = st.lists(
    st.sampled_from(
        ["utm_source=x", "UTM_Medium=mail", "utm_=", "fbclid=IwAR0", "gclid=1", "mc_cid=1", "mc_eid=2", "igshid=x",
         "_ga=1", "%75tm_source=x", "pk_campaign=x", "msclkid"]
    ),
    max_size=3,
)  # fmt: skip


def address(host: str, segments: list[str], query: list[tuple[str, str]]) -> str:
    query_string = "&".join(f"{quote(name)}={quote(value)}" for name, value in query)
    return f"https://{host}/{'/'.join(map(quote, segments))}{query_string and '?'}{query_string}"


def escape_ascii(text: str) -> str:
    """Escape only the ASCII characters, as in an address that a person types."""
    return "".join(character if ord(character) > 127 else quote(character) for character in text)


def escape_every_byte(text: str) -> str:
    """Escape every byte in lower case, which is equivalent by RFC 3986, section 6.2.2."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


@given(host=HOSTS, segments=SEGMENTS, query=QUERIES, trackers=TRACKERS, data=st.data())
@often(150)
def test_every_spelling_of_a_page_address_gives_the_same_thread(host, segments, query, trackers, data):
    page = urls.parse_thread(address(host, segments, query))
    scheme, port = data.draw(st.sampled_from([("http", ""), ("HTTPS", ""), ("http", ":80"), ("https", ":443")]))
    name = data.draw(st.sampled_from([host, host.upper(), host.title()]))
    quote_path = data.draw(st.sampled_from([quote, escape_ascii, escape_every_byte]))
    path = "/".join(map(quote_path, segments)) + data.draw(
        st.sampled_from(["", "/", "//", "/.", "/./", "/index.html", "/Index.htm", "/index.php", "/x/.."])
    )
    pairs = [f"{quote_path(key)}={quote_path(value)}" for key, value in query]
    query_string = "&".join(data.draw(st.permutations(pairs + trackers)))
    fragment = data.draw(st.sampled_from(["", "#", "#comment-1", "#/a?b=c"]))
    local = f"/{path}{query_string and '?'}{query_string}{fragment}"

    ref = urls.parse_thread(f"  {scheme}://{name}{port}{local}\u00a0")
    assert (ref.name, ref.host) == (page.name, page.host)
    assert urls.parse_thread(f"//{name}{port}{local}").name == page.name
    if not local.startswith("//"):
        assert urls.parse_thread(local) == ThreadRef(page.name)


@given(host=HOSTS, segments=SEGMENTS, one=st.integers(0, 10**6), other=st.integers(0, 10**6))
@example(host="blog.example", segments=[], one=17, other=18)
@often(50)
def test_pages_with_different_parameters_are_different_threads(host, segments, one, other):
    assume(one != other)
    names = [urls.parse_thread(address(host, segments, [("p", str(number))])).name for number in (one, other)]
    names.append(urls.parse_thread(address(host, segments, [])).name)

    assert len(set(names)) == 3


@given(one=st.tuples(SEGMENTS, QUERIES), other=st.tuples(SEGMENTS, QUERIES))
@often(100)
def test_pages_with_different_addresses_are_different_threads(one, other):
    assume((one[0], sorted(one[1])) != (other[0], sorted(other[1])))

    assert (
        urls.parse_thread(address("blog.example", *one)).name != urls.parse_thread(address("blog.example", *other)).name
    )


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
JOINERS = "\u200c\u200d"
# Invisible characters: format characters, fillers, the empty Braille cell. Unicode calls some of them visible.
INVISIBLE = st.sampled_from(
    "\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u202e\u2060\u2066\u2800\u3164\ufeff\uffa0\ufff9\ufffb"
    "\U0001bca0\U0001d173\U000e0041"
)
LETTERS = st.characters(exclude_categories=["Cs", "Cc"])
# A list of characters, because st.text() would not choose evenly between these groups.
TRICKY_TEXT = st.lists(
    st.one_of(LETTERS, INVISIBLE, st.sampled_from("aeé \u0301\u0316\u200d\n\x07")), min_size=1, max_size=30
).map("".join)


@given(text=TRICKY_TEXT)
@example(text="a\u200b\u0301")
@example(text="Mia\ufff9")
@often(250)
def test_a_cleaned_name_is_one_plain_line_and_stays_the_same_when_cleaned_again(text):
    try:
        name = fields.clean_name(text, Limits())
    except InvalidValue:
        assume(False)

    assert fields.clean_name(name, Limits()) == name
    assert unicodedata.is_normalized("NFC", name)
    assert " ".join(name.split()) == name
    assert not [character for character in name if unicodedata.bidirectional(character) in BIDI]
    shows_nothing = {"Cc", "Cf", "Zl", "Zp"}
    visible_formats = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    visible_formats += "".join(map(chr, range(0x13430, 0x13440)))
    assert not [
        character
        for character in name
        if unicodedata.category(character) in shows_nothing and character not in JOINERS + visible_formats
    ]


@given(text=st.lists(st.one_of(INVISIBLE, st.sampled_from(" \u200d\u0301\ufe0f")), min_size=1).map("".join))
@example(text="\u2800")
@often(50)
def test_an_invisible_name_is_rejected(text):
    with pytest.raises(InvalidValue):
        fields.clean_name(text, Limits())


@given(text=TRICKY_TEXT)
@often(100)
def test_a_comment_is_stored_unchanged_or_rejected(text):
    try:
        cleaned = fields.clean_comment(text, Limits())
    except InvalidValue:
        assume(False)

    assert cleaned == text


@given(text=TRICKY_TEXT)
@often(100)
def test_a_cleaned_title_stays_the_same_when_cleaned_again(text):
    title = fields.clean_title(text, Limits())

    assert title is None or fields.clean_title(title, Limits()) == title


MARKS = st.sampled_from(
    ["[", "](", ")", "<", ">", "![", "**", "_", "`", "```\n", "~~", "|", "|-|\n", "\n", "\n\n", "    ", "> ", "- ",
     "1. ", "# ", "http://", "https://a.b", "javascript:", "data:text/html,", "www.", "a@b.c", "&lt;", "&#0;", "&#x6a;",
     "&colon;", "\\", '"', "'", "<script>", "<a href=", "onclick=x", "<!--", "-->", "<![CDATA[", "<?", "[1]: ", "\r\n",
     "\x0b", "\x1b", "\u202e", "é"]
)  # fmt: skip


@given(text=st.one_of(TEXT, st.lists(st.one_of(MARKS, st.text("ab ", max_size=3)), max_size=25).map("".join)))
@often(750)
def test_rendered_html_is_safe_for_any_text(text):
    assert unsafe_parts(markdown.render(text)) == []


class TextCollector(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.read = ""

    def handle_data(self, data):
        self.read += data


@given(text=st.text("ab5é <>&\"'/", max_size=60))
@example(text="5 < 6 & a > b")
@example(text="<b>&amp</b> & copy <script>")
@often(150)
def test_plain_text_is_shown_as_it_was_typed(text):
    collector = TextCollector()
    collector.feed(markdown.render(f"x{text}x"))
    collector.close()

    assert collector.read == f"x{text}x"


KEYRING = Keyring([SECRET])
PURPOSES = st.sampled_from(sorted(PREFIX))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- given there


@given(purpose=PURPOSES, subject=st.uuids(), until=st.none() | TIMES, seconds=st.integers(-(10**6), 10**6))
@often(100)
def test_a_token_is_valid_only_for_its_purpose_and_until_it_expires(purpose, subject, until, seconds):
    now = (until or datetime(2026, 1, 1, tzinfo=UTC)) + timedelta(seconds=seconds)
    token = KEYRING.token(purpose, str(subject), until)

    assert KEYRING.token(purpose, str(subject), until) == token, "the same arguments give the same token"
    valid = until is None or now <= until.replace(microsecond=0)
    assert KEYRING.subject(purpose, token, now) == (str(subject) if valid else None)
    for other in PREFIX.keys() - {purpose}:
        assert KEYRING.subject(other, token, now) is None
        assert KEYRING.subject(other, PREFIX[other] + token.removeprefix(PREFIX[purpose]), now) is None
    assert Keyring([OLD_SECRET]).subject(purpose, token, now) is None
    assert Keyring([OLD_SECRET, SECRET]).subject(purpose, token, now) == KEYRING.subject(purpose, token, now)


@given(purpose=PURPOSES, subject=st.uuids(), until=st.none() | TIMES, data=st.data())
@often(100)
def test_a_token_with_one_changed_bit_is_rejected(purpose, subject, until, data):
    now = datetime(1970, 1, 1, tzinfo=UTC)
    token = KEYRING.token(purpose, str(subject), until)
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix(PREFIX[purpose]) + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    altered = PREFIX[purpose] + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

    assert KEYRING.subject(purpose, altered, now) is None
    assert KEYRING.subject(purpose, token[: data.draw(st.integers(0, len(token) - 1))], now) is None


@given(purpose=PURPOSES, subject=st.uuids(), data=st.data())
@often(50)
def test_a_token_with_one_changed_character_is_rejected(purpose, subject, data):
    token = KEYRING.token(purpose, str(subject))
    place = data.draw(st.integers(len(PREFIX[purpose]), len(token) - 1) | st.just(len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDwxyz0189-_+/="))
    assume(token[place] != letter)

    assert (
        KEYRING.subject(purpose, token[:place] + letter + token[place + 1 :], datetime(2026, 1, 1, tzinfo=UTC)) is None
    )


@given(purpose=PURPOSES, text=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@often(100)
def test_a_random_text_is_not_a_token(purpose, text):
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert KEYRING.subject(purpose, text, now) is None
    assert KEYRING.subject(purpose, PREFIX[purpose] + text, now) is None


@given(address=TEXT.map(str.strip).filter(bool), place=st.integers(0), bit=st.integers(0, 7))
@often(75)
def test_an_email_address_can_be_unsealed_only_with_its_key(address, place, bit):
    old, both, new = Keyring([OLD_SECRET]), Keyring([SECRET, OLD_SECRET]), Keyring([SECRET])
    email = Email(address)
    sealed = old.seal(email)

    assert both.unseal(sealed) == email
    assert address not in sealed or len(address) < 8
    assert new.unseal(sealed) == UNREADABLE
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    raw[place % len(raw)] ^= 1 << bit
    assert old.unseal(base64.urlsafe_b64encode(bytes(raw)).decode()) == UNREADABLE


@given(address=TEXT.filter(bool), other=TEXT.filter(bool))
@often(50)
def test_the_digest_of_an_email_address_ignores_upper_and_lower_case(address, other):
    old, both = Keyring([OLD_SECRET]), Keyring([SECRET, OLD_SECRET])

    assert old.digest(Email(address)) in both.digests(Email(address))
    assert both.digest(Email(address)) == KEYRING.digest(Email(address)) != old.digest(Email(address))
    alike = address.casefold() == other.casefold()
    assert (KEYRING.digest(Email(address)) == KEYRING.digest(Email(other))) == alike


@given(times=st.lists(st.integers(0, 2**47) | st.integers(10**12, 10**12 + 3), min_size=2, max_size=200))
@often(50)
def test_ids_sort_in_order_of_creation_even_if_the_clock_goes_backwards(times):
    ticking = iter(times)
    new_id = Ids(lambda: next(ticking))
    ids = [new_id() for _ in times]

    assert sorted(set(ids)) == ids
    assert all((uuid.UUID(id_).version, uuid.UUID(id_).variant) == (7, uuid.RFC_4122) for id_ in ids)


@given(parts=st.lists(st.text("0123456789abcdef-tofn", min_size=1), min_size=1, max_size=5))
@often(50)
def test_decoding_a_cursor_returns_its_parts(parts):
    cursor = pagination.encode_cursor(*parts)

    assert pagination.decode_cursor(cursor, len(parts)) == parts
    assert quote(cursor, safe="") == cursor
    with pytest.raises(Invalid):
        pagination.decode_cursor(cursor, len(parts) + 1)


@given(text=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()), parts=st.integers(1, 4))
@often(100)
def test_a_random_text_is_not_a_cursor(text, parts):
    try:
        found = pagination.decode_cursor(text, parts)
    except Invalid:
        return
    assert len(found) == parts
    assert all(part.isprintable() for part in found), "databases do not accept NUL"


# The parent of each comment in a conversation, by number.
PARENTS = (None, 0, 1, 0, None)
COMMENT_SETS = st.sets(st.sampled_from(range(len(PARENTS))), min_size=1)
COMMENT_NUMBERS = st.sampled_from(range(len(PARENTS)))
DECISIONS = st.tuples(st.sampled_from(list(ActionVerb)), COMMENT_SETS)
UNDOS = st.tuples(st.just("undo"), st.integers(0, 20))
EDITS = st.one_of(
    st.tuples(st.sampled_from(["edit", "withdraw"]), COMMENT_NUMBERS),
    st.tuples(st.just("amend"), COMMENT_NUMBERS, st.none() | st.sampled_from(list(Status)), st.booleans()),
)


class Harness:
    """A service with one thread for each conversation."""

    def __init__(self, runner: asyncio.Runner, service: Service, clock: Clock) -> None:
        self.run = runner.run
        self.service = service
        self.clock = clock
        self.numbers = itertools.count()


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    clock, stack = Clock(), AsyncExitStack()
    url = f"sqlite:///{tmp_path_factory.mktemp('moderating')}/comments.db"
    with asyncio.Runner() as runner:
        service = runner.run(stack.enter_async_context(a_service(url, clock, moderation=Mode.NONE)))
        yield Harness(runner, service, clock)
        runner.run(stack.aclose())


@dataclass
class DoneAction:
    """An action, and the comments before and after it."""

    id: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass
class Conversation:
    """Five approved comments in one thread, and the actions on them."""

    service: Service
    clock: Clock
    thread: str
    receipts: list[Any] = field(default_factory=list)
    done: list[DoneAction] = field(default_factory=list)
    counter: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    async def start(cls, harness: Harness) -> "Conversation":
        conversation = cls(harness.service, harness.clock, f"/conversation/{next(harness.numbers)}")
        for number, parent_number in enumerate(PARENTS):
            parent = None if parent_number is None else conversation.receipts[parent_number].id
            new_comment = draft(thread=conversation.thread, parent=parent, comment=f"I am number {number}.")
            conversation.receipts.append(await post.post_comment(conversation.service, new_comment, visit()))
        return conversation

    async def perform(self, move: tuple[Any, ...]) -> None:
        """Perform a move, and remember the action if it can be undone."""
        self.clock.move(milliseconds=1)
        before = await self.read_comments()
        result = await getattr(
            self, f"_{move[0]}" if isinstance(move[0], str) and move[0] not in list(ActionVerb) else "_act"
        )(*move)
        if result is not None:
            self.done.append(DoneAction(result.id, before, await self.read_comments()))

    async def _act(self, verb, numbers):
        ids = [self.receipts[number].id for number in sorted(numbers)]
        return await actions.apply_action(self.service, EVERYTHING, Action(action=verb, ids=ids))

    async def _undo(self, _verb, number):
        if not self.done:
            return None
        action = self.done[number % len(self.done)]
        before = await self.read_comments()
        try:
            result = await undo.undo_action(self.service, EVERYTHING, action.id)
        except Conflict:
            assert await self.read_comments() == before
            return None
        after = await self.read_comments()
        reported = {item.comment: item.code for item in result.results}
        for id_, row in before.items():
            touched = action.before[id_]["version"] != action.after[id_]["version"]
            since = row["version"] != action.after[id_]["version"]
            if touched and not since:
                assert same_text_and_status(after[id_], action.before[id_]), "undone"
                assert reported[id_] is None
            else:
                assert without_listing(after[id_]) == without_listing(row), "unchanged"
            if touched and since:
                assert reported[id_] == ("erased" if row["erased_at"] else "changed_since"), "and reported"
        return result

    async def _edit(self, _verb, number):
        receipt = self.receipts[number]
        if not (await self.read_comments())[receipt.id]["erased_at"]:
            change = CommentEdit(comment=f"I said it otherwise {next(self.counter)}.")
            await edit.edit_comment(self.service, receipt.id, receipt.edit_token, change, visit())

    async def _withdraw(self, _verb, number):
        receipt = self.receipts[number]
        if not (await self.read_comments())[receipt.id]["erased_at"]:
            await erase.withdraw_comment(self.service, receipt.id, receipt.edit_token)

    async def _amend(self, _verb, number, status, change_text):
        row = (await self.read_comments())[self.receipts[number].id]
        if row["erased_at"]:
            return None
        change = CommentUpdate(
            status=status, comment=f"A moderator's words {next(self.counter)}." if change_text else None
        )
        return await actions.update_comment(self.service, EVERYTHING, row["id"], row["version"], change)

    async def read_comments(self) -> dict[str, dict[str, Any]]:
        """Return every comment of the thread from the database, in order."""

        async def look(tx):
            rows = await tx.all(
                """
                SELECT comment.id, parent_id, status, status_before, comment.version, name, text, listed_at, erased_at
                FROM comment JOIN thread ON thread.id = thread_id WHERE key = :key ORDER BY comment.id
                """,
                key=self.thread,
            )
            return {row["id"]: dict(row) for row in rows}

        return await private_read(look)(self.service)

    async def read_thread(self) -> dict[str, Any]:
        async def look(tx):
            return dict(await tx.one("SELECT approved, version FROM thread WHERE key = :key", key=self.thread))

        return await private_read(look)(self.service)

    async def shown(self, view: str) -> Any:
        page = await read.list_thread(self.service, ThreadQuery(thread=self.thread, view=view), visit())
        return page.listing

    async def public_bytes(self) -> bytes:
        return b"".join([msgspec.json.encode(await self.shown(view)) for view in ("tree", "flat")])

    async def check_invariants(self) -> None:
        """Check that counts and listings match the comments."""
        rows, thread = await self.read_comments(), await self.read_thread()
        approved = [id_ for id_, row in rows.items() if row["status"] == "approved"]
        assert thread["approved"] == len(approved)
        counts = await read.count_comments(self.service, CountsQuery(thread=[self.thread]), visit())
        assert counts.content.counts[self.thread] == len(approved)
        listed = {id_ for id_ in rows if is_listed(rows, id_)}
        assert {id_ for id_, row in rows.items() if row["listed_at"]} == listed
        flat = await self.shown("flat")
        assert [comment.id for comment in flat.comments] == [id_ for id_ in rows if id_ in listed]
        for comment in flat.comments:
            assert comment.deleted == (comment.id not in approved)
            assert comment.deleted == (comment.name is None) == (comment.html is None)
        assert flat.thread.count == len(approved)


def is_listed(rows, id_) -> bool:
    """Return whether a comment is approved or has a listed reply."""
    replies = [other for other, row in rows.items() if row["parent_id"] == id_]
    return rows[id_]["status"] == "approved" or any(is_listed(rows, reply) for reply in replies)


def without_listing(row) -> dict[str, Any]:
    """Return the row without `listed_at`, which also depends on the replies."""
    return {name: value for name, value in row.items() if name != "listed_at"}


def same_text_and_status(one, other) -> bool:
    return all(one[name] == other[name] for name in ("status", "name", "text"))


@given(moves=st.lists(st.one_of(DECISIONS, DECISIONS, UNDOS), min_size=1, max_size=12))
@often(30)
def test_counts_and_listings_are_right_after_random_moderator_actions(harness, moves):
    harness.run(check_moves(harness, moves))


@given(moves=st.lists(st.one_of(DECISIONS, UNDOS, EDITS, EDITS), min_size=1, max_size=12))
@often(30)
def test_counts_and_listings_are_right_after_random_actions_of_moderators_and_commenters(harness, moves):
    harness.run(check_moves(harness, moves))


async def check_moves(harness, moves) -> None:
    conversation = await Conversation.start(harness)
    await conversation.check_invariants()
    for move in moves:
        shown, version = await conversation.public_bytes(), (await conversation.read_thread())["version"]
        await conversation.perform(move)
        await conversation.check_invariants()
        shown_now, version_now = await conversation.public_bytes(), (await conversation.read_thread())["version"]
        assert version_now >= version
        assert (version_now > version) == (shown_now != shown), (
            "the version changes if and only if the public bytes change"
        )


@given(moves=st.lists(DECISIONS, min_size=1, max_size=6))
@example(moves=[(ActionVerb.SPAM, {0}), (ActionVerb.HOLD, {0})])
@often(20)
def test_undoing_the_last_action_restores_the_previous_state(harness, moves):
    async def check():
        conversation = await Conversation.start(harness)
        for move in moves:
            await conversation.perform(move)
        await conversation.perform(("undo", len(conversation.done) - 1))
        now = await conversation.read_comments()
        for id_, row in conversation.done[-1].before.items() if len(conversation.done) > len(moves) else ():
            was = conversation.done[-2].before[id_]
            assert (now[id_]["status"], now[id_]["text"]) == (was["status"], was["text"])
            hidden = row["status"] in {"spam", "trash"} or was["status"] in {"spam", "trash"}
            assert now[id_]["status_before"] == was["status_before"] or not hidden, (
                "restore returns to the same status as before"
            )

    harness.run(check())


@given(first=st.lists(DECISIONS, max_size=3), then=st.sets(st.sampled_from(list(ActionVerb)), min_size=1, max_size=3))
@often(15)
def test_repeating_an_action_changes_nothing(harness, first, then):
    async def check():
        conversation = await Conversation.start(harness)
        for move in first:
            await conversation.perform(move)
        for verb in sorted(then):
            await conversation.perform((verb, range(len(PARENTS))))
            before, version = await conversation.read_comments(), (await conversation.read_thread())["version"]
            if verb is not ActionVerb.RESTORE:
                result = await conversation._act(verb, range(len(PARENTS)))
                assert (result.changed, {item.code for item in result.results}) == (0, {"unchanged"})
                assert (await conversation.read_comments(), (await conversation.read_thread())["version"]) == (
                    before,
                    version,
                )

    harness.run(check())


@given(time=TIMES)
@often(50)
def test_formatted_times_sort_as_text(time):
    later = time + timedelta(milliseconds=1)
    assert format_time(time) < format_time(later)
    assert parse_time(format_time(time)) == time.replace(microsecond=time.microsecond // 1000 * 1000)
