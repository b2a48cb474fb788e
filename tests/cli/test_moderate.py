"""A moderator decides at a terminal, with key presses and with commands."""

import asyncio
import fcntl
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
from argparse import Namespace
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from commentsvc import app
from commentsvc.access import moderators
from commentsvc.cli import commands, keyboard, moderate
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.parser import parse_arguments
from commentsvc.cli.review import Review
from commentsvc.cli.terminal import Terminal
from commentsvc.comments import edit, erase, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.config.settings import Config
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import ActionVerb, Mode, Status, StatusFilter
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.verbs import DONE
from commentsvc.operations import maintenance
from commentsvc.rules import manage
from commentsvc.rules.schemas import RuleQuery
from tests.cli.test_terminal import CORPUS
from tests.comments.test_post import everything_in, standing
from tests.conftest import EVERYTHING, a_service, draft, post, visit
from tests.operations.test_operating import environment, run_main

HINT = "q quit"
LAST = "That was the last comment.\nPress u to undo the last decision, or any other key to quit."


class Person:
    """A person who presses these keys in turn. A function among the keys runs at that moment."""

    def __init__(self, *keys, columns=80, colour=False):
        self.keys, self.printed = list(keys), []
        self.terminal = Terminal(
            self.printed.append, self.printed.append, list, self.open_keys, lambda: columns, colour=colour
        )

    @asynccontextmanager
    async def open_keys(self):
        yield self

    async def read_key(self):
        key = self.keys.pop(0) if self.keys else ""
        if isinstance(key, str):
            return key
        await key()
        return await self.read_key()

    async def write_text(self, text):
        self.offered = text
        return await self.read_key()

    def discard_pending(self):
        """This person presses no key before the comment is shown."""

    async def reviews(self, service, *, as_json=False, who=EVERYTHING, **query):
        await Review(service, who, self.terminal, QueueQuery(**query), json=as_json).run()
        return "\n".join(self.printed)


async def test_a_moderator_sees_all_facts_that_a_decision_needs(service, clock):
    page = {"thread": "http://localhost/a-page/", "title": "On bees"}
    first = await post(service, "An opening word.", **page)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))
    await post(service, "Me too.", name="Sel", website="shop.example", parent=first, address="203.0.113.9", **page)
    await post(service, "And I.", name="Sel", address="203.0.113.10", **page)
    clock.move(hours=3)

    (card,) = (await queue.search_comments(service, EVERYTHING, QueueQuery(limit=1))).comments
    output = await Person("q").reviews(service)
    assert output.splitlines()[:16] == [
        "── 1 of 2 " + "─" * 70,
        "page     blog /a-page",
        "title    On bees",
        "name     Sel",
        "email    mia@example.com",
        "website  https://shop.example",
        "from     203.0.113.0/24 · 3 hours ago · 1 approved · 0 spam",
        f"held     {card.reasons[0].text} (Rule “moderate",
        "         everything”)",
        "reply to An opening word.",
        "",
        "│ Me too.",
        "",
        "1 similar comment is pending.",
        "a approve · s spam · S whole network · d trash · r reply · e edit · b ban",
        "u undo · n next · p back · ? help · q quit",
    ]


async def test_every_line_of_a_long_comment_fits_the_terminal_and_is_marked(service):
    await post(service, "word " * 40 + "\n\n\n\n\n── 2 of 2 ──\nname     Ada", title="t" * 200)
    output = await Person("q", columns=44).reviews(service)
    card = output.splitlines()[:-2]
    assert max(map(len, card[:-1])) <= 44
    assert "│ ── 2 of 2 ──\n│ name     Ada" in output
    assert "\n│ \n│ ──" in output, "several blank lines become one"


