"""Request and response bodies for sites."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain import fields
from commentsvc.domain.fields import Id, Time, Validator
from commentsvc.domain.models import Mode


class NewSite(Struct, frozen=True, kw_only=True):
    """A new site, or more origins for an existing one."""

    name: Annotated[str, Validator(fields.clean_name), Meta(min_length=1, max_length=80)]
    origins: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(min_length=1, max_length=50)]


class SiteRecord(Struct, frozen=True, kw_only=True):
    """A site and its origins."""

    id: Id
    name: str
    origins: list[str]
    created_at: Time
    mode: Annotated[Mode | None, Meta(description="Moderation mode; null means the mode in the settings.")]
    action: Annotated[Id | None, Meta(description="Undoes this change.")] = None


class SiteChange(Struct, frozen=True, kw_only=True):
    """Changes to a site. Omitted fields keep their values."""

    mode: (
        Annotated[Mode, Meta(description="Moderation mode; null means the mode in the settings.")] | UnsetType | None
    ) = UNSET


class SiteList(Struct, frozen=True):
    """All sites, oldest first."""

    sites: list[SiteRecord]
