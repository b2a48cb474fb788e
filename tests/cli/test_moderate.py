"""A moderator decides at a terminal: with single keys, with words, and with commands."""

import asyncio
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from commentsvc import app
from commentsvc.cli import commands, keyboard, main
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.review import Sitting
from commentsvc.cli.terminal import Terminal
from commentsvc.comments import edit, erase, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.config import Config
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import ActionVerb, Mode, Status, StatusFilter
from commentsvc.moderation import actions, undo
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.operations import maintenance
from tests.cli.test_terminal import CORPUS
from tests.comments.test_post import everything_in, standing
from tests.conftest import EVERYTHING, a_service, draft, post, visit
from tests.operations.test_operating import environment

HINT = "n next · ? help · q quit"


class Person:
    """Somebody who presses these keys, one after the other. A function among them is what happens meanwhile."""

    def __init__(self, *keys, columns=80, colour=False):
        self.left, self.said = list(keys), []
        self.terminal = Terminal(self.said.append, self.said.append, list, self.keys, lambda: columns, colour=colour)

    @asynccontextmanager
    async def keys(self):
        yield self

    async def next(self):
        key = self.left.pop(0) if self.left else ""
        if isinstance(key, str):
            return key
        await key()
        return await self.next()

    def forget(self):
        """Whoever looks first has pressed nothing yet."""

    async def sits(self, service, *, as_json=False, **query):
        await Sitting(service, EVERYTHING, self.terminal, QueueQuery(**query), json=as_json).work()
        return "\n".join(self.said)


async def test_a_card_holds_all_that_a_decision_needs(service, clock):
    page = {"thread": "http://localhost/a-page/", "title": "On bees"}
    first = await post(service, "An opening word.", **page)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))
    await post(service, "Me too.", name="Sel", website="shop.example", parent=first, address="203.0.113.9", **page)
    await post(service, "And I.", name="Sel", address="203.0.113.10", **page)
    clock.move(hours=3)

    said = await Person("q").sits(service)
    assert said.splitlines()[:14] == [
        "── 1 of 2 " + "─" * 70,
        "page     blog /a-page",
        "title    On bees",
        "name     Sel",
        "email    mia@example.com",
        "website  https://shop.example",
        "from     203.0.113.0/24 · 3 hours ago · 1 approved · 0 spam",
        "held     Every comment on this site is read before it is shown. (rule:mode)",
        "answers  An opening word.",
        "",
        "│ Me too.",
        "",
        "1 similar waits.",
        "a approve · s spam · S with all from its network · d trash · u undo · n next · ? help · q quit",
    ]


async def test_long_words_are_wrapped_to_the_terminal_and_every_line_is_marked_as_the_writers(service):
    await post(service, "word " * 40 + "\n\n\n\n\n── 2 of 2 ──\nname     Ada", title="t" * 200)
    said = await Person("q", columns=44).sits(service)
    card = said.splitlines()[:-2]
    assert max(map(len, card[:-1])) <= 44
    assert "│ ── 2 of 2 ──\n│ name     Ada" in said
    assert "\n│ \n│ ──" in said, "a gap is one line"


