"""The features of a comment as text: what the filter can learn again after the comment was deleted for its age.

No word can be read from it: each feature is the number of its bucket, which it shares with others.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from commentsvc.service import Service, private_read
from commentsvc.spam.features import weigh_features
from commentsvc.spam.samples import sample_of_row
from commentsvc.storage import spam_examples
from commentsvc.storage.database import PrivateRead, Row


def pack_values(values: Mapping[int, float]) -> str:
    """Return the values of features by bucket as text."""
    return base64.b85encode(msgspec.msgpack.encode(values)).decode()


def unpack_values(text: str) -> dict[int, float]:
    """Return the values that ``pack_values`` has made a text of."""
    return msgspec.msgpack.decode(base64.b85decode(text), type=dict[int, float])


async def pack_comments(service: Service, comment_ids: Sequence[str]) -> dict[str, str]:
    """Return the features of those of these comments that have a label, by id."""
    return await asyncio.to_thread(_pack_rows, await _read_labelled(service, comment_ids))


def _pack_rows(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {id_: pack_values(weigh_features(sample_of_row(row))) for id_, row in rows.items()}


@private_read
async def _read_labelled(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Row]:
    return await spam_examples.get_texts(unit, await spam_examples.keep_labelled(unit, comment_ids))
