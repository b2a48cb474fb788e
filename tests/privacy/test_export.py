"""A person asks for everything that is stored about their address."""

import json

import msgspec
import pytest

from commentsvc.access import moderators
from commentsvc.audit.schemas import AuditQuery
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Invalid
from commentsvc.moderation import audit
from commentsvc.privacy import export
from commentsvc.privacy.export import export_person
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_service, post
from tests.operations.test_operating import run_main
from tests.privacy.person import ADDRESS, EMAIL, MAIL, MARK, fill


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        await moderators.add_moderator(service, "Ana", Email("ana@example.com"), [])
        yield service


async def test_an_operator_gets_everything_about_an_address_in_every_status(mailing):
    await fill(mailing)
    await fill(mailing, Email("bo@example.com"), "Other")
    found = await export_person(mailing, Email(ADDRESS.upper()))
    assert [one.status for one in found.comments] == ["pending", "approved", "spam", "trash"]
    assert (found.total, found.next_cursor) == (4, None)
    for one in found.comments:
        assert (one.name, one.email, one.agent) == (f"{MARK} name", ADDRESS, f"{MARK} browser")
        assert (one.website, one.network) == (f"https://{MARK}.example/", "198.51.100.0/24")
        assert one.comment.startswith(f"{MARK} edited")
        assert one.revisions[0].comment.startswith(f"{MARK} text")
        assert one.decisions
    assert found.comments[0].note == f"{MARK} remark"
    assert [report.reason for report in found.comments[1].reports] == [f"{MARK} reason"]
    assert [delivery.kind for delivery in found.comments[0].deliveries] == ["comment.created"]
    (subscription,) = found.subscriptions
    assert (subscription.scope, subscription.comment) == ("replies", found.comments[0].id)
    assert (len(found.confirmations), len(found.browsers)) == (1, 1)
    assert [(mail.kind, mail.state) for mail in found.mails] == [("reply", "waiting")]
    assert found.address.confirmed_at is None
    assert [ban.note for ban in found.bans] == [f"{MARK} ban"]
    assert found.moderators == []
    assert b"Other" not in msgspec.json.encode(found)


async def test_the_audit_log_names_who_exported_but_not_the_address(mailing):
    await export_person(mailing, EMAIL)
    await export_person(mailing, EMAIL, for_themselves=True)
    entries = (await audit.list_entries(mailing, EVERYTHING, AuditQuery())).entries
    (entry,) = [one for one in entries if one.verb == "person_export"]
    assert ADDRESS not in str(entry)


async def test_the_person_sees_neither_network_nor_browser_nor_what_moderators_think(mailing):
    await fill(mailing)
    found = await export_person(mailing, EMAIL, for_themselves=True)
    assert [one.status for one in found.comments] == ["pending", "approved", "pending", "pending"]
    text = msgspec.json.encode(found).decode()
    for hidden in ("remark", "note", "reason", 'browser"', "198.51", " ban", "network", "decisions", "deliveries"):
        assert hidden not in text.replace('"browsers"', ""), hidden
    assert found.comments[0].revisions[0].comment.startswith(f"{MARK} text")
    assert len(found.subscriptions) == 1


async def test_the_trash_is_told_only_when_the_commenter_is_told_elsewhere_too(mailing, clock):
    await fill(mailing)
    clock.move(days=15)
    found = await export_person(mailing, EMAIL, for_themselves=True)
    assert [one.status for one in found.comments] == ["pending", "approved", "pending", "not_published"]


async def test_comments_come_in_pages_and_each_once(service, monkeypatch):
    monkeypatch.setattr(export, "PIECE", 2)
    monkeypatch.setattr(export, "PAGE", 4)
    ids = [await post(service, f"Number {number}.") for number in range(9)]
    email, seen, cursor = Email("mia@example.com"), [], None
    while True:
        page = await export_person(service, email, cursor=cursor)
        seen.append([one.id for one in page.comments])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one for piece in seen for one in piece] == ids
    assert [len(piece) for piece in seen] == [4, 4, 1]
    with pytest.raises(Invalid):
        await export_person(service, email, cursor="nonsense")


async def test_an_unknown_address_has_nothing(service):
    await post(service, "Of somebody else.")
    found = await export_person(service, Email("nobody@example.com"))
    assert (found.comments, found.address, found.subscriptions, found.mails, found.bans) == ([], None, [], [], [])


async def test_a_moderators_address_is_named(service):
    await moderators.add_moderator(service, "Ana", Email("ana@example.com"), [])
    (found,) = (await export_person(service, Email("ANA@example.com"))).moderators
    assert (found.name, found.sites) == ("Ana", [])


async def test_comments_from_before_a_key_rotation_are_found(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await post(service, "Old.")
    clock.move(seconds=1)
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        await post(service, "New.")
        found = await export_person(service, Email("mia@example.com"))
        assert [one.comment for one in found.comments] == ["Old.", "New."]


async def test_programs_get_an_export_with_an_admin_key(client, service, key):
    await post(service, "Hello.")
    answer = await client.post("/v1/privacy", json={"email": "mia@example.com", "action": "export"}, headers=key)
    body = await answer.json()
    assert (answer.status, body["total"], body["comments"][0]["comment"]) == (200, 1, "Hello.")
    for wrong in ({"email": ""}, {"email": "mia"}, {"action": "erase", "cursor": "YQ"}, {"expect": 1}):
        sent = {"email": "mia@example.com", "action": "export"} | wrong
        assert (await client.post("/v1/privacy", json=sent, headers=key)).status == 422, wrong


def test_an_operator_exports_at_the_command_line_byte_for_byte(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    for words, text in ((["mia@example.com"], None), (["-"], "mia@example.com\n")):
        done = run_main(tmp_path, "person", "export", *words, typed=text or "")
        assert (done.returncode, json.loads(done.stdout)["total"]) == (0, 0), done.stderr
    done = run_main(tmp_path, "person", "export", "-", typed="")
    assert (done.returncode, "email" in done.stderr) == (1, True)
    assert run_main(tmp_path, "person", "export", "").returncode == 2
