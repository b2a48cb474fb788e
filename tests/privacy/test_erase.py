"""A person asks for the erasure of their data: nothing of it is left in any table or file."""

import asyncio
import json
import re
import shutil

import pytest

from commentsvc.access import moderators
from commentsvc.audit.verification import verify_log
from commentsvc.cli import persons
from commentsvc.cli.parser import parse_arguments
from commentsvc.cli.terminal import Terminal
from commentsvc.comments.post import post_comment
from commentsvc.domain.deliveries import Channel
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Conflict, ExpectationFailed, SubmissionReused
from commentsvc.domain.models import Mode, RuleKind, StatusFilter
from commentsvc.moderation import queue, undo
from commentsvc.moderation.schemas import PrivateSearch
from commentsvc.operations import erasures, maintenance
from commentsvc.privacy import erase
from commentsvc.privacy.erase import erase_person
from commentsvc.privacy.export import export_person
from commentsvc.privacy.schemas import PersonCounts
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule, RuleChange
from commentsvc.service import private_read, write
from commentsvc.storage import parcels
from tests.cli.test_moderate import Person
from tests.comments.test_post import everything_in, shown
from tests.conftest import EVERYTHING, a_service, copied, draft, post, visit
from tests.operations.test_operating import run_main
from tests.privacy.person import ADDRESS, EMAIL, MAIL, MARK, fill

BO = Email("bo@example.com")


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        await moderators.add_moderator(service, "Ana", Email("ana@example.com"), [])
        yield service


@private_read
async def dump(unit):
    """Return every row of every table as text."""
    sqlite = unit.config.sqlite_path is not None
    listed = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '%_index%'"
        if sqlite
        else "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    names = [row["name"] for row in await unit.all(listed)]
    return {name: [str(dict(row)) for row in await unit.all(f"SELECT * FROM {name}")] for name in names}


def find(dumped, *words):
    return {
        (name, word) for name, rows in dumped.items() for row in rows for word in words if word.lower() in row.lower()
    }


async def sealed_values(service):
    """Return all encrypted values and keyed digests about the person."""
    rows = [row for table in ("contact", "address", "rule", "event", "parcel")
            for row in await everything_in(service, table)]  # fmt: skip
    own = [row for row in rows if row["email_digest"] in service.keyring.digests(EMAIL)]
    return [row["email_sealed"] for row in own], {row["email_digest"] for row in own}


async def test_nothing_of_a_person_is_left_in_any_table(mailing):
    await fill(mailing)
    await fill(mailing, BO, "Other", thread="/other/")
    sealed, digests = await sealed_values(mailing)
    assert len(sealed) == 4 + 4
    before = await dump(mailing)
    assert len(find(before, MARK)) >= 6, "the search would find it"
    done = await erase_person(mailing, EMAIL)
    empty = {name for name in PersonCounts.__struct_fields__ if not getattr(done.before, name)}
    assert empty == set(), "each kind of row was there"
    assert (done.before.comments, done.after, done.bans_kept) == (4, PersonCounts(), 1)
    after = await dump(mailing)
    assert find(after, MARK, *sealed) == set()
    assert find(after, *digests) == {("rule", digest) for digest in digests}, "the ban stays, as a digest"
    export = await export_person(mailing, EMAIL)
    assert (export.total, export.address, export.mails, export.subscriptions) == (0, None, [], [])
    assert (await verify_log(mailing)).entries > 0
    other = await export_person(mailing, BO)
    assert (other.total, len(other.subscriptions), len(other.mails), len(other.bans)) == (4, 1, 1, 1)


async def test_an_erased_person_is_still_banned(mailing):
    await fill(mailing)
    await erase_person(mailing, EMAIL)
    await post_comment(mailing, draft(email=ADDRESS, comment="Back again."), visit())
    found = await queue.search_comments(mailing, EVERYTHING, PrivateSearch(status=StatusFilter.ANY, email=EMAIL))
    assert found.comments[0].reasons[0].code == "email_banned"


