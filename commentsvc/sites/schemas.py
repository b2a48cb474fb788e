"""Request and response bodies for sites."""

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain import fields, time_zones
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.fields import Id, Limits, Time, Validator, Website
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Mode

NewName: TypeAlias = Annotated[str, Validator(fields.clean_name), Meta(min_length=1, max_length=80)]
Origins: TypeAlias = Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(min_length=1, max_length=50)]


def parse_time_zone(text: str, _limits: Limits) -> str:
    """Return the name of a time zone.

    Raises:
        InvalidValue: this computer does not know it.
    """
    if text not in time_zones.list_zones():
        raise InvalidValue("invalid", translatable("Use the IANA name of a time zone, such as Europe/Lisbon."))
    return text


TimeZone: TypeAlias = Annotated[str, Validator(parse_time_zone), Meta(min_length=1, max_length=time_zones.LONGEST)]


class NewSite(Struct, frozen=True, kw_only=True):
    """A new site, or more origins for an existing one."""

    name: NewName
    origins: Origins


class SiteRecord(Struct, frozen=True, kw_only=True):
    """A site and its origins."""

    id: Id
    name: str
    earlier_names: Annotated[list[str], Meta(description="They still find the site.")]
    origins: list[str]
    created_at: Time
    mode: Annotated[Mode | None, Meta(description="Moderation mode; null means the mode in the settings.")]
    email_required: Annotated[bool, Meta(description="Whether a comment needs an email address.")]
    website_field: Annotated[bool, Meta(description="Whether the form asks for the commenter's website.")]
    privacy_url: Annotated[str | None, Meta(description="The privacy policy that the form links to.")]
    consent_required: Annotated[bool, Meta(description="Whether commenters must agree that their data is stored.")]
    time_zone: Annotated[str, Meta(description="IANA name of the time zone of its statistics.")]
    action: Annotated[Id | None, Meta(description="Undoes this change of settings.")] = None


class SiteChange(Struct, frozen=True, kw_only=True):
    """Changes to a site. Omitted fields keep their values."""

    mode: (
        Annotated[Mode, Meta(description="Moderation mode; null means the mode in the settings.")] | UnsetType | None
    ) = UNSET
    name: NewName | UnsetType = UNSET
    email_required: Annotated[bool, Meta(description="Whether a comment needs an email address.")] | UnsetType = UNSET
    website_field: (
        Annotated[bool, Meta(description="Whether the form asks for the commenter's website.")] | UnsetType
    ) = UNSET
    privacy_url: (
        Annotated[Website, Meta(description="The privacy policy that the form links to; null: no link.")]
        | UnsetType
        | None
    ) = UNSET
    consent_required: (
        Annotated[bool, Meta(description="Whether commenters must agree that their data is stored.")] | UnsetType
    ) = UNSET
    time_zone: (
        Annotated[TimeZone, Meta(description="IANA name of the time zone of its statistics, such as Europe/Lisbon.")]
        | UnsetType
    ) = UNSET
    origins: Annotated[Origins, Meta(description="All origins of the site. Others are removed.")] | UnsetType = UNSET


class SiteList(Struct, frozen=True):
    """All sites, oldest first."""

    sites: list[SiteRecord]


class SiteRemoval(Struct, frozen=True, kw_only=True):
    """The confirmation that a site is removed with its comments."""

    expect: (
        Annotated[int, Meta(ge=0, description="Number of comments that are erased; required if there are any.")] | None
    ) = None


class RemovedSite(Struct, frozen=True, kw_only=True):
    """A site that was removed, and how many comments were erased with it."""

    id: Id
    name: str
    comments: int
