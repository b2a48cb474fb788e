"""What travels: what each person may send, and what each may see.

One type for each level of trust. A ``Draft`` is what somebody sent, checked. A ``PublicComment`` is what
anybody may read and has no email at all. A ``ModeratorComment`` is the only one that carries one.

The file is long because it is a table: it is looked up, not read through.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from commentsvc import fields
from commentsvc.fields import Check, Email
from commentsvc.model import Effect, Mode, RuleKind, Scope, Status, Verb

Id: TypeAlias = Annotated[str, Meta(min_length=36, max_length=36, description="A UUIDv7.")]
Time: TypeAlias = Annotated[
    str, Meta(description="RFC 3339, UTC, in milliseconds.", extra_json_schema={"format": "date-time"})
]


# --------------------------------------------------------------------------------- what a visitor sends


ThreadName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="The page's address, its path, or a key of the blog's own.",
    ),
]
SiteName: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="Needed only when several sites are served and nothing else tells.",
    ),
]
Name: TypeAlias = Annotated[str, Check(fields.name), Meta(min_length=1, max_length=80, description="Shown.")]
Address: TypeAlias = Annotated[
    Email,
    Check(fields.email),
    Meta(
        description="Kept sealed; never shown to readers.",
        extra_json_schema={"type": "string", "format": "email", "maxLength": 254},
    ),
]
Text: TypeAlias = Annotated[
    str,
    Check(fields.comment),
    Meta(min_length=1, description="CommonMark; 10,000 characters unless the operator says otherwise."),
]
Website: TypeAlias = Annotated[
    str,
    Check(fields.website),
    Meta(
        max_length=500,
        description="http or https; https:// is added where it is left out.",
        extra_json_schema={"format": "uri"},
    ),
]
Title: TypeAlias = Annotated[str, Check(fields.title), Meta(description="Of the page; cut at 300 characters.")]
Token: TypeAlias = Annotated[
    str,
    Check(fields.token),
    Meta(min_length=8, max_length=200, description="Made by the sender: the same one again gives the same answer."),
]
Language: TypeAlias = Annotated[
    str, Meta(max_length=40, description="Of the interface, such as de or pt-BR; else what the reader's browser likes.")
]
Unused: TypeAlias = Annotated[str, Meta(max_length=4000, description="Taken, and not used yet.")]


class Draft(Struct, frozen=True, kw_only=True):
    """A reply as somebody sent it, its fields checked."""

    thread: ThreadName
    name: Name
    email: Address
    comment: Text
    site: SiteName | None = None
    parent: Annotated[str, Meta(max_length=100, description="The id of the comment this answers.")] | None = None
    website: Website | None = None
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


class Edit(Struct, frozen=True, kw_only=True):
    """New words for a comment of one's own."""

    comment: Text


class Preview(Struct, frozen=True, kw_only=True):
    """Words to be shown as they would look."""

    comment: Text


class Report(Struct, frozen=True, kw_only=True):
    """That a comment should be looked at, and why."""

    reason: Annotated[str, Meta(max_length=500, description="For moderators alone.")] | None = None


class Reported(Struct, frozen=True):
    """That a report was taken: always the same, whatever comes of it."""

    reported: Literal[True] = True


class Rendered(Struct, frozen=True):
    """What Markdown becomes."""

    html: str


# --------------------------------------------------------------------------------- what anybody may read


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


class Listing(Struct, frozen=True):
    """One page of a thread, one comment after another."""

    thread: PublicThread
    comments: list[PublicComment]
    next_cursor: str | None


class TreeListing(Struct, frozen=True):
    """One page of a thread, replies inside what they answer."""

    thread: PublicThread
    comments: Annotated[list[Any], Meta(extra_json_schema={"items": {"anyOf": [
        {"$ref": "#/components/schemas/TreeComment"}, {"$ref": "#/components/schemas/Stub"},
    ]}})]  # fmt: skip
    next_cursor: str | None


class LatestComment(PublicComment, frozen=True, kw_only=True):
    """A comment beside the thread it stands in."""

    thread: PublicThread


class Latest(Struct, frozen=True):
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


