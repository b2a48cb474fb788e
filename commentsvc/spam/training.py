"""Let the filter of each site learn what people decided, in pieces and in threads.

A filter is made again from all decisions in memory if one of them was changed or undone, and while there are few. So
it is always what it would be if only the present decisions had ever been made. Only a large filter that has nothing to
unlearn learns the new decisions alone.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.metrics import LEARNED
from commentsvc.service import Service, private_read, write
from commentsvc.spam import rescoring, samples, scoring
from commentsvc.spam.features import weigh_features
from commentsvc.spam.filter import Example, SpamFilter
from commentsvc.spam.kept_features import unpack_values
from commentsvc.spam.labels import Label
from commentsvc.storage import spam_examples, spam_filters
from commentsvc.storage.database import PrivateRead, Row, Write

LOG: Final = logging.getLogger(__name__)
FEW: Final = 2_000  # with fewer decisions a filter is always made again, which takes less than a second
MOST: Final = 20_000  # decisions from which a filter is made; older ones no longer count
PIECE: Final = 100  # comments that are read, or noted as learned, at once
ATTEMPTS: Final = 3  # if another server stores a filter of the same site


class Turn:
    """Lets one filter learn at a time: a request for a rebuild waits for housekeeping, and for other requests."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()


@dataclass(frozen=True)
class _Task:
    """The comments that a filter learns, and the rows of memory that it has dealt with then."""

    was: int | None  # the version of the stored filter
    stale: int  # for how many reasons that one is stale
    state: str | None  # the filter that learns; None: a new one
    examples: Sequence[Row]
    noted: Sequence[Row]


async def train_sites(service: Service) -> int:
    """Let the filters of all sites learn the decisions that are new to them; return the number of these sites.

    A filter that fails is logged, and keeps no other from learning.

    Raises:
        Unavailable: the database cannot be used.
    """
    due = await _list_due_sites(service)
    for site_id in due:
        try:
            await train_site(service, site_id)
        except Unavailable:
            raise
        except Exception:
            LOG.exception("the spam filter of site %s did not learn; next attempt later", site_id)
    return len(due)


async def train_site(service: Service, site_id: str, *, afresh: bool = False) -> None:
    """Let the filter of a site learn the decisions that are new to it; ``afresh``: all that are in memory.

    If another server stores a filter of the site at the same time, its decisions are read again.
    """
    async with service.part(Turn).lock:
        await _train_site(service, site_id, afresh=afresh)


async def _train_site(service: Service, site_id: str, *, afresh: bool) -> None:
    for _ in range(ATTEMPTS):
        task = await _find_task(service, site_id, afresh=afresh)
        if task is None:
            return
        learned = await _begin(task)
        if learned is None:
            afresh = True
            continue
        await _learn(service, learned, task.examples)
        if await _store(service, site_id, learned, task):
            await rescoring.rescore_pending(service, site_id, learned)
            return


async def _begin(task: _Task) -> SpamFilter | None:
    """Return the filter that learns; None if the stored one cannot be read."""
    if task.state is None:
        return SpamFilter()
    return await asyncio.to_thread(scoring.decode_filter, task.state)


@private_read
async def _list_due_sites(unit: PrivateRead) -> list[str]:
    return await spam_filters.list_due_sites(unit)


@private_read
async def _find_task(unit: PrivateRead, site_id: str, *, afresh: bool) -> _Task | None:
    """Return what the filter of a site has to learn; None if there is nothing."""
    stored = await spam_filters.get(unit, site_id)
    unlearned = await spam_examples.list_unlearned(unit, site_id)
    was, stale = (stored["version"], stored["stale"]) if stored else (None, 0)
    if not (unlearned or stale or afresh):
        return None
    if stored is None or stale or afresh or await _needs_another(unit, site_id, unlearned):
        return _Task(was, stale, None, await spam_examples.list_newest(unit, site_id, MOST), unlearned)
    return _Task(was, stale, stored["state"], unlearned, unlearned)


async def _needs_another(unit: PrivateRead, site_id: str, unlearned: Sequence[Row]) -> bool:
    """Return whether the stored filter cannot just learn these decisions after those that it has learned."""
    return (
        any(row["learned"] for row in unlearned)
        or len(unlearned) > PIECE
        or await spam_examples.count_labels(unit, site_id, FEW) < FEW
        or await spam_examples.has_learned_later(unit, site_id, unlearned[0])
    )


async def _learn(service: Service, learned: SpamFilter, examples: Sequence[Row]) -> None:
    """Let a filter learn comments, in their order. One whose text is gone is left out."""
    for start in range(0, len(examples), PIECE):
        piece = examples[start : start + PIECE]
        texts, features = await _read_piece(service, [row["comment_id"] for row in piece])
        await asyncio.to_thread(_learn_piece, learned, piece, texts, features)


@private_read
async def _read_piece(unit: PrivateRead, ids: Sequence[str]) -> tuple[dict[str, Row], dict[str, str]]:
    return await spam_examples.get_texts(unit, ids), await spam_examples.get_features(unit, ids)


def _learn_piece(
    learned: SpamFilter, piece: Sequence[Row], texts: Mapping[str, Mapping[str, Any]], features: Mapping[str, str]
) -> None:
    examples: list[Example] = []
    for row in piece:
        id_, is_spam = row["comment_id"], row["label"] == Label.SPAM
        if id_ in features:
            examples.append((unpack_values(features[id_]), is_spam))
        elif id_ in texts:
            examples.append((weigh_features(samples.sample_of_row(texts[id_])), is_spam))
    learned.learn(examples)


async def _store(service: Service, site_id: str, learned: SpamFilter, task: _Task) -> bool:
    """Store a filter and note what it has learned; return False if another server stored one since.

    Many rows are noted in pieces. Until the last one the filter counts as stale: if this process stops, it is made
    again. It is also made again if a decision that it has learned was taken back while it learned.
    """
    state = await asyncio.to_thread(learned.encode)
    pieces = [task.noted[start : start + PIECE] for start in range(0, len(task.noted), PIECE)] or [()]
    version = await _save(service, site_id, learned, state, task, pieces[0], last=len(pieces) == 1)
    if version is None:
        return False
    for number, piece in enumerate(pieces[1:], start=2):
        await _note(service, site_id, version, piece, last=number == len(pieces))
    await scoring.keep_filter(service, site_id, version, learned)
    if (recorder := service.parts.get(Recorder)) is not None:
        for row in task.noted:
            recorder.count(LEARNED, (row["label"] or "none",))
    return True


@write
async def _save(
    unit: Write, site_id: str, learned: SpamFilter, state: str, task: _Task, noted: Sequence[Row], *, last: bool
) -> int | None:
    version = await spam_filters.save(
        unit,
        site_id,
        was=task.was,
        good=learned.good,
        spam=learned.spam,
        state=state,
        stale=(0 if last else 1) - task.stale,
        now=unit.now(),
    )
    if version is not None and not await spam_examples.set_learned(unit, noted):
        await spam_filters.set_stale(unit, site_id)
    return version


@write
async def _note(unit: Write, site_id: str, version: int, noted: Sequence[Row], *, last: bool) -> None:
    if last:
        await spam_filters.set_complete(unit, site_id, version)
    if not await spam_examples.set_learned(unit, noted):
        await spam_filters.set_stale(unit, site_id)
