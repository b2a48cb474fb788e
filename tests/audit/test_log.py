"""The audit log records every action, and verification detects tampering."""

import asyncio
import itertools
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commentsvc.access import moderators, sessions, sign_in
from commentsvc.access.keys import revoke_key
from commentsvc.audit import log as audit_log
from commentsvc.audit import verification
from commentsvc.comments import edit, reports
from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, Refusal
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, Scope, Status
from commentsvc.moderation import actions, replies, threads, undo
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action, CommentUpdate, NewReply, ThreadChange
from commentsvc.operations import secrets
from commentsvc.service import Service, write
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from commentsvc.storage.audit import Entry
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, Clock, a_key, a_service, draft, make_database, post, visit
from tests.moderation.test_actions import act
from tests.moderation.test_properties import often
from tests.operations.test_operating import run_main as run


async def decide(service, verb, *ids, note=None):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids), note=note))


async def amend(service, id_, **change):
    (row,) = [row for row in await everything_in(service, "comment") if row["id"] == id_]
    return await actions.update_comment(service, EVERYTHING, id_, row["version"], CommentUpdate(**change))


async def list_entries(service):
    """Return every entry, oldest first."""
    rows = await everything_in(service, "audit")
    return sorted((msgspec.convert(row, Entry) for row in rows), key=lambda entry: entry.seq)


async def summarize_log(service):
    """Return the actor, verb and body of each entry, without the first one, which added the site."""
    return [
        (f"{entry.actor_kind} {entry.actor_name}", entry.verb, json.loads(entry.body))
        for entry in (await list_entries(service))[1:]
    ]


async def verification_error(service, saved_hash=None):
    """Return the error that verification reports."""
    with pytest.raises(verification.AuditLogBroken) as broken:
        await verification.verify_log(service, saved_hash)
    return str(broken.value)


async def test_the_audit_log_records_every_action_with_its_actor(service):
    receipt = await post_comment(service, draft(), visit())
    approved = await decide(service, ActionVerb.APPROVE, receipt.id)
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="In other words."), visit())
    spam = await decide(service, ActionVerb.SPAM, receipt.id)
    undone = await undo.undo_action(service, EVERYTHING, spam.id)
    await withdraw_comment(service, receipt.id, receipt.edit_token)

    def entry(who, verb, was, became, version, **more):
        return who, verb, {**more, "items": [[receipt.id, was, became, version]]}

    assert await summarize_log(service) == [
        entry("person ada", "approve", "pending", "approved", 2, action=approved.id),
        entry("author author", "edit", "approved", "pending", 4),
        entry("person ada", "spam", "pending", "spam", 5, action=spam.id),
        entry("person ada", "undo", "spam", "pending", 6, action=undone.id),
        entry("author author", "withdraw", "pending", "trash", 7),
    ]


async def test_an_action_on_comments_of_two_sites_has_one_log_entry_per_site(database_url, clock):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        sent = (("one", "a"), ("two", "a"), ("one", "b"))
        ids = [await post(service, "x", thread=f"https://{host}.example/{page}/") for host, page in sent]
        done = await decide(service, ActionVerb.APPROVE, *ids, note="fine")
        sites = {row["id"]: row["name"] for row in await everything_in(service, "site")}
        entries = (await list_entries(service))[2:]

        assert {sites[entry.site_id]: [item[0] for item in list_items(entry)] for entry in entries} == {
            "one.example": [ids[0], ids[2]], "two.example": [ids[1]],
        }  # fmt: skip
        assert {json.loads(entry.body)["action"] for entry in entries} == {done.id}
        assert [entry.note for entry in entries] == ["fine", "fine"]


def list_items(entry):
    return json.loads(entry.body).get("items", [])


