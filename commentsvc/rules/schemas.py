"""Request and response bodies for rules and proofs of work."""

from typing import Annotated, ClassVar, Final, Self, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.fields import Cursor, Id, Limit, Note, SiteName, Time, one_of, sent_time
from commentsvc.domain.models import Effect, RuleKind, Status
from commentsvc.domain.reasons import Reason, reason_text


class ChallengeParameters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An ALTCHA challenge: find the number whose derived key starts with ``key_prefix``."""

    algorithm: str
    cost: Annotated[int, Meta(description="Rounds of key derivation per attempt.")]
    expires_at: Annotated[int, Meta(description="Unix time in seconds; solutions are accepted until then.")]
    key_length: Annotated[int, Meta(description="In bytes.")]
    key_prefix: str
    key_signature: str
    nonce: str
    salt: str


class Challenge(Struct, frozen=True):
    """A proof-of-work challenge in the format of ALTCHA's widget and libraries."""

    parameters: ChallengeParameters
    signature: str


MAX_MATCH: Final = 2_000_000  # characters
EXCERPT: Final = 160  # characters
Matching: TypeAlias = Annotated[
    str,
    Meta(
        max_length=MAX_MATCH, description="The match of the rule, by kind: see docs/moderating.md. Words: one per line."
    ),
]


class RuleText(Struct, frozen=True, kw_only=True):
    """A rule without expiry and note."""

    refuses_null: ClassVar[bool] = True  # a variable that a script forgot to set must not make a rule for all sites

    kind: RuleKind
    match: Matching = ""
    effect: (
        Annotated[Effect, Meta(description="The effect on matching comments. Each kind has its own default.")] | None
    ) = None
    site: SiteName | None = None


class NewRule(RuleText, frozen=True, kw_only=True):
    """A rule to add. Without a site it applies to all sites of the key."""

    expires_at: Annotated[str, sent_time("For bans and word lists only.")] | None = None
    note: Note | None = None


class RuleChange(Struct, frozen=True, kw_only=True):
    """Changes to a rule. Omitted fields keep their values."""

    match: Matching | None = None
    effect: Effect | None = None
    expires_at: Annotated[str, sent_time("null means that the rule does not expire.")] | UnsetType | None = UNSET
    note: Annotated[str, Meta(max_length=2000, description="null removes the note.")] | UnsetType | None = UNSET


class RuleRecord(Struct, frozen=True, kw_only=True):
    """A rule as moderators see it."""

    id: Id
    site: Annotated[str | None, Meta(description="null means all sites.")]
    kind: RuleKind
    match: Annotated[
        str,
        Meta(
            description="At most 200 characters in lists. For keys with scope read only, an address is masked and a "
            "network hidden."
        ),
    ]
    match_length: int
    effect: Effect
    note: str | None
    created_at: Time
    expires_at: Time | None
    version: int
    action: Annotated[Id | None, Meta(description="Undoes this change. null if nothing was changed.")] = None


class RuleUndo(Struct, frozen=True, kw_only=True):
    """From when on to undo what a rule did, and how many comments are expected to change."""

    since: Annotated[str, sent_time("Undo what the rule did at or after this time.")]
    expect: (
        Annotated[int, Meta(ge=0, le=5000, description="Number of comments. Without it, nothing is changed.")] | None
    ) = None


class RuleUndone(Struct, frozen=True, kw_only=True):
    """The comments that a rule held or marked as spam, and that nobody has decided on since."""

    matching: Annotated[int, Meta(description="How many there were.")]
    action: Annotated[ActionResult | None, Meta(description="Undoes this change. null if nothing was changed.")] = None


class RuleQuery(Struct, frozen=True, kw_only=True):
    """Filter and page of the list of rules."""

    site: SiteName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class RulePage(Struct, frozen=True):
    """A page of rules, oldest first."""

    rules: list[RuleRecord]
    next_cursor: str | None


