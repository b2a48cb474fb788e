"""Check the settings of the external check."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from commentsvc.config import PREFIX
from commentsvc.config.verdict_settings import VerdictConfig

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- no secret
LEAST_BYTES: Final = 24  # of a secret: https://github.com/standard-webhooks/standard-webhooks
NEW_SECRET: Final = 'echo "whsec_$(openssl rand -base64 32)"'  # noqa: S105 -- a command
# Names of hosts in a private network: containers have no dot, the endings are in RFC 6762 and RFC 8375.
PRIVATE_NAME: Final = re.compile(r"[^.]+\.?|.*\.(localhost|local|internal|home\.arpa)\.?", re.IGNORECASE)


def find_verdict_faults(config: VerdictConfig) -> Iterator[str]:
    """Yield one sentence for each fault of the settings of the external check."""
    if not config.verdict_url:
        return
    yield from _check_address(config.verdict_url)
    yield from _check_secret(config)
    if config.verdict_dialect == "akismet" and "network" not in config.verdict_sends:
        yield (
            f"{PREFIX}VERDICT_SEND must have network with Akismet: its protocol requires an IP address. "
            "It gets the network (/24 or /64) of the commenter."
        )


def _check_address(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in {"http", "https"} or re.search(r"[\s\x00-\x20\x7f#]", text):
        yield f"{PREFIX}VERDICT_URL must be one address, such as https://check.example/verdict."
    elif parts.username is not None:
        yield f"{PREFIX}VERDICT_URL must have no user name. Use {PREFIX}VERDICT_SECRET."
    elif parts.scheme == "http" and not _is_private(host):
        yield f"{PREFIX}VERDICT_URL sends comments over the internet unencrypted. Use https."


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return PRIVATE_NAME.fullmatch(host) is not None


def _check_secret(config: VerdictConfig) -> Iterator[str]:
    secret = config.verdict_secret
    if config.verdict_dialect == "akismet":
        if not re.fullmatch(r"[\w-]+", secret, re.ASCII):
            yield f"{PREFIX}VERDICT_SECRET must be the API key of Akismet: https://akismet.com/account/"
        return
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) < LEAST_BYTES:
        yield (
            f"{PREFIX}VERDICT_SECRET must be whsec_ and at least {LEAST_BYTES} bytes in Base64. "
            f"Create one with: {NEW_SECRET}"
        )
