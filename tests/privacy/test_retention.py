"""The service forgets what an operator wants it to forget, after the time that the operator chose."""

import pytest

from commentsvc.audit.verification import verify_log
from commentsvc.domain.deliveries import Channel, NewParcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Effect, RuleKind
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.operations import erasures, maintenance
from commentsvc.privacy import retention
from commentsvc.privacy.erase import erase_person
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import write
from commentsvc.storage import addresses, parcels
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, post
from tests.privacy.person import EMAIL, MAIL, fill

CASINO = "eve@casino.example"


async def act(service, verb, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


async def left(service):
    return sorted(row["text"] for row in await everything_in(service, "comment") if row["text"])


async def ban_casinos(service):
    await manage.add_rule(
        service, EVERYTHING, NewRule(kind=RuleKind.EMAIL_DOMAIN, match="casino.example", effect=Effect.SPAM)
    )


async def test_by_default_nothing_is_forgotten_but_networks(service, clock):
    spam = await post(service, "spam")
    await act(service, ActionVerb.SPAM, spam)
    clock.move(days=4000)
    await maintenance.delete_expired(service)
    assert await left(service) == ["spam"]
    (contact,) = await everything_in(service, "contact")
    assert (contact["email_digest"] is not None, contact["network"]) == (True, None)


async def test_spam_that_rules_found_is_erased_after_days_from_the_decision(database_url, clock):
    async with a_service(database_url, clock, spam_days=7) as service:
        await ban_casinos(service)
        await post(service, "casino one", email=CASINO)
        later = await post(service, "held by a person", email=CASINO)
        await act(service, ActionVerb.HOLD, later)
        clock.move(days=6)
        await post(service, "casino two", email=CASINO)
        await maintenance.delete_expired(service)
        assert len(await left(service)) == 3
        clock.move(days=2)
        await maintenance.delete_expired(service)
        assert await left(service) == ["casino two", "held by a person"]
        (entry,) = [row for row in await everything_in(service, "audit") if row["verb"] == "erase"]
        assert (entry["actor_kind"], entry["actor_name"], entry["note"]) == ("system", "retention", None)
        assert "casino" not in entry["body"]
        await verify_log(service)


async def test_what_a_person_decided_can_be_undone_for_its_whole_time(database_url, clock):
    async with a_service(database_url, clock, spam_days=7, trash_days=40) as service:
        ids = [await post(service, text) for text in ("spam", "trash", "approved", "restored")]
        await act(service, ActionVerb.SPAM, ids[0], ids[3])
        await act(service, ActionVerb.TRASH, ids[1])
        await act(service, ActionVerb.APPROVE, ids[2])
        for days, texts in (
            (29, ["approved", "restored", "spam", "trash"]),
            (2, ["approved", "restored", "trash"]),
            (10, ["approved", "restored"]),
        ):
            clock.move(days=days)
            if days == 29:
                await act(service, ActionVerb.RESTORE, ids[3])
            await maintenance.delete_expired(service)
            assert await left(service) == texts


async def test_old_spam_is_erased_in_pieces_and_noted_in_the_journal(tmp_path, clock, monkeypatch, served):
    monkeypatch.setattr(retention, "COMMENTS", 3)
    service = await served(spam_days=7)
    await ban_casinos(service)
    ids = [await post(service, f"casino {number}", email=CASINO) for number in range(8)]
    clock.move(days=8)
    await maintenance.delete_expired(service)
    assert await left(service) == []
    entries = [row for row in await everything_in(service, "audit") if row["verb"] == "erase"]
    assert len(entries) == 3
    assert sorted((tmp_path / "erasures.log").read_text().split()[2::3]) == sorted(ids)
    assert await erasures.apply_journal(service) == erasures.Reapplied(0, 0)


async def test_addresses_of_old_comments_are_forgotten_and_the_comments_stay(database_url, clock, monkeypatch):
    monkeypatch.setattr(retention, "PIECE", 3)
    async with a_service(database_url, clock, contact_days=90) as service:
        for number in range(7):
            await post(service, f"old {number}")
        clock.move(days=80)
        await post(service, "new")
        clock.move(days=11)
        await maintenance.delete_expired(service)
        assert len(await left(service)) == 8
        kept = [row for row in await everything_in(service, "contact") if row["email_sealed"] or row["email_digest"]]
        assert len(kept) == 1
        entries = [row for row in await everything_in(service, "audit") if row["verb"] == "contacts_erase"]
        assert [row["body"] for row in entries] == ['{"comments":7}']
        await maintenance.delete_expired(service)
        assert len([row for row in await everything_in(service, "audit") if row["verb"] == "contacts_erase"]) == 1
        assert (await erase_person(service, Email("mia@example.com"))).before.comments == 1


@pytest.mark.parametrize("confirmed", [False, True])
async def test_what_nobody_confirmed_is_forgotten_after_a_week(database_url, clock, confirmed):
    async with a_service(database_url, clock, **MAIL) as service:
        await fill(service)

        @write
        async def settle(unit):
            await unit.run("DELETE FROM verified_author")
            if confirmed:
                await unit.run("UPDATE subscription SET confirmed_at = :now", now=unit.now())

        await settle(service)
        clock.move(days=7)
        await maintenance.delete_expired(service)
        assert len(await everything_in(service, "subscription")) == 1
        clock.move(days=2)
        await maintenance.delete_expired(service)
        numbers = [len(await everything_in(service, table)) for table in ("subscription", "confirmation", "address")]
        assert numbers == [int(confirmed), 0, int(confirmed)]
        assert await everything_in(service, "event") == []


async def test_an_address_that_must_get_no_mail_is_remembered(service, clock):
    @write
    async def suppress(unit):
        found = await addresses.find_or_add(unit, EMAIL)
        await addresses.suppress(unit, found.id, "complaint", unit.now())

    await suppress(service)
    clock.move(days=400)
    await maintenance.delete_expired(service)
    assert len(await everything_in(service, "address")) == 1


async def test_requests_to_webhooks_and_dead_mails_are_kept_for_a_week(service, clock):
    @write
    async def prepare(unit):
        due_at = unit.ahead(days=8)
        for state in ("waiting", "delivered", "dead"):
            new = await parcels.add(unit, NewParcel(channel=Channel.WEBHOOK, kind=state, due_at=due_at))
            await unit.run("UPDATE parcel SET state = :state WHERE id = :id", state=state, id=new)

    await prepare(service)
    clock.move(days=8)
    await maintenance.delete_expired(service)
    assert [row["state"] for row in await everything_in(service, "parcel")] == ["waiting"]
