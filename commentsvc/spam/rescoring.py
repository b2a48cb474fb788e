"""Score pending comments again after their site's filter has learned, so that the queue is in order."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc.service import Service, private_read, write
from commentsvc.spam import samples, scoring
from commentsvc.spam.features import weigh_features
from commentsvc.spam.filter import SpamFilter
from commentsvc.storage import contacts, spam_examples
from commentsvc.storage.database import PrivateRead, Row, Write

MOST_PENDING: Final = 2_000  # the newest of a site; others keep the score that they have
PIECE: Final = 100  # comments in one unit of work
LEAST_CHANGE: Final = 10  # thousandths: people see whole percents, and each change is a write


async def rescore_pending(service: Service, site_id: str, learned: SpamFilter) -> None:
    """Give the pending comments of a site the scores of its filter, which has just learned."""
    pending = await _list_pending(service, site_id)
    ids = list(pending)
    for start in range(0, len(ids), PIECE):
        texts = await _read_texts(service, ids[start : start + PIECE])
        changed = await asyncio.to_thread(_score_again, learned, texts, pending)
        if changed:
            await _save_scores(service, changed)


def _score_again(
    learned: SpamFilter, texts: Mapping[str, Mapping[str, Any]], before: Mapping[str, int]
) -> dict[str, int]:
    """Return the scores that changed, by comment id."""
    scores = {id_: _score_row(learned, row) for id_, row in texts.items()}
    return {id_: score for id_, score in scores.items() if _is_changed(before[id_], score)}


def _is_changed(before: int, after: int) -> bool:
    was_known, is_known = before != scoring.UNKNOWN, after != scoring.UNKNOWN
    return was_known != is_known or abs(after - before) >= LEAST_CHANGE


def _score_row(learned: SpamFilter, row: Mapping[str, Any]) -> int:
    if not learned.is_ready:
        return scoring.UNKNOWN
    return scoring.to_thousandths(learned.score(weigh_features(samples.sample_of_row(row))))


@private_read
async def _list_pending(unit: PrivateRead, site_id: str) -> dict[str, int]:
    return await contacts.list_pending_scores(unit, site_id, MOST_PENDING)


@private_read
async def _read_texts(unit: PrivateRead, ids: Sequence[str]) -> dict[str, Row]:
    return await spam_examples.get_texts(unit, ids)


@write
async def _save_scores(unit: Write, scores: Mapping[str, int]) -> None:
    await contacts.set_spam_scores(unit, scores)
