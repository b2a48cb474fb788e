"""An operator starts the service, keeps its sites, and turns its secret key."""

from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from commentsvc import addresses, auditing, challenges, entering, places, recording
from commentsvc.errors import (
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    Misconfigured,
    NotFound,
    Unavailable,
)
from commentsvc.model import Principal, Site
from commentsvc.service import Service
from commentsvc.shapes import (
    NewSite,
    SiteChange,
    SiteRecord,
    Sites,
)
from commentsvc.store import (
    Transaction,
    access,
    actions,
    contacts,
    repeats,
    reports,
    rules,
    schema,
    sessions,
    sites,
    spent,
)

FIRST_SITE: Final = "blog"
RESEAL_AT_ONCE: Final = 500

# --------------------------------------------------------------------------------- starting


async def prepare(service: Service) -> None:
    """Check that the secret key is this database's, and make the sites that the settings name.

    Raises:
        Misconfigured: the database was sealed with a key that is not listed, or sites are at odds.
    """
    await service.db.alone(_prepare, service)


async def _prepare(tx: Transaction, service: Service) -> None:
    known = await access.fingerprint(tx)
    if known is None:
        await access.set_fingerprint(tx, service.keyring.fingerprints[0], service.now())
    elif known not in service.keyring.fingerprints:
        raise Misconfigured(
            "COMMENTSVC_SECRET_KEY is not the key this database was sealed with, so no email in it could be read. "
            "Give the old key too, after the new one, separated by a space; then run: commentsvc reseal"
        )
    await _make_sites(tx, service)


async def _make_sites(tx: Transaction, service: Service) -> None:
    """Each origin of the settings that no site has yet gets one, named after its host.

    A first site without origins takes the first of them: it was made before anything was set.
    """
    everything = await places.directory(tx, service)
    unbound = [site for site in everything.sites if not everything.origins_of(site)]
    made: list[tuple[Site, str | None]] = []
    for origin in dict.fromkeys(service.config.origins):
        if origin in everything.origins:
            continue
        name = urlsplit(origin).netloc
        known = (await places.directory(tx, service)).by_name(name)
        site = known or (unbound.pop() if unbound else await _new_site(tx, service, name))
        await sites.add_origin(tx, site.id, origin)
        made.append((site, origin))
    if not everything.sites and not service.config.origins:
        made.append((await _new_site(tx, service, FIRST_SITE), None))
    for site, origins in made:
        await _note_site(tx, service, auditing.OPERATOR, site, origins)


async def _note_site(tx: Transaction, service: Service, who: str, site: Site, origins: str | None) -> None:
    body, texts = {"site": site.id}, {"origins": origins}
    await auditing.note(tx, service, who=who, verb="site_add", site_id=site.id, body=body, texts=texts)


async def _new_site(tx: Transaction, service: Service, name: str) -> Site:
    site = Site(service.new_id(), name, service.now())
    if not await sites.add(tx, site):
        raise Conflict(f"There is a site named {name} already.")
    return site


async def probe(service: Service) -> None:
    """Try a write, and take it back.

    Raises:
        Unavailable: it cannot be done, or the schema is not the one this program needs.
    """
    with suppress(_TakenBack):
        await service.db.write(_probe, service)


class _TakenBack(Exception):  # noqa: N818 -- rolls a unit of work back, and is no error
    pass


async def _probe(tx: Transaction, service: Service) -> None:
    if not await schema.current(tx):
        raise Unavailable("The database's schema is not current. Run: commentsvc migrate")
    await access.set_fingerprint(tx, await access.fingerprint(tx) or "", service.now())
    raise _TakenBack


async def tidy(service: Service) -> None:
    """Forget what has outlived its purpose: networks, used forms, old submissions, yesterday's wordings."""
    await service.db.write(_tidy, service)


async def _tidy(tx: Transaction, service: Service) -> None:
    await contacts.forget_networks(tx, service.ago(days=service.config.network_days))
    await reports.forget(tx, service.ago(days=service.config.network_days))
    await rules.forget(tx, service.ago(days=recording.UNDO_DAYS))
    await actions.forget_states(tx, service.ago(days=recording.UNDO_DAYS))
    begun, seen = service.ago(days=entering.LONGEST_DAYS), service.ago(hours=entering.IDLE_HOURS)
    await sessions.forget(tx, begun_before=begun, seen_before=seen)
    await spent.forget(tx, service.ago(seconds=challenges.OLDEST_SECONDS))
    await repeats.forget(
        tx, submissions_before=service.ago(days=7), words_before=service.ago(hours=24), now=service.now()
    )


