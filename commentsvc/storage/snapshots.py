"""Limit how many snapshots a process reads at once."""

from typing import Final

SNAPSHOTS: Final = 2
SNAPSHOTS_BUSY: Final = "Two exports are running. Try again when one of them is done."