async def test_a_commenter_cannot_add_colours(service):
    await post(service, CORPUS["colour"])
    plain, colourful = await Person("q").reviews(service), await Person("q", colour=True).reviews(service)
    assert "\x1b" not in plain
    assert set(re.findall("\x1b.[^m]*m", colourful)) == {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m"}
    assert re.sub("\x1b.[^m]*m", "", colourful) == plain


async def test_a_moderator_reads_hostile_comments_safely(service):
    for name, text in CORPUS.items():
        words = text.replace("\x00", "").encode("utf-8", "ignore").decode()
        await post(service, f"{name}: {words}", name=f"Mia {len(name)}")
    person = Person(*"n" * (len(CORPUS) + 1), columns=60)
    output = await person.reviews(service)
    assert output.count("── ") == len(CORPUS)
    assert all(character.isprintable() for character in output.replace("\n", ""))


async def test_a_moderator_without_pending_comments_sees_one_line(service):
    assert await Person("a").reviews(service) == "No pending comments."
    assert await Person("a").reviews(service, status=StatusFilter.SPAM) == "No comments found."


async def test_each_key_decides_on_the_comment_shown(service):
    for text in ("good", "bad", "dull", "later", "last"):
        await post(service, text)
    output = await Person("a", "s", "d", "n", " ").reviews(service)
    assert await standing(service) == {
        "good": "approved", "bad": "spam", "dull": "trash", "later": "pending", "last": "pending"
    }  # fmt: skip
    assert [line for line in output.splitlines() if line.startswith("── ")][-1].startswith("── 5 of 5 ")
    assert output.endswith("3 decided: 1 approved, 1 spam, 1 trash.")


async def test_help_and_unknown_keys_change_nothing(service):
    await post(service, "good")
    output = await Person("?", "x", "A", "\x1b[A", "\x1bOS", "aaaa", "é", "\n", "q").reviews(service)
    assert "u  undo the last decision" in output
    assert output.count("Unknown key.") == 7
    assert output.count(HINT) == 1, "an unknown key does not show the comment again"
    assert output.endswith("No comments decided.")
    assert await standing(service) == {"good": "pending"}


async def test_a_moderator_undoes_decisions_step_by_step_and_sees_skipped_comments_again(service):
    for text in ("one", "two", "three"):
        await post(service, text)

    async def assert_two_decided():
        assert await standing(service) == {"one": "approved", "two": "pending", "three": "spam"}

    async def assert_all_pending():
        assert set((await standing(service)).values()) == {"pending"}

    person = Person("a", "n", "s", assert_two_decided, "u", "u", assert_all_pending, "u", "n", "d", "q")
    output = await person.reviews(service)
    shown = re.findall(r"── (\d) of 3 .*?│ (\w+)\n", output, re.DOTALL)
    assert shown == [
        ("1", "one"),
        ("2", "two"),
        ("3", "three"),
        ("3", "three"),
        ("1", "one"),
        ("2", "two"),
        ("3", "three"),
    ]
    assert "Nothing to undo." in output
    assert output.endswith("1 decided: 1 trash.")
    assert await standing(service) == {"one": "pending", "two": "trash", "three": "pending"}


async def test_a_moderator_marks_a_whole_network_as_spam_and_undoes_it(service):
    await post(service, "before", address="203.0.113.1")
    for number in range(3):
        await post(service, f"pills {number}", address=f"192.0.2.{number}")
    approved = await post(service, "fine", address="192.0.2.9")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[approved]))
    wanted = {"before": "pending", "pills 0": "spam", "pills 1": "spam", "pills 2": "spam", "fine": "approved"}

    output = await Person("n", "S", "q").reviews(service)
    assert await standing(service) == wanted
    assert "2 similar comments are pending." in output
    assert output.endswith("3 decided: 3 spam.")

    await Person("n", "S", "u").reviews(service)
    (action,) = [row for row in await everything_in(service, "action") if row["verb"] == "spam"]
    await undo.undo_action(service, EVERYTHING, action["id"])
    output = await Person("n", "S", "u", "q").reviews(service)
    assert f"3 {DONE['undo']}." in output
    assert set((await standing(service)).values()) == {"pending", "approved"}


async def test_a_moderator_cannot_mark_a_deleted_network_as_spam(service, clock):
    await post(service, "old")
    clock.move(days=40)
    await maintenance.delete_expired(service)
    output = await Person("S", "q").reviews(service)
    assert "from     network no longer stored" in output
    assert "The network of this comment is no longer stored. Use s instead." in output
    assert await standing(service) == {"old": "pending"}


async def test_a_moderator_marks_only_pending_comments_of_a_network_up_to_a_limit(service, monkeypatch):
    for number in range(3):
        await post(service, f"pills {number}")
    monkeypatch.setattr(actions, "MAX_COMMENTS", 2)
    assert "more than 2 pending comments: too many for S" in await Person("S").reviews(service)
    monkeypatch.setattr(actions, "MAX_COMMENTS", 3)
    await Person("a", "q").reviews(service)
    assert "S works only on pending comments." in await Person("S").reviews(service, status=StatusFilter.APPROVED)
    await Person("S").reviews(service)
    assert sorted((await standing(service)).values()) == ["approved", "spam", "spam"]


