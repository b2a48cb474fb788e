"""What travels over HTTP for comments."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from commentsvc.domain.fields import Cursor, Id, Language, SiteName, Text, ThreadName, Time, Title, Token
from commentsvc.domain.models import Draft, Status
from commentsvc.rules.schemas import Challenge


class NewComment(Draft, frozen=True, kw_only=True):
    """A reply as somebody sent it, its fields checked."""

    thread: ThreadName
    site: SiteName | None = None
    parent: Annotated[str, Meta(max_length=100, description="The id of the comment this answers.")] | None = None
    title: Title | None = None
    submission: Token | None = None
    author_token: (
        Annotated[str, Meta(max_length=200, description="Given with an earlier comment: proves the same writer.")]
        | None
    ) = None
    subscribe: Annotated[bool | Literal["on", "1", "0", ""], Meta(description="Taken, and not used yet.")] | None = None
    started: Annotated[str, Meta(max_length=200, description="From GET /v1/form: when the form was opened.")] | None = (
        None
    )
    phone: (
        Annotated[str, Meta(max_length=4000, description="People do not see it; whoever fills it in is a machine.")]
        | None
    ) = None
    altcha: Annotated[str, Meta(max_length=4000, description="The work that GET /v1/form asked for, done.")] | None = (
        None
    )
    redirect_to: (
        Annotated[
            str,
            Meta(max_length=4000, description="Of a form: a page on the site's own origins to be led to."),
        ]
        | None
    ) = None


class CommentEdit(Struct, frozen=True, kw_only=True):
    """New words for a comment of one's own."""

    comment: Text


class PreviewRequest(Struct, frozen=True, kw_only=True):
    """Words to be shown as they would look."""

    comment: Text


class NewReport(Struct, frozen=True, kw_only=True):
    """That a comment should be looked at, and why."""

    reason: Annotated[str, Meta(max_length=500, description="For moderators alone.")] | None = None


class ReportReceipt(Struct, frozen=True):
    """That a report was taken: always the same, whatever comes of it."""

    reported: Literal[True] = True


class PreviewResult(Struct, frozen=True):
    """What Markdown becomes."""

    html: str


class PublicThread(Struct, frozen=True):
    """What anybody may know of a thread. An unknown one looks like one without comments."""

    key: str
    url: str | None
    title: str | None
    closed: bool
    count: Annotated[int, Meta(description="Of approved comments.")]


class PublicComment(Struct, frozen=True, kw_only=True):
    """A comment as anybody may read it. A removed one that has replies keeps its place, and nothing else."""

    id: Id
    parent: Id | None
    depth: int
    name: str | None
    website: str | None
    html: str | None
    created_at: Time
    edited_at: Time | None
    by_moderator: bool
    deleted: bool
    status: Annotated[Status, Meta(description="Only on one's own comment, while it waits.")] | UnsetType = UNSET


class TreeComment(PublicComment, frozen=True, kw_only=True):
    """The same, with its replies inside, oldest first."""

    replies: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})] = field(default_factory=list)  # fmt: skip


class Stub(Struct, frozen=True, kw_only=True):
    """A comment of an earlier page, named so that its replies on this page have a place to hang."""

    id: Id
    replies: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})] = field(default_factory=list)  # fmt: skip
    stub: Literal[True] = True


class ThreadListing(Struct, frozen=True):
    """One page of a thread, one comment after another."""

    thread: PublicThread
    comments: list[PublicComment]
    next_cursor: str | None


class ThreadTree(Struct, frozen=True):
    """One page of a thread, replies inside what they answer."""

    thread: PublicThread
    comments: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})]  # fmt: skip
    next_cursor: str | None


class LatestComment(PublicComment, frozen=True, kw_only=True):
    """A comment beside the thread it stands in."""

    thread: PublicThread


class LatestPage(Struct, frozen=True):
    """A site's approved comments, newest first."""

    comments: list[LatestComment]
    next_cursor: str | None


class Counts(Struct, frozen=True):
    """How many approved comments each thread has, by the name it was asked with."""

    counts: dict[str, int]
    words: (
        Annotated[dict[str, str], Meta(description="The same for people, if a language was asked for: 2 comments.")]
        | UnsetType
    ) = UNSET


class Receipt(Struct, frozen=True, kw_only=True):
    """What a writer gets for a comment: the comment, and what proves that it is theirs."""

    id: Id
    thread: Annotated[str, Meta(description="The thread's key.")]
    parent: Id | None
    status: Literal["approved", "pending"]
    name: str
    website: str | None
    html: str
    created_at: Time
    edited_at: Time | None
    edit_token: str
    edit_until: Time
    author_token: str


class OpenForm(Struct, frozen=True):
    """What a form is given when somebody begins to fill it in."""

    started: Annotated[str, Meta(description="Send it back as started: it tells when this was.")]
    altcha: Annotated[Challenge | None, Meta(description="Send its solution as altcha, where one is asked for.")]


class OwnComment(PublicComment, frozen=True, kw_only=True):
    """One's own comment: also what was written, and until when it can be changed."""

    comment: str
    edit_until: Time


class ThreadQuery(Struct, frozen=True, kw_only=True):
    """Which part of a thread, and in which form."""

    thread: ThreadName
    site: SiteName | None = None
    order: Literal["oldest", "newest"] = "oldest"
    view: Literal["tree", "flat"] = "tree"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: Cursor | None = None
    since: Annotated[str, Meta(max_length=40, description="Only what became public after this time.")] | None = None


class CountsQuery(Struct, frozen=True, kw_only=True):
    """Threads to be counted."""

    thread: Annotated[list[ThreadName], Meta(min_length=1, max_length=200)]
    site: SiteName | None = None
    lang: Language | None = None


class FeedQuery(Struct, frozen=True, kw_only=True):
    """Which thread to follow."""

    thread: ThreadName
    site: SiteName | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None
    lang: Language | None = None


class LatestQuery(Struct, frozen=True, kw_only=True):
    """Which site's latest comments."""

    site: SiteName | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 20
    cursor: Cursor | None = None


class LatestFeedQuery(LatestQuery, frozen=True, kw_only=True):
    """Which site to follow."""

    lang: Language | None = None