async def test_a_large_action_is_split_into_several_log_entries(service, monkeypatch):
    monkeypatch.setattr(audit_log, "MOST_CHANGES", 3)
    ids = [await post(service, f"number {number}") for number in range(7)]
    await decide(service, ActionVerb.SPAM, *ids)

    entries = (await list_entries(service))[1:]
    assert [len(list_items(entry)) for entry in entries] == [3, 3, 1]
    assert [item[0] for entry in entries for item in list_items(entry)] == ids


async def test_an_action_that_changes_nothing_is_not_logged(service):
    receipt = await post_comment(service, draft(), visit())
    await decide(service, ActionVerb.HOLD, receipt.id)
    before = await summarize_log(service)
    await decide(service, ActionVerb.HOLD, receipt.id, "01990000-0000-7000-8000-000000000000")
    await edit.edit_comment(
        service, receipt.id, receipt.edit_token, CommentEdit(comment="It waits as it did."), visit()
    )

    assert await summarize_log(service) == before


async def test_the_audit_log_records_changes_to_threads_moderators_keys_and_sites(client, service, key):
    await post(service, "x")
    (thread,) = await everything_in(service, "thread")
    closed = await threads.change_thread(service, EVERYTHING, thread["id"], ThreadChange(closed=True))
    await moderators.add_moderator(service, "noa", Email("noa@example.com"), ["blog"])
    token = (await moderators.create_sign_in_link(service, "noa")).rpartition("/")[2]
    session = await sessions.authenticate_session(service, await sign_in.sign_in_by_link(service, token, visit()))
    made = await sessions.create_session_key(service, session)
    await sessions.revoke_session(service, session, session.id)
    await revoke_key(service, EVERYTHING, made.id)
    await moderators.remove_moderator(service, "noa")
    await manage.add_site(service, EVERYTHING, NewSite(name="b", origins=["https://b.example"]))
    await secrets.reseal_emails(service)

    summary = await summarize_log(service)
    assert [(who, verb) for who, verb, _ in summary] == [
        ("person ada", "key_create"), ("person ada", "thread_change"), ("person operator", "moderator_add"),
        ("person operator", "moderator_invite"), ("person noa", "sign_in"), ("person noa", "key_create"),
        ("person noa", "sign_out"), ("person ada", "key_revoke"),
        ("person operator", "moderator_remove"), ("person ada", "site_add"), ("person operator", "reseal"),
    ]  # fmt: skip
    bodies = [body for _, _, body in summary]
    assert bodies[1] == {"action": closed.action, "thread": thread["id"], "changed": ["closed_at"]} | {
        "closed_at": closed.closed_at
    }
    assert bodies[5]["key"] == bodies[7]["key"] == made.id
    assert bodies[5]["scopes"] == ["read", "moderate"]
    assert bodies[2]["moderator"] == bodies[5]["moderator"] == bodies[8]["moderator"]
    assert bodies[4] == bodies[6] == {"session": session.id}
    await verification.verify_log(service)


async def test_the_hashed_fields_contain_no_text_from_people(service):
    receipt = await post_comment(service, draft(name="Canary", comment="canary", title="Canary"), visit())
    await decide(service, ActionVerb.APPROVE, receipt.id, note="a canary")
    await amend(service, receipt.id, comment="the canary", note="canary, said twice")
    (thread,) = await everything_in(service, "thread")
    change = ThreadChange(title="Canary", thread="/canary/", alias="/a-canary/")
    await threads.change_thread(service, EVERYTHING, thread["id"], change)
    await moderators.add_moderator(service, "canary", Email("canary@example.com"), [])
    await a_key(service, name="the canary")
    await manage.add_site(service, EVERYTHING, NewSite(name="canary", origins=["https://canary.example"]))

    entries = await list_entries(service)
    assert [entry.note for entry in entries if entry.note] == ["a canary", "canary, said twice"]
    for entry in entries:
        assert "canary" not in str(msgspec.structs.replace(entry, note=None)).casefold()