async def test_the_ban_of_an_erased_person_can_be_changed_and_deleted_but_not_undone(service):
    rule = await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match=ADDRESS, note=MARK))
    await erase_person(service, EMAIL)
    found = await manage.get_rule(service, EVERYTHING, rule.id)
    assert (found.match, found.note) == ("erased", None)
    with pytest.raises(Conflict, match="can no longer be undone"):
        await undo.undo_action(service, EVERYTHING, rule.action)
    assert (await manage.change_rule(service, EVERYTHING, rule.id, RuleChange(note="kept"))).note == "kept"
    await manage.remove_rule(service, EVERYTHING, rule.id)


async def test_a_repeated_request_does_not_bring_an_erased_comment_back(mailing):
    await fill(mailing)
    await erase_person(mailing, EMAIL)
    again = draft(
        name=f"{MARK} name", email=ADDRESS, comment=f"{MARK} text None", website=f"https://{MARK}.example/",
        submission=f"{MARK}-None-of-/a-page/",
    )  # fmt: skip
    with pytest.raises(SubmissionReused):
        await post_comment(mailing, again, visit())


async def test_an_interrupted_erasure_goes_on(mailing, monkeypatch):
    monkeypatch.setattr(erase, "COMMENTS", 2)
    await fill(mailing)
    finish = erase.note_erasures

    async def stop(*_):
        raise ConnectionError

    monkeypatch.setattr(erase, "note_erasures", stop)
    with pytest.raises(ConnectionError):
        await erase_person(mailing, EMAIL)
    assert (await export_person(mailing, EMAIL)).total == 2
    monkeypatch.setattr(erase, "note_erasures", finish)
    done = await erase_person(mailing, EMAIL)
    assert (done.before.comments, done.after) == (2, PersonCounts())


async def test_a_moderators_address_is_refused_with_the_cure(mailing):
    with pytest.raises(Conflict, match=r"moderator Ana\. Remove the moderator or their address first"):
        await erase_person(mailing, Email("ANA@example.com"))
    await moderators.remove_moderator(mailing, "Ana")
    assert (await erase_person(mailing, Email("ana@example.com"))).after == PersonCounts()


