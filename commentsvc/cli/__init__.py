"""The command line and its exit codes."""

from typing import Final

DONE: Final = 0
REFUSED: Final = 1  # also: not found
AWAY: Final = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h; argparse exits with 2 itself
