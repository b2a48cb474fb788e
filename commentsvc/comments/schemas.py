"""Schemas of requests and responses about comments."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from commentsvc.domain.fields import (
    Cursor,
    Id,
    Language,
    Limit,
    SiteName,
    Text,
    ThreadName,
    Time,
    Title,
    Token,
    sent_time,
)
from commentsvc.domain.models import Draft
from commentsvc.rules.schemas import Challenge


class NewComment(Draft, frozen=True, kw_only=True):
    """A new comment, or a reply."""

    thread: ThreadName
    site: SiteName | None = None
    parent: Annotated[str, Meta(max_length=100, description="Id of the comment to reply to.")] | None = None
    title: Title | None = None
    submission: Token | None = None
    author_token: (
        Annotated[
            str, Meta(max_length=200, description="From an earlier comment: proves that the commenter is the same.")
        ]
        | None
    ) = None
    consent: Annotated[bool, Meta(description="Whether the commenter agrees that their data is stored.")] | None = None
    subscribe: (
        Annotated[
            Literal["replies", "thread"],
            Meta(description="Send mail about replies to this comment, or about all comments on the page."),
        ]
        | None
    ) = None
    started: Annotated[str, Meta(max_length=200, description="Form token from GET /v1/form.")] | None = None
    topic: Annotated[str, Meta(max_length=4000, description="Honeypot: hidden from people. Leave it out.")] | None = (
        None
    )
    altcha: Annotated[str, Meta(max_length=4000, description="Proof-of-work solution from GET /v1/form.")] | None = None
    redirect_to: (
        Annotated[
            str,
            Meta(max_length=4000, description="Page on the site's origins to redirect a form to."),
        ]
        | None
    ) = None


class CommentEdit(Struct, frozen=True, kw_only=True):
    """A new text for a comment."""

    comment: Text


class PreviewRequest(Struct, frozen=True, kw_only=True):
    """Markdown to render."""

    comment: Text


class NewReport(Struct, frozen=True, kw_only=True):
    """A report that a comment needs a moderator."""

    reason: Annotated[str, Meta(max_length=500, description="Shown to moderators only.")] | None = None


class ReportReceipt(Struct, frozen=True):
    """The response to a report, always the same."""

    reported: Literal[True] = True


class PreviewResult(Struct, frozen=True):
    """Rendered Markdown."""

    html: str


class PublicThread(Struct, frozen=True):
    """The public data of a thread. An unknown thread looks like one without comments."""

    key: str
    url: str | None
    title: str | None
    closed: bool
    count: Annotated[int, Meta(description="Number of approved comments.")]


class PublicComment(Struct, frozen=True, kw_only=True):
    """A published comment. A deleted comment with replies keeps its place, without name and text."""

    id: Id
    parent: Id | None
    in_reply_to: Annotated[
        Id | None, Meta(description="The comment that it answers. Where nesting ends, that is not its parent.")
    ]
    depth: int
    name: str | None
    hue: Annotated[int | None, Meta(description="Colour for the author's initial, in degrees of the colour wheel.")]
    website: str | None
    html: str | None
    created_at: Time
    edited_at: Time | None
    by_moderator: bool
    deleted: bool
    status: (
        Annotated[
            str,
            Meta(
                description="Only on the commenter's own. not_published: a person put it in the trash 14 days ago.",
                extra_json_schema={"enum": ["pending", "not_published"]},
            ),
        ]
        | UnsetType
    ) = UNSET


class TreeComment(PublicComment, frozen=True, kw_only=True):
    """A published comment with its replies, oldest first."""

    replies: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})] = field(default_factory=list)  # fmt: skip


class Stub(Struct, frozen=True, kw_only=True):
    """A comment on an earlier page, as the parent of replies on this page."""

    id: Id
    replies: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})] = field(default_factory=list)  # fmt: skip
    stub: Literal[True] = True


Sought = Literal["shown", "removed", "unknown"]
SoughtField = Annotated[
    Sought, Meta(description="Only with at: whether the page shows that comment. If not, it is the first page.")
]


class ThreadListing(Struct, frozen=True):
    """One page of a thread as a flat list."""

    thread: PublicThread
    comments: list[PublicComment]
    previous_cursor: str | None
    next_cursor: str | None
    at: SoughtField | UnsetType = UNSET


class ThreadTree(Struct, frozen=True):
    """One page of a thread as a tree: replies are inside their parents."""

    thread: PublicThread
    comments: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})]  # fmt: skip
    previous_cursor: str | None
    next_cursor: str | None
    at: SoughtField | UnsetType = UNSET


class LatestComment(PublicComment, frozen=True, kw_only=True):
    """A published comment and its thread."""

    thread: PublicThread


class LatestPage(Struct, frozen=True):
    """A site's approved comments, newest first."""

    comments: list[LatestComment]
    next_cursor: str | None


