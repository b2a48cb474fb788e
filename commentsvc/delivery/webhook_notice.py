"""The contents of the mail that says that a webhook was switched off, since its requests failed."""

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.service import private_read
from commentsvc.storage import moderators, preferences, webhooks
from commentsvc.storage.database import PrivateRead


class Notice(Struct, frozen=True, kw_only=True):
    """A webhook that was switched off, and the moderator to tell."""

    to: Email
    language: str | None
    webhook_id: str
    host: str  # the rest of the address may be a secret
    is_gone: bool  # the receiver answered that it does not exist any more


@private_read
async def load_notice(unit: PrivateRead, parcel: Parcel) -> Notice | None:
    """Return what a parcel says; None if the webhook works again, or the moderator was removed."""
    if parcel.email_sealed is None or parcel.owner is None or await moderators.get_name(unit, parcel.owner) is None:
        return None
    webhook = await webhooks.get(unit, msgspec.json.decode(parcel.detail)["webhook"])
    if webhook is None or webhook.disabled_for not in {"failing", "gone"}:
        return None
    url = unit.keyring.decrypt_text(webhook.url_sealed)
    chosen = await preferences.get(unit, parcel.owner)
    return Notice(
        to=unit.keyring.unseal(parcel.email_sealed),
        language=(chosen["language"] or None) if chosen else None,
        webhook_id=webhook.id,
        host=(urlsplit(url).hostname if url else None) or "",
        is_gone=webhook.disabled_for == "gone",
    )
