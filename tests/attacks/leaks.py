"""Leaks: changes of one expression of the service, each of which shows something hidden.

They are made in the running program, so each attack shows whether it would notice such a mistake.
"""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

from commentsvc.access import rate_limit
from commentsvc.comments import edit, placement, post, read, receipts, shown
from commentsvc.comments import thread_pages as pages
from commentsvc.storage import comments, duplicates, public_state, thread_pages
from commentsvc.web.server import cache_headers

# The function, an expression in it, and what replaces it.
LEAKS: dict[str, tuple[object, str, str]] = {
    "a tombstone has its name": (shown.public_fields, "comment.name if visible else None", "comment.name"),
    "a tombstone has its text": (shown.public_fields, "comment.html if visible else None", "comment.html"),
    "a tombstone has its status": (shown.public_fields, "not visible,", 'not visible and comment.status != "pending",'),
    "a cursor has the number of the comment": (pages._cursor, "edge.id)", "edge.id, edge.path)"),
    "the count of a thread is its version": (shown.public_thread, "thread.approved)", "thread.version)"),
    "a hidden comment is gone, not unknown": (shown.require_public, "or comment.published_at is None", ""),
    "a reply to a hidden comment is accepted": (
        placement.load_answered, "or answered.status != Status.APPROVED", "or answered.erased_at",
    ),
    "a list has hidden comments": (thread_pages._select, '"listed_at IS NOT NULL"}', '"1 = 1"}'),
    "a link to a hidden comment finds it": (pages._find_comment, "sought.was_public or", "True or"),
    "the latest comments have hidden ones": (comments.list_latest, "status = 'approved'", "status <> 'spam'"),
    "counts have a version": (public_state.counts_check, "name, thread.approved", "name, thread.version"),
    "a receipt tells spam": (
        receipts.create_receipt, '"approved" if status is Status.APPROVED else "pending"', "status.value",
    ),
    "an edit tells that the comment exists": (
        edit.load_own_comment, 'raise NotAuthor("This edit token belongs to another comment.")',
        'raise NotAuthor("Another.") if await comments.get(unit, comment_id) else NotFound',
    ),
    "an author sees that a comment is spam": (
        read._get_own_comment,
        'fields["status"] = Status.PENDING.value',
        'fields["status"] = comment.status',
    ),
    "an author's list has no spam": (read._find_own_pending, "mine.published_at is None or", ""),
    "the log has an address": (
        post._post_comment,
        "comment_id = unit.new_id()",
        'comment_id = unit.new_id(); __import__("logging").error("From %s", draft.email.reveal())',
    ),
    "a cache key tells of a hidden thread": (read._keys, "if thread and thread.approved", "if thread"),
    "all networks share a rate limit": (
        rate_limit._networks, "truncate_address(visit.address), widen_address(visit.address)", '"", ""',
    ),
    "a duplicate is found under every name": (
        duplicates.is_posted, "AND thread_id = :thread_id AND posted_digest = :digest", "AND thread_id = :thread_id",
    ),
    "a tag counts the answers": (
        cache_headers.make_body, "hashlib.blake2b(content, digest_size=12)",
        "hashlib.blake2b(content + repr(request.app[SERVICE].db.count_changes()).encode(), digest_size=12)",
    ),
}  # fmt: skip


@contextmanager
def leaking(name: str) -> Iterator[None]:
    """Change the code of a function in place, for all who have imported it."""
    found, old, new = LEAKS[name]
    function = inspect.unwrap(found)
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"the leak no longer fits the code: {name}"
    lines = source.replace(old, new).splitlines()
    while lines[0].startswith("@"):
        del lines[0]
    made: dict[str, FunctionType] = {}
    exec("from __future__ import annotations\n" + "\n".join(lines), function.__globals__, made)  # noqa: S102 -- ours
    kept, function.__code__ = function.__code__, made[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = kept
