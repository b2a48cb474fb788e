"""Request and response bodies for actions and the audit log."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from commentsvc.domain.fields import Cursor, Id, Limit, SiteName, Time, Verb, one_of, sent_time
from commentsvc.domain.models import Actor, Effect, Mode, Scope, Status


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
    action: Verb
    changed: int
    undo_until: Time | None
    results: list[ActionItem]
    skipped: Annotated[
        list[str],
        Meta(description="Threads or rules that were changed since, if an undone action changed many."),
    ] = field(default_factory=list)


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Filters of the audit log."""

    site: Annotated[SiteName, Meta(description="Only entries about this site.")] | None = None
    since: Annotated[str, sent_time("At or after this time.")] | None = None
    until: Annotated[str, sent_time("Before this time.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class AuditBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The details of an audit entry. Each verb has its own: ids, statuses, versions, and salted digests of texts."""

    action: Annotated[Id, Meta(description="The action; it can be undone.")] | UnsetType = UNSET
    items: (
        Annotated[
            list[tuple[str, Status, Status, int]],
            Meta(description="Changed comments: id, earlier status, new status, new version."),
        ]
        | UnsetType
    ) = UNSET
    reply: Id | UnsetType = UNSET
    thread: Id | UnsetType = UNSET
    threads: list[Id] | UnsetType = UNSET
    rule: Id | UnsetType = UNSET
    site: Id | UnsetType = UNSET
    key: Id | UnsetType = UNSET
    feed: Annotated[Id, Meta(description="A feed of the queue.")] | UnsetType = UNSET
    moderator: Id | UnsetType | None = UNSET
    address: Annotated[Id, Meta(description="Names an email address.")] | UnsetType = UNSET
    reason: Literal["bounce", "complaint", "request"] | UnsetType = UNSET
    session: Id | UnsetType = UNSET
    sessions: Annotated[int, Meta(description="Number of sessions.")] | UnsetType = UNSET
    comments: Annotated[int, Meta(description="Number of comments.")] | UnsetType = UNSET
    imported: Annotated[int, Meta(description="Number of imported comments.")] | UnsetType = UNSET
    existing: Annotated[int, Meta(description="Number of comments that were there already.")] | UnsetType = UNSET
    format: Annotated[str, Meta(description="The format of an archive.")] | UnsetType = UNSET
    contacts: Annotated[str, Meta(description="Addresses in an export: none, sealed or clear.")] | UnsetType = UNSET
    addresses: Annotated[list[Id], Meta(description="Email addresses that were erased.")] | UnsetType = UNSET
    bans: Annotated[list[Id], Meta(description="Rules whose email address was erased.")] | UnsetType = UNSET
    removed: Annotated[int, Meta(description="Number of removed origins.")] | UnsetType = UNSET
    changed: Annotated[list[str], Meta(description="Names of the changed fields.")] | UnsetType = UNSET
    closed_at: Time | UnsetType | None = UNSET
    open_until: Time | UnsetType | None = UNSET
    merged_into: Id | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    email_required: bool | UnsetType = UNSET
    website_field: bool | UnsetType = UNSET
    consent_required: bool | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    effect: Effect | UnsetType = UNSET
    expires_at: Time | UnsetType | None = UNSET
    removed_at: Time | UnsetType | None = UNSET
    scopes: list[Scope] | UnsetType = UNSET
    sites: list[str] | UnsetType = UNSET
    old_key_until: Time | UnsetType | None = UNSET
    fingerprint: Annotated[str, Meta(description="Names the secret key that encrypts now.")] | UnsetType = UNSET
    lost: Annotated[list[str], Meta(description="Fingerprints of lost secret keys.")] | UnsetType = UNSET
    note: Annotated[str, Meta(description="Salted digest of the note.")] | UnsetType | None = UNSET
    origins: Annotated[str, Meta(description="Salted digest of the origins.")] | UnsetType | None = UNSET


class AuditEntry(Struct, frozen=True, kw_only=True):
    """An entry of the audit log."""

    seq: int
    created_at: Time
    actor: Actor
    verb: Verb
    site: str | None
    body: Annotated[dict[str, Any], one_of("AuditBody")]
    note: str | None
    hash: Annotated[str, Meta(description="Covers this entry and all earlier ones.")]


class AuditLog(Struct, frozen=True):
    """A page of the audit log, newest entry first."""

    entries: list[AuditEntry]
    next_cursor: str | None
