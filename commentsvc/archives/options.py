"""The choices of a person who imports an archive."""

from datetime import UTC, tzinfo

from msgspec import Struct, field


class ImportOptions(Struct, frozen=True, kw_only=True):
    """Choices about how to import an archive."""

    site: str | None = None  # name; None: the site that has the pages' host, or the only one
    zone: tzinfo = UTC  # of times without a zone
    thread_map: dict[str, str] = field(default_factory=dict)  # thread id or address in the archive -> address here
    is_dry_run: bool = False
    merges_duplicates: bool = False
    keeps_spam: bool = False  # also imports what is in spam and trash, with that status
