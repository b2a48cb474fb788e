"""Signatures of webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- no secret
SECRET_BYTES: Final = 32  # the specification asks for 24 to 64
ID_PREFIX: Final = "msg_"


def new_secret() -> str:
    """Return a new secret: ``whsec_`` and random bytes in Base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def message_id(parcel_id: str) -> str:
    """Return the ``webhook-id`` of a parcel. Every attempt has the same one."""
    return ID_PREFIX + parcel_id


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a request: ``v1,`` and HMAC-SHA-256 in Base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed_headers(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> Mapping[str, str]:
    """Return the headers of a request: its id, the time of the attempt (Unix), and a signature with each secret."""
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, webhook_id, timestamp, body) for secret in keys),
    }
