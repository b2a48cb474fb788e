"""Define the settings of daily backups."""

from typing import Annotated

from msgspec import Meta, Struct


class BackupConfig(Struct, frozen=True, kw_only=True):
    """The settings of backups, with SQLite. See ``Config``."""

    backup_folder: Annotated[
        str,
        Meta(
            description="With SQLite: folder for a backup a day, on another disk if possible. If empty, none is made."
        ),
    ] = ""
    backup_keep: Annotated[
        int,
        Meta(ge=1, le=3650, description="How many backups to keep in this folder. Older ones are deleted."),
    ] = 14
    backup_at: Annotated[
        str,
        Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="When the daily backup is made, in UTC: `03:10`."),
    ] = "03:10"