async def test_a_transaction_that_is_rolled_back_leaves_no_entry_and_no_gap(service):
    comment = await post(service, "x")
    done = await decide(service, ActionVerb.SPAM, comment)
    await undo.undo_action(service, EVERYTHING, done.id)
    with pytest.raises(Conflict):
        await undo.undo_action(service, EVERYTHING, done.id)
    await decide(service, ActionVerb.TRASH, comment)

    assert [verb for _, verb, _ in await summarize_log(service)] == ["spam", "undo", "trash"]
    assert (await verification.verify_log(service)).entries == 4


async def test_concurrent_actions_keep_the_hash_chain_valid(service):
    receipts = [await post_comment(service, draft(thread=f"/{n % 3}/", comment=f"{n}"), visit()) for n in range(12)]
    ids = [receipt.id for receipt in receipts]
    verbs = (ActionVerb.APPROVE, ActionVerb.SPAM, ActionVerb.HOLD, ActionVerb.TRASH, ActionVerb.RESTORE)
    jobs = [decide(service, verb, *ids[start::3]) for verb in verbs for start in range(3)]
    jobs += [withdraw_comment(service, receipt.id, receipt.edit_token) for receipt in receipts[:4]]
    jobs += [a_key(service, name=f"key {number}") for number in range(4)]

    await asyncio.gather(*jobs)

    verified = await verification.verify_log(service)
    assert verified.entries == len(await list_entries(service)) > 15
    await check_log_replay(service)


SWAP_ENTRIES = (
    "UPDATE audit SET seq = 9 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; "
    "UPDATE audit SET seq = 4 WHERE seq = 9"
)
TAMPERING = {
    "actor name": ("UPDATE audit SET actor_name = 'noa' WHERE seq = 3", "Entry 3 of ", "was altered"),
    "actor kind": ("UPDATE audit SET actor_kind = 'program' WHERE seq = 3", "Entry 3 of ", "was altered"),
    "actor id": ("UPDATE audit SET actor_id = 'noa' WHERE seq = 3", "Entry 3 of ", "was altered"),
    "verb": ("UPDATE audit SET verb = 'hold' WHERE seq = 3", "Entry 3 of ", "was altered"),
    "time": ("UPDATE audit SET created_at = '2026-11-22T16:02:11.001Z' WHERE seq = 3", "Entry 3 of ", "was altered"),
    "site": ("UPDATE audit SET site_id = NULL WHERE seq = 3", "Entry 3 of ", "was altered"),
    "body": ("UPDATE audit SET body = REPLACE(body, 'spam', 'trash') WHERE seq = 2", "Entry 2 of ", "was altered"),
    "hash": ("UPDATE audit SET hash = previous WHERE seq = 3", "Entry 3 of ", "was altered"),
    "previous hash": ("UPDATE audit SET previous = hash WHERE seq = 3", "Entry 3 of ", "was altered"),
    "first entry deleted": ("DELETE FROM audit WHERE seq = 1", "Entry 1 ", "is missing: the next one is 2"),
    "one entry deleted": ("DELETE FROM audit WHERE seq = 3", "Entry 3 ", "is missing: the next one is 4"),
    "last entry deleted": ("DELETE FROM audit WHERE seq = 6", "Entry 6 ", "is missing: 6 entries were written"),
    "all entries deleted": ("DELETE FROM audit", "Entry 1 ", "is missing: 6 entries were written"),
    "entry appended": (
        (
            "INSERT INTO audit (seq, created_at, actor_kind, actor_name, verb, body, previous, hash) "
            "VALUES (7, '', '', '', '', '{}', '', '')"
        ),
        "Entry 7 ", "was altered",
    ),
    "entry before the first": ("UPDATE audit SET seq = 0 WHERE seq = 1", "Entry 0 of ", "inserted"),
    "entry deleted and next one renumbered": (
        "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4", "Entry 3 of ", "was altered",
    ),
    "two entries swapped": (SWAP_ENTRIES, "Entry 3 of ", "was altered"),
    "entry count": ("UPDATE installation SET audited = 5", "Entry 6 ", "only 5 entries were written"),
    "stored last hash": ("UPDATE installation SET audit_hash = ''", "Entry 6 ", "not the last one written"),
    "note changed": ("UPDATE audit SET note = 'a friend' WHERE seq = 2", "Entry 2 of ", "note was changed"),
    "note deleted without its salt": ("UPDATE audit SET note = NULL WHERE seq = 2", "Entry 2 of ", "note was changed"),
    "salt changed": ("UPDATE audit SET salt = 'x' WHERE seq = 2", "Entry 2 of ", "note was changed"),
    "salt deleted": ("UPDATE audit SET salt = NULL WHERE seq = 2", "Entry 2 of ", "note was changed"),
    "note added": ("UPDATE audit SET note = 'x', salt = 'y' WHERE seq = 3", "Entry 3 of ", "note was changed"),
}  # fmt: skip


