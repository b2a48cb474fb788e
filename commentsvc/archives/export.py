"""Export sites as lines of our own format: everything at one moment, in a fixed order."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from commentsvc.archives import line_rows
from commentsvc.archives.schemas import (
    FORMAT,
    VERSION,
    ArchiveLine,
    CommentLine,
    Contacts,
    End,
    Head,
    ModeratorLine,
    RuleLine,
    SiteLine,
    SourceLine,
    ThreadLine,
)
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import archive_rows, contacts, moderators, sites
from commentsvc.storage.database import PrivateRead, Row

Sink: TypeAlias = Callable[[bytes], Awaitable[None]]
ENCODER: Final = msgspec.json.Encoder()


class Source:
    """Rows that an export reads: those of a snapshot, of one site or of all."""

    def __init__(self, unit: PrivateRead, site_id: str | None, choice: Contacts) -> None:
        self.unit = unit
        self.site_id = site_id
        self.contacts = choice

    async def list_sites(self) -> list[SiteLine]:
        """Return the sites with their origins."""
        origins: defaultdict[str, list[str]] = defaultdict(list)
        for row in await sites.list_origins(self.unit):
            origins[row["site_id"]].append(row["origin"])
        rows = await archive_rows.list_sites(self.unit, self.site_id)
        return [line_rows.make_site(row, origins[row["id"]]) for row in rows]

    async def list_moderators(self) -> list[ModeratorLine]:
        """Return the moderators that references need."""
        on = await moderators.list_all_sites(self.unit)
        rows = await archive_rows.list_moderators(self.unit, self.site_id)
        mine = {row["id"]: on.get(row["id"], []) for row in rows}
        if self.site_id:
            mine = {id_: [self.site_id] if listed else [] for id_, listed in mine.items()}
        return [line_rows.make_moderator(row, mine[row["id"]]) for row in rows]

    async def read_rules(self) -> AsyncIterator[list[RuleLine]]:
        """Yield the rules in pages."""
        after = ""
        while rows := await archive_rows.list_rules(self.unit, self.site_id, after):
            lines = (line_rows.make_rule(row, self.contacts, self.unit.keyring) for row in rows)
            yield [line for line in lines if line]
            after = rows[-1]["id"]

    async def read_threads(self) -> AsyncIterator[list[ThreadLine]]:
        """Yield the threads in pages."""
        after = ""
        while rows := await archive_rows.list_threads(self.unit, self.site_id, after):
            names: defaultdict[str, list[Row]] = defaultdict(list)
            for name in await archive_rows.list_thread_names(self.unit, [row["id"] for row in rows]):
                names[name["thread_id"]].append(name)
            yield [line_rows.make_thread(row, names[row["id"]]) for row in rows]
            after = rows[-1]["id"]

    async def read_comments(self) -> AsyncIterator[list[CommentLine]]:
        """Yield the comments in pages: thread by thread, each one after its parent."""
        after = ("", "")
        while rows := await archive_rows.list_comments(self.unit, self.site_id, after):
            yield await self._make_comments(rows)
            after = (rows[-1]["thread_id"], rows[-1]["path"])

    async def _make_comments(self, rows: Sequence[Row]) -> list[CommentLine]:
        unit, ids = self.unit, [row["id"] for row in rows]
        private = {} if self.contacts is Contacts.NONE else await contacts.get_many(unit, ids)
        return line_rows.make_comments(
            rows,
            contacts={id_: line_rows.make_contact(one, self.contacts, unit.keyring) for id_, one in private.items()},
            decisions=await archive_rows.list_decisions(unit, ids),
            revisions=await archive_rows.list_revisions(unit, ids),
            reports=await archive_rows.list_reports(unit, ids),
        )

    async def read_threads_with_comments(self) -> AsyncIterator[tuple[ThreadLine, list[CommentLine]]]:
        """Yield the comments of one thread after the other. A thread with many comments comes several times."""
        async for page in self.read_comments():
            rows = await archive_rows.get_threads(self.unit, sorted({line.thread for line in page}))
            found = {row["id"]: line_rows.make_thread(row, ()) for row in rows}
            for thread_id, lines in groupby(page, key=lambda line: line.thread):
                yield found[thread_id], list(lines)

    async def read_sources(self) -> AsyncIterator[list[SourceLine]]:
        """Yield where imported comments come from, in pages."""
        after = ("", "", "")
        while rows := await archive_rows.list_sources(self.unit, self.site_id, after):
            yield [line_rows.make_source(row) for row in rows]
            after = (rows[-1]["site_id"], rows[-1]["source"], rows[-1]["source_id"])


class Exported(Struct, frozen=True):
    """Numbers of the rows that an export wrote."""

    sites: int
    threads: int
    comments: int


async def find_site(service: Service, who: Principal, name: str | None) -> str | None:
    """Return the id of the site to export; None for all sites.

    Raises:
        Invalid: for the field ``site``: no site has this name, or the principal is limited to some sites.
    """
    if name is not None:
        return resolve.require_site(await resolve.read_directory(service), who, name).id
    if who.sites is None or len(who.sites) == 1:
        return who.sites[0] if who.sites else None
    raise Invalid(
        FieldError("site", "required", translatable("This key is limited to some sites. Name one with site."))
    )


async def write_lines(source: Source, sink: Sink) -> Exported:
    """Write everything to ``sink``, in pieces of some lines."""
    listed = await source.list_sites()
    sealed = source.contacts is Contacts.SEALED
    head = Head(
        format=FORMAT,
        version=VERSION,
        contacts=source.contacts,
        key=source.unit.keyring.fingerprints[0] if sealed else None,
        site=listed[0].name if source.site_id else None,
    )
    await sink(encode_lines([head, *listed, *await source.list_moderators()]))
    async for rules in source.read_rules():
        await sink(encode_lines(rules))
    threads = comments = 0
    async for page in source.read_threads():
        threads += len(page)
        await sink(encode_lines(page))
    async for found in source.read_comments():
        comments += len(found)
        await sink(encode_lines(found))
    async for origins in source.read_sources():
        await sink(encode_lines(origins))
    await sink(encode_lines([End(sites=len(listed), threads=threads, comments=comments)]))
    return Exported(len(listed), threads, comments)


def encode_lines(lines: Sequence[ArchiveLine]) -> bytes:
    """Return lines as bytes. The same lines always give the same bytes."""
    return ENCODER.encode_lines(lines)
