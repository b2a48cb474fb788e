"""Let Python look for garbage less often during an import."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# New objects after which Python looks for cycles. Comments have none, and looking took 7 % of the time of an import.
OBJECTS: Final = 50_000


@contextmanager
def collect_rarely() -> Iterator[None]:
    """Look for cycles of objects less often in this block."""
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