async def tamper(service, statements):
    async def execute(tx):
        for statement in statements.split("; "):
            await tx.run(statement)

    await write(execute)(service)


async def log_six_entries(service):
    """Log the new site and five decisions; the first decision has a note."""
    one, two = await post(service, "one"), await post(service, "two")
    await decide(service, ActionVerb.SPAM, one, note="a shop")
    for verb in (ActionVerb.APPROVE, ActionVerb.HOLD, ActionVerb.TRASH):
        await decide(service, verb, two)
    await decide(service, ActionVerb.RESTORE, one)
    assert (await verification.verify_log(service)).entries == 6
    return one, two


@pytest.mark.parametrize("change", TAMPERING)
async def test_verification_detects_a_tampered_log(service, change):
    statements, entry, problem = TAMPERING[change]
    await log_six_entries(service)
    await tamper(service, statements)

    error = await verification_error(service)
    assert error.startswith(entry)
    assert problem in error


async def test_verification_detects_an_entry_that_cannot_be_decoded(tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/comments.db", clock) as service:
        await log_six_entries(service)
        await tamper(service, "UPDATE audit SET body = X'00FF' WHERE seq = 4")

        assert (await verification_error(service)).startswith("Entry 4 is not valid")


async def rewrite_log(service, first, **changed):
    """Alter one entry and recompute every hash from there on, as an attacker who knows the format can."""
    entries = await list_entries(service)

    async def execute(tx):
        previous = entries[first - 2].hash if first > 1 else ""
        for entry in entries[first - 1 :]:
            altered = msgspec.structs.replace(entry, previous=previous, **(changed if entry.seq == first else {}))
            previous = audit_log.entry_hash(altered)
            await tx.run(
                "UPDATE audit SET actor_name = :who, previous = :previous, hash = :hash WHERE seq = :seq",
                who=altered.actor_name,
                previous=altered.previous,
                hash=previous,
                seq=entry.seq,
            )
        return previous

    return await write(execute)(service)


async def test_verification_detects_a_rewritten_log_by_its_last_hash_or_by_a_saved_hash(service):
    await log_six_entries(service)
    saved_hash = (await verification.verify_log(service)).head
    newest = await rewrite_log(service, 3, actor_name="noa")
    assert "Entry 6 was replaced" in await verification_error(service)
    await tamper(service, f"UPDATE installation SET audit_hash = '{newest}'")

    assert (await verification.verify_log(service)).entries == 6, (
        "an attacker with write access to the whole database can rewrite the log"
    )
    assert "no entry has the hash that you noted" in await verification_error(service, saved_hash)


async def test_an_entry_with_a_recomputed_hash_no_longer_matches_the_next_entry(service):
    await log_six_entries(service)
    entry = msgspec.structs.replace((await list_entries(service))[2], actor_name="noa")
    await tamper(
        service, f"UPDATE audit SET actor_name = 'noa', hash = '{audit_log.entry_hash(entry)}' WHERE seq = {entry.seq}"
    )

    error = await verification_error(service)
    assert error.startswith("Entry 4 of ")
    assert "does not follow" in error


async def test_verification_detects_a_truncated_log_by_a_saved_hash(service):
    await log_six_entries(service)
    entries = await list_entries(service)
    for entry in entries:
        verified = await verification.verify_log(service, f" {entry.hash.upper()}\n")
        assert (verified.noted, verified.head) == (entry.seq, entries[-1].hash)
    await tamper(
        service,
        f"DELETE FROM audit WHERE seq > 4; UPDATE installation SET audited = 4, audit_hash = '{entries[3].hash}'",
    )

    assert (await verification.verify_log(service, entries[3].hash)).entries == 4
    assert "cut" in await verification_error(service, entries[5].hash)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 6, 7])