# --------------------------------------------------------------------------------- sites


async def list_sites(service: Service, who: Principal) -> Sites:
    """Every site of this principal's, oldest first."""
    return await service.db.read(_list_sites, service, who)


async def _list_sites(tx: Transaction, service: Service, who: Principal) -> Sites:
    everything = await places.directory(tx, service)
    return Sites([_site_record(everything, site) for site in everything.sites if who.reaches(site.id)])


def _site_record(everything: places.Directory, site: Site) -> SiteRecord:
    return SiteRecord(
        id=site.id,
        name=site.name,
        origins=everything.origins_of(site),
        created_at=site.created_at,
        mode=site.mode,
    )


async def change_site(service: Service, who: Principal, site_id: str, change: SiteChange) -> SiteRecord:
    """Say who is held on a site.

    Raises:
        NotFound: there is no such site among this key's.
    """
    return await service.db.write(_change_site, service, who, site_id, change)


async def _change_site(
    tx: Transaction, service: Service, who: Principal, site_id: str, change: SiteChange
) -> SiteRecord:
    everything = await places.directory(tx, service)
    site = next((site for site in everything.sites if site.id == site_id and who.reaches(site.id)), None)
    if site is None:
        raise NotFound
    record = _site_record(everything, site)
    if change.mode is UNSET or change.mode == site.mode:
        return record
    await sites.set_mode(tx, site.id, change.mode)
    was, became = {"mode": site.mode}, {"mode": change.mode}
    action = await recording.record(tx, service, who, "site_change", ("site", site.id, site.id), was, became)
    return msgspec.structs.replace(record, mode=change.mode, action=action)


async def add_site(service: Service, who: Principal, new: NewSite) -> SiteRecord:
    """Serve one more blog; under a known name, serve it from more origins.

    Raises:
        Forbidden: the key is bound to a site.
        Invalid: naming an origin that is none, or that another site has.
    """
    if who.sites is not None:
        raise Forbidden("A key that is bound to a site adds none.")
    return await service.db.write(_add_site, service, who, new)


async def _add_site(tx: Transaction, service: Service, who: Principal, new: NewSite) -> SiteRecord:
    everything = await places.directory(tx, service)
    site = everything.by_name(new.name) or await _new_site(tx, service, new.name)
    for text in new.origins:
        try:
            origin = addresses.origin(text)
        except ValueError:
            raise Invalid(
                Fault(
                    "origins",
                    "invalid_origin",
                    "An origin looks like https://blog.example: scheme and host, no path.",
                )
            ) from None
        if not await sites.add_origin(tx, site.id, origin):
            raise Invalid(Fault("origins", "origin_taken", "Another site has one of these origins."))
    await _note_site(tx, service, who.name, site, " ".join(new.origins))
    return _site_record(await places.directory(tx, service), site)


# --------------------------------------------------------------------------------- the secret key


async def reseal(service: Service) -> int:
    """Seal every address anew with the newest key, so that older ones can go; returns how many.

    It may be stopped and begun again at any moment.
    """
    done, after = 0, ""
    while True:
        count, after = await service.db.write(_reseal_some, service, after)
        done += count
        if not count:
            break
    return done + await service.db.write(_reseal_others, service)


async def _reseal_some(tx: Transaction, service: Service, after: str) -> tuple[int, str]:
    rows = await contacts.sealed_after(tx, after, RESEAL_AT_ONCE)
    for row in rows:
        email = service.keyring.unseal(row["email_sealed"])
        await contacts.reseal(tx, row["comment_id"], service.keyring.seal(email), service.keyring.digest(email))
    return len(rows), rows[-1]["comment_id"] if rows else after


async def _reseal_others(tx: Transaction, service: Service) -> int:
    """The addresses of moderators, and those that rules ban."""
    moderators = [row for row in await access.moderators(tx) if row["email_sealed"]]
    bans = await rules.sealed(tx)
    for rows, keep in ((moderators, access.reseal_moderator), (bans, rules.reseal)):
        for row in rows:
            email = service.keyring.unseal(row["email_sealed"])
            await keep(tx, row["id"], service.keyring.seal(email), service.keyring.digest(email))
    newest = service.keyring.fingerprints[0]
    await access.set_fingerprint(tx, newest, service.now())
    body = {"fingerprint": newest}
    await auditing.note(tx, service, who=auditing.OPERATOR, verb="reseal", site_id=None, body=body)
    return len(moderators) + len(bans)
