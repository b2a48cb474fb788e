"""ALTCHA's proof of work, version 2, with PBKDF2: https://altcha.org/docs/v2/proof-of-work-captcha.

Compatible with ALTCHA's widget and libraries: they can solve and verify these challenges, and create challenges that
are accepted here.
"""

import base64
import hashlib
import hmac
import uuid
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from commentsvc.domain.crypto import Keyring, equal_in_constant_time
from commentsvc.rules.schemas import Challenge, ChallengeParameters

ROUNDS: Final = 1000  # for each attempt; creating a challenge takes one, solving it half of ``max_attempts`` on average
KEY_BYTES: Final = 32


class ProofState(StrEnum):
    """The result of checking a proof of work. ``INVALID``: not signed by us, not solved, or expired."""

    NOT_REQUIRED = "not_required"
    ABSENT = "absent"
    INVALID = "invalid"
    USED = "used"
    VALID = "valid"


def create_challenge(keyring: Keyring, form_id: str, max_attempts: int, expires_at: datetime) -> Challenge:
    """Return the challenge for a form: find the number below ``max_attempts`` whose key has this prefix.

    It is derived from the form's ID, so the same form always gets the same challenge.
    """
    signing, solving = keyring.work_keys[0]
    nonce = uuid.UUID(form_id).bytes
    seed = hmac.digest(signing.encode(), b"seed" + nonce, "sha256")
    salt, number = seed[:16], int.from_bytes(seed[16:24]) % max_attempts
    key = hashlib.pbkdf2_hmac("sha256", nonce + number.to_bytes(4), salt, ROUNDS, KEY_BYTES)
    parameters = ChallengeParameters(
        algorithm="PBKDF2/SHA-256",
        cost=ROUNDS,
        expires_at=int(expires_at.timestamp()),
        key_length=KEY_BYTES,
        key_prefix=key[: KEY_BYTES // 2].hex(),
        key_signature=_mac(solving, key),
        nonce=nonce.hex(),
        salt=salt.hex(),
    )
    return Challenge(parameters, _mac(signing, _canonical(parameters)))


class _Solution(msgspec.Struct, rename="camel"):
    derived_key: str


class _Payload(msgspec.Struct):
    challenge: Challenge
    solution: _Solution


def check_solution(keyring: Keyring, payload: str | None, now: datetime) -> tuple[ProofState, str | None]:
    """Return the state of a solution, and the name under which to record its use (None if it is not valid)."""
    if not payload:
        return ProofState.ABSENT, None
    try:
        answer = msgspec.json.decode(base64.b64decode(payload, validate=True), type=_Payload)
        key = bytes.fromhex(answer.solution.derived_key)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return ProofState.INVALID, None
    parameters = answer.challenge.parameters
    solved = any(_is_solution(answer.challenge, key, *keys) for keys in keyring.work_keys)
    if not solved or parameters.expires_at < now.timestamp():
        return ProofState.INVALID, None
    return ProofState.VALID, f"work:{parameters.nonce}"


def _is_solution(challenge: Challenge, key: bytes, signing: str, solving: str) -> bool:
    """Return whether the challenge is signed and this is its key, of which the client got only the first half."""
    return equal_in_constant_time(
        challenge.signature, _mac(signing, _canonical(challenge.parameters))
    ) and equal_in_constant_time(challenge.parameters.key_signature, _mac(solving, key))


def _canonical(parameters: ChallengeParameters) -> bytes:
    """Return the JSON that ALTCHA signs: no white space, sorted names."""
    return msgspec.json.encode(parameters, order="sorted")


def _mac(key: str, message: bytes) -> str:
    return hmac.digest(key.encode(), message, "sha256").hex()