async def test_a_moderator_reviews_reported_comments_of_any_status(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        rude = await post(service, "rude")
        await post(service, "kind")
        await reports.report_comment(service, rude, NewReport(reason="rude"), visit())
        output = await Person("s", "q").reviews(service, reported=True)
        assert "── 1 of 1 " in output
        assert "reports  1 from readers" in output
        assert await standing(service) == {"rude": "spam", "kind": "approved"}


async def test_a_moderator_undoes_the_last_decision_at_the_end(service):
    await post(service, "only")
    output = await Person("s", "u", "a", "q").reviews(service)
    assert output.count(LAST) == 2
    assert output.endswith("1 decided: 1 approved.")
    assert await standing(service) == {"only": "approved"}


async def test_a_moderator_reviews_comments_of_another_status(service):
    for text in ("ham", "spam"):
        await post(service, text)
    await Person("s", "s").reviews(service)
    output = await Person("a", "s").reviews(service, status=StatusFilter.SPAM)
    assert "spam     (ada)" in output
    assert await standing(service) == {"ham": "approved", "spam": "spam"}
    assert output.endswith(f"{LAST.replace(', or', ', p to go back, or')}\n1 decided: 1 approved.")


async def test_a_moderator_reviews_comments_of_any_status_once_each(service):
    for text in ("one", "two", "three"):
        await post(service, text)
    await Person("a", "q").reviews(service)
    output = await Person("s", "a", "u", "d", "n", "q").reviews(service, status=StatusFilter.ANY)
    assert re.findall(r"── (\d) ─.*?│ (\w+)\n", output, re.DOTALL) == [
        ("1", "one"),
        ("2", "two"),
        ("3", "three"),
        ("2", "two"),
        ("3", "three"),
    ]
    assert await standing(service) == {"one": "spam", "two": "trash", "three": "pending"}
    assert output.endswith("2 decided: 1 spam, 1 trash.")


async def test_a_moderator_reviews_only_comments_that_match_a_text(service):
    for text in ("cheap pills", "kind words", "more pills"):
        await post(service, text)
    output = await Person("s", "s", "q").reviews(service, q="pills")
    assert re.findall(r"── (.+?) ─", output) == ["1", "2"], "a search has no total"
    assert await standing(service) == {"cheap pills": "spam", "kind words": "pending", "more pills": "spam"}
    assert await Person("s").reviews(service, q="pills") == "No comments found."


async def test_a_moderator_reviews_only_the_chosen_site(database_url, clock):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        await post(service, "ours", thread="https://one.example/a/", address="192.0.2.1")
        await post(service, "theirs", thread="https://two.example/a/", address="192.0.2.2")
        output = await Person("S").reviews(service, site="one.example")
        assert "── 1 of 1 " in output
        assert await standing(service) == {"ours": "spam", "theirs": "pending"}
        with pytest.raises(Invalid):
            await Person("a").reviews(service, site="three.example")


async def test_a_comment_that_arrives_during_a_review_is_shown_next(service):
    await post(service, "first")

    async def post_another():
        await post(service, "second")

    output = await Person(post_another, "a", "a").reviews(service)
    assert "── 2 of 2 " in output
    assert output.endswith("2 decided: 2 approved.")


async def test_a_program_reads_one_json_object_per_line(service):
    await post(service, "\x9b31mred\u202e")
    person = Person("?", "a", "q")
    await person.reviews(service, as_json=True)
    lines = [json.loads(line) for line in person.printed]
    assert lines.pop(1)["detail"].startswith("a  approve"), "texts for people are JSON, too"
    assert (lines[0]["comment"], lines[0]["status"]) == ("\x9b31mred\u202e", "pending")
    assert (lines[1]["action"], lines[1]["changed"]) == ("amend", 1)
    assert lines[-1:] == [{"pending": 0, "approved": 1, "spam": 0, "trash": 0, "reported": 0}]
    assert all(character.isprintable() for line in person.printed for character in line.replace("\n", ""))


@pytest.mark.parametrize("key", ["a", "d"])
async def test_a_moderator_does_not_overwrite_the_decision_of_another(service, key):
    comment = await post(service, "disputed")
    await post(service, "next")

    async def decide_as_ada():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[comment]))

    output = await Person(decide_as_ada, key, "q").reviews(service)
    assert "ada already decided: spam. Your decision was not saved." in output
    assert "│ next" in output
    assert output.endswith("No comments decided.")
    assert await standing(service) == {"disputed": "spam", "next": "pending"}


async def test_a_moderator_reads_an_edited_comment_again_before_deciding(service):
    receipt = await post_comment(service, draft(comment="harmless"), visit())

    async def edit_as_author():
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="buy pills"), visit())

    output = await Person(edit_as_author, "a", "s").reviews(service)
    assert "This comment was changed. Read it again, then decide." in output
    assert output.index("│ harmless") < output.index("│ buy pills")
    assert "edited" in output
    assert await standing(service) == {"buy pills": "spam"}


