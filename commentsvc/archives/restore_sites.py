"""Store sites, moderators, rules and threads of an archive of our own format."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.lines import line_error
from commentsvc.archives.restore_comments import Known, require_site
from commentsvc.archives.schemas import ArchiveLine, Head, ModeratorLine, RuleLine, SiteLine, ThreadLine
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import Rule
from commentsvc.rules import requested
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import archive_inserts, installation, moderators, rules, search, sites
from commentsvc.storage.database import PrivateRead, Write

Numbered: TypeAlias = Iterator[tuple[int, ArchiveLine]]
PIECE: Final = 100  # threads in one unit of work
PLACEHOLDER: Final = "blog"  # the site that a first start creates if the settings name none


@private_read
async def plan_sites(unit: PrivateRead, listed: Sequence[SiteLine], wanted: str | None) -> dict[str, str]:
    """Return the ids of sites that take the place of sites of the archive, because they have the same name.

    ``wanted``: the name of the site that takes the place of the only one.

    Raises:
        UnreadableArchive: the archive does not have exactly one site, or an origin belongs to another site.
    """
    directory = await resolve.read_directory.within(unit)
    if wanted is not None:
        site = directory.by_name(wanted)
        if site is None or len(listed) != 1:
            raise UnreadableArchive(
                f"The archive has {len(listed):,} sites. To import one into {wanted}, export it with --site NAME."
                if site
                else f"There is no site {wanted}. Add it first: commentsvc site add"
            )
        return {listed[0].id: site.id}
    own = {site.id for site in directory.sites}
    plan = {line.id: site.id for line in listed if line.id not in own and (site := directory.by_name(line.name))}
    for line in listed:
        here = plan.get(line.id, line.id)
        for origin in line.origins:
            if directory.origins.get(origin, here) != here:
                owner = directory.by_id(directory.origins[origin]).name
                raise UnreadableArchive(
                    f"The origin {origin} belongs to the site {owner} here, and to {line.name} in the archive. "
                    "Remove it from one of them: commentsvc site remove-origin"
                )
    return plan


async def restore_sites(
    service: Service, lines: Numbered, plan: dict[str, str], known: Known, *, is_whole: bool
) -> Numbered:
    """Store sites and moderators. Return the first line that is neither, for the next step."""
    found: list[SiteLine | ModeratorLine] = []
    rest: list[tuple[int, ArchiveLine]] = []
    for number, line in lines:
        if isinstance(line, SiteLine | ModeratorLine):
            found.append(line)
        elif not isinstance(line, Head):
            rest.append((number, line))
            break
    known.sites, known.moderators = await _restore_sites(service, found, plan, is_whole=is_whole)
    return iter(rest)


@write
async def _restore_sites(
    unit: Write, lines: Sequence[SiteLine | ModeratorLine], plan: dict[str, str], *, is_whole: bool
) -> tuple[dict[str, str], dict[str, str]]:
    await installation.lock_names(unit)
    plan = await _make_room(unit, plan, is_whole=is_whole)
    there = await archive_inserts.list_known(unit, "site", [line.id for line in lines])
    people: dict[str, str] = {}
    for line in lines:
        if isinstance(line, SiteLine):
            if line.id not in there and line.id not in plan:
                await _add_site(unit, line)
        elif found := await archive_inserts.find_moderator(unit, line.id, line.name):
            people[line.id] = found
        else:
            values = {name: getattr(line, name) for name in ("id", "name", "created_at", "removed_at")}
            await archive_inserts.insert_rows(unit, "moderator", [values])
            for site_id in line.sites:
                await moderators.add_site(unit, line.id, plan.get(site_id, site_id))
    return plan, people


async def _make_room(unit: Write, plan: dict[str, str], *, is_whole: bool) -> dict[str, str]:
    """Delete what a first start has created, if nothing uses it: then the sites of the archive keep their ids."""
    if await archive_inserts.has_threads(unit):
        return plan
    for site in await archive_inserts.list_site_names(unit):
        is_placeholder = is_whole and site["name"] == PLACEHOLDER and not site["origins"]
        is_wanted = is_placeholder or site["id"] in plan.values()
        if is_wanted and await archive_inserts.delete_unused_site(unit, site["id"]):
            plan = {theirs: ours for theirs, ours in plan.items() if ours != site["id"]}
    return plan


async def _add_site(unit: Write, line: SiteLine) -> None:
    values = msgspec.structs.asdict(line)
    origins = values.pop("origins")
    await archive_inserts.add_site(
        unit, {name: int(value) if isinstance(value, bool) else value for name, value in values.items()}
    )
    for origin in origins:
        await sites.add_origin(unit, line.id, origin)


def make_rule(line: RuleLine, keyring: Keyring, known: Known) -> Rule:
    """Return a rule as it is stored. One for all sites becomes one of the site that somebody named."""
    values: dict[str, Any] = {name: getattr(line, name) for name in RuleLine.__struct_fields__}
    site, email = values.pop("site"), values.pop("email")
    if email:
        address = Email(email)
        values |= {"email_sealed": keyring.seal(address), "email_digest": keyring.digest(address)}
    return Rule(site_id=known.sites.get(site, site) if site else known.only_site, **values)


def check_rule(number: int, line: RuleLine, keyring: Keyring) -> None:
    """Check that a rule can be used.

    Raises:
        UnreadableArchive: it cannot; names the line.
    """
    try:
        requested.require_compiled(make_rule(line, keyring, Known()))
    except Invalid as error:
        raise line_error(number, "; ".join(str(fault.detail) for fault in error.faults)) from None


@write
async def restore_rule(unit: Write, rule: Rule) -> None:
    """Store a rule, unless there is one with its id."""
    if await rules.get(unit, rule.id) is None:
        await rules.add(unit, rule)


async def restore_threads(service: Service, lines: Numbered, known: Known) -> Numbered:
    """Store threads. One that was merged comes after its target. Return the first line that is no thread."""
    waiting: list[ThreadLine] = []
    piece: list[ThreadLine] = []
    rest: list[tuple[int, ArchiveLine]] = []
    for number, line in lines:
        if not isinstance(line, ThreadLine):
            rest.append((number, line))
            break
        (waiting if line.merged_into else piece).append(line)
        if len(piece) == PIECE:
            known.threads |= await _restore_threads(service, piece, known)
            piece = []
    known.threads |= await _restore_threads(service, piece, known)
    while waiting:
        ids = {line.id for line in waiting}
        ready = [line for line in waiting if line.merged_into not in ids][:PIECE]
        if not ready:
            raise UnreadableArchive(f"The thread {waiting[0].id} was merged in a circle.")
        known.threads |= await _restore_threads(service, ready, known)
        waiting = [line for line in waiting if line not in ready]
    return iter(rest)


@write
async def _restore_threads(unit: Write, lines: Sequence[ThreadLine], known: Known) -> dict[str, str]:
    """Store threads that are not stored yet; return the ids of those that take the place of others."""
    changed: dict[str, str] = {}
    for line in lines:
        site_id = known.sites.get(line.site, line.site)
        here = await archive_inserts.find_thread(unit, line.id, site_id, [one.name for one in line.names])
        if here is None:
            await _add_thread(unit, line, site_id, known)
            continue
        require_site("thread", line.id, here["site_id"], site_id)
        if here["id"] != line.id or (here["merged_into"] and not line.merged_into):
            changed[line.id] = await _follow(unit, here["id"], here["merged_into"], site_id)
    return changed


async def _follow(unit: Write, thread_id: str, merged_into: str | None, site_id: str) -> str:
    while merged_into:
        row = await archive_inserts.find_thread(unit, merged_into, site_id, [])
        thread_id, merged_into = merged_into, row["merged_into"] if row else None
    return thread_id


async def _add_thread(unit: Write, line: ThreadLine, site_id: str, known: Known) -> None:
    values: dict[str, Any] = {name: getattr(line, name) for name in ThreadLine.__struct_fields__}
    target = line.merged_into and known.threads.get(line.merged_into, line.merged_into)
    values |= {"site_id": site_id, "last_seq": line.last_number, "merged_into": target}
    await archive_inserts.add_thread(unit, values, [(one.name, one.given) for one in line.names])
    if line.key:  # otherwise its page was forgotten with its last comment
        await search.add_thread(unit, line.id, site_id, line.key, line.title)
