"""Recall what people decided about comments like a new one."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct

from commentsvc.spam import keys
from commentsvc.spam.keys import Keys
from commentsvc.spam.near_text import EXACT_LENGTH, read_fingerprint
from commentsvc.storage import memory_keys
from commentsvc.storage.database import PrivateRead, Row

NEW: Final = ""  # instead of the id of a comment that is not stored yet


class Recalled(Struct, frozen=True, kw_only=True):
    """The decisions on comments like one, on its site. Numbers are of other comments."""

    is_long: bool = False  # the text is long enough that people do not write the same one by chance
    same: int = 0  # with the same text, which a person called spam
    imported: int = 0  # with the same text, which were spam in an imported archive
    marked_at: str | None = None  # when the newest of ``same`` was called spam
    is_approved: bool = False  # the same text was approved at some time
    near: int = 0  # that were spam, with nearly the same text
    host: str | None = None  # of a link: it was in spam, and never in a good comment
    website: str | None = None  # host of the commenter's website: as ``host``
    from_network: int = 0  # that a person called spam
    by_author: int = 0
    filter_version: int | None = None  # of the site's spam filter; None: it has learned nothing yet


NOTHING: Final = Recalled()


async def recall(
    unit: PrivateRead,
    *,
    site_id: str,
    html: str,
    website: str | None,
    read_own_hosts: Callable[[], Awaitable[Collection[str]]],
    network: str | None,
    author_id: str | None,
    comment_id: str | None,
) -> Recalled:
    """Return what memory knows about a comment, with one statement.

    ``read_own_hosts`` returns the hosts of the site, which anybody may link to; it is called if a host was in spam.
    A stored comment is not compared with itself.
    """
    key, own = await keys.find_key(unit), comment_id or NEW
    fingerprint = read_fingerprint(html, website)
    found = keys.hash_fingerprint(key, site_id, fingerprint) if key else keys.NONE
    rows, sender = await memory_keys.recall(
        unit, own, found.list_all(), site_id=site_id, network=network, author_id=author_id
    )
    known = {row["key"]: row for row in rows}
    text = known.get(found.text) if found.text is not None else None
    spam = {host for host, number in found.hosts.items() if _is_spam(known.get(number))}
    spam -= {*await read_own_hosts()} if spam else set()
    return Recalled(
        is_long=fingerprint.length >= EXACT_LENGTH,
        same=text["spam"] if text else 0,
        imported=text["imported"] if text else 0,
        marked_at=text["marked_at"] if text else None,
        is_approved=bool(text and text["good"]),
        near=_count_near(found, known),
        host=next((host for host in fingerprint.hosts if host in spam), None),
        website=fingerprint.website if fingerprint.website in spam else None,
        from_network=sender["of_network"],
        by_author=sender["of_author"],
        filter_version=sender["filter_version"],
    )


def _is_spam(row: Row | None) -> bool:
    return row is not None and not row["good"] and bool(row["spam"] or row["imported"])


def _count_near(found: Keys, known: Mapping[int, Row]) -> int:
    return max((known[band]["spam"] + known[band]["imported"] for band in found.bands if band in known), default=0)


class Comparable(Struct, frozen=True):
    """A comment that is compared with those in memory."""

    id: str
    site_id: str
    html: str
    website: str | None


async def count_like_spam(unit: PrivateRead, compared: Sequence[Comparable]) -> dict[str, int]:
    """Return how many other comments like these are spam, by id, with one statement. Approved texts count none."""
    key = await keys.find_key(unit)
    if key is None:
        return {}
    found = {
        one.id: keys.hash_fingerprint(key, one.site_id, read_fingerprint(one.html, one.website)) for one in compared
    }
    asked = {id_: [*([] if one.text is None else [one.text]), *one.bands] for id_, one in found.items()}
    known: dict[str, dict[int, Row]] = {id_: {} for id_ in found}
    for row in await memory_keys.count(unit, asked):
        known[row["comment_id"]][row["key"]] = row
    return {id_: _count_like(one, known[id_]) for id_, one in found.items()}


def _count_like(found: Keys, known: Mapping[int, Row]) -> int:
    same = known.get(found.text) if found.text is not None else None
    if same and same["good"]:
        return 0
    return min(memory_keys.MOST_COUNTED, max(same["spam"] + same["imported"] if same else 0, _count_near(found, known)))