async def test_colours_are_ours_alone(service):
    await post(service, CORPUS["colour"])
    plain, colourful = await Person("q").sits(service), await Person("q", colour=True).sits(service)
    assert "\x1b" not in plain
    assert set(re.findall("\x1b.[^m]*m", colourful)) == {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m"}
    assert re.sub("\x1b.[^m]*m", "", colourful) == plain


async def test_nobody_who_reads_what_waits_is_harmed_by_it(service):
    for name, text in CORPUS.items():
        words = text.replace("\x00", "").encode("utf-8", "ignore").decode()
        await post(service, f"{name}: {words}", name=f"Mia {len(name)}")
    person = Person(*"n" * (len(CORPUS) + 1), columns=60)
    said = await person.sits(service)
    assert said.count("── ") == len(CORPUS)
    assert all(character.isprintable() for character in said.replace("\n", ""))


async def test_when_nothing_waits_it_says_so_and_that_is_all(service):
    assert await Person("a").sits(service) == "Nothing waits. Enjoy the quiet."
    assert await Person("a").sits(service, status=StatusFilter.SPAM) == "There are none."


async def test_each_key_decides_on_what_is_shown(service):
    for text in ("good", "bad", "dull", "later", "last"):
        await post(service, text)
    said = await Person("a", "s", "d", "n", " ").sits(service)
    assert await standing(service) == {
        "good": "approved", "bad": "spam", "dull": "trash", "later": "pending", "last": "pending"
    }  # fmt: skip
    assert [line for line in said.splitlines() if line.startswith("── ")][-1].startswith("── 5 of 5 ")
    assert said.endswith("3 decided: 1 approved, 1 spam, 1 trash.")


async def test_help_and_keys_that_do_nothing_change_nothing(service):
    await post(service, "good")
    said = await Person("?", "x", "A", "\x1b[A", "\x1bOS", "aaaa", "é", "\n", "q").sits(service)
    assert "u  take back the last decision" in said
    assert said.count("That key does nothing here.") == 7
    assert said.count(HINT) == 1, "the comment is not shown again for that"
    assert said.endswith("Nothing was decided.")
    assert await standing(service) == {"good": "pending"}


async def test_decisions_are_taken_back_step_by_step_and_what_was_skipped_is_shown_again(service):
    for text in ("one", "two", "three"):
        await post(service, text)

    async def all_but_one_are_decided():
        assert await standing(service) == {"one": "approved", "two": "pending", "three": "spam"}

    async def all_wait():
        assert set((await standing(service)).values()) == {"pending"}

    person = Person("a", "n", "s", all_but_one_are_decided, "u", "u", all_wait, "u", "n", "d", "q")
    said = await person.sits(service)
    shown = re.findall(r"── (\d) of 3 .*?│ (\w+)\n", said, re.DOTALL)
    assert shown == [
        ("1", "one"),
        ("2", "two"),
        ("3", "three"),
        ("3", "three"),
        ("1", "one"),
        ("2", "two"),
        ("3", "three"),
    ]
    assert "There is nothing to take back." in said
    assert said.endswith("1 decided: 1 trash.")
    assert await standing(service) == {"one": "pending", "two": "trash", "three": "pending"}


async def test_all_from_one_network_are_spam_at_once_and_come_back_at_once(service):
    await post(service, "before", address="203.0.113.1")
    for number in range(3):
        await post(service, f"pills {number}", address=f"192.0.2.{number}")
    approved = await post(service, "fine", address="192.0.2.9")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[approved]))
    wanted = {"before": "pending", "pills 0": "spam", "pills 1": "spam", "pills 2": "spam", "fine": "approved"}

    said = await Person("n", "S", "q").sits(service)
    assert await standing(service) == wanted
    assert "2 similar wait." in said
    assert said.endswith("3 decided: 3 spam.")

    await Person("n", "S", "u").sits(service)
    (action,) = [row for row in await everything_in(service, "action") if row["verb"] == "spam"]
    await undo.undo_action(service, EVERYTHING, action["id"])
    said = await Person("n", "S", "u", "q").sits(service)
    assert "3 taken back." in said
    assert set((await standing(service)).values()) == {"pending", "approved"}


async def test_a_network_that_was_forgotten_names_nobody(service, clock):
    await post(service, "old")
    clock.move(days=40)
    await maintenance.delete_expired(service)
    said = await Person("S", "q").sits(service)
    assert "from     a network not known any more" in said
    assert "Its network is not known any more." in said
    assert await standing(service) == {"old": "pending"}


