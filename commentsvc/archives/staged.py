"""The types that ``staging.py`` returns: places of comments in an archive, and pages."""

import msgspec


class StagedComment(msgspec.Struct, frozen=True):
    """The place of a comment in an archive, without its content. Times are milliseconds since 1970."""

    seq: int
    source: int
    id: str
    parent: str | None
    created_at: int | None
    twin: bytes | None  # equal for duplicates


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A page of a site that threads of an archive belong to."""

    number: int
    site_id: str
    name: str
    url: str | None
    title: str | None
    is_closed: bool
