"""Request and response bodies for bans."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from commentsvc.domain.fields import Id, Note, Time, sent_time
from commentsvc.domain.models import Effect
from commentsvc.rules.schemas import RuleRecord

DAYS: Final = 30  # of a ban, and of a sweep, unless somebody says otherwise
MOST_DAYS: Final = 36_500
BanKind: TypeAlias = Literal["network", "author", "email", "email_domain", "website"]
Expected: TypeAlias = Annotated[int, Meta(ge=0, le=5000)]


class BanQuery(Struct, frozen=True, kw_only=True):
    """Which earlier comments the ways to ban a commenter count."""

    all_sites: Annotated[bool, Meta(description="On all sites of the key, not only on that of the comment.")] = False
    sweep_days: Annotated[
        int, Meta(ge=0, le=MOST_DAYS, description="Only comments of the last days; 0: of any time.")
    ] = DAYS


class BanChoice(Struct, frozen=True, kw_only=True):
    """A way to ban a commenter, and how many of their earlier comments it would mark, at most 5,000 of each status."""

    kind: BanKind
    match: Annotated[
        str, Meta(description="The match of the rule that the ban adds; for kind author, the id of the comment.")
    ]
    waiting: Annotated[int, Meta(description="Pending comments. null if the search took too long.")] | None
    public: Annotated[int, Meta(description="Approved comments. null if the search took too long.")] | None


class BanChoices(Struct, frozen=True, kw_only=True):
    """The ways to ban the commenter of a comment."""

    as_of: Annotated[Time, Meta(description="Send it with the ban, so that later comments are not counted.")]
    bans: list[BanChoice]


class NewBan(Struct, frozen=True, kw_only=True):
    """A ban, and which earlier comments it marks as spam. Without ``waiting`` and ``public``, it marks none."""

    refuses_null: ClassVar[bool] = True  # a variable that a script forgot to set must not widen the ban

    kind: Annotated[BanKind, Meta(description="How to ban: one of the ways that are listed for the comment.")]
    effect: Annotated[Effect, Meta(description="For new comments. Default: hold.")] | None = None
    all_sites: Annotated[
        bool, Meta(description="Ban and mark comments on all sites of the key, not only on this one.")
    ] = False
    days: Annotated[int, Meta(ge=0, le=MOST_DAYS, description="How long the ban lasts; 0: without an end.")] = DAYS
    note: Annotated[Note, Meta(description="A note for moderators.")] | None = None
    sweep_days: Annotated[
        int, Meta(ge=0, le=MOST_DAYS, description="Mark only comments of the last days; 0: of any time.")
    ] = DAYS
    waiting: Annotated[Expected, Meta(description="Mark the pending comments: how many you expect.")] | None = None
    public: Annotated[Expected, Meta(description="Mark the approved comments too: how many you expect.")] | None = None
    as_of: Annotated[str, sent_time("Leave out comments written or edited after this time.")] | None = None


class BanRecord(Struct, frozen=True, kw_only=True):
    """A ban that was added."""

    rule: RuleRecord
    marked: Annotated[int, Meta(description="Comments marked as spam.")]
    action: Annotated[Id, Meta(description="Undoes the ban and its marks.")]
