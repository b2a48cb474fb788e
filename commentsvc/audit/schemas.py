"""Request and response bodies for actions and the audit log."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from commentsvc.domain.fields import Cursor, Id, SiteName, Time
from commentsvc.domain.models import Actor, Status


class ActionItem(Struct, frozen=True, kw_only=True):
    """The result for one comment. ``code`` is the reason why it was not changed."""

    comment: str
    from_: Status | None = field(name="from", default=None)
    to: Status | None = None
    ok: bool
    code: Literal["unchanged", "not_found", "erased", "changed_since"] | None = None


class ActionResult(Struct, frozen=True, kw_only=True):
    """The result of an action. It can be undone by its id until ``undo_until``."""

    id: Id
    action: str
    changed: int
    undo_until: Time | None
    results: list[ActionItem]


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Filters of the audit log."""

    site: SiteName | None = None
    since: Annotated[str, Meta(max_length=40, description="At or after this time.")] | None = None
    until: Annotated[str, Meta(max_length=40, description="Before this time.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Cursor | None = None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """An entry of the audit log."""

    seq: int
    created_at: Time
    actor: Actor
    verb: str
    site: str | None
    body: Annotated[dict[str, Any], Meta(description="Ids, statuses and versions, and salted digests of texts.")]
    note: str | None
    hash: Annotated[str, Meta(description="Covers this entry and all earlier ones.")]


class AuditLog(Struct, frozen=True):
    """A page of the audit log, newest entry first."""

    entries: list[AuditEntry]
    next_cursor: str | None
