"""What travels over HTTP for sites."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain import fields
from commentsvc.domain.fields import Id, Time, Validator
from commentsvc.domain.models import Mode


class NewSite(Struct, frozen=True, kw_only=True):
    """A blog to be served, or more origins for one that is."""

    name: Annotated[str, Validator(fields.clean_name), Meta(min_length=1, max_length=80)]
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


class SiteList(Struct, frozen=True):
    """Every site, oldest first."""

    sites: list[SiteRecord]
