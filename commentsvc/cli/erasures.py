"""Run the command that applies a journal of erasures."""

import argparse
from pathlib import Path
from typing import Final

from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.domain.errors import ConfigurationError, NotFound
from commentsvc.operations import erasures
from commentsvc.service import Service
from commentsvc.storage.erasure_journal import ErasureJournal, find_journal


async def _apply_journal(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    journal = ErasureJournal(Path(arguments.file)) if arguments.file else find_journal(service.config)
    if journal is None:
        raise ConfigurationError("COMMENTSVC_ERASURE_JOURNAL names no file. Name one: commentsvc erasures apply FILE")
    if not journal.path.exists():
        raise NotFound(f"There is no journal of erasures at {journal.path}.")
    done = await erasures.apply_journal(service, journal)
    return CommandResult(
        done,
        f"Erased again: {done.comments:,} comments, {done.threads:,} threads, {done.addresses:,} addresses.",
    )


COMMANDS: Final[Commands] = {("erasures", "apply"): _apply_journal}