class Counts(Struct, frozen=True):
    """The number of approved comments of each thread, by the name in the request."""

    counts: dict[str, int]
    words: (
        Annotated[dict[str, str], Meta(description="The same as text, if lang was given: 2 comments.")] | UnsetType
    ) = UNSET


class Receipt(Struct, frozen=True, kw_only=True):
    """The response to a new or edited comment: the comment, and the tokens of its commenter."""

    id: Id
    thread: Annotated[str, Meta(description="Key of the thread.")]
    parent: Id | None
    in_reply_to: Id | None
    status: Literal["approved", "pending"]
    name: str
    hue: int
    website: str | None
    html: str
    created_at: Time
    edited_at: Time | None
    edit_token: str
    edit_until: Time
    author_token: str


class OpenForm(Struct, frozen=True):
    """Values for a comment form."""

    started: Annotated[str, Meta(description="Form token: send it as started.")]
    altcha: Annotated[
        Challenge | None, Meta(description="Proof-of-work challenge, if one is required: send its solution as altcha.")
    ]
    email_required: Annotated[bool, Meta(description="Whether the site of the page asks for an email address.")] = True
    consent_required: Annotated[bool, Meta(description="Whether a comment there must have consent: true.")] = False


class OwnComment(PublicComment, frozen=True, kw_only=True):
    """The commenter's own comment, with its source text and the end of its edit window."""

    comment: str
    edit_until: Time


SoughtId = Annotated[str, Meta(max_length=100, description="Id of a comment: return the page that shows it.")]


Order: TypeAlias = Annotated[
    Literal["oldest", "newest"], Meta(description="Which comments come first; in a tree, on its top level.")
]
ThreadLimit: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Maximum number of comments, 1 to 1000.")]


class ThreadQuery(Struct, frozen=True, kw_only=True):
    """The part of a thread to return, and its form."""

    thread: ThreadName
    site: SiteName | None = None
    order: Order = "oldest"
    view: Annotated[
        Literal["tree", "flat"], Meta(description="Replies inside the comments that they answer, or one list by time.")
    ] = "tree"
    limit: ThreadLimit = 50
    cursor: Cursor | None = None
    since: Annotated[str, sent_time("Only comments published after this time.")] | None = None
    at: SoughtId | None = None


class CountsQuery(Struct, frozen=True, kw_only=True):
    """The threads to count."""

    thread: Annotated[list[ThreadName], Meta(min_length=1, max_length=200, description="Up to 200 threads.")]
    site: SiteName | None = None
    lang: Language | None = None


class FeedQuery(Struct, frozen=True, kw_only=True):
    """The thread of a feed."""

    thread: ThreadName
    site: SiteName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    lang: Language | None = None


class LatestQuery(Struct, frozen=True, kw_only=True):
    """The site whose latest comments to return."""

    site: SiteName | None = None
    limit: Limit = 20
    cursor: Cursor | None = None


class LatestFeedQuery(LatestQuery, frozen=True, kw_only=True):
    """The site of a feed."""

    lang: Language | None = None
