"""Define the settings of the metrics that Prometheus reads."""

from typing import Annotated

from msgspec import Meta

from commentsvc.config.verdict_settings import VerdictConfig


class MetricsConfig(VerdictConfig, frozen=True, kw_only=True):
    """The settings of metrics. See ``Config``."""

    metrics_token: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]{16,}$",
            description="Token with which `GET /metrics` answers: `Authorization: Bearer …`; at least 16 characters. "
            "If it and `COMMENTSVC_METRICS_LISTEN` are empty, nothing is measured.",
            extra={"expected": "at least 16 characters without spaces; make one with: openssl rand -hex 24"},
        ),
    ] = ""
    metrics_listen: Annotated[
        str,
        Meta(
            pattern=r"^(unix:/\S+|(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):\d{1,5})$",
            description="Where else to answer `GET /metrics`, without a token: `127.0.0.1:9464`, or "
            "`unix:/run/commentsvc/metrics.sock`. Only Prometheus should reach it.",
            extra={"expected": "an address and a port such as 127.0.0.1:9464, or unix:/run/commentsvc/metrics.sock"},
        ),
    ] = ""

    @property
    def measures(self) -> bool:
        """Return whether anybody can read metrics, so that they are kept."""
        return bool(self.metrics_token or self.metrics_listen)