class ChallengeParameters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Work to be done, in the words of ALTCHA: a number whose key begins like this is to be found."""

    algorithm: str
    cost: Annotated[int, Meta(description="Rounds of one try.")]
    expires_at: Annotated[int, Meta(description="Seconds since 1970; later answers come too late.")]
    key_length: Annotated[int, Meta(description="In bytes.")]
    key_prefix: str
    key_signature: str
    nonce: str
    salt: str


class Challenge(Struct, frozen=True):
    """A proof of work that is asked for, as ALTCHA's widget and libraries take it."""

    parameters: ChallengeParameters
    signature: str


class OpenForm(Struct, frozen=True):
    """What a form is given when somebody begins to fill it in."""

    started: Annotated[str, Meta(description="Send it back as started: it tells when this was.")]
    altcha: Annotated[Challenge | None, Meta(description="Send its solution as altcha, where one is asked for.")]


class OwnComment(PublicComment, frozen=True, kw_only=True):
    """One's own comment: also what was written, and until when it can be changed."""

    comment: str
    edit_until: Time


# --------------------------------------------------------------------------------- what readers ask for

Cursor: TypeAlias = Annotated[str, Meta(max_length=400, description="Where the next page begins; from next_cursor.")]


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


# --------------------------------------------------------------------------------- what moderators send and see


class Standing(StrEnum):
    """Where comments that are looked for stand."""

    PENDING = "pending"
    APPROVED = "approved"
    SPAM = "spam"
    TRASH = "trash"
    ANY = "any"


SameText: TypeAlias = Annotated[str, Meta(max_length=100, description="With the text of the comment with this id.")]


AsOf: TypeAlias = Annotated[str, Meta(max_length=40, description="Only as it was by then: written and edited before.")]


class QueueQuery(Struct, frozen=True, kw_only=True):
    """Which comments a moderator wants to see."""

    status: Annotated[Standing, Meta(description="Unless said pending; where reported ones are meant, any.")] | None = (
        None
    )
    site: SiteName | None = None
    thread: ThreadName | None = None
    q: Annotated[str, Meta(max_length=200, description="In the text or the name, letter case ignored.")] | None = None
    reason: Annotated[str, Meta(max_length=200, description="A rule's name, or words of the reason.")] | None = None
    since: Annotated[str, Meta(max_length=40, description="Written at or after this time.")] | None = None
    until: Annotated[str, Meta(max_length=40, description="Written before this time.")] | None = None
    reported: Annotated[bool, Meta(description="Whether readers reported it, and nobody has looked since.")] | None = (
        None
    )
    same_text: SameText | None = None
    as_of: AsOf | None = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class PrivateSearch(QueueQuery, frozen=True, kw_only=True):
    """The same, also by what is private. It travels in a body: no address ever stands in a URL."""

    email: Address | None = None
    network: Annotated[str, Meta(max_length=50, description="As the queue shows it: 198.51.100.0/24.")] | None = None


class Reason(Struct, frozen=True):
    """Why a comment stands where it stands."""

    rule: Annotated[str, Meta(description="Who decided: rule:…, key:… or author.")]
    reason: str
    id: Annotated[Id | None, Meta(description="Of the stored rule.")] = None


class Record(Struct, frozen=True):
    """What became of a writer's comments, by email address."""

    approved: int = 0
    spam: int = 0


class ModeratorComment(PublicComment, frozen=True, kw_only=True):
    """A comment as its moderators see it."""

    status: Status
    comment: Annotated[str, Meta(description="As it was written.")]
    email: Annotated[str | None, Meta(description="Whole for scope moderate, masked for scope read.")]
    network: str | None
    reasons: list[Reason]
    author: Record
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


class Queue(Struct, frozen=True):
    """One page of what a moderator looked for."""

    comments: list[ModeratorComment]
    totals: Totals
    next_cursor: str | None


class Opinion(Struct, frozen=True):
    """What a rule thought that did not decide."""

    rule: str
    effect: Effect
    reason: str
    id: Annotated[Id | None, Meta(description="Of the stored rule.")]


