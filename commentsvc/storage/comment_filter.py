"""Filters of comments, defined once.

The query string of the queue, the body of a search, the ``where`` of a bulk action, the moderation page's query and the
flags of the command line all derive from ``CommentFilter``. To add a filter, add a field with its ``Sql`` here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from commentsvc.domain.fields import Address, SiteName, ThreadName, sent_time
from commentsvc.domain.ids import id_prefix
from commentsvc.domain.models import StatusFilter
from commentsvc.domain.search_tokens import Term, terms
from commentsvc.domain.timestamps import parse_time
from commentsvc.storage import search
from commentsvc.storage.database import MAX_CLOCK_SKEW


@dataclass(frozen=True)
class Sql:
    """The condition of a filter: SQL in which ``:value`` is replaced by the filter's value.

    ``table`` is the table that the condition reads beside ``comment``; ``prepare`` turns the value into a parameter.
    ``when_false`` is the condition of a false value. ``time`` compares an id with the value, which is a time. With
    ``terms``, the filter has no condition: these terms are looked up in the search index.
    """

    condition: str = ""
    table: str = "comment"
    prepare: Callable[[Any], Any] = lambda value: value
    when_false: str | None = None
    time: Literal["", ">=", "<"] = ""
    terms: Callable[[str], list[Term]] | None = None


def id_range(comparison: Literal[">=", "<"], time: str) -> str:
    """Return what to compare an id with, to leave out comments that were not written before or after a time.

    Ids have the time at which they were made, so a range of them is as good as an index of times. The time of a comment
    differs from it by at most the difference between two clocks, so the condition on ``created_at`` is needed too.
    """
    skew = -MAX_CLOCK_SKEW if comparison == ">=" else MAX_CLOCK_SKEW
    return id_prefix(parse_time(time).timestamp() + skew.total_seconds())


class CommentFilter(Struct, frozen=True, kw_only=True):
    """Filters of comments. None of these values is private, so a URL may contain them."""

    refuses_null: ClassVar[bool] = True  # a variable that a script forgot to set must not find every comment

    status: (
        Annotated[
            StatusFilter,
            Meta(description="Only comments with this status (default: pending, or any status if reported is set)."),
        ]
        | None
    ) = None
    site: Annotated[SiteName, Meta(description="Only comments on this site.")] | None = None
    thread: (
        Annotated[ThreadName, Meta(description="Only comments in this thread: its page address, path or key.")] | None
    ) = None
    q: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="Only comments with these words in the comment or the name, or words that begin with them; "
                "differences that readers ignore, such as case, do not count.",
            ),
            Sql(terms=terms),
        ]
        | None
    ) = None
    reason: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="Only comments with this reason: a rule such as rule:links, or words of its text.",
            ),
            Sql(terms=search.reason_terms),
        ]
        | None
    ) = None
    since: (
        Annotated[
            str,
            sent_time("Only comments written at or after this time."),
            Sql("comment.created_at >= :value", time=">="),
        ]
        | None
    ) = None
    until: (
        Annotated[
            str,
            sent_time("Only comments written before this time."),
            Sql("comment.created_at < :value", time="<"),
        ]
        | None
    ) = None
    reported: (
        Annotated[
            bool,
            Meta(description="Only comments that readers reported since a moderator last decided."),
            Sql("comment.reports > 0", when_false="comment.reports = 0"),
        ]
        | None
    ) = None
    same_text: (
        Annotated[
            str,
            Meta(max_length=100, description="Only comments with the same text as the comment with this id."),
            Sql("comment.text_digest = :value AND comment.erased_at IS NULL"),
        ]
        | None
    ) = None
    same_name: (
        Annotated[
            str,
            Meta(
                max_length=100,
                description="Only approved comments with the name of the comment with this id, or one that looks like "
                "it, on its site.",
            ),
            # Approved ones only: the index has no others.
            Sql("contact.name_key = :value AND contact.status = 'approved'", table="contact"),
        ]
        | None
    ) = None
    as_of: (
        Annotated[
            str,
            sent_time("Only comments written and last edited at or before this time."),
            Sql("comment.created_at <= :value AND COALESCE(comment.edited_at, '') <= :value", time="<"),
        ]
        | None
    ) = None


class PrivateCommentFilter(CommentFilter, frozen=True, kw_only=True):
    """A comment filter that can use private data too. It is sent in a body, so that no URL has an address."""

    email: (
        Annotated[
            Address,
            Meta(description="Only comments with this email address."),
            Sql("contact.email_digest IN :value", table="contact"),
        ]
        | None
    ) = None
    network: (
        Annotated[
            str,
            Meta(max_length=50, description="Only comments from this network, as the queue shows it: 198.51.100.0/24."),
            Sql("contact.network = :value", table="contact"),
        ]
        | None
    ) = None


@cache
def conditions() -> tuple[tuple[str, Sql], ...]:
    """Return the ``Sql`` of each filter that has one, with the name of the filter."""
    return tuple(
        (field.name, sql)
        for field in msgspec.structs.fields(PrivateCommentFilter)
        for part in (field.type, *get_args(field.type))
        for sql in getattr(part, "__metadata__", ())
        if isinstance(sql, Sql)
    )
