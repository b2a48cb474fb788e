"""Erase old spam and trash at the request of an operator. The settings of retention do the same every hour."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid
from commentsvc.domain.models import Principal, Status
from commentsvc.privacy import retention
from commentsvc.service import Service, private_read
from commentsvc.sites import resolve
from commentsvc.storage.database import PrivateRead

MAX_DAYS: Final = 3650
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]


class Pruning(Struct, frozen=True, kw_only=True):
    """Which comments to erase: those that were decided so many days ago. None: of this status, no comment."""

    spam: Days | None = None
    trash: Days | None = None
    site: str | None = None


class Pruned(Struct, frozen=True):
    """Numbers of comments that were erased, or that would be."""

    spam: int
    trash: int

    @property
    def total(self) -> int:
        """The number of all of them."""
        return self.spam + self.trash


async def count_prunable(service: Service, who: Principal, pruning: Pruning) -> Pruned:
    """Return how many comments would be erased.

    Raises:
        Invalid: no status is given, or for the field ``site``: it is unknown.
    """
    sites = await _find_sites(service, who, pruning)
    return Pruned(
        **{
            status.value: await retention.count_old_comments(service, status, days, sites) if days else 0
            for status, days in _given(pruning).items()
        }
    )


async def prune(service: Service, who: Principal, pruning: Pruning, expect: int | None) -> Pruned:
    """Erase comments permanently, in pieces. ``expect`` is the number that the caller knows; None: any number.

    Raises:
        Invalid: see ``count_prunable``.
        ExpectationFailed: another number of comments matches. Nothing was erased.
    """
    sites = await _find_sites(service, who, pruning)
    if expect is not None:
        found = (await count_prunable(service, who, pruning)).total
        if found != expect:
            raise ExpectationFailed(f"Matching comments: {found:,}, not {expect:,}. Nothing was erased.")
    return Pruned(
        **{
            status.value: await retention.erase_old_comments(service, status, days, sites, who.actor) if days else 0
            for status, days in _given(pruning).items()
        }
    )


def _given(pruning: Pruning) -> Mapping[Status, int]:
    return {Status.SPAM: pruning.spam or 0, Status.TRASH: pruning.trash or 0}


async def _find_sites(service: Service, who: Principal, pruning: Pruning) -> Sequence[str] | None:
    if not (pruning.spam or pruning.trash):
        raise Invalid(FieldError("--spam", "required", "Give --spam 30d, --trash 30d or both."))
    return await _reachable(service, who, pruning.site)


@private_read
async def _reachable(unit: PrivateRead, who: Principal, site: str | None) -> Sequence[str] | None:
    return resolve.reachable_sites(await resolve.read_directory.within(unit), who, site)