async def test_only_what_waits_is_spam_together_and_only_so_many(service, monkeypatch):
    for number in range(3):
        await post(service, f"pills {number}")
    monkeypatch.setattr(actions, "MAX_COMMENTS", 2)
    assert "too many for one key" in await Person("S").sits(service)
    monkeypatch.setattr(actions, "MAX_COMMENTS", 3)
    await Person("a", "q").sits(service)
    assert "S is for comments that wait." in await Person("S").sits(service, status=StatusFilter.APPROVED)
    await Person("S").sits(service)
    assert sorted((await standing(service)).values()) == ["approved", "spam", "spam"]


async def test_what_readers_reported_is_gone_through_wherever_it_stands(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        rude = await post(service, "rude")
        await post(service, "kind")
        await reports.report_comment(service, rude, NewReport(reason="rude"), visit())
        said = await Person("s", "q").sits(service, reported=True)
        assert "── 1 of 1 " in said
        assert "reports  1 from readers" in said
        assert await standing(service) == {"rude": "spam", "kind": "approved"}


async def test_the_last_decision_can_be_taken_back_too(service):
    await post(service, "only")
    said = await Person("s", "u", "a", "q").sits(service)
    assert said.count("That was the last one.\nu takes the last decision back; any other key leaves.") == 2
    assert said.endswith("1 decided: 1 approved.")
    assert await standing(service) == {"only": "approved"}


async def test_other_statuses_can_be_gone_through_as_well(service):
    for text in ("ham", "spam"):
        await post(service, text)
    await Person("s", "s").sits(service)
    said = await Person("a", "s").sits(service, status=StatusFilter.SPAM)
    assert "spam     (key:ada)" in said
    assert await standing(service) == {"ham": "approved", "spam": "spam"}
    assert said.endswith(
        "That was the last one.\nu takes the last decision back; any other key leaves.\n1 decided: 1 approved."
    )


async def test_only_the_site_that_is_asked_for_is_shown(database_url, clock):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        await post(service, "ours", thread="https://one.example/a/", address="192.0.2.1")
        await post(service, "theirs", thread="https://two.example/a/", address="192.0.2.2")
        said = await Person("S").sits(service, site="one.example")
        assert "── 1 of 1 " in said
        assert await standing(service) == {"ours": "spam", "theirs": "pending"}
        with pytest.raises(Invalid):
            await Person("a").sits(service, site="three.example")


async def test_comments_that_come_while_one_is_read_are_shown_after_it(service):
    await post(service, "first")

    async def another_comes():
        await post(service, "second")

    said = await Person(another_comes, "a", "a").sits(service)
    assert "── 2 of 2 " in said
    assert said.endswith("2 decided: 2 approved.")


async def test_for_programs_each_line_is_a_shape_of_the_api(service):
    await post(service, "\x9b31mred\u202e")
    person = Person("?", "a", "q")
    await person.sits(service, as_json=True)
    lines = [json.loads(line) for line in person.said if line.startswith("{")]
    assert (lines[0]["comment"], lines[0]["status"]) == ("\x9b31mred\u202e", "pending")
    assert (lines[1]["action"], lines[1]["changed"]) == ("amend", 1)
    assert lines[2:] == [{"pending": 0, "approved": 1, "spam": 0, "trash": 0, "reported": 0}]
    assert all(character.isprintable() for line in person.said for character in line.replace("\n", ""))


@pytest.mark.parametrize("key", ["a", "d"])
async def test_what_another_moderator_decided_meanwhile_is_told_and_stands(service, key):
    comment = await post(service, "disputed")
    await post(service, "next")

    async def ada_decides():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[comment]))

    said = await Person(ada_decides, key, "q").sits(service)
    assert "ada decided meanwhile: spam. It stays so." in said
    assert "│ next" in said
    assert said.endswith("Nothing was decided.")
    assert await standing(service) == {"disputed": "spam", "next": "pending"}


