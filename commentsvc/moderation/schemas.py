"""Request and response bodies for moderators."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.comments.schemas import PublicComment, PublicThread
from commentsvc.domain import fields
from commentsvc.domain.fields import Cursor, Id, Limit, Name, Note, SiteName, Text, ThreadName, Time, Title, Verb
from commentsvc.domain.models import ActionVerb, Actor, Effect, Mode, Status
from commentsvc.storage.comment_filter import CommentFilter, PrivateCommentFilter

Order: TypeAlias = Annotated[
    Literal["oldest", "newest", "score"], Meta(description="Oldest or newest first; score: least likely spam first.")
]

Seen: TypeAlias = Annotated[
    dict[str, int],
    Meta(description="Expected versions by comment id. Comments with another version are skipped and reported."),
]


class QueueQuery(CommentFilter, frozen=True, kw_only=True):
    """Filters, order and page of the queue."""

    order: Order = "oldest"
    limit: Limit = 50
    cursor: Cursor | None = None


class PrivateSearch(PrivateCommentFilter, frozen=True, kw_only=True):
    """A search that can also filter by private data. It is sent in a body, so that no URL contains an address."""

    order: Order = "oldest"
    limit: Limit = 50
    cursor: Cursor | None = None


class ReasonRecord(Struct, frozen=True, kw_only=True):
    """A reason for a comment's status: a rule's, or a person's note."""

    actor: Annotated[Actor, Meta(description="The actor who decided.")]
    code: Annotated[str, fields.one_of("ReasonCode", "null for a person's note.")] | None
    args: Annotated[dict[str, str | int], Meta(description="The values in the text.")]
    text: Annotated[str, Meta(description="The reason in English.")]
    effect: Annotated[Effect, Meta(description="Only note, of a rule that decides nothing.")] | UnsetType = UNSET


class AuthorRecord(Struct, frozen=True):
    """The number of a commenter's approved and spam comments, by email address."""

    approved: int = 0
    spam: int = 0


class ModeratorComment(PublicComment, frozen=True, kw_only=True):
    """A comment as moderators see it."""

    status: Status
    comment: Annotated[str, Meta(description="The Markdown source.")]
    email: Annotated[
        str | None,
        Meta(description="Masked for keys with scope read only. `unreadable` if no listed secret key opens it."),
    ]
    verified: Annotated[bool, Meta(description="Whether the address was confirmed in the browser that sent this.")]
    network: Annotated[str | None, Meta(description="null for keys with scope read only.")]
    spam_score: Annotated[float | None, Meta(description="From 0 to 1; null until the site's filter is ready.")]
    reasons: list[ReasonRecord]
    author: AuthorRecord
    parent_name: str | None
    parent_excerpt: str | None
    similar: Annotated[int, Meta(description="The larger of the next two numbers.")]
    similar_network: Annotated[int, Meta(description="Other pending comments from this network; at most 1,000.")]
    similar_text: Annotated[int, Meta(description="Other pending comments with this text; at most 1,000.")]
    like_spam: Annotated[int, Meta(description="Spam with this text or nearly the same; 0 unless it is pending.")]
    namesake: Annotated[int, Meta(description="Approved comments of a known commenter with this name, other address.")]
    thread: PublicThread
    thread_id: Id
    site: str
    note: str | None
    version: int
    reports: Annotated[int, Meta(description="Reports by readers since a person's latest decision.")]
    report_reasons: Annotated[list[str], Meta(description="The reasons of these reports, at most 3.")]


class Totals(Struct, frozen=True):
    """The number of comments by status, and of reported comments with any status."""

    pending: int = 0
    approved: int = 0
    spam: int = 0
    trash: int = 0
    reported: int = 0


class CommentPage(Struct, frozen=True):
    """A page of comments."""

    comments: list[ModeratorComment]
    totals: Totals
    next_cursor: str | None
    recent_reports: Annotated[
        int, Meta(description="Open reports of the last hour, at most 1,000. From 20 on, the page warns of a wave.")
    ] = 0


class VerdictRecord(ReasonRecord, frozen=True, kw_only=True):
    """A rule that matched but did not decide."""

    effect: Effect


class DecisionRecord(ReasonRecord, frozen=True, kw_only=True):
    """A decision on a comment, with the other rules that matched."""

    status: Status
    created_at: Time
    action: Id | None
    verdicts: list[VerdictRecord]


class ReportRecord(Struct, frozen=True):
    """A reader's report. A person's decision settles it."""

    reason: str | None
    created_at: Time
    settled_at: Time | None


class Revision(Struct, frozen=True):
    """An earlier version of a comment's name and text."""

    version: int
    name: str
    comment: str
    actor: Annotated[Actor, Meta(description="The actor who replaced this text.")]
    created_at: Time


class ActionRecord(Struct, frozen=True):
    """An action on a comment, and the action that undid it."""

    id: Id
    action: Verb
    actor: Actor
    note: str | None
    created_at: Time
    undone_by: Id | None


