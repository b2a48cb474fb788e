"""The search index of comments and threads: their tokens, in tables of their own.

A row has the tokens of a text (``domain/search_tokens.py``) and its site, each once, and marks: the status and the
tokens of the reasons of the latest decision. Site and marks have a sign before them. The full-text index of the
database contains the same tokens: FTS5 on SQLite, GIN on PostgreSQL (``storage/dialect.py``). Neither knows anything of
languages.

Rows are short, so a search first reads the rows of the first comments in the order of the page, and asks the index only
if these did not fill it (``storage/word_search.py``): this is how a word in most comments is as fast as a rare one.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from commentsvc.domain.comment_text import search_words
from commentsvc.domain.folding import searchable
from commentsvc.domain.models import Comment, Status
from commentsvc.domain.search_tokens import Term, terms, tokens
from commentsvc.storage.database import Write, in_list
from commentsvc.storage.dialect import INDEX, UNINDEX

SEARCH_TABLE: Final = "comment_search"
THREAD_TABLE: Final = "thread_search"
STATUS, SITE, REASON = "=", "@", "!"  # signs before marks
RULE: Final = "rule:"
EMPTY: Final = "!!"  # before the number of a mark that nobody searches for
EVEN_MARKS: Final = 32
EVEN_LETTERS: Final = 384
PIECE: Final = 1000  # threads in one statement: both engines limit its parameters


async def add(unit: Write, comment: Comment, reasons: str, *, even: bool) -> None:
    """Insert the tokens of a new comment and of the reasons for its status, one reason a line.

    ``even``: as many marks as for other reasons, so that the time says nothing about the reason.
    """
    await unit.later(
        f"INSERT INTO {SEARCH_TABLE} (comment_id, words, marks) VALUES (:id, :words, :marks)",
        id=comment.id,
        words=comment_words(comment),
        marks=marks(comment.status, reasons, even=even),
    )
    await _index(unit, SEARCH_TABLE, [comment.id])


async def add_many(unit: Write, added: Sequence[tuple[Comment, str, str]]) -> None:
    """Insert comments with the tokens of their names and texts, separated by spaces, and the reasons of decisions."""
    known = {kind: marks(*kind) for kind in {(one.status, reasons) for one, _, reasons in added}}
    await unit.run_many(
        f"INSERT INTO {SEARCH_TABLE} (comment_id, words, marks) VALUES (:id, :words, :marks)",
        [
            {"id": one.id, "words": f" {site_mark(one.site_id)} {words} ", "marks": known[one.status, reasons]}
            for one, words, reasons in added
        ],
    )
    await _index(unit, SEARCH_TABLE, [one.id for one, _, _ in added])


async def set_words(unit: Write, comment: Comment) -> None:
    """Replace the tokens of a comment's name and text."""
    await _unindex(unit, SEARCH_TABLE, [comment.id])
    await unit.run(
        f"UPDATE {SEARCH_TABLE} SET words = :words WHERE comment_id = :id", id=comment.id, words=comment_words(comment)
    )
    await _index(unit, SEARCH_TABLE, [comment.id])


async def set_decision(
    unit: Write, comment_ids: Sequence[str], status: Status, reasons: str, *, even: bool = False
) -> None:
    """Replace the status of comments and the tokens of its reasons, after a decision; ``even`` as in ``add``."""
    ids, values = in_list("id", comment_ids)
    await _unindex(unit, SEARCH_TABLE, comment_ids)
    await unit.run(
        f"UPDATE {SEARCH_TABLE} SET marks = :marks WHERE comment_id IN {ids}",
        marks=marks(status, reasons, even=even),
        **values,
    )
    await _index(unit, SEARCH_TABLE, comment_ids)


