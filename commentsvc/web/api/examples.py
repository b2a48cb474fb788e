"""An example request and answer of every operation, recorded from a running service.

``make examples`` records them, and a test compares them with the answers of today.
"""

from importlib import resources
from typing import Any, Final

import msgspec

EXAMPLES: Final = resources.files("commentsvc.web.api") / "examples.json"


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and its answer. ``query`` and ``headers`` are the ones that it was sent with."""

    method: str
    address: str
    path: dict[str, str] = {}
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body: Any = None
    status: int
    answer: Any = None


def load_examples() -> dict[str, Example]:
    """Return the examples by the name of their operation."""
    if not EXAMPLES.is_file():
        return {}
    return msgspec.json.decode(EXAMPLES.read_bytes(), type=dict[str, Example])