async def test_a_long_log_is_verified_in_batches(service, monkeypatch, at_once):
    await log_six_entries(service)
    monkeypatch.setattr(verification, "ENTRIES_PER_READ", at_once)

    assert (await verification.verify_log(service)).entries == 6
    await tamper(service, "DELETE FROM audit WHERE seq = 4")
    assert (await verification_error(service)).startswith("Entry 4 is missing")


async def test_moderators_can_act_while_the_log_is_verified(service, monkeypatch):
    monkeypatch.setattr(verification, "ENTRIES_PER_READ", 1)
    _, two = await log_six_entries(service)
    checks = [verification.verify_log(service) for _ in range(5)]

    await asyncio.gather(
        *checks, *(decide(service, verb, two) for verb in (ActionVerb.SPAM, ActionVerb.APPROVE, ActionVerb.HOLD))
    )
    assert (await verification.verify_log(service)).entries == 9


def test_moving_text_between_fields_changes_the_hash():
    entry = Entry(1, "2026", "person", "i", "a", "b", None, "{}", "", "", None, None)
    others = [
        msgspec.structs.replace(entry, actor_name="", verb="ab"),
        msgspec.structs.replace(entry, site_id=""),
        msgspec.structs.replace(entry, actor_name="a,1:b", verb=""),
        msgspec.structs.replace(entry, seq=12, created_at="026"),
        msgspec.structs.replace(entry, actor_kind="perso", actor_id="ni"),
        msgspec.structs.replace(entry, actor_id="ia", actor_name=""),
        msgspec.structs.replace(entry, actor_id=None),
        msgspec.structs.replace(entry, actor_id=""),
    ]
    assert len({audit_log.entry_hash(one) for one in (entry, *others)}) == 9


async def test_erasing_a_comment_deletes_its_notes_and_the_log_stays_valid(service):
    one, two = await post(service, "one"), await post(service, "two")
    await decide(service, ActionVerb.SPAM, one, two, note="a canary, and his brother")
    await amend(service, one, note="canary again")
    await decide(service, ActionVerb.TRASH, two, note="of another")
    await erase_permanently(service, EVERYTHING, one)

    entries = await list_entries(service)
    assert [(entry.verb, entry.note) for entry in entries[1:]] == [
        ("spam", None), ("amend", None), ("trash", "of another"), ("erase", None),
    ]  # fmt: skip
    assert [entry.salt is None for entry in entries[1:]] == [True, True, False, True]
    assert list_items(entries[-1]) == [[one, "spam", "trash", 4]]
    assert (await verification.verify_log(service)).entries == 5


async def test_withdrawing_a_comment_deletes_its_notes(service):
    receipt = await post_comment(service, draft(), visit())
    await decide(service, ActionVerb.TRASH, receipt.id, note="a canary")
    await withdraw_comment(service, receipt.id, receipt.edit_token)

    assert "canary" not in str(await everything_in(service, "audit"))
    await verification.verify_log(service)


