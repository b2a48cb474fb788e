"""What travels over HTTP for moderators."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.comments.schemas import PublicComment, PublicThread
from commentsvc.domain.fields import Cursor, Id, Name, Note, SiteName, Text, ThreadName, Time, Title
from commentsvc.domain.models import ActionVerb, Actor, Effect, Mode, Status
from commentsvc.storage.comment_filter import CommentFilter, PrivateCommentFilter

Order: TypeAlias = Annotated[Literal["oldest", "newest"], Meta(description="By the time of writing.")]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200, description="Results per page.")]


class QueueQuery(CommentFilter, frozen=True, kw_only=True):
    """Which comments a moderator wants to see."""

    order: Order = "oldest"
    limit: Limit = 50
    cursor: Cursor | None = None


class PrivateSearch(PrivateCommentFilter, frozen=True, kw_only=True):
    """The same, also by private data. It travels in a body: no address stands in a URL."""

    order: Order = "oldest"
    limit: Limit = 50
    cursor: Cursor | None = None


class ReasonRecord(Struct, frozen=True, kw_only=True):
    """A reason for a comment's status: a rule's, or a person's note."""

    actor: Annotated[Actor, Meta(description="Who decided.")]
    code: Annotated[str | None, Meta(description="Which reason; null for a person's own note.")]
    args: Annotated[dict[str, str | int], Meta(description="The values in the text.")]
    text: Annotated[str, Meta(description="The reason in English.")]


class AuthorRecord(Struct, frozen=True):
    """What became of a writer's comments, by email address."""

    approved: int = 0
    spam: int = 0


class ModeratorComment(PublicComment, frozen=True, kw_only=True):
    """A comment as its moderators see it."""

    status: Status
    comment: Annotated[str, Meta(description="As it was written.")]
    email: Annotated[str | None, Meta(description="Whole for scope moderate, masked for scope read.")]
    network: str | None
    reasons: list[ReasonRecord]
    author: AuthorRecord
    parent_name: str | None
    parent_excerpt: str | None
    similar: Annotated[int, Meta(description="The greater of the next two.")]
    similar_network: Annotated[int, Meta(description="Others waiting from this network; 1,000 at most.")]
    similar_text: Annotated[int, Meta(description="Others waiting with this text; 1,000 at most.")]
    thread: PublicThread
    site: str
    note: str | None
    version: int
    reports: Annotated[int, Meta(description="Of readers, since a person last decided.")]


class Totals(Struct, frozen=True):
    """How many comments stand where, and how many are reported, wherever they stand."""

    pending: int = 0
    approved: int = 0
    spam: int = 0
    trash: int = 0
    reported: int = 0


class CommentPage(Struct, frozen=True):
    """One page of what a moderator looked for."""

    comments: list[ModeratorComment]
    totals: Totals
    next_cursor: str | None


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
    """A reader's report. It is settled once a person decided after it."""

    reason: str | None
    created_at: Time
    settled_at: Time | None


class Revision(Struct, frozen=True):
    """A comment's words at an earlier version, and who changed them then."""

    version: int
    name: str
    comment: str
    actor: Annotated[Actor, Meta(description="Who changed this text to the next one.")]
    created_at: Time


class ActionRecord(Struct, frozen=True):
    """What was done to a comment, and whether that was undone."""

    id: Id
    action: str
    actor: Actor
    note: str | None
    created_at: Time
    undone_by: Id | None


class ModeratorDetail(ModeratorComment, frozen=True, kw_only=True):
    """All about one comment."""

    agent: str | None
    decisions: list[DecisionRecord]
    revisions: list[Revision]
    actions: list[ActionRecord]
    reported: Annotated[list[ReportRecord], Meta(description="Every report, oldest first.")]


class CommentUpdate(Struct, frozen=True, kw_only=True):
    """What a moderator changes of one comment; what is left out stays."""

    status: Status | None = None
    comment: Text | None = None
    name: Name | None = None
    note: Annotated[str, Meta(max_length=2000, description="null takes it away.")] | UnsetType | None = UNSET


class NewReply(Struct, frozen=True, kw_only=True):
    """A moderator's own reply to a comment."""

    comment: Text
    approve: Annotated[bool, Meta(description="Whether the comment that it answers is approved along with it.")] = False
    seen: Annotated[int | None, Meta(description="The version of that comment that was seen, if it must be that.")] = (
        None
    )


class ReplyReceipt(PublicComment, frozen=True, kw_only=True):
    """A moderator's own reply, as it is shown now."""

    status: Status
    comment: Annotated[str, Meta(description="As it was written.")]
    thread: PublicThread
    version: int
    action: Annotated[Id, Meta(description="By which the reply, and the approval with it, can be undone.")]


class Action(Struct, frozen=True, kw_only=True):
    """One decision on many comments: on these ids, or on all that match, if they are as many as expected."""

    action: ActionVerb
    ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=500)] | None = None
    seen: (
        Annotated[
            dict[str, int],
            Meta(description="By id, the version that was seen: what has another one by now is left, and named."),
        ]
        | None
    ) = None
    where: (
        Annotated[
            dict[str, Any],
            Meta(
                description="All comments that match; at least one filter beside the status.",
                extra_json_schema={"$ref": "#/components/schemas/PrivateCommentFilter"},
            ),
        ]
        | None
    ) = None
    expect: Annotated[int, Meta(ge=0, le=5000)] | None = None
    note: Note | None = None


class ThreadRecord(PublicThread, frozen=True, kw_only=True):
    """A thread as moderators see it."""

    id: Id
    site: str
    aliases: list[str]
    pending: int
    created_at: Time
    closed_at: Time | None
    mode: Annotated[Mode | None, Meta(description="Who is held there; null: as its site says.")]
    action: Annotated[Id | None, Meta(description="By which this change can be undone.")] = None


class ThreadPage(Struct, frozen=True):
    """Threads, newest first."""

    threads: list[ThreadRecord]
    next_cursor: str | None


class ThreadListQuery(Struct, frozen=True, kw_only=True):
    """Which threads."""

    site: SiteName | None = None
    q: Annotated[str, Meta(max_length=200, description="In the title or the name, letter case ignored.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class ThreadChange(Struct, frozen=True, kw_only=True):
    """What becomes of a thread; what is left out stays. A new name keeps the old one as an alias.

    With ``merge_into`` all its comments and names go to the thread of that name, and nothing else can be said.
    """

    closed: bool | None = None
    title: Title | UnsetType | None = UNSET
    thread: ThreadName | None = None
    alias: ThreadName | None = None
    mode: Annotated[Mode, Meta(description="Who is held there; null: as its site says.")] | UnsetType | None = UNSET
    merge_into: ThreadName | None = None
