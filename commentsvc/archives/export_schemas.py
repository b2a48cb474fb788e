"""The query of an export."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from commentsvc.archives.schemas import Contacts
from commentsvc.domain.fields import SiteName


class ExportFormat(StrEnum):
    """A format that we write."""

    JSONL = "jsonl"
    CSV = "csv"
    WXR = "wxr"


class ExportQuery(Struct, frozen=True, kw_only=True):
    """The choices of an export."""

    site: Annotated[SiteName, Meta(description="Only this site. A key for some sites must name one.")] | None = None
    format: Annotated[
        ExportFormat, Meta(description="jsonl: everything. csv: a table. wxr: comments of one site for WordPress.")
    ] = ExportFormat.JSONL
    contacts: (
        Annotated[
            Contacts,
            Meta(
                description="Email addresses: none, sealed (encrypted as they are stored; only jsonl), or clear, which "
                "needs scope `admin`. The default is sealed with jsonl, and otherwise none."
            ),
        ]
        | None
    ) = None
