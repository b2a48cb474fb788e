"""Requests and responses about learned filters: numbers, and no data of a person."""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from commentsvc.domain.fields import SiteName, Time


class FilterQuery(Struct, frozen=True, kw_only=True):
    """The site whose filter is meant; by default all of them."""

    refuses_null: ClassVar[bool] = True

    site: Annotated[SiteName, Meta(description="Only this site.")] | None = None


class FilterRecord(Struct, frozen=True, kw_only=True):
    """The learned filter of a site. It scores comments once it is ready."""

    site: str
    good: Annotated[int, Meta(description="Approved comments that it has learned, by people and imports.")]
    spam: Annotated[int, Meta(description="Spam that it has learned, by people and imports.")]
    ready: bool
    missing_good: Annotated[int, Meta(description="So many more approved comments until it is ready.")]
    missing_spam: Annotated[int, Meta(description="So much more spam until it is ready.")]
    learned_at: Annotated[Time | None, Meta(description="When it last learned; null: never.")]


class FilterList(Struct, frozen=True):
    """The learned filters of sites, by name of the site."""

    filters: list[FilterRecord]