class BacktestRequest(RuleText, frozen=True, kw_only=True):
    """A rule to test on the comments that people decided on last."""

    last: (
        Annotated[int, Meta(ge=1, le=5000, description="At most 1,000; `learned`: 5,000. Default: 200; 500.")] | None
    ) = None


class Disagreement(Struct, frozen=True, kw_only=True):
    """A comment on which the rule and a person disagree."""

    comment: Id
    status: Annotated[Status, Meta(description="The status that a person decided on.")]
    name: str
    excerpt: str
    created_at: Time
    reason: Annotated[str, Meta(description="The reason that the rule would have given, in English.")]
    code: Annotated[str, one_of("ReasonCode", "The code of this reason.")]
    args: Annotated[dict[str, str | int], Meta(description="The values in its text.")]

    @classmethod
    def of_comment(cls, reason: Reason, *, comment: str, status: Status, name: str, text: str, created_at: str) -> Self:
        """Return the disagreement about a comment for which a rule gives this reason."""
        return cls(
            comment=comment,
            status=status,
            name=name,
            excerpt=" ".join(text.split())[:EXCERPT],
            created_at=created_at,
            reason=reason_text(reason),
            code=reason.code,
            args=reason.args,
        )


class LineResult(Struct, frozen=True, kw_only=True):
    """One line of a word list, and the comments that it matches, alone or with other lines."""

    line: str
    rejected: Annotated[int, Meta(description="Comments that people marked as spam or trash.")]
    approved: Annotated[int, Meta(description="Comments that people approved.")]


class FeatureRecord(Struct, frozen=True):
    """A feature that the learned filter weighs."""

    kind: str
    value: str
    text: Annotated[str, Meta(description="The feature in English words.")]


class CurvePoint(Struct, frozen=True, kw_only=True):
    """The replay with another share of good comments to keep."""

    keep: Annotated[float, Meta(description="In percent.")]
    caught: Annotated[int, Meta(description="Spam that it would have caught.")]
    lost: Annotated[int, Meta(description="Good comments that it would have caught.")]


class LearnedResult(Struct, frozen=True, kw_only=True):
    """The replay of a learned filter: each comment was judged only by decisions made before it."""

    keep: Annotated[float, Meta(description="The share of good comments to keep, in percent.")]
    good: Annotated[int, Meta(description="Number of good comments that were tested.")]
    spam: Annotated[int, Meta(description="Number of spam comments that were tested.")]
    from_good: Annotated[int, Meta(description="Good comments that the filter has learned from in the end.")]
    from_spam: Annotated[int, Meta(description="Spam comments that the filter has learned from in the end.")]
    missing_good: Annotated[int, Meta(description="Good comments that are missing before it says anything.")]
    missing_spam: Annotated[int, Meta(description="Spam comments that are missing before it says anything.")]
    curve: Annotated[list[CurvePoint], Meta(description="From 98 to 100 percent of good comments to keep.")]
    spam_features: Annotated[
        list[FeatureRecord], Meta(description="Features that speak for spam most often, at most 4.")
    ]
    good_features: Annotated[
        list[FeatureRecord], Meta(description="Features that speak against it most often, at most 3.")
    ]


class BacktestResult(Struct, frozen=True, kw_only=True):
    """The result of a backtest."""

    tried: Annotated[int, Meta(description="Number of tested comments.")]
    effect: Effect
    hit: Annotated[int, Meta(description="Number of comments that the rule matched.")]
    rejected: Annotated[int, Meta(description="Matched comments that people marked as spam or trash.")]
    approved: Annotated[int, Meta(description="Matched comments that people approved.")]
    missed: Annotated[int, Meta(description="Comments that people rejected, and the rule did not match.")]
    disagreements: Annotated[list[Disagreement], Meta(description="Newest first, at most 100.")]
    lines: Annotated[
        list[LineResult],
        Meta(description="Word lists only: the lines that matched, with most approved comments first; at most 20."),
    ]
    learned: Annotated[LearnedResult, Meta(description="Kind `learned` only.")] | None = None