async def test_a_moderator_is_told_that_the_comment_was_deleted(service):
    receipt = await post_comment(service, draft(comment="regretted"), visit())

    async def delete_as_author():
        await erase.withdraw_comment(service, receipt.id, receipt.edit_token)

    output = await Person(delete_as_author, "a").reviews(service)
    assert "This comment was deleted." in output
    assert output.endswith("No comments decided.")


async def test_marking_a_network_as_spam_skips_decisions_of_others(service):
    first = await post(service, "one", address="192.0.2.1")
    await post(service, "two", address="192.0.2.2")

    async def approve_as_ada():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[first]))

    await Person(approve_as_ada, "S").reviews(service)
    assert await standing(service) == {"one": "approved", "two": "spam"}


async def test_a_moderator_is_told_when_an_undo_skips_later_decisions(service):
    comments = [await post(service, text) for text in ("one", "two")]

    async def decide_as_ada():
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[comments[0]]))

    async def undo_as_ada():
        amended = [row for row in await everything_in(service, "action") if row["verb"] == "amend"]
        await undo.undo_action(service, EVERYTHING, max(amended, key=lambda row: row["id"])["id"])

    output = await Person("a", decide_as_ada, "u", "s", undo_as_ada, "u", "q").reviews(service)
    assert f"0 {DONE['undo']}. 1 skipped: changed since." in output
    assert len(re.findall(rf"^\d+ {DONE['undo']}\.", output, re.MULTILINE)) == 1, "ada undid the other decision already"
    assert await standing(service) == {"one": "trash", "two": "pending"}