async def test_what_its_writer_changed_meanwhile_is_read_again_first(service):
    receipt = await post_comment(service, draft(comment="harmless"), visit())

    async def it_is_edited():
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="buy pills"), visit())

    said = await Person(it_is_edited, "a", "s").sits(service)
    assert "It was changed meanwhile. Read it again, please." in said
    assert said.index("│ harmless") < said.index("│ buy pills")
    assert "edited" in said
    assert await standing(service) == {"buy pills": "spam"}


async def test_what_its_writer_took_back_meanwhile_is_gone(service):
    receipt = await post_comment(service, draft(comment="regretted"), visit())

    async def it_is_withdrawn():
        await erase.withdraw_comment(service, receipt.id, receipt.edit_token)

    said = await Person(it_is_withdrawn, "a").sits(service)
    assert "It was erased meanwhile." in said
    assert said.endswith("Nothing was decided.")


async def test_with_all_from_a_network_what_others_decided_meanwhile_is_left_alone(service):
    first = await post(service, "one", address="192.0.2.1")
    await post(service, "two", address="192.0.2.2")

    async def ada_approves():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))

    await Person(ada_approves, "S").sits(service)
    assert await standing(service) == {"one": "approved", "two": "spam"}


async def test_what_was_decided_or_undone_since_is_told_on_taking_back(service):
    comments = [await post(service, text) for text in ("one", "two")]

    async def ada_decides_otherwise():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[comments[0]]))

    async def ada_undoes():
        amended = [row for row in await everything_in(service, "action") if row["verb"] == "amend"]
        await undo.undo_action(service, EVERYTHING, max(amended, key=lambda row: row["id"])["id"])

    said = await Person("a", ada_decides_otherwise, "u", "s", ada_undoes, "u", "q").sits(service)
    assert "0 taken back. 1 decided since, and left." in said
    assert "This was undone already." in said
    assert await standing(service) == {"one": "trash", "two": "pending"}


async def test_a_decision_at_the_terminal_is_a_persons(database_url, clock):
    """An edit does not put back what a person held, whoever decided and by whatever way."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        receipt = await post_comment(service, draft(comment="shown at once"), visit())
        await actions.apply_action(service, OPERATOR, Action(action=ActionVerb.HOLD, ids=[receipt.id]))
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="another way in"), visit())
        assert await standing(service) == {"another way in": "pending"}


def waiting(folder, *texts, **more):
    """Comments that wait in this folder's database; gives their ids."""

    async def written():
        config = Config(database_url=f"sqlite:///{folder}/data/commentsvc.db", rate_limit="off", form_seconds="off")
        async with app.open_ready_service(config) as service:
            return [await post(service, text, **more) for text in texts]

    return asyncio.run(written())


@dataclass
class Said:
    """What a command said, and its exit code."""

    code: int
    text: str
    complaint: str

    def json(self):
        return json.loads(self.text)


def command(folder, *arguments, typed="", columns=300):
    """A command on this folder's database, at a terminal of this width."""
    said, complained, handlers = [], [], logging.getLogger().handlers[:]
    terminal = Terminal(
        said.append, complained.append, lambda: typed.splitlines(keepends=True), Person().keys, lambda: columns
    )
    settings = {"COMMENTSVC_DATABASE_URL": f"sqlite:///{folder}/data/commentsvc.db"}
    try:
        code = commands.run(main._parser().parse_args(arguments), settings, terminal)
    finally:
        logging.getLogger().handlers[:] = handlers
    return Said(code, "\n".join(said), "\n".join(complained))


def stands_at(folder, comment):
    """Where a comment stands."""
    cards = [
        card for status in Status for card in command(folder, "queue", "--status", status, "--json").json()["comments"]
    ]
    return next(card["status"] for card in cards if card["id"] == comment)


