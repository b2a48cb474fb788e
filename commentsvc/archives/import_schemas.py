"""Request and response bodies for imports by upload."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from commentsvc.domain.fields import Id, SiteName, Time
from commentsvc.storage.import_jobs import JobState

ImportErrorCode: TypeAlias = Literal["unreadable", "nothing_read", "unbalanced", "interrupted", "internal", "file_gone"]
Zone: TypeAlias = Annotated[
    str, Meta(max_length=60, description="Time zone of dates without one, such as Europe/Lisbon.")
]


class ImportQuery(Struct, frozen=True, kw_only=True):
    """The choices of an import. The body is the file."""

    site: Annotated[SiteName, Meta(description="Omitted: the site of each page's own address.")] | None = None
    format: Annotated[str, Meta(max_length=30, description="Its format; auto: as its content says.")] = "auto"
    zone: Zone = "UTC"
    merge_duplicates: Annotated[
        bool, Meta(description="Import comments with the same author, second and text once.")
    ] = False
    keep_spam: Annotated[bool, Meta(description="Import spam and trash too, with these statuses.")] = False
    name: Annotated[str, Meta(max_length=300, description="Name of the file, for people.")] = ""


class ImportChoices(Struct, frozen=True, kw_only=True):
    """The options of an import, as they are stored."""

    zone: str = "UTC"
    merge_duplicates: bool = False
    keep_spam: bool = False
    is_whole: bool = False  # chosen by somebody with access to all sites


class ImportFault(Struct, frozen=True, kw_only=True):
    """Why an import failed."""

    code: ImportErrorCode
    detail: Annotated[str, Meta(description="In words.")]


class ImportBooks(Struct, frozen=True, kw_only=True):
    """Numbers of comments of an archive: ``read`` is the sum of the next four."""

    read: int
    imported: int
    statuses: Annotated[dict[str, int], Meta(description="Those imported, by status; empty: not counted.")] = field(
        default_factory=dict
    )
    merged: Annotated[int, Meta(description="Duplicates of another comment in the archive.")]
    existing: Annotated[int, Meta(description="Imported earlier, or erased since.")]
    left_out: Annotated[dict[str, int], Meta(description="By reason, such as spam or pingback.")]
    repairs: Annotated[dict[str, int], Meta(description="Numbers of repairs by kind.")]
    threads: Annotated[int, Meta(description="Threads that got a comment.")]
    threads_without_comments: int

    @property
    def balance(self) -> bool:
        """Return whether the sums agree."""
        return self.read == self.imported + self.merged + self.existing + sum(self.left_out.values())


class ImportRecord(Struct, frozen=True, kw_only=True):
    """An import. It is deleted after 7 days; its file as soon as all is imported."""

    id: Id
    site: Annotated[str | None, Meta(description="null: the site of each page's own address.")]
    format: Annotated[str, Meta(description="auto: not known yet.")]
    name: Annotated[str, Meta(description="The name of the file.")]
    bytes: int
    zone: Zone
    merge_duplicates: bool
    keep_spam: bool
    state: Annotated[
        JobState,
        Meta(description="checked: the dry run is done, and the import waits to be started."),
    ]
    progress: Annotated[int, Meta(description="How much of total is done.")]
    total: Annotated[int | None, Meta(description="null: not known.")]
    books: Annotated[ImportBooks | None, Meta(description="Counted by the dry run, or by the import once it is done.")]
    error: ImportFault | None
    created_at: Time
    started_at: Annotated[Time | None, Meta(description="The time when the dry run or the import began.")]
    finished_at: Time | None


class ImportList(Struct, frozen=True):
    """The imports of the last 7 days, newest first."""

    imports: list[ImportRecord]