async def check_log_replay(service):
    """Check that the log, applied to each comment's first decision, gives its current status."""
    expected: dict[str, Any] = {}
    for row in sorted(await everything_in(service, "decision"), key=lambda row: row["seq"]):
        expected.setdefault(row["comment_id"], (row["status"], 1))
    for entry in await list_entries(service):
        for comment, was, became, version in list_items(entry):
            status, seen = expected[comment]
            assert (status, seen < version) == (was, True), (
                "each change starts from the status that the previous one set"
            )
            expected[comment] = became, version
    rows = await everything_in(service, "comment")
    assert {id_: status for id_, (status, _) in expected.items()} == {row["id"]: row["status"] for row in rows}
    assert all(expected[row["id"]][1] <= row["version"] for row in rows)


class Scenario:
    """A page with random actions of people. At first every comment is held."""

    def __init__(self, service: Service, clock: Clock, noa: Principal, number: int) -> None:
        self.service, self.clock, self.noa, self.thread = service, clock, noa, f"/scenario/{number}"
        self.receipts: list[Any] = []
        self.actions: list[str] = []
        self.words = itertools.count()

    async def perform(self, move: str, number: int, more: Any) -> None:
        """Perform a move. An invalid one is refused and changes nothing."""
        self.clock.move(milliseconds=1)
        receipt = self.receipts[number % len(self.receipts)] if self.receipts else await self.post()
        with suppress(Refusal):
            result = await getattr(self, move)(receipt, more)
            self.actions += [result.id] if result else []

    async def post(self, page: str = "") -> Any:
        new_comment = draft(thread=f"{self.thread}{page}", comment=f"I say {next(self.words)}.")
        self.receipts.append(await post_comment(self.service, new_comment, visit()))
        return self.receipts[-1]

    async def write(self, _receipt: Any, more: Any) -> None:
        """Post on this page, or on one of two others."""
        await self.post(["", "/second", "/third"][more % 3])

    async def merge(self, receipt: Any, more: Any) -> None:
        """Merge the thread of one comment into the thread of another."""
        other = self.receipts[more % len(self.receipts)]
        comments = {row["id"]: row["thread_id"] for row in await everything_in(self.service, "comment")}
        keys = {row["id"]: row["key"] for row in await everything_in(self.service, "thread")}
        change = ThreadChange(merge_into=keys[comments[other.id]])
        merged = await threads.change_thread(self.service, EVERYTHING, comments[receipt.id], change)
        self.actions += [merged.action] if merged.action else []

    async def decide(self, receipt: Any, more: Any) -> Any:
        both = {receipt.id, self.receipts[more % len(self.receipts)].id}
        verbs = list(ActionVerb)
        return await decide(self.service, verbs[more % len(verbs)], *sorted(both), note="because" if more % 2 else None)

    async def undo(self, _receipt: Any, more: Any) -> Any:
        return await undo.undo_action(
            self.service, EVERYTHING, (self.actions or ["none"])[more % len(self.actions or [0])]
        )

    async def amend(self, receipt: Any, more: Any) -> Any:
        words = f"A moderator says {next(self.words)}." if more % 2 else None
        return await amend(self.service, receipt.id, status=[*Status, None][more % 5], comment=words)

    async def reply(self, receipt: Any, more: Any) -> None:
        new = NewReply(comment=f"I answer {next(self.words)}.", approve=bool(more % 2))
        made = await replies.post_reply(self.service, self.noa, receipt.id, new)
        self.receipts.append(made)
        self.actions.append(made.action)

    async def edit(self, receipt: Any, _more: Any) -> None:
        words = CommentEdit(comment=f"I mean {next(self.words)}.")
        await edit.edit_comment(self.service, receipt.id, _token(receipt), words, visit())

    async def change_mode(self, receipt: Any, more: Any) -> Any:
        """Hold no new comment in this thread, or every one."""
        comment = next(row for row in await everything_in(self.service, "comment") if row["id"] == receipt.id)
        change = ThreadChange(mode=[Mode.NONE, Mode.ALL][more % 2])
        await threads.change_thread(self.service, EVERYTHING, comment["thread_id"], change)

    async def report(self, receipt: Any, _more: Any) -> None:
        """Report as three readers, which is enough to hold the comment."""
        for number in range(3):
            await reports.report_comment(self.service, receipt.id, NewReport(), visit(address=f"203.0.{number}.1"))

    async def withdraw(self, receipt: Any, _more: Any) -> None:
        await withdraw_comment(self.service, receipt.id, _token(receipt))

    async def erase(self, receipt: Any, _more: Any) -> None:
        await erase_permanently(self.service, EVERYTHING, receipt.id)