async def delete_many(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the tokens of comments. The file of an SQLite index has them until ``merge_index`` has ended."""
    ids, values = in_list("id", comment_ids)
    await _unindex(unit, SEARCH_TABLE, comment_ids)
    await unit.run(f"DELETE FROM {SEARCH_TABLE} WHERE comment_id IN {ids}", **values)
    await note_erasure(unit)


async def note_erasure(unit: Write) -> None:
    """Note that tokens were deleted, so that the cleanup removes them from the file of an SQLite index."""
    await unit.run(
        """
        INSERT INTO search_cleanup (id, erased, merged) VALUES (1, 1, 0)
        ON CONFLICT (id) DO UPDATE SET erased = search_cleanup.erased + 1
        """
    )


async def add_thread(unit: Write, thread_id: str, site_id: str, key: str, title: str | None) -> None:
    """Insert the tokens of a new thread."""
    await unit.run(
        f"INSERT INTO {THREAD_TABLE} (thread_id, words) VALUES (:id, :words)",
        id=thread_id,
        words=thread_words(site_id, key, title),
    )
    await _index(unit, THREAD_TABLE, [thread_id])


async def set_thread(unit: Write, thread_id: str, site_id: str, key: str, title: str | None) -> None:
    """Replace the tokens of a thread."""
    await _unindex(unit, THREAD_TABLE, [thread_id])
    await unit.run(
        f"UPDATE {THREAD_TABLE} SET words = :words WHERE thread_id = :id",
        id=thread_id,
        words=thread_words(site_id, key, title),
    )
    await _index(unit, THREAD_TABLE, [thread_id])


async def delete_threads(unit: Write, thread_ids: Sequence[str]) -> None:
    """Delete the tokens of threads."""
    for start in range(0, len(thread_ids), PIECE):
        ids, values = in_list("id", thread_ids[start : start + PIECE])
        await _unindex(unit, THREAD_TABLE, thread_ids[start : start + PIECE])
        await unit.run(f"DELETE FROM {THREAD_TABLE} WHERE thread_id IN {ids}", **values)


def comment_words(comment: Comment) -> str:
    """Return the tokens of a comment's site, name and text."""
    return _joined([site_mark(comment.site_id), *tokens(comment.name), *search_words(comment.text, comment.html)])


def marks(status: Status, reasons: str, *, even: bool = False) -> str:
    """Return the marks of a status and its reasons. They follow the words, which end with a space.

    ``even``: with empty marks and spaces, so that few reasons are as long as many.
    """
    found = list(dict.fromkeys([status_mark(status), *_reason_marks(reasons)]))
    if not even:
        return _joined(found)[1:]
    found += (f"{EMPTY}{number}" for number in range(-len(found) % EVEN_MARKS))
    text = _joined(found)[1:]
    return text.ljust(len(text) + -len(text) % EVEN_LETTERS)


def thread_words(site_id: str, key: str, title: str | None) -> str:
    """Return the tokens of a thread: its site, its title, and its name as it is and with every letter decoded."""
    return _joined([site_mark(site_id), *tokens(f"{title or ''} {key} {unquote(key)}")])


def status_mark(status: Status) -> str:
    """Return the token of comments with a status."""
    return STATUS + status.value


def site_mark(site_id: str) -> str:
    """Return the token of comments and threads of a site."""
    return SITE + site_id.replace("-", "")  # a hyphen would separate tokens


def reason_terms(text: str) -> list[Term]:
    """Return what a search for reasons looks for: ``rule:links`` is the name of a rule, all else is words."""
    parts = text.split()
    names = [Term(_rule_mark(part), whole=True) for part in parts if _is_rule(part)]
    words = terms(" ".join(part for part in parts if not _is_rule(part)))
    return [*names, *(Term(REASON + term.text, term.whole) for term in words)]


@lru_cache(maxsize=512)  # most decisions have one of few reasons, and reading one takes 0.1 ms
def _reason_marks(reasons: str) -> list[str]:
    lines = reasons.split("\n")
    return [_rule_mark(line) for line in lines if _is_rule(line)] + [REASON + token for token in tokens(reasons)]


def _is_rule(text: str) -> bool:
    return searchable(text).startswith(RULE)


def _rule_mark(text: str) -> str:
    return REASON + RULE + "_".join(tokens(searchable(text).removeprefix(RULE)))


def _joined(found: Iterable[str]) -> str:
    return f" {' '.join(dict.fromkeys(found))} "


async def _index(unit: Write, table: str, ids: Sequence[str]) -> None:
    listed, values = in_list("id", ids)
    await unit.run(INDEX[table].replace(":ids", listed), **values)


async def _unindex(unit: Write, table: str, ids: Sequence[str]) -> None:
    # Before the row changes: FTS5 removes the tokens that it is told, and the row has them.
    listed, values = in_list("id", ids)
    await unit.run(UNINDEX[table].replace(":ids", listed), **values)