class DecisionRecord(Struct, frozen=True):
    """A judgement, when, and by whom; and what other rules thought then."""

    status: Status
    reason: str
    made_by: str
    created_at: Time
    action: Id | None
    rule: Annotated[Id | None, Meta(description="The stored rule that decided.")]
    verdicts: list[Opinion]


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
    edited_by: str
    created_at: Time


class ActionRecord(Struct, frozen=True):
    """What was done to a comment, and whether that was undone."""

    id: Id
    action: str
    made_by: str
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


class Amendment(Struct, frozen=True, kw_only=True):
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


class MadeReply(PublicComment, frozen=True, kw_only=True):
    """A moderator's own reply, as it is shown now."""

    status: Status
    comment: Annotated[str, Meta(description="As it was written.")]
    thread: PublicThread
    version: int
    action: Annotated[Id, Meta(description="By which the reply, and the approval with it, can be undone.")]


Note: TypeAlias = Annotated[str, Meta(max_length=2000, description="Why, in the moderator's own words.")]


class Where(Struct, frozen=True, kw_only=True):
    """Every comment that matches; at least one condition beside the status."""

    status: Standing | None = None
    site: SiteName | None = None
    thread: ThreadName | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None
    since: Annotated[str, Meta(max_length=40)] | None = None
    until: Annotated[str, Meta(max_length=40)] | None = None
    reported: bool | None = None
    same_text: SameText | None = None
    as_of: AsOf | None = None
    email: Address | None = None
    network: Annotated[str, Meta(max_length=50)] | None = None


class Action(Struct, frozen=True, kw_only=True):
    """One decision on many comments: on these ids, or on all that match, if they are as many as expected."""

    action: Verb
    ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=500)] | None = None
    seen: (
        Annotated[
            dict[str, int],
            Meta(description="By id, the version that was seen: what has another one by now is left, and named."),
        ]
        | None
    ) = None
    where: dict[str, Any] | None = None
    expect: Annotated[int, Meta(ge=0, le=5000)] | None = None
    note: Note | None = None


class ActionItem(Struct, frozen=True, kw_only=True):
    """What became of one comment. ``code`` says why nothing changed, or what stands in the way."""

    comment: str
    from_: Status | None = field(name="from", default=None)
    to: Status | None = None
    ok: bool
    code: Literal["unchanged", "not_found", "erased", "changed_since"] | None = None


class ActionResult(Struct, frozen=True, kw_only=True):
    """What an action did. It can be undone whole, until then, by its id."""

    id: Id
    action: str
    changed: int
    undo_until: Time | None
    results: list[ActionItem]


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


class Threads(Struct, frozen=True):
    """Threads, newest first."""

    threads: list[ThreadRecord]
    next_cursor: str | None


class ThreadsQuery(Struct, frozen=True, kw_only=True):
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


# --------------------------------------------------------------------------------- rules

Matching: TypeAlias = Annotated[
    str,
    Meta(max_length=2_000_000, description="What the kind looks for: see docs/moderating.md. Words stand one a line."),
]


class RuleText(Struct, frozen=True, kw_only=True):
    """A rule, without saying how long it stands."""

    kind: RuleKind
    match: Matching = ""
    effect: Annotated[Effect, Meta(description="What comes of a hit; each kind has its own default.")] | None = None
    site: SiteName | None = None


class NewRule(RuleText, frozen=True, kw_only=True):
    """A rule to be kept. Without a site it stands on every site of the key's."""

    expires_at: Annotated[str, Meta(max_length=40, description="Of bans and words.")] | None = None
    note: Note | None = None


class RuleChange(Struct, frozen=True, kw_only=True):
    """What becomes of a rule; what is left out stays."""

    match: Matching | None = None
    effect: Effect | None = None
    expires_at: Annotated[str, Meta(max_length=40, description="null: for good.")] | UnsetType | None = UNSET
    note: Annotated[str, Meta(max_length=2000, description="null takes it away.")] | UnsetType | None = UNSET