def _token(receipt: Any) -> str | None:
    """Return the edit token. A moderator's reply has none."""
    return getattr(receipt, "edit_token", None)


STEPS = ["write", "decide", "decide", "undo", "amend", "edit", "edit", "change_mode", "report", "withdraw", "erase"]
STEPS += ["reply", "write", "merge", "undo"]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    min_size=3,
    max_size=15,
)


class ScenarioRunner:
    """A service that runs one scenario for each example."""

    def __init__(self, url: str) -> None:
        self.url, self.clock, self.numbers = url, Clock(), itertools.count()
        self.stack, self.runner = AsyncExitStack(), asyncio.Runner()

    def __enter__(self) -> Self:
        self.service = self.runner.run(self.stack.enter_async_context(a_service(self.url, self.clock)))
        noa = self.runner.run(moderators.add_moderator(self.service, "noa", None, []))
        self.noa = Principal(Actor(ActorKind.PERSON, noa.id, "noa"), frozenset({Scope.MODERATE}), None, noa.id)
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def run(self, moves: list[Any]) -> None:
        self.runner.run(self._run(moves))

    async def _run(self, moves: list[Any]) -> None:
        scenario = Scenario(self.service, self.clock, self.noa, next(self.numbers))
        for move in moves:
            await scenario.perform(*move)
        await check_log_replay(self.service)
        await verification.verify_log(self.service)


def runner_fixtures(kind: type[ScenarioRunner]) -> tuple[Any, Any]:
    """Return two fixtures of module scope: a runner on SQLite and one on PostgreSQL."""
    name = kind.__name__.lower()

    @pytest.fixture(scope="module")
    def on_sqlite(tmp_path_factory) -> Iterator[ScenarioRunner]:
        with kind(f"sqlite:///{tmp_path_factory.mktemp(name)}/comments.db") as runner:
            yield runner

    @pytest.fixture(scope="module")
    def on_postgres(postgres, laid) -> Iterator[ScenarioRunner]:
        asyncio.run(make_database(postgres, f"CREATE DATABASE {name} TEMPLATE {laid}"))
        with kind(postgres.format(name)) as runner:
            yield runner

    return on_sqlite, on_postgres


scenario_runner, scenario_runner_on_postgres = runner_fixtures(ScenarioRunner)


@given(moves=MOVES)
@example(moves=[("change_mode", 0, 0), ("write", 0, 0), ("report", 1, 0), ("edit", 1, 0)])
@often(50)
def test_replaying_the_log_gives_the_current_status_of_every_comment(scenario_runner, moves):
    scenario_runner.run(moves)


@given(moves=MOVES)
@often(5)
def test_replaying_the_log_gives_the_current_status_of_every_comment_on_postgresql(scenario_runner_on_postgres, moves):
    scenario_runner_on_postgres.run(moves)


async def read_log(client, key, **query):
    response = await client.get("/v1/audit", params=query, headers=key)
    assert response.status == 200, await response.text()
    return await response.json()


async def refused_field(client, key, **query):
    """Return the name of the invalid field."""
    response = await client.get("/v1/audit", params=query, headers=key)
    assert response.status == 422, await response.text()
    return (await response.json())["errors"][0]["field"]


