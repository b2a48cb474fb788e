"""The filter of a site learns what people decide, and unlearns what they undo or erase."""

import asyncio

import msgspec
import pytest

from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope
from commentsvc.moderation import erase, undo
from commentsvc.service import private_read, write
from commentsvc.spam import manage, scoring, training
from commentsvc.spam.schemas import FilterQuery
from commentsvc.storage import spam_examples, spam_filters
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, post
from tests.spam.teaching import GOOD, SPAM, decide, teach, write_comments

PROGRAM = Principal(Actor(ActorKind.PROGRAM, "key-1", "a script"), frozenset(Scope), None)
CASINO = "Casino bonus: win money and play slots at https://win.example/77 tonight."
LETTER = "My sister reads your article about rivers with pleasure."


async def the_filter(service):
    await training.train_sites(service)
    (row,) = await everything_in(service, "spam_filter")
    return dict(row)


async def score_of(service, comment_id):
    (score,) = [row["spam_score"] for row in await everything_in(service, "contact") if row["comment_id"] == comment_id]
    return score


async def unlearned(service):
    return [row for row in await everything_in(service, "memory") if row["label"] != row["learned"]]


async def test_the_filter_says_nothing_before_20_good_and_5_spam_comments(service):
    await teach(service, good=20, spam=4)
    assert (await the_filter(service))["spam"] == 4
    assert await score_of(service, await post(service, CASINO, name="Before")) == scoring.UNKNOWN
    (fifth,) = await write_comments(service, "Slots and more slots, number {number}.", 1)
    await decide(service, ActionVerb.SPAM, [fifth])
    await training.train_sites(service)
    assert await score_of(service, await post(service, CASINO, name="After")) > 500


async def test_a_moderators_decisions_change_the_score_of_the_next_comments(service):
    await teach(service)
    assert await training.train_sites(service) == 1
    spam = await score_of(service, await post(service, CASINO, name="New"))
    good = await score_of(service, await post(service, LETTER, name="New"))
    assert good < 400
    assert spam > 600
    assert await training.train_sites(service) == 0  # there is nothing more to learn


async def test_what_waits_gets_a_new_score_after_the_filter_has_learned(service):
    waiting = await post(service, CASINO, name="Early")
    await teach(service)
    assert await score_of(service, waiting) == scoring.UNKNOWN
    await training.train_sites(service)
    assert await score_of(service, waiting) > 600


async def test_undoing_decisions_brings_back_the_filter_from_before(service, clock):
    await teach(service)
    before = await the_filter(service)
    clock.move(minutes=1)
    wrong = await write_comments(service, "A quiet letter about bread, number {number}, from a baker.", 5)
    action = await decide(service, ActionVerb.SPAM, wrong)
    assert (await the_filter(service))["state"] != before["state"]
    await undo.undo_action(service, EVERYTHING, action)
    assert (await the_filter(service))["state"] == before["state"]
    assert not await unlearned(service)


async def test_fifty_wrong_verdicts_are_healed_when_they_are_corrected(service, clock):
    await teach(service)
    clock.move(minutes=1)
    wrong = await write_comments(service, GOOD, 50, thread="/poisoned/")
    await decide(service, ActionVerb.SPAM, wrong)
    await training.train_sites(service)
    poisoned = await score_of(service, await post(service, LETTER, name="During", thread="/p/"))
    clock.move(minutes=1)
    await decide(service, ActionVerb.APPROVE, wrong)
    await training.train_sites(service)
    assert await score_of(service, await post(service, LETTER, name="After", thread="/q/")) < poisoned - 100
    assert await score_of(service, await post(service, CASINO, name="After", thread="/q/")) > 600


HOOK = msgspec.structs.replace(PROGRAM, actor=Actor(ActorKind.HOOK, "1", "a hook"))


@pytest.mark.parametrize("actor", [PROGRAM, HOOK])
async def test_the_decisions_of_programs_and_hooks_train_nothing(service, actor):
    for template, verb in ((GOOD, ActionVerb.APPROVE), (SPAM, ActionVerb.SPAM)):
        await decide(service, verb, await write_comments(service, template, 24), who=actor)
    assert await training.train_sites(service) == 0
    assert await everything_in(service, "spam_filter") == []


async def test_after_a_comment_is_erased_the_filter_is_as_if_it_had_never_seen_it(service, clock):
    await teach(service)
    before = await the_filter(service)
    clock.move(minutes=1)
    (told,) = await write_comments(service, "Private words about a clinic and a diagnosis, number {number}.", 1)
    await decide(service, ActionVerb.SPAM, [told])
    assert (await the_filter(service))["state"] != before["state"]
    await erase.erase_permanently(service, EVERYTHING, told)
    assert (await the_filter(service))["state"] == before["state"]
    assert told not in {row["comment_id"] for row in await everything_in(service, "memory")}