class ModeratorDetail(ModeratorComment, frozen=True, kw_only=True):
    """A comment with its history."""

    agent: str | None
    decisions: list[DecisionRecord]
    revisions: list[Revision]
    actions: list[ActionRecord]
    reported: Annotated[list[ReportRecord], Meta(description="All reports, oldest first.")]


class CommentUpdate(Struct, frozen=True, kw_only=True):
    """Changes to a comment. Omitted fields keep their values."""

    status: Status | None = None
    comment: Text | None = None
    name: Name | None = None
    note: Annotated[str, Meta(max_length=2000, description="null removes the note.")] | UnsetType | None = UNSET


class NewReply(Struct, frozen=True, kw_only=True):
    """A moderator's own reply to a comment."""

    comment: Text
    approve: Annotated[bool, Meta(description="Also approve the comment.")] = False
    seen: Annotated[int | None, Meta(description="Fail if the comment has another version.")] = None


class ReplyReceipt(PublicComment, frozen=True, kw_only=True):
    """A moderator's published reply."""

    status: Status
    comment: Annotated[str, Meta(description="The Markdown source.")]
    thread: PublicThread
    version: int
    action: Annotated[Id, Meta(description="Undoes the reply, and the approval if there was one.")]


class Action(Struct, frozen=True, kw_only=True):
    """A decision on many comments: on these ids, or on all that match ``where``."""

    action: ActionVerb
    ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=500)] | None = None
    seen: Seen | None = None
    where: Annotated[dict[str, Any], fields.one_of("PrivateCommentFilter", "At least one besides status.")] | None = (
        None
    )
    expect: Annotated[int, Meta(ge=0, le=5000, description="Number of comments that must match where.")] | None = None
    note: Note | None = None


class ThreadRecord(PublicThread, frozen=True, kw_only=True):
    """A thread as moderators see it."""

    id: Id
    site: str
    aliases: list[str]
    pending: int
    created_at: Time
    closed_at: Time | None
    closed_by: Annotated[
        Literal["moderator", "rule"] | None, Meta(description="rule: by its age; open it with closed: false.")
    ]
    open_until: Annotated[Time | None, Meta(description="Until then, rules do not close it by its age.")]
    mode: Annotated[Mode | None, Meta(description="Moderation mode; null means the mode of the site.")]
    action: Annotated[Id | None, Meta(description="Undoes this change.")] = None


class ThreadPage(Struct, frozen=True):
    """A page of threads, newest first."""

    threads: list[ThreadRecord]
    next_cursor: str | None


class ThreadListQuery(Struct, frozen=True, kw_only=True):
    """Filters and page of the list of threads."""

    site: Annotated[SiteName, Meta(description="Only threads of this site.")] | None = None
    q: Annotated[str, Meta(max_length=200, description="Words of the title or name, or their beginnings.")] | None = (
        None
    )
    limit: Limit = 50
    cursor: Cursor | None = None


class ThreadChange(Struct, frozen=True, kw_only=True):
    """Changes to a thread. Omitted fields keep their values. A new name keeps the old one as an alias.

    ``merge_into`` moves all comments and names to the thread of that name. Send it without other fields.
    """

    closed: bool | None = None
    open_until: (
        Annotated[
            str,
            fields.sent_time(
                "Until then, rules do not close it by its age. Default if closed is false and a rule has "
                "closed it: as long as the rule keeps a new thread open."
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    title: Title | UnsetType | None = UNSET
    thread: ThreadName | None = None
    alias: ThreadName | None = None
    mode: Annotated[Mode, Meta(description="Moderation mode; null means the mode of the site.")] | UnsetType | None = (
        UNSET
    )
    merge_into: ThreadName | None = None


class ThreadRemoval(Struct, frozen=True, kw_only=True):
    """The confirmation that a thread is permanently deleted with its comments."""

    expect: (
        Annotated[int, Meta(ge=0, description="Number of comments that are erased; required if there are any.")] | None
    ) = None


class UnpublishedThreads(Struct, frozen=True, kw_only=True):
    """Conditions on threads of which nothing was ever public. At least one is needed besides the site."""

    refuses_null: ClassVar[bool] = True

    site: Annotated[SiteName, Meta(description="Only threads of this site.")] | None = None
    q: Annotated[str, Meta(min_length=1, max_length=200, description="Words of the title or name.")] | None = None
    since: Annotated[str, fields.sent_time("Created at this time or later.")] | None = None
    until: Annotated[str, fields.sent_time("Created before this time.")] | None = None
    network: (
        Annotated[str, Meta(min_length=1, max_length=50, description="All comments are from it, as a card shows it.")]
        | None
    ) = None


class ThreadsRemoval(Struct, frozen=True, kw_only=True):
    """Threads that are permanently deleted with their comments: these ids, or all that match ``where``."""

    ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=500)] | None = None
    where: UnpublishedThreads | None = None
    expect: Annotated[int, Meta(ge=0, le=5000, description="Number of threads that you expect.")]


class RemovedThreads(Struct, frozen=True):
    """The numbers of threads and comments that were permanently deleted."""

    threads: int
    comments: int