async def test_a_moderator_reads_the_audit_log_newest_first(client, service, key, clock):
    comment = await post(service, "x")
    moderator = await a_key(service, Scope.MODERATE, name="noa")
    clock.move(hours=1)
    done = await act(client, moderator, "spam", comment, note="a shop")

    log = await read_log(client, moderator, limit=2)
    newest = log["entries"][0]
    assert newest == {
        "seq": 4, "created_at": "2026-11-22T17:02:11.000Z", "actor": newest["actor"], "verb": "spam", "site": "blog",
        "body": {"action": done["id"], "items": [[comment, "pending", "spam", 2]], "note": newest["body"]["note"]},
        "note": "a shop", "hash": (await verification.verify_log(service)).head,
    }  # fmt: skip
    (made,) = [row for row in await everything_in(service, "api_key") if row["name"] == "noa"]
    assert newest["actor"] == {"kind": "person", "id": made["id"], "name": "noa"}
    rest = await read_log(client, moderator, limit=2, cursor=log["next_cursor"])
    assert [entry["seq"] for entry in (*log["entries"], *rest["entries"])] == [4, 3, 2, 1]
    assert rest["next_cursor"] is None
    assert [entry["seq"] for entry in (await read_log(client, key, since="2026-11-22T17:00:00Z"))["entries"]] == [4]
    assert [entry["seq"] for entry in (await read_log(client, key, until="2026-11-22T17:00:00Z"))["entries"]] == [
        3,
        2,
        1,
    ]


async def test_the_audit_log_api_rejects_invalid_parameters(client, key):
    for query, field in (
        ({"site": "nowhere"}, "site"),
        ({"since": "yesterday"}, "since"),
        ({"until": "tomorrow"}, "until"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "YS1i"}, "cursor"),  # a-b
        ({"limit": "201"}, "limit"),
        ({"status": "spam"}, "status"),
    ):
        assert await refused_field(client, key, **query) == field


async def test_a_key_for_one_site_reads_only_the_entries_of_that_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        for host in ("one", "two"):
            await decide(service, ActionVerb.SPAM, await post(service, "x", thread=f"https://{host}.example/a/"))
        all_sites_key, site_key = await a_key(service), await a_key(service, Scope.MODERATE, site="one.example")

        assert {entry["site"] for entry in (await read_log(client, all_sites_key))["entries"]} == {
            "one.example", "two.example", None,
        }  # fmt: skip
        assert [(entry["site"], entry["verb"]) for entry in (await read_log(client, site_key))["entries"]] == [
            ("one.example", "key_create"), ("one.example", "spam"), ("one.example", "site_add"),
        ]  # fmt: skip
        assert [entry["verb"] for entry in (await read_log(client, all_sites_key, site="two.example"))["entries"]] == [
            "spam", "site_add",
        ]  # fmt: skip
        assert await refused_field(client, site_key, site="two.example") == "site"


def test_the_verify_command_names_the_first_broken_entry(tmp_path):
    assert run(tmp_path, "migrate").returncode == 0
    assert run(tmp_path, "key", "create", "one").returncode == 0
    whole = json.loads(run(tmp_path, "audit", "verify", "--json").stdout)
    assert whole == {"entries": 2, "head": whole["head"], "noted": None}
    run(tmp_path, "key", "create", "another")
    later = run(tmp_path, "audit", "verify", "--head", whole["head"])
    assert later.returncode == 0
    assert re.fullmatch(r"ok: 3 entries, head \w{64}; your saved hash is entry 2\n", later.stdout)

    with sqlite3.connect(tmp_path / "data" / "commentsvc.db") as database:
        database.execute("UPDATE audit SET actor_name = 'somebody else' WHERE seq = 2")
    database.close()
    done = run(tmp_path, "audit", "verify")
    assert (done.returncode, done.stdout) == (1, "broken\n")
    assert done.stderr.startswith("commentsvc: The audit log is broken. Entry 2 of 20")


async def test_the_service_logs_the_newest_hash_repeatedly(live, caplog):
    caplog.set_level("INFO")
    _, service = await live()
    message = f"audit log: 1 entries, head {(await verification.verify_log(service)).head}"
    while message not in caplog.text:
        await audit_log.read_head(service)  # waits for its turn after the maintenance task
