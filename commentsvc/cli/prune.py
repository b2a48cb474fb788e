"""Run the command that erases old spam and trash."""

import argparse
import re
from typing import Final

from commentsvc import app
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.terminal import CommandResult
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid
from commentsvc.operations import free_space, maintenance
from commentsvc.operations.free_space import FreeSpace
from commentsvc.privacy import prune
from commentsvc.privacy.prune import MAX_DAYS, Pruned, Pruning

DAYS: Final = re.compile("([0-9]{1,4})d?")


async def prune_comments(config: Config, arguments: argparse.Namespace) -> CommandResult:
    """Erase old comments, then give the space back unless a server runs.

    Raises:
        Invalid: a value is not valid.
        ExpectationFailed: nobody confirmed it, or another number of comments matches.
    """
    pruning = Pruning(
        spam=_read_days("--spam", arguments.spam), trash=_read_days("--trash", arguments.trash), site=arguments.site
    )
    async with app.open_service(config) as service:
        if not arguments.yes and arguments.expect is None:
            found = await prune.count_prunable(service, OPERATOR, pruning)
            if arguments.dry_run:
                return CommandResult(found, f"{_describe(found, 'Would be erased')} Nothing was changed.")
            raise ExpectationFailed(
                f"{_describe(found, 'Matching comments')} To erase them permanently, add: --expect {found.total}"
            )
        done = await prune.prune(service, OPERATOR, pruning, arguments.expect)
        if done.total:
            await maintenance.finish_erasing(service)
    space = await free_space.give_back(config)
    data = {"spam": done.spam, "trash": done.trash, "space": space}
    return CommandResult(data, f"{_describe(done, 'Erased')}{_describe_space(space)}")


def _read_days(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    match = DAYS.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= MAX_DAYS:
        raise Invalid(FieldError(option, "invalid", f"Give a number of days from 1 to {MAX_DAYS}, such as 30d."))
    return int(match[1])


def _describe(found: Pruned, words: str) -> str:
    return f"{words}: {found.total:,} ({found.spam:,} spam, {found.trash:,} in the trash)."


def _describe_space(space: FreeSpace | None) -> str:
    if space is None:
        return ""
    if space.after < space.before:
        return f"\nThe database file has {space.after:,} bytes now; before, {space.before:,}."
    if space.waits:
        return (
            "\nThe database file keeps its size, and new comments use the free space in it. "
            "To give it back to the disk, stop the service and run this command again."
        )
    return ""
