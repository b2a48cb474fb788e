"""Merge two threads, and undo a merge."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.audit import undoable_changes
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import ActorKind, Principal, Thread
from commentsvc.sites import resolve
from commentsvc.storage import decisions, thread_merge, threads
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.thread_merge import Node

MAX_COMMENTS: Final = 5000  # comments of both threads together
COPIED_FIELDS: Final = ("url", "title", "published_at")  # a target without them gets those of the merged thread

# The state that an action stores: before, and after.
Change = tuple[dict[str, Any], dict[str, Any]]


async def merge_threads(unit: Write, who: Principal, thread_id: str, name: str) -> tuple[str, str]:
    """Move a thread's comments and names to another thread of its site; return that thread's id and the action's id.

    Comments keep their ids and parents; top-level comments are sorted by creation time.

    Raises:
        NotFound: no thread has this id, or it is on another site.
        Invalid: for the field ``merge_into``: no other thread of the site has this name.
        Conflict: the threads have too many comments, or another merge was faster.
    """
    source, target = await _load_threads(unit, who, thread_id, name)
    locked = {source.id, target.id}
    await threads.lock_many(unit, locked)
    source, target = await _load_threads(unit, who, thread_id, name)  # again: they may have changed before the lock
    if {source.id, target.id} != locked:
        raise Conflict(translatable("One of these threads was just merged. Reload them and try again."))
    was, became = await _merge(unit, source, target)
    subject = ("thread", source.id, source.site_id)
    return target.id, await undoable_changes.record_change(unit, who, "thread_merge", subject, was, became)


async def _load_threads(unit: PrivateRead, who: Principal, thread_id: str, name: str) -> tuple[Thread, Thread]:
    source = await threads.get(unit, thread_id)
    if source is None or source.merged_into or not source.key or not who.reaches(source.site_id):
        raise NotFound
    directory = await resolve.read_directory.within(unit)
    try:
        place = resolve.resolve_thread(directory, name, directory.by_id(source.site_id).name, None)
    except Invalid:  # an invalid name matches no thread
        place = None
    target = await threads.get_by_name(unit, source.site_id, place.ref.name) if place else None
    if target is None:
        raise Invalid(
            FieldError("merge_into", "unknown_thread", translatable("No thread on this site has this address."))
        )
    if target.id == source.id:
        raise Invalid(FieldError("merge_into", "invalid", translatable("This is the same thread. Enter another one.")))
    return source, target


async def _merge(unit: Write, source: Thread, target: Thread) -> Change:
    """Merge two threads. The caller must have locked both."""
    nodes = await thread_merge.list_nodes(unit, [source.id, target.id])
    if len(nodes) > MAX_COMMENTS:
        raise Conflict(
            translatable_format(
                "Together the threads have more than %(num)s comments, too many to merge. Close one of them instead.",
                num=MAX_COMMENTS,
            )
        )
    names = (await threads.list_names(unit, [source.id]))[source.id]
    tops = await thread_merge.list_top_numbers(unit, source.id)
    merged = msgspec.structs.replace(
        target,
        url=target.url or source.url,
        title=target.title or source.title,
        published_at=min(filter(None, (target.published_at, source.published_at)), default=None),
    )
    await thread_merge.move_nodes(unit, {target.id: nodes})
    await threads.move_names(unit, source.site_id, names, target.id)
    await thread_merge.update_counters(unit, merged, len(nodes))
    await thread_merge.update_counters(unit, msgspec.structs.replace(source, merged_into=target.id), 0)
    was = {"merged_into": None, "names": names, "tops": tops, "target": _copied_fields(target)}
    return was, {"merged_into": target.id, "names": [], "tops": [], "target": _copied_fields(merged)}


def _copied_fields(thread: Thread) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in COPIED_FIELDS}


def is_merge(action: Row) -> bool:
    """Return whether an action merged two threads, or undid a merge."""
    return "merged_into" in msgspec.json.decode(action["became"])


async def undo_merge(unit: Write, who: Principal, action: Row) -> ActionResult:
    """Split two merged threads, or merge them again if the action was such an undo.

    Later replies go with the comments that they belong to.

    Raises:
        NotFound: the threads are on another site.
        Conflict: the threads were merged, split or renamed since, or the action was already undone.
    """
    if action["undone_by"]:
        raise Conflict(translatable("This was undone already."))
    _, _, source_id = action["subject"].partition(":")
    was, became = msgspec.json.decode(action["was"]), msgspec.json.decode(action["became"])
    target_id = became["merged_into"] or was["merged_into"]
    await threads.lock_many(unit, {source_id, target_id})
    by_id = await threads.get_many(unit, [source_id, target_id])
    source, target = by_id[source_id], by_id[target_id]
    if not who.reaches(source.site_id):
        raise NotFound
    if source.merged_into != became["merged_into"] or target.merged_into:
        raise Conflict(translatable("One of these threads was merged or split since. Undo that first."))
    if source.merged_into:
        change = await _split(unit, source, target, was, became)
    else:
        change = await _merge(unit, source, target)
    return await undoable_changes.record_undo(unit, who, action, ("thread", source.id, source.site_id), change)


async def _split(
    unit: Write, source: Thread, target: Thread, was: Mapping[str, Any], became: Mapping[str, Any]
) -> Change:
    """Split two merged threads. The caller must have locked both."""
    names = was["names"]
    if target.key in names:
        raise Conflict(translatable("The thread uses an address of the other thread. Give it another address first."))
    moving, staying = _split_nodes(await thread_merge.list_nodes(unit, [target.id]), frozenset(was.get("tops", ())))
    await thread_merge.move_nodes(unit, {source.id: moving, target.id: staying})
    await threads.move_names(unit, source.site_id, names, source.id)
    split_source, split_target = msgspec.structs.replace(source, merged_into=None), _undo_copied(target, was, became)
    for thread, nodes in ((split_target, staying), (split_source, moving)):
        await thread_merge.update_counters(unit, await _publish_if_needed(unit, thread), len(nodes))
    return {"merged_into": target.id}, {"merged_into": None}


def _split_nodes(nodes: Sequence[Node], tops: Collection[str]) -> tuple[list[Node], list[Node]]:
    """Return the nodes below these top-level comments, with the comments themselves; and the other nodes."""
    parents = {node.id: node.parent_id for node in nodes}

    def top(id_: str) -> str:
        parent = parents[id_]
        return top(parent) if parent else id_

    moving = {node.id for node in nodes if top(node.id) in tops}
    return [node for node in nodes if node.id in moving], [node for node in nodes if node.id not in moving]


def _undo_copied(target: Thread, was: Mapping[str, Any], became: Mapping[str, Any]) -> Thread:
    """Return a thread without the fields that it got from the other thread, unless they were changed since."""
    before, after = was.get("target", {}), became.get("target", {})  # missing if the merge changed none of them
    return msgspec.structs.replace(
        target, **{name: before[name] for name in before if getattr(target, name) == after[name]}
    )


async def _publish_if_needed(unit: PrivateRead, thread: Thread) -> Thread:
    """Return the thread, public if it has a comment that is or was public."""
    first = await thread_merge.find_first_public(unit, thread.id)
    if thread.published_at or first is None:
        return thread
    by_person = await decisions.list_decided_by(unit, [first["id"]], [ActorKind.PERSON])
    return msgspec.structs.replace(
        thread,
        published_at=first["published_at"],
        url=thread.url or first["page_url"],
        title=thread.title or (first["page_title"] if by_person else None),
    )
