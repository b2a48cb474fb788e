"""List threads; open, close, rename and merge them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from commentsvc.audit import undoable_changes
from commentsvc.domain import pagination, validation
from commentsvc.domain.errors import FieldError, Invalid, NotFound, VersionConflict
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal, Site, Thread
from commentsvc.moderation import merge
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery, ThreadPage, ThreadRecord
from commentsvc.service import Service, private_read, search_read, write
from commentsvc.sites import resolve
from commentsvc.sites.closing import close_by_age, closing_time
from commentsvc.storage import actions, thread_list, threads
from commentsvc.storage.database import Environment, PrivateRead, PublicRead, Write

MAX_CHANGES: Final = 50  # by others, that a form looks through


async def list_threads(service: Service, who: Principal, query: ThreadListQuery) -> ThreadPage:
    """Return a page of threads, newest first.

    Raises:
        Invalid: for the field ``site`` or ``cursor``.
        Unavailable: the search took too long.
    """
    return await (_search_threads if query.q else _list_threads)(service, who, query)


async def _read_page(unit: PrivateRead, who: Principal, query: ThreadListQuery) -> ThreadPage:
    directory = await resolve.read_directory.within(unit)
    site_ids = resolve.reachable_sites(directory, who, query.site)
    before = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    rows = await thread_list.list_page(unit, site_ids, before, query.limit + 1, query.q)
    pending = {row["id"]: row["pending"] for row in rows[: query.limit]}
    found = [
        msgspec.convert({name: row[name] for name in Thread.__struct_fields__}, Thread) for row in rows[: query.limit]
    ]
    records = await _thread_records(unit, directory, found, pending)
    cursor = pagination.encode_cursor(records[-1].id) if len(rows) > query.limit else None
    return ThreadPage(records, cursor)


_list_threads, _search_threads = private_read(_read_page), search_read(_read_page)


async def _thread_records(
    unit: PublicRead, directory: resolve.SiteDirectory, found: Sequence[Thread], pending: Mapping[str, int]
) -> list[ThreadRecord]:
    """Return threads as moderators see them, with one statement for all of them."""
    names = await threads.list_names(unit, [thread.id for thread in found])
    return [
        _thread_record(unit, directory.by_id(thread.site_id), thread, names[thread.id], pending[thread.id])
        for thread in found
    ]


def _thread_record(env: Environment, site: Site, thread: Thread, names: Sequence[str], pending: int) -> ThreadRecord:
    closed_at = close_by_age(env, site, thread).closed_at
    return ThreadRecord(
        id=thread.id,
        site=site.name,
        key=thread.key,
        url=thread.url,
        title=thread.title,
        closed=closed_at is not None,
        count=thread.approved,
        aliases=[name for name in names if name != thread.key],
        pending=pending,
        created_at=thread.created_at,
        closed_at=closed_at,
        closed_by="moderator" if thread.closed_at else "rule" if closed_at else None,
        open_until=thread.open_until,
        mode=thread.mode,
    )


@private_read
async def get_thread(unit: PrivateRead, who: Principal, thread_id: str) -> ThreadRecord:
    """Return a thread, or the thread that it was merged into.

    Raises:
        NotFound: no thread has this id, or it is on another site.
    """
    thread = await threads.get(unit, thread_id)
    while thread is not None and thread.merged_into:
        thread = await threads.get(unit, thread.merged_into)
    if thread is None or not thread.key or not who.reaches(thread.site_id):
        raise NotFound
    return await _load_record(unit, thread)


async def change_thread(
    service: Service,
    who: Principal,
    thread_id: str,
    change: ThreadChange,
    seen: str | None = None,
    *,
    part_of: str | None = None,
) -> ThreadRecord:
    """Change a thread: close or open it, set its title, address, alias or moderation mode, or merge it into another.

    A thread that a rule closed for its age is opened until a date. ``seen`` is the last action on the thread that a
    form knew, or any other text without such an action; None does not check it. ``part_of`` undoes several changes at
    once.

    Earlier names keep working, also after an undo. A merge returns the thread that now has the comments.

    Raises:
        NotFound: no thread has this id, or it is on another site.
        Invalid: for the field ``thread`` or ``alias``: it is not a valid name on that site, or another thread has it;
            for ``open_until``: it is not a time in the future;
            for ``merge_into``: no other thread has this name, or other changes were requested too.
        VersionConflict: the fields to change were changed since ``seen``.
        Conflict: the threads have too many comments to be merged.
    """
    if change.merge_into is None:
        return await _change_thread(service, who, thread_id, change, seen, part_of)
    if change != ThreadChange(merge_into=change.merge_into):
        raise Invalid(FieldError("merge_into", "invalid", "Send merge_into alone, then change the merged thread."))
    return await _merge_thread(service, who, thread_id, change.merge_into)


@write
async def _merge_thread(unit: Write, who: Principal, thread_id: str, name: str) -> ThreadRecord:
    merged_id, action = await merge.merge_threads(unit, who, thread_id, name)
    return await _load_changed(unit, merged_id, action)


async def _load_changed(unit: PrivateRead, thread_id: str, action: str | None) -> ThreadRecord:
    thread = await threads.get(unit, thread_id)
    if thread is None:
        raise LookupError("a thread that was just changed is gone")
    return msgspec.structs.replace(await _load_record(unit, thread), action=action)


async def _load_record(unit: PrivateRead, thread: Thread) -> ThreadRecord:
    pending = {thread.id: await threads.count_pending(unit, thread.id)}
    (record,) = await _thread_records(unit, await resolve.read_directory.within(unit), [thread], pending)
    return record


def _closing(env: Environment, site: Site, thread: Thread, change: ThreadChange) -> dict[str, Any]:
    """Return the new closing times. A thread that a rule closed opens for as long as the rule keeps new ones open.

    Raises:
        Invalid: for the field ``open_until``: it is not a time in the future, or the thread is to be closed.
    """
    closing: dict[str, Any] = {}
    if change.open_until is not UNSET:
        until = validation.parse_time_field("open_until", change.open_until)
        if until and until <= env.now():
            raise Invalid(
                FieldError("open_until", "invalid_time", translatable("This time is in the past. Choose a later one."))
            )
        if until and change.closed:
            raise Invalid(FieldError("open_until", "invalid", "Send open_until with closed: false, or alone."))
        closing["open_until"] = until
    if change.closed:
        closing |= {"closed_at": thread.closed_at or env.now(), "open_until": None}
    elif change.closed is False:
        closing["closed_at"] = None
        by_rule = closing_time(site, thread)
        if change.open_until is UNSET and by_rule and by_rule < env.now():
            closing["open_until"] = env.ahead(days=site.closes_after_days or 0)
    return closing


async def _require_unchanged(unit: Write, thread: Thread, seen: str | None, names: set[str]) -> None:
    """Check that nobody changed these fields since an action on the thread.

    Raises:
        VersionConflict: somebody did.
    """
    if seen is None:
        return
    for row in await actions.list_of_subject(unit, f"thread:{thread.id}", MAX_CHANGES):
        if row["id"] == seen:
            return
        if names & msgspec.json.decode(row["became"] or "{}").keys():
            raise VersionConflict(
                translatable("Someone else changed the same field. Read the thread again, then change it.")
            )


@write
async def _change_thread(
    unit: Write, who: Principal, thread_id: str, change: ThreadChange, seen: str | None, part_of: str | None
) -> ThreadRecord:
    await threads.lock(unit, thread_id)
    thread = await threads.get(unit, thread_id)
    if thread is None or thread.merged_into or not thread.key or not who.reaches(thread.site_id):
        raise NotFound
    directory = await resolve.read_directory.within(unit)
    site = directory.by_id(thread.site_id)
    was = undoable_changes.undoable_state("thread", thread)
    became = was | {"mode": thread.mode if change.mode is UNSET else change.mode}
    for field, name in (("thread", change.thread), ("alias", change.alias)):
        if name is None:
            continue
        place = resolve.resolve_thread(directory, name, site.name, None)
        if not await threads.add_name(unit, site.id, place.ref.name, thread.id, given=True):
            raise Invalid(
                FieldError(
                    field, "name_taken", translatable("Another thread has this address. Merge the two with merge_into.")
                )
            )
        if field == "thread":
            became |= {"key": place.ref.name, "url": place.ref.url or thread.url}
    became |= _closing(unit, site, thread, change)
    if change.title is not UNSET:
        became["title"] = change.title
    action = None
    if became != was:
        await _require_unchanged(unit, thread, seen, {name for name in became if became[name] != was[name]})
        await threads.update(unit, thread, **became)
        if change.title:
            await threads.note_title(unit, thread.id)
        subject = ("thread", thread.id, site.id)
        action = await undoable_changes.record_change(unit, who, "thread_change", subject, was, became)
        if part_of:
            await actions.set_part_of(unit, action, part_of)
    return await _load_changed(unit, thread.id, action)