class RuleRecord(Struct, frozen=True, kw_only=True):
    """A rule as moderators see it."""

    id: Id
    site: Annotated[str | None, Meta(description="null: every site.")]
    kind: RuleKind
    match: Annotated[str, Meta(description="In lists cut at 200 characters. Masked for scope read if an address.")]
    match_length: int
    effect: Effect
    note: str | None
    created_at: Time
    expires_at: Time | None
    version: int
    action: Annotated[Id | None, Meta(description="By which this change can be undone.")] = None


class RulesQuery(Struct, frozen=True, kw_only=True):
    """Which rules."""

    site: SiteName | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class RuleRecords(Struct, frozen=True):
    """Rules, oldest first."""

    rules: list[RuleRecord]
    next_cursor: str | None


class RuleTrial(RuleText, frozen=True, kw_only=True):
    """A rule to be tried on the comments that people decided last."""

    last: Annotated[int, Meta(ge=1, le=1000)] = 200


class Disagreement(Struct, frozen=True, kw_only=True):
    """A comment on which a rule and a person think differently."""

    comment: Id
    status: Annotated[Status, Meta(description="What a person decided.")]
    name: str
    excerpt: str
    created_at: Time
    reason: Annotated[str, Meta(description="Why the rule would have acted.")]


class TrialResult(Struct, frozen=True, kw_only=True):
    """What a rule would have done to comments that people have decided."""

    tried: int
    effect: Effect
    hit: Annotated[int, Meta(description="On so many it would have acted.")]
    rejected: Annotated[int, Meta(description="So many of those people had made spam or trash.")]
    approved: Annotated[int, Meta(description="So many of those people had approved.")]
    missed: Annotated[int, Meta(description="So many that people rejected it would not have touched.")]
    disagreements: Annotated[list[Disagreement], Meta(description="Newest first, at most 100.")]


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Which part of the log."""

    site: SiteName | None = None
    since: Annotated[str, Meta(max_length=40, description="Done at or after this time.")] | None = None
    until: Annotated[str, Meta(max_length=40, description="Done before this time.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One thing that somebody did."""

    seq: int
    created_at: Time
    made_by: str
    verb: str
    site: str | None
    body: Annotated[dict[str, Any], Meta(description="Ids, statuses and versions; of words their salted digests.")]
    note: str | None
    hash: Annotated[str, Meta(description="Covers the entry and, through the one before it, all earlier ones.")]


class AuditLog(Struct, frozen=True):
    """Who did what, newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None


# --------------------------------------------------------------------------------- what operators send and see


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to be made."""

    name: Annotated[str, Check(fields.name), Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3)]
    site: SiteName | None = None
    expires_at: Annotated[str, Meta(max_length=40)] | None = None


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A key, without the key."""

    id: Id
    name: str
    scopes: list[Scope]
    site: str | None
    moderator: str | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None


class MadeKey(KeyRecord, frozen=True, kw_only=True):
    """A key, the one time it is shown."""

    key: str


class Keys(Struct, frozen=True):
    """Every key, oldest first."""

    keys: list[KeyRecord]


class NewSite(Struct, frozen=True, kw_only=True):
    """A blog to be served, or more origins for one that is."""

    name: Annotated[str, Check(fields.name), Meta(min_length=1, max_length=80)]
    origins: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(min_length=1, max_length=50)]


class SiteRecord(Struct, frozen=True, kw_only=True):
    """A blog and where its pages live."""

    id: Id
    name: str
    origins: list[str]
    created_at: Time
    mode: Annotated[Mode | None, Meta(description="Who is held there; null: as the setting says.")]
    action: Annotated[Id | None, Meta(description="By which this change can be undone.")] = None


class SiteChange(Struct, frozen=True, kw_only=True):
    """What becomes of a site; what is left out stays."""

    mode: Annotated[Mode, Meta(description="Who is held there; null: as the setting says.")] | UnsetType | None = UNSET


class Sites(Struct, frozen=True):
    """Every site, oldest first."""

    sites: list[SiteRecord]


class ModeratorRecord(Struct, frozen=True, kw_only=True):
    """A moderator."""

    id: Id
    name: str
    email: str | None
    sites: list[str]
    created_at: Time
