"""What travels over HTTP for actions and the audit log."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from commentsvc.domain.fields import Cursor, Id, SiteName, Time
from commentsvc.domain.models import Actor, Status


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
    actor: Actor
    verb: str
    site: str | None
    body: Annotated[dict[str, Any], Meta(description="Ids, statuses and versions; of words their salted digests.")]
    note: str | None
    hash: Annotated[str, Meta(description="Covers the entry and, through the one before it, all earlier ones.")]


class AuditLog(Struct, frozen=True):
    """Who did what, newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None
