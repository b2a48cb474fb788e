"""Define the settings of what leaves the service: mail and webhooks."""

from typing import Annotated, Literal

from msgspec import Meta

from commentsvc.config.import_settings import ImportConfig
from commentsvc.config.mail_server import MailFrom, MailServer, parse_mail_from, parse_smtp_url


class DeliveryConfig(ImportConfig, frozen=True, kw_only=True):
    """The settings of mail and webhooks. See ``Config``."""

    smtp_url: Annotated[
        str,
        Meta(
            description="Mail server: `smtp://user:password@host:587` (with STARTTLS), `smtps://…:465` (TLS from the "
            "start), or `smtp://host:25?tls=off`. If empty, no mail is sent."
        ),
    ] = ""
    mail_from: Annotated[
        str,
        Meta(
            description="Sender of all mails: `comments@example.com`, or `Comments <comments@example.com>`. Required "
            "with `COMMENTSVC_SMTP_URL`."
        ),
    ] = ""
    mail_minutes: Annotated[
        int,
        Meta(
            ge=1,
            le=1440,
            description="Minimum time between two mails about waiting comments to one moderator, in minutes. "
            "Moderators can choose another.",
        ),
    ] = 30
    delivery: Annotated[
        Literal["off", "on"],
        Meta(description="Whether `serve` sends mails and calls webhooks. `off`: `commentsvc work` does it."),
    ] = "on"
    outbound_allow: Annotated[
        str,
        Meta(
            description="Private networks that webhooks may reach all the same, separated by spaces: `10.0.0.0/8`. "
            "Addresses in settings need no permission."
        ),
    ] = ""

    @property
    def mail_server(self) -> MailServer | None:
        """The mail server; None if no mail is sent."""
        return parse_smtp_url(self.smtp_url) if self.smtp_url else None

    @property
    def mail_sender(self) -> MailFrom:
        """The sender of all mails.

        Raises:
            ConfigurationError: none is set.
        """
        return parse_mail_from(self.mail_from)
