"""Define the settings of imports by upload."""

from typing import Annotated

from msgspec import Meta

from commentsvc.config.retention_settings import RetentionConfig


class ImportConfig(RetentionConfig, frozen=True, kw_only=True):
    """The settings of imports by upload. See ``Config``."""

    upload_folder: Annotated[
        str,
        Meta(
            description="Folder for archives that were uploaded to be imported. If empty: `uploads` beside an SQLite "
            "database. With PostgreSQL, uploads need this setting."
        ),
    ] = ""
    most_upload_mb: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Maximum size of an uploaded archive, in MiB.")
    ] = 2048
