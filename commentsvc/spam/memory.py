"""Remember what people decide about comments, and forget what they undo."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from commentsvc.domain.models import ActorKind
from commentsvc.spam import keys
from commentsvc.spam.keys import Keys
from commentsvc.spam.labels import LABELS, Label, Step, find_label
from commentsvc.spam.near_text import read_fingerprint
from commentsvc.storage import memory, memory_keys, spam_filters
from commentsvc.storage.database import Write

GOOD: Final = "good"


async def remember_text(unit: Write, comment_id: str) -> None:
    """Remember a comment with its new text, and have the filter forget the one before."""
    await spam_filters.set_stale_of_comment(unit, comment_id)  # first, as when the filter has learned: no deadlocks
    await remember_decisions(unit, [comment_id])


async def remember_decisions(unit: Write, comment_ids: Sequence[str], undoes: str | None = None) -> None:
    """Give comments the label that their decisions give them now. Call it after a decision on them.

    ``undoes`` is the action that the latest decision took back, which is stored later. Erased comments stay as they
    are: see ``forget_comments``.
    """
    await _remember(unit, comment_ids, undoes)


async def _remember(unit: Write, comment_ids: Sequence[str], undoes: str | None = None) -> list[str]:
    """Do the work of ``remember_decisions``; return the comments that have no label now."""
    labelled, others, approved = [], [], []
    rows = await memory.list_histories(unit, comment_ids)
    for comment_id, history in groupby(rows, key=lambda row: str(row["comment_id"])):
        row = _label(list(history), undoes)
        if row and row["label"]:
            labelled.append(row)
            continue
        others.append(comment_id)
        if row and row["approved"]:
            approved.append(row)
    await memory.save_labels(unit, labelled)
    await memory.remove_labels(unit, others)
    # A text that a person approved stays known as such, also once the comment is held or in the trash: otherwise the
    # same text would become spam for everybody.
    await _save_keys(unit, {row["comment_id"]: row for row in (*labelled, *approved)})
    return others


def _label(history: Sequence[Mapping[str, Any]], undoes: str | None) -> dict[str, Any] | None:
    steps = [msgspec.convert({name: row[name] for name in Step.__struct_fields__}, Step) for row in history]
    if undoes:
        steps[-1] = msgspec.structs.replace(steps[-1], undoes=undoes)
    last = history[-1]
    found = find_label(steps, last["edited_at"])
    if found is None:
        return None
    is_now = found.label is not None and LABELS.get(last["now"]) is found.label
    return {
        "comment_id": last["comment_id"],
        "site_id": last["site_id"],
        "label": found.label.value if found.label and is_now else None,
        "source": found.source.value,
        "approved": int(found.approved),
        "decided_at": found.decided_at,
    }


async def _save_keys(unit: Write, labelled: Mapping[str, Mapping[str, Any]]) -> None:
    key = await keys.find_key(unit)
    if key is None or not labelled:
        return
    rows = []
    for comment in await memory_keys.list_texts(unit, list(labelled)):
        found = keys.hash_fingerprint(key, comment["site_id"], read_fingerprint(comment["html"], comment["website"]))
        for label, number in _list_keys(labelled[comment["id"]], found):
            rows.append({"key": number, "label": label, "comment_id": comment["id"]})
    await memory_keys.replace(unit, list(labelled), rows)


def _list_keys(row: Mapping[str, Any], found: Keys) -> Iterator[tuple[str, int]]:
    """Yield the keys of a comment. Bands are for spam only: much that is good looks like other good."""
    compared = dict.fromkeys([*([] if found.text is None else [found.text]), *found.hosts.values()])
    if row["label"] == Label.SPAM:
        label = "import" if row["source"] == ActorKind.IMPORT else "spam"
        yield from ((label, number) for number in dict.fromkeys([*compared, *found.bands]))
    if row["label"] == Label.GOOD or row["approved"]:
        yield from ((GOOD, number) for number in compared)


async def forget_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Remove what is remembered of comments that a person erases."""
    await memory.remove_labels(unit, comment_ids)


async def keep_memory(unit: Write, comment_ids: Sequence[str], features: Mapping[str, str]) -> None:
    """Complete what is remembered of comments, before they are erased for their age. It is kept for a time.

    ``features`` are those of ``kept_features.pack_comments``, from which the filter of the site can be made again.
    The setting ``memory_days`` says for how long after the decision; with 0, nothing is kept.
    """
    if not unit.config.memory_days:
        await forget_comments(unit, comment_ids)
        return
    await forget_comments(unit, await _remember(unit, comment_ids))  # an import may not have been read yet
    await memory.mark_pruned(unit, comment_ids, features)
