"""Help, and errors of usage: what argparse does not do by itself."""

import argparse
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from commentsvc.cli.escape import escape_line

HELP_COLUMN: Final = 28  # the longest names fit before it
QUOTED: Final = re.compile("'([^']*)'")


class UsageError(Exception):
    """The words of a command are wrong; the text says why."""

    def __init__(self, parser: argparse.ArgumentParser, text: str) -> None:
        super().__init__(escape_line(text))
        self.parser = parser

    def describe(self) -> str:
        """Return the usage of the command that was meant, and what is wrong."""
        return f"{self.parser.format_usage()}{self.parser.prog}: error: {self}\n{self.parser.prog} --help lists all.\n"


class CommandParser(argparse.ArgumentParser):
    """The parser of a command or of a group of commands. Options cannot be abbreviated: more may be added."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_HelpFormatter, **options)
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        """Report wrong usage.

        Raises:
            UsageError: always.
        """
        raise UsageError(self, _suggest_choice(message))

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words. ``parser`` of the result is the parser of the command or group that they name.

        Raises:
            UsageError: they are wrong.
        """
        arguments, unknown = self.parse_known_args(words)
        if unknown:
            parser: argparse.ArgumentParser = arguments.parser
            known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001 -- argparse offers no other way to its options
            close = get_close_matches(unknown[0].partition("=")[0], known, 1)
            advice = f". Did you mean {close[0]}?" if close else ""
            raise UsageError(parser, f"unknown arguments: {' '.join(unknown)}{advice}")
        return arguments


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=HELP_COLUMN)

    def _format_action(self, action: argparse.Action) -> str:
        """List the commands below the titles of their sections, if they have some."""
        sections: Mapping[str, Sequence[str]] | None = getattr(action, "sections", None)
        if sections is None:
            return super()._format_action(action)
        commands = {one.dest: one for one in self._iter_indented_subactions(action)}
        parts = []
        for title, names in sections.items():
            parts.append(f"  {title}:\n")
            self._indent()
            parts += [self._format_action(commands[name]) for name in names]
            self._dedent()
        return "".join(parts)


def _suggest_choice(message: str) -> str:
    """Add the closest choice to a message about a wrong one."""
    wrong, *choices = QUOTED.findall(message) if "invalid choice: " in message else [""]
    close = get_close_matches(wrong, choices, 1)
    return f"{message}. Did you mean {close[0]}?" if close else message
