"""The command line."""

from commentsvc.processes.exit_codes import AWAY, DONE, INTERRUPTED, MISCONFIGURED, REFUSED, UNUSABLE

__all__ = ("AWAY", "DONE", "INTERRUPTED", "MISCONFIGURED", "REFUSED", "UNUSABLE")