async def test_replies_of_others_keep_their_place(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        mine = await post(service, "Mine.", email=ADDRESS)
        reply = await post(service, "A reply.", parent=mine)
        await erase_person(service, EMAIL)
        rows = {row["id"]: row["text"] for row in await everything_in(service, "comment")}
        assert rows == {mine: "", reply: "A reply."}
        assert [one.deleted for one in (await shown(service, view="flat")).comments] == [True, False]


async def test_an_error_that_repeats_the_address_is_forgotten(mailing):
    @write
    async def fail_delivery(unit):
        await parcels.note_delivery(unit, Channel.MAIL, unit.now(), f"550 5.1.1 <{ADDRESS.lower()}>: unknown")

    await fail_delivery(mailing)
    assert find(await dump(mailing), ADDRESS)
    await erase_person(mailing, EMAIL)
    assert find(await dump(mailing), ADDRESS) == set()


async def test_a_restored_backup_is_erased_again_with_address_and_ban(laid_file, tmp_path, clock):
    url = copied(laid_file, tmp_path, "live.db")
    async with a_service(url, clock, **MAIL) as service:
        await moderators.add_moderator(service, "Ana", None, [])
        await fill(service)
        sealed, digests = await sealed_values(service)
    shutil.copyfile(tmp_path / "live.db", tmp_path / "backup.db")
    async with a_service(url, clock, **MAIL) as service:
        await erase_person(service, EMAIL)
    shutil.copyfile(tmp_path / "backup.db", tmp_path / "live.db")
    async with a_service(url, clock, **MAIL) as service:
        assert find(await dump(service), MARK)
        assert await erasures.apply_journal(service) == erasures.Reapplied(4, 0, 2)
        after = await dump(service)
        assert find(after, MARK, *sealed) == set()
        assert {table for table, _ in find(after, *digests)} == {"rule"}
        assert await erasures.apply_journal(service) == erasures.Reapplied(0, 0)
        await verify_log(service)


async def test_what_the_journal_missed_of_a_person_is_added_later(served, tmp_path):
    service = await served(erasure_journal=f"{tmp_path}/missing/journal", **MAIL)
    await fill(service)
    await erase_person(service, EMAIL)
    (tmp_path / "missing").mkdir()
    await erasures.complete_journal(service)
    lines = (tmp_path / "missing" / "journal").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == ["address", "ban"] + ["comment"] * 4


async def test_the_raw_files_of_sqlite_hold_nothing_of_an_erased_person(laid_file, tmp_path, clock):
    url, path = copied(laid_file, tmp_path, "raw.db"), tmp_path / "raw.db"
    async with a_service(url, clock, **MAIL) as service:
        await moderators.add_moderator(service, "Ana", None, [])
        await fill(service)
        sealed, digests = await sealed_values(service)
        files = [path, path.with_name("raw.db-wal"), path.with_name("erasures.log")]
        words = [one.encode() for one in (MARK, MARK.lower(), *sealed)]
        content = b"".join(file.read_bytes() for file in files if file.exists())
        assert all(word in content for word in words), "the search would find them"
        await erase_person(service, EMAIL)
        await maintenance.finish_erasing(service)
        for _ in range(200):
            content = b"".join(file.read_bytes() for file in files if file.exists())
            if not any(word in content for word in words):
                break
            await asyncio.to_thread(service.db._files.checkpoints._wake.wait, 0.05)
        assert [word for word in words if word in content] == []
        assert path.with_name("raw.db-wal").stat().st_size == 0
        assert set(re.findall(b"[0-9a-f]{12}:[0-9a-f]{32}", content)) >= {one.encode() for one in digests}, "the ban"


async def test_programs_must_say_how_many_comments_they_erase(client, service, key):
    await post(service, "One.")
    await post(service, "Two.")
    sent = {"email": "mia@example.com", "action": "erase"}
    for expect in ({}, {"expect": 1}):
        answer = await client.post("/v1/privacy", json=sent | expect, headers=key)
        assert (answer.status, "2 comments" in (await answer.json())["detail"]) == (409, True)
    done = await (await client.post("/v1/privacy", json=sent | {"expect": 2}, headers=key)).json()
    assert (done["before"]["comments"], done["after"]["comments"]) == (2, 0)


def arguments(*words):
    return parse_arguments(["person", "erase", *words])


async def test_an_operator_at_a_terminal_is_asked_with_the_numbers(service):
    await post(service, "Hello.", email=ADDRESS)
    run = persons.COMMANDS["person", "erase"]
    for key, erased in (("n", False), ("", False), ("y", True)):
        person = Person(key)
        terminal = Terminal(**(vars(person.terminal) | {"interactive": True}))
        if erased:
            result = await run(service, arguments(ADDRESS), terminal)
            assert (result.data.before.comments, result.problem) == (1, "")
            assert "Left: 0." in result.text
        else:
            with pytest.raises(ExpectationFailed, match=r"Nothing was erased\."):
                await run(service, arguments(ADDRESS), terminal)
        assert person.printed[0].startswith("This permanently erases 1 comments, 0 subscriptions,")


def test_a_script_erases_with_yes_and_an_empty_address_is_refused(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    refused = run_main(tmp_path, "person", "erase", "mia@example.com")
    assert (refused.returncode, "add: --yes" in refused.stderr) == (1, True)
    done = run_main(tmp_path, "person", "erase", "-", "--yes", "--json", typed="mia@example.com\n")
    assert (done.returncode, json.loads(done.stdout)["after"]["comments"]) == (0, 0)
    for words, typed in (([""], ""), (["-", "--yes"], ""), (["-", "--yes"], "\n"), (["nonsense", "--yes"], "")):
        assert run_main(tmp_path, "person", "erase", *words, typed=typed).returncode in {1, 2}, words
