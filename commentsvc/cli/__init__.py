"""The command line and its exit codes."""

from typing import Final

DONE: Final = 0
REFUSED: Final = 1  # also: not found
MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h; argparse exits with 2 itself
