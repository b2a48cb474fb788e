"""Define the settings of how long personal data is kept. ``network_days`` is with the other settings of comments."""

from typing import Annotated

from msgspec import Meta

from commentsvc.config.backup_settings import BackupConfig


class RetentionConfig(BackupConfig, frozen=True, kw_only=True):
    """The settings of retention. See ``Config``."""

    spam_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Erase spam so many days after the decision; 30 or more if a person decided. `0`: keep it.",
        ),
    ] = 0
    trash_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Erase comments in the trash so many days after the decision; 30 or more if a person decided. "
            "`0`: keep them.",
        ),
    ] = 0
    contact_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description="Delete the email addresses of comments so many days after they were posted; the comments "
            "stay. `0`: as long as the comments.",
        ),
    ] = 0
    memory_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Days to keep the memory of spam after the spam was erased for its age: keyed hashes, no text. "
            "`0`: forget it with the comment.",
        ),
    ] = 365