async def test_a_rebuild_gives_the_filter_that_learned_one_decision_after_the_other(service, clock, monkeypatch):
    monkeypatch.setattr(training, "FEW", 10)  # so that new decisions are learned alone
    for _ in range(3):
        clock.move(minutes=1)
        await teach(service, good=12, spam=4, thread=f"/page-{clock.time.minute}/")
        await training.train_sites(service)
    learned = await the_filter(service)
    assert (learned["good"], learned["spam"]) == (36, 12)
    (shown,) = (await manage.rebuild_filters(service, EVERYTHING, FilterQuery())).filters
    assert (shown.good, shown.spam, shown.ready) == (36, 12, True)
    rebuilt = await the_filter(service)
    assert rebuilt["version"] != learned["version"]
    assert rebuilt["state"] == learned["state"]


async def test_of_many_decisions_the_newest_count(service, clock, monkeypatch):
    monkeypatch.setattr(training, "MOST", 30)
    await teach(service, good=24, spam=8)
    clock.move(minutes=1)
    await teach(service, good=20, spam=10, thread="/later/")
    found = await the_filter(service)
    assert (found["good"], found["spam"]) == (20, 10)
    assert not await unlearned(service)


async def test_two_servers_that_learn_at_the_same_time_lose_no_decision(database_url, clock):
    async with a_service(database_url, clock) as first, a_service(database_url, clock) as second:
        await teach(first)
        await asyncio.gather(training.train_sites(first), training.train_sites(second))
        clock.move(minutes=1)
        more = await write_comments(second, "A letter from the library about maps, number {number}.", 3)
        await decide(second, ActionVerb.APPROVE, more)
        await asyncio.gather(training.train_sites(first), training.train_sites(second))
        found = await the_filter(first)
        assert (found["good"], found["spam"], found["stale"]) == (27, 8, 0)
        assert not await unlearned(first)


@write
async def save_old(unit, site_id, was):
    return await spam_filters.save(unit, site_id, was=was, good=0, spam=0, state="", stale=0, now=unit.now())


async def test_a_server_that_has_read_an_older_filter_does_not_overwrite_a_newer_one(service):
    await teach(service)
    before = await the_filter(service)
    for was in (None, before["version"] + 1):
        assert await save_old(service, before["site_id"], was) is None
    assert await the_filter(service) == before


@write
async def stop_in_the_middle(unit, site_id, version):
    """Leave the database as a process that was killed after the first of several pieces."""
    await spam_filters.set_stale(unit, site_id)
    for row in await spam_examples.list_newest(unit, site_id, 10):
        await unit.run("UPDATE memory SET learned = NULL WHERE comment_id = :id", id=row["comment_id"])


async def test_a_process_that_was_killed_while_it_learned_leaves_nothing_learned_twice(service):
    await teach(service)
    before = await the_filter(service)
    await stop_in_the_middle(service, before["site_id"], before["version"])
    assert await training.train_sites(service) == 1
    after = await the_filter(service)
    assert (after["state"], after["stale"], await unlearned(service)) == (before["state"], 0, [])


async def test_more_decisions_than_one_unit_notes_are_all_noted(service, monkeypatch):
    monkeypatch.setattr(training, "PIECE", 7)
    await teach(service)
    found = await the_filter(service)
    assert (found["good"], found["spam"], found["stale"], await unlearned(service)) == (24, 8, 0, [])


@write
async def break_filter(unit):
    await unit.run("UPDATE spam_filter SET state = 'broken', version = 7")


async def test_comments_are_accepted_while_a_filter_cannot_be_read_and_it_is_learned_again(service, caplog):
    await teach(service)
    before = await the_filter(service)
    await break_filter(service)
    assert await score_of(service, await post(service, CASINO, name="During")) == scoring.UNKNOWN
    assert "cannot be read" in caplog.text
    assert (await the_filter(service))["state"] == before["state"]
    assert await score_of(service, await post(service, CASINO, name="After")) > 600


@private_read
async def plan_of_looking(unit, engine):
    how = "EXPLAIN QUERY PLAN" if engine == "sqlite" else "EXPLAIN"
    rows = await unit.all(f"{how} SELECT site_id FROM memory WHERE {spam_examples.UNLEARNED} GROUP BY site_id")
    return "\n".join(str(tuple(row)) for row in rows)


@write
async def forbid_scans(unit):
    await unit.run("SET LOCAL enable_seqscan = off")
    rows = await unit.all(f"EXPLAIN SELECT site_id FROM memory WHERE {spam_examples.UNLEARNED} GROUP BY site_id")
    return "\n".join(str(tuple(row)) for row in rows)


async def test_looking_for_new_decisions_reads_an_index_that_has_only_these(service, engine):
    plan = await (plan_of_looking(service, engine) if engine == "sqlite" else forbid_scans(service))
    assert "memory_unlearned" in plan