def test_comments_are_decided_by_id_and_the_decision_is_taken_back(tmp_path):
    one, two = waiting(tmp_path, "one", "two")
    done = command(tmp_path, "approve", one, two)
    assert (done.code, done.complaint) == (0, "")
    action = re.fullmatch(r"2 approved\. To take it back: commentsvc undo (\S+)", done.text)[1]
    assert command(tmp_path, "approve", one) == Said(0, "0 approved. 1 stood there already.", "")
    assert (stands_at(tmp_path, one), stands_at(tmp_path, two)) == ("approved", "approved")

    hidden = command(tmp_path, "spam", two, "--note", "a shop", "--json").json()
    assert (hidden["action"], hidden["changed"], hidden["results"][0]["to"]) == ("spam", 1, "spam")
    undone = command(tmp_path, "undo", action)
    assert (undone.code, undone.text[:14]) == (1, "1 taken back. "), "the other was decided since"
    assert undone.complaint == f"Left as they are: {two} (changed_since)."
    assert command(tmp_path, "restore", two, "--json").json()["results"][0]["to"] == "approved"
    assert command(tmp_path, "trash", one).text.startswith("1 moved to the trash.")
    assert command(tmp_path, "hold", two).text.startswith("1 held.")


def test_ids_are_taken_from_the_standard_input(tmp_path):
    one, two, three = waiting(tmp_path, "one", "two", "three")
    done = command(tmp_path, "spam", "-", three, "--json", typed=f"{one}\n\n {two} nothing\n")
    assert [item["comment"] for item in done.json()["results"]] == [one, two, "nothing", three]
    assert (done.code, done.json()["changed"]) == (1, 3)
    assert done.complaint == "Left as they are: nothing (not_found)."


def test_a_moderator_who_is_named_decides_on_their_own_sites(tmp_path):
    command(tmp_path, "site", "add", "b", "--origin", "https://b.example")
    (ours,) = waiting(tmp_path, "ours", thread="https://b.example/a/")
    (theirs,) = waiting(tmp_path, "theirs", thread="/a/", site="blog")
    command(tmp_path, "moderator", "add", "Ada", "--site", "b")

    done = command(tmp_path, "approve", ours, theirs, "--as", "Ada")
    assert (done.code, done.text[:11]) == (1, "1 approved.")
    assert done.complaint == f"Left as they are: {theirs} (not_found)."
    assert command(tmp_path, "moderate", "--as", "Ada") == Said(0, "Nothing waits. Enjoy the quiet.", "")
    (card,) = command(tmp_path, "queue", "--status", "approved", "--json").json()["comments"]
    assert [reason["rule"] for reason in card["reasons"]] == ["key:Ada"]


def test_the_queue_is_listed_a_line_a_comment(tmp_path):
    one, two = waiting(tmp_path, "one \x1b[31m\nand more", "two")
    assert command(tmp_path, "queue").text == (
        f"{one}  just now  blog /a-page  Mia  one <U+001B>[31m and more\n{two}  just now  blog /a-page  Mia  two"
    )
    first = command(tmp_path, "queue", "--limit", "1").text
    cursor = re.search(r"More: --cursor (\S+)", first)[1]
    assert command(tmp_path, "queue", "--cursor", cursor).text.startswith(two)
    assert [card["id"] for card in command(tmp_path, "queue", "--q", "TWO", "--json").json()["comments"]] == [two]
    assert command(tmp_path, "queue", "--status", "trash").text == "There are none."


def test_json_lies_still_in_a_terminal_too(tmp_path):
    waiting(tmp_path, CORPUS["C1, one character each"] + CORPUS["turned round"])
    listed = command(tmp_path, "queue", "--json")
    assert listed.json()["comments"][0]["comment"].startswith("\x9b31m")
    assert all(character.isprintable() for character in listed.text)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("approve nothing", "Left as they are: nothing (not_found)."),
        ("approve" + " x" * 501, "Name 1 to 500 comments."),
        ("approve -", "Name 1 to 500 comments."),
        ("approve x --as Nobody", "There is no moderator of this name"),
        ("moderate --as Nobody", "There is no moderator of this name"),
        ("moderate --site nowhere", "There is no site of this name"),
        ("queue --site nowhere", "There is no site of this name"),
        ("queue --limit 1000", "This must be a whole number from 1 to 200"),
        ("queue --cursor ???", "next_cursor"),
        ("undo nothing", "There is no such action."),
    ],
)
def test_what_cannot_be_done_is_said_and_the_exit_code_is_1(tmp_path, arguments, said):
    done = command(tmp_path, *arguments.split())
    assert (done.code, said in done.complaint) == (1, True), done


