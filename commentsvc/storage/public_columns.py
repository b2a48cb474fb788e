"""The columns that public connections may read."""

from typing import Final

# The database itself refuses all other tables and columns, so a new column is private.
PUBLIC_COLUMNS: Final = {
    "directory": ("id", "version"),
    "site": (
        *("id", "name", "rules_version", "closes_after_days", "earlier_names"),
        *("email_required", "website_field", "privacy_url", "consent_required"),
    ),
    "site_origin": ("origin", "site_id"),
    "thread": (
        *("id", "site_id", "key", "url", "title", "approved", "version", "published_at", "closed_at", "open_until"),
    ),
    "thread_name": ("site_id", "name", "thread_id"),
    "comment": (
        *("id", "site_id", "thread_id", "parent_id", "answered_id", "moderator_id", "depth", "path", "top"),
        *("name", "hue", "website", "html"),
        *("status", "version", "created_at", "edited_at", "published_at", "listed_at", "erased_at"),
    ),
}