async def test_a_decision_at_the_terminal_counts_as_a_persons(database_url, clock):
    """An edit does not publish a comment that a person held at the terminal."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        receipt = await post_comment(service, draft(comment="shown at once"), visit())
        await actions.apply_action(service, OPERATOR, Action(action=ActionVerb.HOLD, ids=[receipt.id]))
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="another way in"), visit())
        assert await standing(service) == {"another way in": "pending"}


def pending_comments(folder, *texts, **more):
    """Add pending comments to the database in this folder; return their ids."""

    async def post_all(service):
        return [await post(service, text, **more) for text in texts]

    return with_service(folder, post_all)


async def test_a_moderator_goes_back_to_comments_that_they_left_unchanged(service):
    for text in ("one", "two", "three"):
        await post(service, text)
    output = await Person("p", "n", "a", "n", "p", "p", "p", "s", "q").reviews(service)
    assert output.count("There is no comment to go back to.") == 2
    shown = [line for line in output.splitlines() if line.startswith("│ ")]
    assert shown == ["│ one", "│ two", "│ three", "│ three", "│ one", "│ three"]
    assert await standing(service) == {"one": "spam", "two": "approved", "three": "pending"}


async def test_a_moderator_replies_to_a_comment_and_edits_another(service):
    await moderators.add_moderator(service, "Ada", None, [])
    ada = await moderate.find_principal(service, Namespace(moderator="Ada"))
    await post(service, "good")
    await post(service, "with a typpo")
    person = Person("r", "Thank you!", "e", "", "e", "with a typo", "a", "u", "u", "q")
    output = await person.reviews(service, who=ada)
    assert "Replied, and approved the comment." in output
    assert ("The comment was not changed." in output, "Changed. The earlier text is kept" in output) == (True, True)
    assert await standing(service) == {"good": "pending", "with a typo": "pending", "Thank you!": "trash"}
    assert "2 undone." in output, "a reply and its approval are one action"


async def test_a_text_that_is_refused_is_offered_again(service):
    await post(service, "good")
    person = Person("e", "x" * 10_001, "e", "short", "q")
    output = await person.reviews(service)
    assert "Too long: 10,001 of 10,000 characters." in output
    assert person.offered == "x" * 10_001
    assert await standing(service) == {"short": "pending"}


async def test_only_a_moderator_replies(service):
    await post(service, "good")
    output = await Person("r", "q").reviews(service)
    assert "Only a moderator can reply. Start again with: " in output


async def test_a_moderator_bans_a_network_and_undoes_it(service):
    for text in ("one", "two"):
        await post(service, text)
    person = Person("b", "x", "b", "n", "u", "q")
    output = await person.reviews(service)
    assert "n  network 198.51.100.0/24 (256 addresses): 2 waiting comments" in output
    assert "e  email address mia@example.com: 2 waiting comments" in output
    assert "Nobody was banned." in output
    assert "Banned for 30 days. 2 waiting comments marked as spam. Press u to undo both." in output
    assert await standing(service) == {"one": "pending", "two": "pending"}
    assert (await manage.list_rules(service, EVERYTHING, RuleQuery())).rules == []


def report_comments(folder, *ids):
    """Report these comments as a reader."""

    async def report_all(service):
        for comment in ids:
            await reports.report_comment(service, comment, NewReport(reason="rude"), visit())

    with_service(folder, report_all)


def with_service(folder, function):
    """Run an async function on the service of the database in this folder."""

    async def run():
        config = Config(database_url=f"sqlite:///{folder}/data/commentsvc.db", rate_limit="off", form_seconds="off")
        async with app.open_ready_service(config) as service:
            return await function(service)

    return asyncio.run(run())


@dataclass
class Output:
    """The output of a command and its exit code."""

    code: int
    text: str
    errors: str

    def json(self):
        return json.loads(self.text)


def command(folder, *arguments, typed="", columns=300):
    """Run a command on the database in this folder, at a terminal of this width. The first creates the database."""
    if arguments != ("migrate",) and not (folder / "data" / "commentsvc.db").exists():
        command(folder, "migrate")
    output, errors, handlers = [], [], logging.getLogger().handlers[:]
    terminal = Terminal(
        output.append, errors.append, lambda: typed.splitlines(keepends=True), Person().open_keys, lambda: columns
    )
    settings = {"COMMENTSVC_DATABASE_URL": f"sqlite:///{folder}/data/commentsvc.db"}
    try:
        code = commands.run(parse_arguments(arguments), settings, terminal)
    finally:
        logging.getLogger().handlers[:] = handlers
    return Output(code, "\n".join(output), "\n".join(errors))


def status_of(folder, comment):
    """Return the status of a comment."""
    cards = [
        card for status in Status for card in command(folder, "queue", "--status", status, "--json").json()["comments"]
    ]
    return next(card["status"] for card in cards if card["id"] == comment)


def test_a_moderator_decides_by_id_and_undoes_the_decision(tmp_path):
    one, two = pending_comments(tmp_path, "one", "two")
    done = command(tmp_path, "approve", one, two)
    assert (done.code, done.errors) == (0, "")
    action = re.fullmatch(r"2 approved\. Undo with: commentsvc undo (\S+)", done.text)[1]
    assert command(tmp_path, "approve", one) == Output(0, "0 approved. 1 unchanged.", "")
    assert (status_of(tmp_path, one), status_of(tmp_path, two)) == ("approved", "approved")

    hidden = command(tmp_path, "spam", two, "--note", "a shop", "--json").json()
    assert (hidden["action"], hidden["changed"], hidden["results"][0]["to"]) == ("spam", 1, "spam")
    undone = command(tmp_path, "undo", action)
    assert undone.code == 1, "the other comment was decided later"
    assert undone.text.startswith(f"1 {DONE['undo']}. ")
    assert undone.errors == f"Skipped: {two} (changed_since)."
    assert command(tmp_path, "restore", two, "--json").json()["results"][0]["to"] == "approved"
    assert command(tmp_path, "trash", one).text.startswith(f"1 {DONE['trash']}.")
    assert command(tmp_path, "hold", two).text.startswith(f"1 {DONE['hold']}.")


def test_a_moderator_pipes_ids_into_a_command(tmp_path):
    one, two, three = pending_comments(tmp_path, "one", "two", "three")
    done = command(tmp_path, "spam", "-", three, "--json", typed=f"{one}\n\n {two} nothing\n")
    assert [item["comment"] for item in done.json()["results"]] == [one, two, "nothing", three]
    assert (done.code, done.json()["changed"]) == (1, 3)
    assert json.loads(done.errors)["detail"] == "Skipped: nothing (not_found)."


def test_a_named_moderator_decides_only_on_their_own_sites(tmp_path):
    command(tmp_path, "site", "add", "b", "--origin", "https://b.example")
    (ours,) = pending_comments(tmp_path, "ours", thread="https://b.example/a/")
    (theirs,) = pending_comments(tmp_path, "theirs", thread="/a/", site="blog")
    command(tmp_path, "moderator", "add", "Ada", "--site", "b")

    done = command(tmp_path, "approve", ours, theirs, "--as", "Ada")
    assert (done.code, done.text[:11]) == (1, "1 approved.")
    assert done.errors == f"Skipped: {theirs} (not_found)."
    assert command(tmp_path, "moderate", "--as", "Ada") == Output(0, "No pending comments.", "")
    (card,) = command(tmp_path, "queue", "--status", "approved", "--json").json()["comments"]
    assert [(reason["actor"]["kind"], reason["actor"]["name"]) for reason in card["reasons"]] == [("person", "Ada")]


def test_a_moderator_lists_the_queue_one_line_per_comment(tmp_path):
    one, two = pending_comments(tmp_path, "one \x1b[31m\nand more", "two")
    assert command(tmp_path, "queue").text == (
        f"{one}  now  blog  /a-page  Mia  one <U+001B>[31m and more\n{two}  now  blog  /a-page  Mia  two"
    )
    first = command(tmp_path, "queue", "--limit", "1").text
    cursor = re.search(r"More: --cursor (\S+)", first)[1]
    assert command(tmp_path, "queue", "--cursor", cursor).text.startswith(two)
    assert [card["id"] for card in command(tmp_path, "queue", "--q", "TWO", "--json").json()["comments"]] == [two]
    assert command(tmp_path, "queue", "--status", "trash").text == "No comments found."


def test_a_moderator_lists_50_comments_unless_they_ask_for_more(tmp_path):
    pending_comments(tmp_path, *(f"number {number}" for number in range(51)))
    *listed, more = command(tmp_path, "queue").text.splitlines()
    assert (len(listed), more[:15]) == (50, "More: --cursor ")
    assert len(command(tmp_path, "queue", "--limit", "200").text.splitlines()) == 51
    newest = command(tmp_path, "queue", "--order", "newest", "--limit", "1", "--json").json()["comments"]
    assert [card["comment"] for card in newest] == ["number 50"]


def test_a_moderator_lists_reported_comments_of_any_status(tmp_path):
    one, two = pending_comments(tmp_path, "one", "two")
    command(tmp_path, "approve", one, two)
    report_comments(tmp_path, two)
    assert command(tmp_path, "queue", "--reported").text.startswith(two)
    assert command(tmp_path, "queue", "--reported", "--status", "approved").text.startswith(two)
    assert command(tmp_path, "queue", "--reported", "--status", "spam").text == "No comments found."


def test_json_output_cannot_control_a_terminal(tmp_path):
    pending_comments(tmp_path, CORPUS["C1, one character each"] + CORPUS["text direction"])
    listed = command(tmp_path, "queue", "--json")
    assert listed.json()["comments"][0]["comment"].startswith("\x9b31m")
    assert all(character.isprintable() for character in listed.text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("approve nothing", "Skipped: nothing (not_found)."),
        ("approve" + " x" * 501, "ids: Give 1 to 500 comment ids."),
        ("approve -", "ids: Give 1 to 500 comment ids."),
        ("approve x --as Nobody", "Moderator not found. See: commentsvc moderator list"),
        ("moderate --as Nobody", "Moderator not found. See: commentsvc moderator list"),
        ("moderate --site nowhere", "site: "),
        ("queue --site nowhere", "site: "),
        ("queue --limit 1000", "limit: "),
        ("queue --cursor ???", "cursor: "),
        ("undo nothing", "Action not found."),
    ],
)
def test_a_refused_command_says_why_and_exits_with_1(tmp_path, arguments, message):
    done = command(tmp_path, *arguments.split())
    assert (done.code, message in done.errors) == (1, True), done


@pytest.mark.parametrize("arguments", ["approve", "undo", "moderate --status erased", "queue --limit many"])
def test_wrong_usage_exits_with_2(tmp_path, arguments):
    with pytest.raises(SystemExit) as left:
        command(tmp_path, *arguments.split())
    assert left.value.code == 2


def started(folder, *words, **more):
    """Run a program in this folder, in a process of its own."""
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


def test_a_script_pipes_one_key_per_line_into_a_review(tmp_path):
    pending_comments(tmp_path, "one", "two", "three", "four")
    done = run_main(tmp_path, "moderate", typed="a\n\nas\n \ns\r\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Unknown key.") == 2
    assert done.stdout.endswith("2 decided: 1 approved, 1 spam.\n")


def test_a_partly_refused_command_exits_with_1(tmp_path):
    (one,) = pending_comments(tmp_path, "one")
    done = started(tmp_path, *COMMAND, "approve", "-", typed=f"{one} nothing")
    assert (done.returncode, done.stdout[:11]) == (1, "1 approved.")
    assert done.stderr == "commentsvc: Skipped: nothing (not_found).\n"


def test_arguments_that_are_not_utf8_are_wrong_usage(tmp_path):
    done = started(tmp_path, *COMMAND, "undo", b"\xff")
    assert (done.returncode, "arguments must be UTF-8 text" in done.stderr) == (2, True), done.stderr
    for words in (("approve", b"one\xe9"), ("rule", "remove", b"\xc0")):
        done = run_main(tmp_path, *map(os.fsdecode, words))
        assert (done.returncode, "arguments must be UTF-8 text" in done.stderr) == (2, True), done.stderr


def test_a_reader_can_close_the_pipe_early(tmp_path):
    pending_comments(tmp_path, *(f"number {number} " + "word " * 300 for number in range(40)))
    buffered = environment() | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [*COMMAND, "queue", "--json"], cwd=tmp_path, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as queue:
        assert queue.stdout.read(10) == b'{"comments'
        queue.stdout.close()
        assert (queue.wait(20), queue.stderr.read()) == (1, b"")


@pytest.fixture
def press(monkeypatch):
    """Return a function that types at the terminal on standard input."""
    master, slave = os.openpty()
    with os.fdopen(slave) as typed, os.fdopen(master, "wb", buffering=0) as pressed:
        monkeypatch.setattr(sys, "stdin", typed)
        yield pressed.write


async def test_keys_pressed_before_a_comment_is_shown_are_dropped(press):
    async with keyboard.open_keys([], print) as keys:
        press(b"a")
        assert await keys.read_key() == "a"
        press(b"s")
        assert select.select([sys.stdin], [], [], 10)[0], "the key has arrived"
        keys.discard_pending()
        press(b"d")
        assert await keys.read_key() == "d"


async def test_after_a_pause_the_terminal_reads_single_keys_again(press):
    """A shell that used the terminal during the pause leaves it in its own mode."""
    before = termios.tcgetattr(sys.stdin)
    async with keyboard.open_keys([], print) as keys:
        ours = termios.tcgetattr(sys.stdin)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
        os.kill(os.getpid(), signal.SIGCONT)
        while termios.tcgetattr(sys.stdin) != ours:  # noqa: ASYNC110 -- a terminal sends no event
            await asyncio.sleep(0)
        press(b"a")
        assert await keys.read_key() == "a"
    assert termios.tcgetattr(sys.stdin) == before


class Screen:
    """A pseudo-terminal that runs a command: it keeps the output, and a test can press keys."""

    def __init__(self, folder, *arguments, **settings):
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = ""
        # A session leader that opens a terminal gets it as controlling terminal: Ctrl+C then sends a signal.
        opening = 'exec "$@" <"$0" >"$0" 2>"$0"'
        command = [sys.executable, "-m", "commentsvc", *arguments]
        self.process = subprocess.Popen(
            ["sh", "-c", opening, os.ttyname(self.slave), *command],
            cwd=folder, env=environment() | {"TERM": "xterm"} | settings, start_new_session=True,
        )  # fmt: skip

    def wait_for(self, text, after=0):
        """Wait until the screen shows this text after a position; return the new position."""
        until = time.monotonic() + 15
        while text not in self.shown[after:]:
            ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
            assert ready, f"{text!r} was not shown. The screen has:\n{self.shown}"
            self.shown += os.read(self.master, 65536).decode()
        return len(self.shown)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """Return the exit code, and whether the terminal is restored."""
        code = self.process.wait(15)
        return code, termios.tcgetattr(self.slave) == self.before


@contextmanager
def screen(folder, *arguments, **settings):
    terminal = Screen(folder, *arguments, **settings)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


def test_one_key_press_decides_and_the_terminal_is_restored(tmp_path):
    pending_comments(tmp_path, "one", "two", "three")
    with screen(tmp_path, "moderate") as seen:
        at = seen.wait_for("quit")
        seen.press("a")
        at = seen.wait_for("quit", at)
        seen.press("s")
        at = seen.wait_for("quit", at)
        seen.press("d")
        seen.wait_for("any other key to quit", at)
        seen.press("q")
        seen.wait_for("3 decided: 1 approved, 1 spam, 1 trash.")
        assert seen.end() == (0, True)
    assert "\x1b[33m" in seen.shown, "a terminal has colours"


@pytest.mark.parametrize("leaving", ["\x03", "\x04", "TERM"])
def test_however_a_moderator_quits_decisions_are_saved_and_the_terminal_is_restored(tmp_path, leaving):
    pending_comments(tmp_path, "one", "two")
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


def test_ctrl_c_ends_a_command_that_reads_ids_at_once(tmp_path):
    command(tmp_path, "migrate")
    with screen(tmp_path, "approve", "-") as seen:
        seen.press("nothing\n")
        until = time.monotonic() + 15
        for waits in (True, False):  # the line has arrived; the command has read it. A terminal sends no event
            while (fcntl.ioctl(seen.slave, termios.FIONREAD, bytes(4)) != bytes(4)) is not waits:
                assert time.monotonic() < until, "nobody reads the terminal"
                os.sched_yield()
        seen.press("\x03")
        assert seen.end() == (130, True)
    assert "Traceback" not in seen.shown


@pytest.mark.parametrize("arguments", [("moderate",), ("approve", "-"), ("moderator", "email", "x", "-")])
def test_a_command_without_any_input_ends_with_a_reason(tmp_path, arguments):
    command(tmp_path, "migrate")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, *arguments],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0 if arguments == ("moderate",) else 1, False)
    assert done.stdout + done.stderr


def test_a_moderator_writes_in_their_editor_and_the_terminal_is_restored(tmp_path):
    pending_comments(tmp_path, "one")
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\nstty -a | grep -q " icanon" && sed -i "s/one/one, edited/" "$1"\n')
    editor.chmod(0o700)
    with screen(tmp_path, "moderate", EDITOR=f"'{editor}'") as seen:
        at = seen.wait_for("quit")
        seen.press("e")
        seen.wait_for("one, edited", at)
        seen.press("q")
        assert seen.end() == (0, True)


def test_a_script_writes_texts_line_by_line(tmp_path):
    pending_comments(tmp_path, "one")
    run_main(tmp_path, "moderate", typed="e\nfirst line\n\nsecond line\n.\na\nq\n")
    (card,) = command(tmp_path, "queue", "--status", "approved", "--json").json()["comments"]
    assert card["comment"] == "first line\n\nsecond line"


def test_keys_that_send_several_characters_decide_nothing(tmp_path):
    pending_comments(tmp_path, "one")
    with screen(tmp_path, "moderate") as seen:
        at = seen.wait_for("quit")
        for keys in ("\x1b[A", "\x1bOS", "\x1b[200~aaa\x1b[201~", "sss", "ä"):
            seen.press(keys)
            at = seen.wait_for("Unknown key", at)
        seen.press("q")
        seen.wait_for("No comments decided.")


def test_hostile_comments_cannot_control_a_real_terminal(tmp_path):
    words = [text.encode("utf-8", "ignore").decode() for text in CORPUS.values()]
    pending_comments(tmp_path, *(f"{number} {text}" for number, text in enumerate(words)))
    with screen(tmp_path, "moderate", NO_COLOR="1") as seen:
        at = 0
        for _ in words:
            at = seen.wait_for("quit", at)
            seen.press("n")
        seen.wait_for("p to go back, or any other key to quit.", at)
        seen.press("q")
        assert seen.end() == (0, True)
    shown = seen.shown.replace("\r\n", "")
    assert all(character.isprintable() for character in shown), ascii(shown)


def test_a_moderator_bans_by_a_command_marks_what_they_counted_and_undoes_both(tmp_path):
    one, two = pending_comments(tmp_path, "pills", "more pills", website="https://www.shop.example/")
    assert command(tmp_path, "ban", one).text.splitlines() == [
        "--kind network  network 198.51.100.0/24 (256 addresses): 2 waiting, 0 public",
        "--kind author  this browser: 1 waiting, 0 public",
        "--kind email  email address mia@example.com: 2 waiting, 0 public",
        "--kind email_domain  email domain example.com: 1 waiting, 0 public",
        "--kind website  website shop.example: 2 waiting, 0 public",
    ]
    wrong = command(tmp_path, "ban", one, "--kind", "website", "--waiting", "3")
    assert (wrong.code, "2 match now, not 3" in wrong.errors) == (1, True)
    done = command(tmp_path, "ban", one, "--kind", "website", "--waiting", "2", "--note", "a shop")
    action = re.fullmatch(r"Banned\. 2 comments marked as spam\. Undo both with: commentsvc undo (\S+)", done.text)[1]
    assert (status_of(tmp_path, one), status_of(tmp_path, two)) == ("spam", "spam")
    (rule,) = command(tmp_path, "rule", "list", "--json").json()["rules"]
    assert (rule["kind"], rule["match"], rule["site"], rule["note"]) == ("website", "shop.example", "blog", "a shop")
    assert command(tmp_path, "undo", action).code == 0
    assert (status_of(tmp_path, one), status_of(tmp_path, two)) == ("pending", "pending")
    assert command(tmp_path, "rule", "list", "--json").json()["rules"] == []


async def test_a_moderator_is_warned_of_a_known_name_with_another_address(service):
    for number in range(3):
        known = await post(service, f"Mine {number}.", name="Sam Lee", email="sam@example.net")
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[known]))
    await post(service, "Not his.", name="sam lee", email="sam.l@mail.example")
    output = " ".join((await Person("q").reviews(service)).split())
    assert "same name as a commenter with 3 approved comments, other address" in output
