"""The exit codes of processes."""

from typing import Final

DONE: Final = 0
REFUSED: Final = 1  # also: not found
FAILED: Final = 1
AWAY: Final = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later
UNUSABLE: Final = 2  # wrong usage, as argparse exits
MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h
INTERRUPTED: Final = 130  # by Ctrl+C, as a shell reports it: 128 + SIGINT
