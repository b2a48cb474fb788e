"""Filters of comments, defined once.

The query string of the queue, the body of a search, the ``where`` of a bulk action, the moderation page's query and the
flags of the command line all derive from ``CommentFilter``. To add a filter, add a field with its ``Sql`` here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

from commentsvc.domain.fields import Address, SiteName, ThreadName
from commentsvc.domain.models import StatusFilter


@dataclass(frozen=True)
class Sql:
    """The condition of a filter: SQL in which ``:value`` stands for the filter's value.

    ``table`` is the table that the condition reads beside ``comment``; ``prepare`` turns the value into a parameter.
    ``when_false`` is the condition of a false value; ``time`` says that the value is a time.
    """

    condition: str
    table: str = "comment"
    prepare: Callable[[Any], Any] = lambda value: value
    when_false: str | None = None
    time: bool = False


def _contains(column: str) -> str:
    # REPLACE is three times as fast as LIKE on PostgreSQL; both columns and values are lower case.
    return f"REPLACE(comment_search.{column}, :value, '') <> comment_search.{column}"


class CommentFilter(Struct, frozen=True, kw_only=True):
    """Which comments. None of these values is private, so they may stand in a URL."""

    status: Annotated[StatusFilter, Meta(description="Default: pending; with reported=true: any.")] | None = None
    site: SiteName | None = None
    thread: ThreadName | None = None
    q: (
        Annotated[
            str,
            Meta(max_length=200, description="In the text or the name; letter case is ignored."),
            Sql(_contains("words"), table="comment_search", prepare=str.lower),
        ]
        | None
    ) = None
    reason: (
        Annotated[
            str,
            Meta(max_length=200, description="A rule's name such as rule:links, or words of the reason."),
            Sql(_contains("reasons"), table="comment_search", prepare=str.lower),
        ]
        | None
    ) = None
    since: (
        Annotated[
            str,
            Meta(max_length=40, description="Written at or after this time."),
            Sql("comment.created_at >= :value", time=True),
        ]
        | None
    ) = None
    until: (
        Annotated[
            str,
            Meta(max_length=40, description="Written before this time."),
            Sql("comment.created_at < :value", time=True),
        ]
        | None
    ) = None
    reported: (
        Annotated[
            bool,
            Meta(description="Reported by readers and not looked at since."),
            Sql("comment.reports > 0", when_false="comment.reports = 0"),
        ]
        | None
    ) = None
    same_text: (
        Annotated[
            str,
            Meta(max_length=100, description="With the same text as the comment with this id."),
            Sql("comment.text_digest = :value AND comment.erased_at IS NULL"),
        ]
        | None
    ) = None
    as_of: (
        Annotated[
            str,
            Meta(max_length=40, description="Neither written nor edited after this time."),
            Sql("comment.created_at <= :value AND COALESCE(comment.edited_at, '') <= :value", time=True),
        ]
        | None
    ) = None


class PrivateCommentFilter(CommentFilter, frozen=True, kw_only=True):
    """The same, and filters by private data. It travels in a body only: no address stands in a URL."""

    email: Annotated[Address, Sql("contact.email_digest IN :value", table="contact")] | None = None
    network: (
        Annotated[
            str,
            Meta(max_length=50, description="As the queue shows it: 198.51.100.0/24."),
            Sql("contact.network = :value", table="contact"),
        ]
        | None
    ) = None


@cache
def conditions() -> tuple[tuple[str, Sql], ...]:
    """Return the filters that have a condition of their own, by name."""
    return tuple(
        (field.name, sql)
        for field in msgspec.structs.fields(PrivateCommentFilter)
        for part in (field.type, *get_args(field.type))
        for sql in getattr(part, "__metadata__", ())
        if isinstance(sql, Sql)
    )
