"""What travels over HTTP for rules and proofs of work."""

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain.fields import Cursor, Id, Note, SiteName, Time
from commentsvc.domain.models import Effect, RuleKind, Status


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


class RuleQuery(Struct, frozen=True, kw_only=True):
    """Which rules."""

    site: SiteName | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class RulePage(Struct, frozen=True):
    """Rules, oldest first."""

    rules: list[RuleRecord]
    next_cursor: str | None


class BacktestRequest(RuleText, frozen=True, kw_only=True):
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


class BacktestResult(Struct, frozen=True, kw_only=True):
    """What a rule would have done to comments that people have decided."""

    tried: int
    effect: Effect
    hit: Annotated[int, Meta(description="On so many it would have acted.")]
    rejected: Annotated[int, Meta(description="So many of those people had made spam or trash.")]
    approved: Annotated[int, Meta(description="So many of those people had approved.")]
    missed: Annotated[int, Meta(description="So many that people rejected it would not have touched.")]
    disagreements: Annotated[list[Disagreement], Meta(description="Newest first, at most 100.")]