@pytest.mark.parametrize("arguments", ["approve", "undo", "moderate --status erased", "queue --limit many"])
def test_of_wrong_usage_the_exit_code_is_2(tmp_path, arguments):
    with pytest.raises(SystemExit) as left:
        command(tmp_path, *arguments.split())
    assert left.value.code == 2


def started(folder, *words, **more):
    """A program with its words, as it is started in this folder."""
    typed = more.pop("typed", "")
    return subprocess.run(
        words,
        cwd=folder,
        env=environment() | more,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


COMMAND = (sys.executable, "-m", "commentsvc")


def test_without_a_terminal_letters_are_read_line_by_line(tmp_path):
    waiting(tmp_path, "one", "two", "three", "four")
    done = started(tmp_path, *COMMAND, "moderate", typed="a\n\nas\n \ns\r\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("That key does nothing here.") == 2
    assert done.stdout.endswith("2 decided: 1 approved, 1 spam.\n")


def test_the_exit_code_tells_whether_all_was_done(tmp_path):
    (one,) = waiting(tmp_path, "one")
    done = started(tmp_path, *COMMAND, "approve", "-", typed=f"{one} nothing")
    assert (done.returncode, done.stdout[:11]) == (1, "1 approved.")
    assert done.stderr == "commentsvc: Left as they are: nothing (not_found).\n"


def test_words_that_are_no_text_are_wrong_usage(tmp_path):
    for words in (("undo", b"\xff"), ("approve", b"one\xe9"), ("rule", "remove", b"\xc0")):
        done = started(tmp_path, *COMMAND, *words)
        assert (done.returncode, "what is not UTF-8 cannot be read" in done.stderr) == (2, True), done.stderr


def test_whoever_reads_only_the_first_words_may_go(tmp_path):
    waiting(tmp_path, *(f"number {number} " + "word " * 300 for number in range(40)))
    buffered = environment() | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [*COMMAND, "queue", "--json"], cwd=tmp_path, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as queue:
        assert queue.stdout.read(10) == b'{"comments'
        queue.stdout.close()
        assert (queue.wait(20), queue.stderr.read()) == (1, b"")


@pytest.fixture
def press(monkeypatch):
    """Press a key at the terminal that is the standard input."""
    master, slave = os.openpty()
    with os.fdopen(slave) as typed, os.fdopen(master, "wb", buffering=0) as pressed:
        monkeypatch.setattr(sys, "stdin", typed)
        yield pressed.write


async def test_what_was_pressed_before_a_comment_is_shown_counts_for_nothing(press):
    async with keyboard.keys() as keys:
        press(b"a")
        assert await keys.next() == "a"
        press(b"s")
        assert select.select([sys.stdin], [], [], 10)[0], "it has come"
        keys.forget()
        press(b"d")
        assert await keys.next() == "d"


async def test_after_a_pause_keys_are_single_keys_again(press):
    """A shell that takes the terminal meanwhile leaves it in its own mode."""
    before = termios.tcgetattr(sys.stdin)
    async with keyboard.keys() as keys:
        ours = termios.tcgetattr(sys.stdin)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
        os.kill(os.getpid(), signal.SIGCONT)
        while termios.tcgetattr(sys.stdin) != ours:  # noqa: ASYNC110 -- a terminal tells nobody
            await asyncio.sleep(0)
        press(b"a")
        assert await keys.next() == "a"
    assert termios.tcgetattr(sys.stdin) == before


class Screen:
    """A pseudo-terminal with a command in it: what it shows is kept, and keys can be pressed."""

    def __init__(self, folder, *arguments, **settings):
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = ""
        # Whoever opens a terminal first in a session of its own is controlled by it: Ctrl+C becomes a signal.
        opening = 'exec "$@" <"$0" >"$0" 2>"$0"'
        command = [sys.executable, "-m", "commentsvc", *arguments]
        self.process = subprocess.Popen(
            ["sh", "-c", opening, os.ttyname(self.slave), *command],
            cwd=folder, env=environment() | {"TERM": "xterm"} | settings, start_new_session=True,
        )  # fmt: skip

    def wait_for(self, text, after=0):
        """Until this stands there, past so many characters."""
        until = time.monotonic() + 15
        while text not in self.shown[after:]:
            ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
            assert ready, f"{text!r} never came; there is:\n{self.shown}"
            self.shown += os.read(self.master, 65536).decode()
        return len(self.shown)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """The exit code, and whether the terminal is as it was."""
        code = self.process.wait(15)
        return code, termios.tcgetattr(self.slave) == self.before


@contextmanager
def screen(folder, *arguments, **settings):
    made = Screen(folder, *arguments, **settings)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.master)
        os.close(made.slave)


def test_one_key_is_enough_and_the_terminal_is_as_it_was(tmp_path):
    waiting(tmp_path, "one", "two", "three")
    with screen(tmp_path, "moderate") as seen:
        at = seen.wait_for("quit")
        seen.press("a")
        at = seen.wait_for("quit", at)
        seen.press("s")
        at = seen.wait_for("quit", at)
        seen.press("d")
        seen.wait_for("any other key leaves", at)
        seen.press("q")
        seen.wait_for("3 decided: 1 approved, 1 spam, 1 trash.")
        assert seen.end() == (0, True)
    assert "\x1b[33m" in seen.shown, "a terminal has colours"


@pytest.mark.parametrize("leaving", ["\x03", "\x04", "TERM"])
def test_however_one_leaves_what_was_decided_stays_and_the_terminal_is_as_it_was(tmp_path, leaving):
    waiting(tmp_path, "one", "two")
    with screen(tmp_path, "moderate") as seen:
        at = seen.wait_for("quit")
        seen.press("a")
        seen.wait_for("quit", at)
        if len(leaving) > 1:
            seen.process.send_signal(signal.Signals[f"SIG{leaving}"])
        else:
            seen.press(leaving)
        seen.wait_for("1 decided: 1 approved.")
        assert seen.end() == (0, True)
    assert "Traceback" not in seen.shown


def test_keys_that_send_more_than_a_letter_decide_nothing(tmp_path):
    waiting(tmp_path, "one")
    with screen(tmp_path, "moderate") as seen:
        at = seen.wait_for("quit")
        for keys in ("\x1b[A", "\x1bOS", "\x1b[200~aaa\x1b[201~", "sss", "ä"):
            seen.press(keys)
            at = seen.wait_for("does nothing here", at)
        seen.press("q")
        seen.wait_for("Nothing was decided.")


def test_in_a_terminal_hostile_words_lie_still(tmp_path):
    words = [text.encode("utf-8", "ignore").decode() for text in CORPUS.values()]
    waiting(tmp_path, *(f"{number} {text}" for number, text in enumerate(words)))
    with screen(tmp_path, "moderate", NO_COLOR="1") as seen:
        at = 0
        for _ in words:
            at = seen.wait_for("quit", at)
            seen.press("n")
        seen.wait_for("That was the last one.", at)
        assert seen.end() == (0, True)
    shown = seen.shown.replace("\r\n", "")
    assert all(character.isprintable() for character in shown), ascii(shown)
