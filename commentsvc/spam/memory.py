"""Remember what people decide about comments, and forget what they undo."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from commentsvc.spam.labels import LABELS, Step, find_label
from commentsvc.storage import memory
from commentsvc.storage.database import Write


async def remember_decisions(unit: Write, comment_ids: Sequence[str], undoes: str | None = None) -> None:
    """Give comments the label that their decisions give them now. Call it after a decision on them.

    ``undoes`` is the action that the latest decision took back, which is stored later.
    """
    rows = await memory.list_histories(unit, comment_ids)
    labelled = []
    for _, history in groupby(rows, key=lambda row: row["comment_id"]):
        if row := _label(list(history), undoes):
            labelled.append(row)
    await memory.save_labels(unit, labelled)
    rest = {*comment_ids} - {row["comment_id"] for row in labelled}
    if rest:
        await memory.remove_labels(unit, sorted(rest))


def _label(history: Sequence[Mapping[str, Any]], undoes: str | None) -> dict[str, Any] | None:
    steps = [msgspec.convert({name: row[name] for name in Step.__struct_fields__}, Step) for row in history]
    if undoes:
        steps[-1] = msgspec.structs.replace(steps[-1], undoes=undoes)
    found, last = find_label(steps), history[-1]
    if found is None or LABELS.get(last["now"]) is not found.label:
        return None
    return {
        "comment_id": last["comment_id"],
        "site_id": last["site_id"],
        "label": found.label.value,
        "source": found.source.value,
        "approved": int(found.approved),
        "decided_at": found.decided_at,
    }
