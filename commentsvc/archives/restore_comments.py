"""Store comments of an archive of our own format, in pieces, each of them completely or not at all."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.schemas import ActorPart, CommentLine, ContactPart
from commentsvc.domain import markdown
from commentsvc.domain.comment_text import search_words, visible_digest
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Actor, Comment, Contact, Decision, Status
from commentsvc.domain.reasons import Reason
from commentsvc.domain.search_tokens import tokens
from commentsvc.service import write
from commentsvc.storage import archive_inserts, comments, contacts, search, thread_numbers, threads
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.database import Write
from commentsvc.storage.decisions import StoredVerdict, search_text

PIECE: Final = 100


class Prepared(Struct, frozen=True, kw_only=True):
    """A comment with all that takes processor time. ``comment`` has no place in its thread yet."""

    line: CommentLine
    comment: Comment
    contact: Contact | None
    words: str  # that searches find
    reasons: str  # of the latest decision
    decisions: list[dict[str, Any]]
    revisions: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    tombstones: dict[str, str]  # above it: since when each is listed


class Known(Struct, kw_only=True):
    """Ids of the archive that are others here."""

    sites: dict[str, str] = {}
    only_site: str | None = None  # the site that somebody named: nothing reaches any other
    threads: dict[str, str] = {}
    moderators: dict[str, str] = {}


def prepare(line: CommentLine, tombstones: dict[str, str], known: Known, keyring: Keyring) -> Prepared:
    """Return a comment as it is stored. Its HTML is sanitised again: an archive is not trusted."""
    html = markdown.sanitise(line.html) if line.html else ""
    comment = _make_comment(line, known, html)
    decision, verdicts = _latest_decision(line)
    return Prepared(
        line=line,
        comment=comment,
        contact=_make_contact(line.contact, comment, keyring) if line.contact else None,
        words=" ".join(_list_words(comment)),
        reasons=search_text(decision, verdicts) if decision else "",
        decisions=[{"comment_id": line.id, "action_id": one.action, **_columns(one)} for one in line.decisions],
        revisions=[_make_revision(line.id, _columns(one)) for one in line.revisions],
        reports=[
            {"comment_id": line.id, "reader_digest": one.reader, **_columns(one), "holds": int(one.holds)}
            for one in line.reports
        ],
        tombstones=tombstones,
    )


def _list_words(comment: Comment) -> list[str]:
    return list(dict.fromkeys([*tokens(comment.name), *search_words(comment.text, comment.html)]))


def _make_comment(line: CommentLine, known: Known, html: str) -> Comment:
    values = {name: getattr(line, name) for name in CommentLine.__struct_fields__ if name in Comment.__struct_fields__}
    return Comment(
        **values
        | {
            "html": html,
            "site_id": known.sites.get(line.site, line.site),
            "thread_id": known.threads.get(line.thread, line.thread),
            "parent_id": line.parent,
            "answered_id": line.answered,
            "author_id": line.author,
            "moderator_id": known.moderators.get(line.moderator, line.moderator) if line.moderator else None,
            "text_digest": visible_digest(html) if html else "",
            "listed_at": line.listed_at if line.status is Status.APPROVED else None,  # others: by their replies
            "listed_replies": 0,
            "reports": sum(report.settled_at is None for report in line.reports),
            "depth": 0,
            "path": "",
            "top": "",
        }
    )


def _make_contact(part: ContactPart, comment: Comment, keyring: Keyring) -> Contact:
    email = Email(part.email) if part.email else None
    return Contact(
        comment_id=comment.id,
        email_sealed=keyring.seal(email) if email else part.email_sealed,
        email_digest=keyring.digest(email) if email else part.email_digest,
        network=part.network,
        network_digest=part.network_digest,
        agent=part.agent,
        created_at=part.created_at,
        site_id=comment.site_id,
        status=comment.status,
        name_key=skeleton(comment.name),
        verified=int(part.verified),
    )


def _make_revision(comment_id: str, values: dict[str, Any]) -> dict[str, Any]:
    html = markdown.sanitise(values["html"])
    return {"comment_id": comment_id, **values, "html": html, "text_digest": visible_digest(html)}


def _columns(part: Struct) -> dict[str, Any]:
    """Return the fields of a part as columns; its actor is three of them."""
    values = msgspec.structs.asdict(part)
    actor: ActorPart | None = values.pop("actor", None)
    return values | ({"actor_kind": actor.kind, "actor_id": actor.id, "actor_name": actor.name} if actor else {})


def _latest_decision(line: CommentLine) -> tuple[Decision | None, tuple[StoredVerdict, ...]]:
    if not line.decisions:
        return None, ()
    last = line.decisions[-1]
    args = msgspec.json.decode(last.reason_args) if last.reason_args else {}
    verdicts = msgspec.json.decode(last.verdicts, type=tuple[StoredVerdict, ...]) if last.verdicts else ()
    actor = Actor(last.actor.kind, last.actor.id, last.actor.name)
    return Decision(
        last.status, actor, Reason(last.reason_code, args) if last.reason_code else None, last.note
    ), verdicts


def require_site(kind: str, id_: str, here: str | None, wanted: str) -> None:
    """Check that what has an id here is on the site that the archive is imported into.

    Raises:
        UnreadableArchive: it is on another one, where the comments of the archive would then appear.
    """
    if here not in {None, wanted}:
        raise UnreadableArchive(f"The {kind} {id_} is on another site here. Import the archive into that site.")


@write
async def restore_piece(unit: Write, piece: Sequence[Prepared]) -> list[str]:
    """Store those of up to 100 comments that are not stored yet; return the ids of their threads, one for each."""
    there = await archive_inserts.find_sites(unit, "comment", [one.line.id for one in piece])
    for one in piece:
        require_site("comment", one.line.id, there.get(one.line.id), one.comment.site_id)
    new = list({one.line.id: one for one in piece if one.line.id not in there}.values())
    if not new:
        return []
    parents = await archive_inserts.list_places(unit, [one.line.parent for one in new if one.line.parent])
    thread_ids = {one.comment.thread_id for one in new} | {row["thread_id"] for row in parents.values()}
    await threads.lock_many(unit, sorted(thread_ids))
    placed = await _place(
        unit, new, {id_: (row["thread_id"], row["path"], row["depth"]) for id_, row in parents.items()}
    )
    await archive_inserts.insert_rows(unit, "comment", [_row(comment, one) for comment, one in placed])
    await contacts.add_many(unit, [one.contact for _, one in placed if one.contact])
    shown = [(comment, one.words, one.reasons) for comment, one in placed if not comment.erased_at]
    await search.add_many(unit, shown)
    await archive_inserts.add_history(
        unit,
        [row for _, one in placed for row in one.decisions],
        [row for _, one in placed for row in one.revisions],
        [row for _, one in placed for row in one.reports],
    )
    await _count(unit, [comment for comment, _ in placed])
    await _list_parents(unit, placed)
    return [comment.thread_id for comment, _ in placed]


def _row(comment: Comment, one: Prepared) -> dict[str, Any]:
    more = {"posted_digest": one.line.posted_digest, "row_digest": comments.digest_comment(comment)}
    return msgspec.structs.asdict(comment) | more


async def _place(
    unit: Write, new: Sequence[Prepared], places: dict[str, tuple[str, str, int]]
) -> list[tuple[Comment, Prepared]]:
    """Give comments their places: the number in the archive, or the next one if another comment has that place."""
    wanted = _find_paths(new, places)
    taken = await archive_inserts.list_taken_paths(unit, wanted)
    placed = []
    for one in new:
        thread_id, above, depth = places.get(one.line.parent or "", (one.comment.thread_id, "", -1))
        path = above + path_step(one.line.number)
        if (thread_id, path) in taken:
            path = above + path_step(await thread_numbers.next_seq(unit, thread_id) or 0)
        taken.add((thread_id, path))
        places[one.line.id] = thread_id, path, depth + 1
        changed = {"thread_id": thread_id, "path": path, "top": path[:PATH_DIGITS], "depth": depth + 1}
        placed.append((msgspec.structs.replace(one.comment, **changed), one))
    return placed


def _find_paths(new: Sequence[Prepared], places: Mapping[str, tuple[str, str, int]]) -> list[tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {id_: place[:2] for id_, place in places.items()}
    for one in new:
        thread_id, above = found.get(one.line.parent or "", (one.comment.thread_id, ""))
        found[one.line.id] = thread_id, above + path_step(one.line.number)
    return [found[one.line.id] for one in new]


async def _count(unit: Write, new: Sequence[Comment]) -> None:
    """Count new comments in their threads."""
    counters: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for thread_id in sorted({comment.thread_id for comment in new}):
        mine = [comment for comment in new if comment.thread_id == thread_id]
        public = [one.published_at or "" for one in mine if one.status is Status.APPROVED]
        counters[thread_id].update(one.status.value for one in mine if not one.erased_at)
        counters[thread_id]["reported"] = sum(one.reports > 0 for one in mine)
        last = max(int(one.path[-PATH_DIGITS:], 16) for one in mine)
        await archive_inserts.raise_thread(unit, thread_id, last, len(public), min(public, default=None))
    await threads.set_counters(unit, counters)


async def _list_parents(unit: Write, placed: Sequence[tuple[Comment, Prepared]]) -> None:
    """Count the new public replies of their parents. A tombstone with one is listed, since when the archive says."""
    public = [(comment.parent_id, one) for comment, one in placed if comment.parent_id and comment.listed_at]
    replies = Counter(parent for parent, _ in public)
    now = unit.now()
    await comments.count_replies(unit, replies, now)
    tombstones = {id_: at for _, one in public for id_, at in one.tombstones.items()}
    for id_, listed_at in sorted(tombstones.items()):
        await archive_inserts.set_listed_at(unit, id_, listed_at, now)
