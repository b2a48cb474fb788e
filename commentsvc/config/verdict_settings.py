"""Define the settings of the external check: another program that is asked about new comments."""

from typing import Annotated, Literal

from msgspec import Meta

from commentsvc.config.delivery_settings import DeliveryConfig


class VerdictConfig(DeliveryConfig, frozen=True, kw_only=True):
    """The settings of the external check. See ``Config``."""

    verdict_url: Annotated[
        str,
        Meta(
            description="Address that is asked about each new comment: `https://check.example/verdict`; for Akismet "
            "`https://rest.akismet.com/1.1`. If empty, nothing is asked. See [external check](external-check.md)."
        ),
    ] = ""
    verdict_secret: Annotated[
        str,
        Meta(
            description="Secret that signs the questions (`whsec_…`, as webhooks have it), or the API key of Akismet. "
            "Required with `COMMENTSVC_VERDICT_URL`."
        ),
    ] = ""
    verdict_mode: Annotated[
        Literal["shadow", "enforce"],
        Meta(
            description="`shadow`: verdicts are shown to moderators, and compared with their decisions. `enforce`: "
            "they also change the status of comments that nobody has decided on."
        ),
    ] = "shadow"
    verdict_timeout: Annotated[
        int, Meta(ge=1, le=30, description="How many seconds an answer of the external check may take.")
    ] = 10
    verdict_dialect: Annotated[
        Literal["standard", "akismet"],
        Meta(description="The protocol of the external check: that of commentsvc, or Akismet's."),
    ] = "standard"
    verdict_send: Annotated[
        str,
        Meta(
            pattern=r"^(email|network)(\s+(email|network))*$",
            description="Personal data to send too, separated by spaces. `email`: an address that its "
            "commenter has confirmed. `network`: the /24 or /64 of the IP address, which Akismet requires.",
            extra={"expected": "email, network, or both separated by a space"},
        ),
    ] = ""

    @property
    def verdict_sends(self) -> frozenset[str]:
        """The personal data that questions have."""
        return frozenset(self.verdict_send.split())
