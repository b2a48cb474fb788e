"""What a form can show for itself: when it was opened, and that somebody's device worked for it.

The work is ALTCHA's proof of work, second version, with PBKDF2 (https://altcha.org/docs/v2/proof-of-work-captcha):
its widget and its libraries solve and check what is made here, and make what is checked here.
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

ROUNDS: Final = 1000  # of one try; making a challenge takes one, solving it half of ``tries`` on average
KEY_BYTES: Final = 32


class ProofState(StrEnum):
    """What a form shows of the work that was asked for; ``WRONG`` is not ours, not done, or done too late."""

    NOT_ASKED = "not_asked"
    ABSENT = "absent"
    WRONG = "wrong"
    USED = "used"
    DONE = "done"


def create_challenge(keyring: Keyring, form_id: str, tries: int, until: datetime) -> Challenge:
    """Ask for the number below ``tries`` that makes a key with this prefix. Derived: each form has its own."""
    signing, solving = keyring.work_keys[0]
    nonce = uuid.UUID(form_id).bytes
    seed = hmac.digest(signing.encode(), b"seed" + nonce, "sha256")
    salt, number = seed[:16], int.from_bytes(seed[16:24]) % tries
    key = hashlib.pbkdf2_hmac("sha256", nonce + number.to_bytes(4), salt, ROUNDS, KEY_BYTES)
    parameters = ChallengeParameters(
        algorithm="PBKDF2/SHA-256",
        cost=ROUNDS,
        expires_at=int(until.timestamp()),
        key_length=KEY_BYTES,
        key_prefix=key[: KEY_BYTES // 2].hex(),
        key_signature=_mac(solving, key),
        nonce=nonce.hex(),
        salt=salt.hex(),
    )
    return Challenge(parameters, _mac(signing, _canonical(parameters)))


class _Solution(msgspec.Struct, rename="camel"):
    derived_key: str


class _Answer(msgspec.Struct):
    challenge: Challenge
    solution: _Solution


def check_solution(keyring: Keyring, payload: str | None, now: datetime) -> tuple[ProofState, str | None]:
    """What an answer to a challenge shows, and the name to be used up by sending it."""
    if not payload:
        return ProofState.ABSENT, None
    try:
        answer = msgspec.json.decode(base64.b64decode(payload, validate=True), type=_Answer)
        key = bytes.fromhex(answer.solution.derived_key)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return ProofState.WRONG, None
    parameters = answer.challenge.parameters
    ours = any(_answers(answer.challenge, key, *keys) for keys in keyring.work_keys)
    if not ours or parameters.expires_at < now.timestamp():
        return ProofState.WRONG, None
    return ProofState.DONE, f"work:{parameters.nonce}"


def _answers(asked: Challenge, key: bytes, signing: str, solving: str) -> bool:
    """Whether a challenge is signed, and this is the key that was looked for: only its first half was told."""
    return equal_in_constant_time(
        asked.signature, _mac(signing, _canonical(asked.parameters))
    ) and equal_in_constant_time(asked.parameters.key_signature, _mac(solving, key))


def _canonical(parameters: ChallengeParameters) -> bytes:
    """As ALTCHA signs them: JSON without white space, its names in order."""
    return msgspec.json.encode(parameters, order="sorted")


def _mac(key: str, message: bytes) -> str:
    return hmac.digest(key.encode(), message, "sha256").hex()
