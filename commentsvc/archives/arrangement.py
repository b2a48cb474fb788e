"""Arrange the comments of a page: in the order of time, each with the comment that it answers."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from commentsvc.archives.records import Repair
from commentsvc.archives.staged import StagedComment

# Returns the parent of a comment that was left out, in a tuple; None if the comment was not left out.
FindLeftOut = Callable[[int, str], tuple[str | None] | None]
FindTime = Callable[[int], int | None]
Key = tuple[int, str]


class Arranged(Struct):
    """A comment with its place. ``order`` is its place by time; comments are listed after those that they answer."""

    comment: StagedComment
    order: int
    created_at: int  # milliseconds since 1970
    answered: Key | None  # source and id
    twins: list[Key]  # duplicates that are merged into it
    repairs: list[Repair]


class Arrangement(Struct):
    """The arranged comments of a page, and the number of duplicates."""

    comments: list[Arranged]
    merged: int


def arrange(comments: Sequence[StagedComment], find_left_out: FindLeftOut, find_time: FindTime) -> Arrangement:
    """Arrange the comments of one page, which are in the order of the archive.

    A comment without a time gets that of the one before it. The parent of a comment is the nearest ancestor that is
    here; without one, or in a circle, the comment is at the top.
    """
    kept = _date(comments, find_time)
    kept.sort(key=lambda one: (one.created_at, one.comment.seq))
    merged = _merge(kept)
    kept = [one for one in kept if (one.comment.source, one.comment.id) not in merged]
    by_key = {(one.comment.source, one.comment.id): one for one in kept}
    for order, one in enumerate(kept):
        one.order = order
        _find_answered(one, by_key, merged, find_left_out)
    _break_circles(kept, by_key)
    return Arrangement(_answered_first(kept, by_key), len(merged))


def _date(comments: Sequence[StagedComment], find_time: FindTime) -> list[Arranged]:
    latest: int | None = next((one.created_at for one in comments if one.created_at is not None), None)
    arranged = []
    for one in comments:
        if latest is None:
            latest = find_time(one.seq) or 0
        latest = one.created_at if one.created_at is not None else latest
        arranged.append(Arranged(one, 0, latest, None, [], [] if one.created_at is not None else [Repair.DATE_UNKNOWN]))
    return arranged


def _merge(kept: Sequence[Arranged]) -> dict[Key, Key]:
    """Return the key of the comment that each duplicate is merged into: the first of them in the order of time."""
    first: dict[bytes, Arranged] = {}
    merged: dict[Key, Key] = {}
    for one in kept:
        if one.comment.twin is None:
            continue
        original = first.setdefault(one.comment.twin, one)
        if original is not one:
            original.twins.append((one.comment.source, one.comment.id))
            merged[one.comment.source, one.comment.id] = original.comment.source, original.comment.id
    return merged


def _find_answered(
    one: Arranged, by_key: dict[Key, Arranged], merged: dict[Key, Key], find_left_out: FindLeftOut
) -> None:
    comment = one.comment
    parent, passed = comment.parent, set[str]()
    while parent is not None and parent not in passed:
        passed.add(parent)
        key = merged.get((comment.source, parent), (comment.source, parent))
        if key in by_key:
            one.answered = key
            one.repairs += [Repair.PARENT_LEFT_OUT] if len(passed) > 1 else []
            return
        above = find_left_out(comment.source, parent)
        if above is None:
            break
        parent = above[0]
    if comment.parent is not None:
        one.repairs.append(Repair.PARENT_LEFT_OUT if parent is None else Repair.PARENT_MISSING)


def _break_circles(kept: Sequence[Arranged], by_key: dict[Key, Arranged]) -> None:
    """Move the first comment of each circle to the top."""
    checked: set[Key] = set()
    for one in kept:
        above: dict[Key, Arranged] = {}
        key = one.comment.source, one.comment.id
        while key not in checked and key not in above:
            above[key] = by_key[key]
            answered = by_key[key].answered
            if answered is None:
                break
            key = answered
        if key in above and above[key].answered is not None and key not in checked:
            circle = list(above.values())[list(above).index(key) :]
            first = min(circle, key=lambda each: each.order)
            first.answered = None
            first.repairs.append(Repair.PARENT_MISSING)
        checked |= above.keys()


def _answered_first(kept: Sequence[Arranged], by_key: dict[Key, Arranged]) -> list[Arranged]:
    """Return the comments by time, but each after the one that it answers: clocks differ."""
    listed: dict[Key, Arranged] = {}
    for one in kept:
        chain, at = [], one
        while (at.comment.source, at.comment.id) not in listed:
            chain.append(at)
            if at.answered is None:
                break
            at = by_key[at.answered]
        for each in reversed(chain):
            listed[each.comment.source, each.comment.id] = each
    return list(listed.values())
