"""A moderator makes two threads one, and parts them again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.audit import undoable_changes
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from commentsvc.domain.models import Principal, Thread
from commentsvc.sites import resolve
from commentsvc.storage import thread_merge, threads
from commentsvc.storage.database import PublicRead, Row, Write
from commentsvc.storage.thread_merge import Node

MAX_COMMENTS: Final = 5000  # comments of both threads together
ABOUT: Final = ("url", "title", "published_at")  # what a thread may get from the one that is merged into it

# What an action of these keeps: a thing before, and after.
Change = tuple[dict[str, Any], dict[str, Any]]


async def merge_threads(unit: Write, who: Principal, thread_id: str, name: str) -> tuple[str, str]:
    """Bring a thread's comments and names to another thread of its site; returns that one's id, and the action's.

    Comments keep their ids, and what they answer; those that answer none stand in the order in which they were
    written.

    Raises:
        NotFound: there is no such thread on this key's sites.
        Invalid: naming ``merge_into``: no other thread of the site has this name.
        Conflict: they have too many comments.
    """
    source, target = await _both(unit, who, thread_id, name)
    held = {source.id, target.id}
    await threads.lock_many(unit, held)
    source, target = await _both(unit, who, thread_id, name)  # as they are, now that nobody else changes them
    if {source.id, target.id} != held:
        raise Conflict("One of these threads was just merged. Reload them and try again.")
    was, became = await _join(unit, source, target)
    subject = ("thread", source.id, source.site_id)
    return target.id, await undoable_changes.record_change(unit, who, "thread_merge", subject, was, became)


async def _both(unit: PublicRead, who: Principal, thread_id: str, name: str) -> tuple[Thread, Thread]:
    source = await threads.get(unit, thread_id)
    if source is None or source.merged_into or not who.reaches(source.site_id):
        raise NotFound
    everything = await resolve.read_directory.within(unit)
    try:
        place = resolve.resolve_thread(everything, name, everything.by_id(source.site_id).name, None)
    except Invalid:  # what cannot be a name there is nobody's
        place = None
    target = await threads.get_by_name(unit, source.site_id, place.ref.name) if place else None
    if target is None:
        raise Invalid(FieldError("merge_into", "unknown_thread", "No thread on this site has this address."))
    if target.id == source.id:
        raise Invalid(FieldError("merge_into", "invalid", "This is the same thread. Enter another one."))
    return source, target


async def _join(unit: Write, source: Thread, target: Thread) -> Change:
    """Make two threads one. Both must be held."""
    found = await thread_merge.list_nodes(unit, [source.id, target.id])
    if len(found) > MAX_COMMENTS:
        raise Conflict(
            f"Together the threads have more than {MAX_COMMENTS:,} comments, too many to merge. "
            "Close one of them instead."
        )
    names, tops = await threads.list_names(unit, source.id), await thread_merge.list_top_numbers(unit, source.id)
    joined = msgspec.structs.replace(
        target,
        url=target.url or source.url,
        title=target.title or source.title,
        published_at=min(filter(None, (target.published_at, source.published_at)), default=None),
    )
    await thread_merge.move_nodes(unit, {target.id: found})
    await threads.move_names(unit, source.site_id, names, target.id)
    await thread_merge.update_counters(unit, joined, len(found))
    await thread_merge.update_counters(unit, msgspec.structs.replace(source, merged_into=target.id), 0)
    was = {"merged_into": None, "names": names, "tops": tops, "target": _about(target)}
    return was, {"merged_into": target.id, "names": [], "tops": [], "target": _about(joined)}


def _about(thread: Thread) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in ABOUT}


def is_merge(action: Row) -> bool:
    """Whether an action made two threads one, or parted them."""
    return "merged_into" in msgspec.json.decode(action["became"])


async def undo_merge(unit: Write, who: Principal, action: Row) -> ActionResult:
    """Part what was made one; or make one again what that parted.

    What by then hangs on the comments that came with a thread goes back with them.

    Raises:
        NotFound: the threads are on another site.
        Conflict: they were merged, parted or renamed since, or the action was undone already.
    """
    if action["undone_by"]:
        raise Conflict("This was undone already.")
    _, _, source_id = action["subject"].partition(":")
    was, became = msgspec.json.decode(action["was"]), msgspec.json.decode(action["became"])
    target_id = became["merged_into"] or was["merged_into"]
    await threads.lock_many(unit, {source_id, target_id})
    found = await threads.get_many(unit, [source_id, target_id])
    source, target = found[source_id], found[target_id]
    if not who.reaches(source.site_id):
        raise NotFound
    if source.merged_into != became["merged_into"] or target.merged_into:
        raise Conflict("One of these threads was merged or split since. Undo that first.")
    change = await _part(unit, source, target, was, became) if source.merged_into else await _join(unit, source, target)
    return await undoable_changes.record_undo(unit, who, action, ("thread", source.id, source.site_id), change)


async def _part(
    unit: Write, source: Thread, target: Thread, was: Mapping[str, Any], became: Mapping[str, Any]
) -> Change:
    """Make two of one again. Both must be held."""
    names = was["names"]
    if target.key in names:
        raise Conflict("The thread uses an address of the other thread. Give it another address first.")
    back, rest = _branches(await thread_merge.list_nodes(unit, [target.id]), frozenset(was.get("tops", ())))
    await thread_merge.move_nodes(unit, {source.id: back, target.id: rest})
    await threads.move_names(unit, source.site_id, names, source.id)
    for thread, own in ((_alone(target, was, became), rest), (msgspec.structs.replace(source, merged_into=None), back)):
        await thread_merge.update_counters(unit, await _published(unit, thread), len(own))
    return {"merged_into": target.id}, {"merged_into": None}


def _branches(found: Sequence[Node], tops: Collection[str]) -> tuple[list[Node], list[Node]]:
    """What hangs on these comments, themselves included; and the rest."""
    above = {node.id: node.parent_id for node in found}

    def top(id_: str) -> str:
        parent = above[id_]
        return top(parent) if parent else id_

    going = {node.id for node in found if top(node.id) in tops}
    return [node for node in found if node.id in going], [node for node in found if node.id not in going]


def _alone(target: Thread, was: Mapping[str, Any], became: Mapping[str, Any]) -> Thread:
    """A thread without what it got from the other, as far as nobody has changed that since."""
    before, after = was.get("target", {}), became.get("target", {})  # kept only where it changed
    return msgspec.structs.replace(
        target, **{name: before[name] for name in before if getattr(target, name) == after[name]}
    )


async def _published(unit: PublicRead, thread: Thread) -> Thread:
    """A thread that was public by its other half alone is so no more, unless comments of its own are, or were."""
    first = await thread_merge.find_first_public(unit, thread.id)
    if thread.published_at or first is None:
        return thread
    return msgspec.structs.replace(
        thread,
        published_at=first["published_at"],
        url=thread.url or first["page_url"],
        title=thread.title or first["page_title"],
    )
