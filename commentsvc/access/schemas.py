"""Request and response bodies for keys and moderators."""

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain import fields
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.fields import Address, Id, SiteName, Time, Validator, sent_time
from commentsvc.domain.models import Scope


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to create."""

    refuses_null: ClassVar[bool] = True  # a variable that a script forgot to set must not make a key for all sites

    name: Annotated[str, Validator(fields.clean_name), Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3)]
    site: SiteName | None = None
    expires_at: Annotated[str, sent_time("Default: it does not expire.")] | None = None
    person: Annotated[
        bool, Meta(description="A person uses this key: its decisions count as a person's, not as a program's.")
    ] = False


class KeyRecord(Struct, frozen=True, kw_only=True):
    """The data of a key, without the key itself."""

    id: Id
    name: str
    scopes: list[Scope]
    site: str | None
    moderator: str | None
    person: bool
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None
    old_key_until: Annotated[Time | None, Meta(description="When the key from before the last rotation ends.")]


class KeyRotation(Struct, frozen=True, kw_only=True):
    """The time for which the old key works beside the new one."""

    grace_minutes: Annotated[int, Meta(ge=0, le=43_200, description="Up to 30 days; 0 ends the old key at once.")] = 0


class CreatedKey(KeyRecord, frozen=True, kw_only=True):
    """A new or rotated key. It is shown only once."""

    key: str


class KeyList(Struct, frozen=True):
    """All keys, oldest first."""

    keys: list[KeyRecord]


class MailPreference(Struct, frozen=True, kw_only=True):
    """Which mails about waiting comments a moderator gets."""

    mode: Annotated[
        MailMode,
        Meta(description="`now`: one at once, then digests; `digest`: digests only; `off`: none."),
    ] = MailMode.NOW
    minutes: Annotated[
        Annotated[int, Meta(ge=1, le=1440)] | None,
        Meta(description="Least time between two mails; null: as in the settings of the service."),
    ] = None


class ModeratorChange(Struct, frozen=True, kw_only=True):
    """Changes to a moderator. Omitted fields keep their values."""

    email: Annotated[Address, Meta(description="null removes the address.")] | UnsetType | None = UNSET
    mail: MailPreference | UnsetType = UNSET


class ModeratorRecord(Struct, frozen=True, kw_only=True):
    """A moderator."""

    id: Id
    name: str
    email: str | None
    sites: list[str]
    mail: MailPreference
    created_at: Time


class ModeratorList(Struct, frozen=True):
    """All moderators, oldest first."""

    moderators: list[ModeratorRecord]
