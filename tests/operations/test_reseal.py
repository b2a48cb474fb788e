"""After a rotation of the secret key, nothing that waits to be mailed or told needs the older key."""

from dataclasses import replace

import pytest

from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import Channel, NewParcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import key_check, secrets
from commentsvc.operations.key_check import Sealed
from commentsvc.privacy.erase import erase_person
from commentsvc.privacy.export import export_person
from commentsvc.service import private_read, write
from commentsvc.storage import addresses, parcels, verified_authors
from tests.comments.test_post import everything_in
from tests.conftest import OLD_SECRET, SECRET, a_service
from tests.privacy.person import EMAIL, MAIL, fill

NEW, OLD = (Keyring([text]).fingerprints[0] for text in (SECRET, OLD_SECRET))
MIA = Email("mia@example.com")


@write
async def add_webhook(unit):
    """Add a webhook with a secret and an older one, and a request to it with a response."""
    seal = unit.keyring.encrypt_text
    await unit.run(
        """
        INSERT INTO webhook (id, url_sealed, events, secret_sealed, old_secret_sealed, created_at)
        VALUES (:id, :url, '', :secret, :older, :now)
        """,
        id=unit.new_id(),
        url=seal("https://hooks.example/x"),
        secret=seal("whsec_new"),
        older=seal("whsec_old"),
        now=unit.now(),
    )
    parcel = await parcels.add(unit, NewParcel(channel=Channel.WEBHOOK, kind="comment.created", detail=seal("body")))
    await unit.run("UPDATE parcel SET response = :text WHERE id = :id", text=seal("answer"), id=parcel)
    await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="held"))  # its detail is not encrypted


@private_read
async def count(unit):
    return await key_check.count_sealed(unit, [])


async def test_nothing_needs_the_older_key_after_a_reseal(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET], **MAIL) as service:
        await fill(service)
        await add_webhook(service)
        everything = Sealed(comments=4, moderators=0, bans=1, addresses=1, mails=2, webhooks=6)
        assert await count(service) == {OLD: everything}
    with pytest.raises(ConfigurationError, match=f"{OLD}, which encrypts 8 email addresses and 6 texts of webhooks"):
        async with a_service(database_url, clock, secrets=[SECRET]):
            pass
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET], **MAIL) as service:
        assert await secrets.reseal_emails(service) == secrets.Resealed(14, 0)
        assert await secrets.reseal_emails(service) == secrets.Resealed(5, 0), "the rest is done"
    async with a_service(database_url, clock, secrets=[SECRET], **MAIL) as service:
        assert await count(service) == {NEW: everything}
        (hook,) = await everything_in(service, "webhook")
        opened = [service.keyring.decrypt_text(hook[f"{name}_sealed"]) for name in ("url", "secret", "old_secret")]
        assert opened == ["https://hooks.example/x", "whsec_new", "whsec_old"]
        texts = {service.keyring.decrypt_text(row["detail"]) for row in await everything_in(service, "parcel")}
        assert texts == {"body", EMAIL.reveal(), None}
        found = await export_person(service, EMAIL)
        assert (len(found.subscriptions), len(found.mails), found.total) == (1, 1, 4)
        status = await secrets.read_status(service)
        assert ([one.encrypts for one in status.keys], status.unreadable) == ([everything], 0)


@write
async def add_rows(unit, *, confirmed, suppressed, authors):
    site = (await unit.one("SELECT id FROM site"))["id"]
    address, now = await addresses.find_or_add(unit, MIA), unit.now()
    for author in authors:
        await verified_authors.add(unit, author, address.id, site, now)
    if confirmed:
        await addresses.confirm(unit, address.id, now)
    if suppressed:
        await addresses.suppress(unit, address.id, "bounce", now)
    for scope in ("site", "thread"):
        await unit.run(
            """
            INSERT INTO subscription (id, address_id, site_id, scope, thread_id, language, created_at, confirmed_at)
            VALUES (:id, :address, :site, :scope, :thread, 'en', :now, :confirmed)
            """,
            id=unit.new_id(),
            address=address.id,
            site=site,
            scope=scope,
            thread=None if scope == "site" else authors[0],
            now=now,
            confirmed=now if confirmed else None,
        )


@pytest.mark.parametrize("older_is_confirmed", [True, False])
async def test_an_address_that_two_keys_know_becomes_one(database_url, clock, older_is_confirmed):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await add_rows(service, confirmed=older_is_confirmed, suppressed=False, authors=["a", "both"])
    clock.move(hours=1)
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        one_key = Keyring([SECRET])
        await add_rows(
            replace(service, keyring=one_key), confirmed=not older_is_confirmed, suppressed=True, authors=["b", "both"]
        )
        assert len(await everything_in(service, "address")) == 2
        assert await secrets.reseal_emails(service) == secrets.Resealed(1, 0)
        (row,) = await everything_in(service, "address")
        assert row["confirmed_at"] is not None
        assert (row["suppressed_for"], row["suppressed_at"] is not None) == ("bounce", True)
        assert row["email_digest"] == one_key.digest(MIA)
        listed = await everything_in(service, "subscription")
        assert sorted((one["scope"], one["thread_id"] or "") for one in listed) == [
            ("site", ""), ("thread", "a"), ("thread", "b")
        ]  # fmt: skip
        (of_site,) = [one for one in listed if one["scope"] == "site"]
        assert of_site["confirmed_at"] is not None, "the confirmed one is kept"
        assert {one["address_id"] for one in listed} == {row["id"]}
        authors = await everything_in(service, "verified_author")
        assert sorted(one["author_id"] for one in authors) == ["a", "b", "both"]


async def test_a_ban_of_an_erased_person_needs_no_key(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET], **MAIL) as service:
        await fill(service)
        await erase_person(service, EMAIL)
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET], **MAIL) as service:
        assert await secrets.reseal_emails(service) == secrets.Resealed(0, 0)
    async with a_service(database_url, clock, secrets=[SECRET], **MAIL) as service:
        assert await count(service) == {}


async def test_what_no_key_opens_is_kept_and_counted(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET], **MAIL) as service:
        await fill(service)
        await add_webhook(service)
        for table in ("address", "event", "parcel"):

            @write
            async def damage(unit, table=table):
                await unit.run(f"UPDATE {table} SET email_sealed = 'x' WHERE email_sealed IS NOT NULL")

            await damage(service)
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET], **MAIL) as service:
        assert await secrets.reseal_emails(service) == secrets.Resealed(11, 3)
